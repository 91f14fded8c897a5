"""Each dataset from files in the genuine layout to an epoch of a tiny encoder, a report and features."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from harness import config, datasets, export, plan, report, trials
from harness.training import train
from tests.datasets import genuine

TINY = {
    "encoder": "small", "initialisation": "random", "image_size": 16, "stored_side": 32, "epochs": 1, "batch_size": 16,
    "bank_size": 32, "projector_hidden": 16, "projection_dimension": 8, "train_limit": "none",
}  # fmt: skip
WRITTEN = {
    "cifar100": genuine.write_cifar100,
    "cifartoy": genuine.write_cifar10,
    "imagenet32": genuine.write_imagenet32,
    "sop-split1": genuine.write_sop,
    "sop-split2": genuine.write_sop,
    "cars196": genuine.write_cars,
    "cub20": genuine.write_cub,
    "cub50": genuine.write_cub,
    "cub200": genuine.write_cub,
}
REPORTED = ("cifartoy", "sop-split1", "cub20")  # a report takes ten seconds: several groupings, an open set, attributes
SPEC = """
title = "{dataset}, a tiny run"
dataset = "{dataset}"
preset = "{preset}"
seeds = 1
[settings]
draw = "redrawn"
[[cells]]
method = "selfcon"
[[cells]]
method = "maskcon"
weight = [0.5, 1]
"""
ATTRIBUTES = """
[[cells]]
method = "maskcon_attributes"
attribute_weight = [0.5, 1]
"""


def photographs_tested(trial, tmp_path):
    """A folder of the trial's test photographs, in their order."""
    settings = config.from_dict(json.loads((trial / "config.json").read_text())["settings"])
    found = datasets.listing(settings)
    (tmp_path / "tested").mkdir()
    for number, path in enumerate(found.test_paths):
        shutil.copy(found.root / path, tmp_path / "tested" / f"{number:04}.jpg")
    return tmp_path / "tested"


def test_every_dataset_is_among_these():
    assert set(datasets.names()) == {*WRITTEN, "digits", "folder"}, "digits and folder have tests of their own"


@pytest.mark.parametrize("dataset", WRITTEN)
def test_a_dataset_trains_and_is_reported(dataset, tmp_path, monkeypatch):
    WRITTEN[dataset](tmp_path / "data")
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "decoded"))
    birds = dataset.startswith("cub")
    path, workspace = tmp_path / f"{dataset}-tiny.toml", tmp_path / "w"
    path.write_text(SPEC.format(dataset=dataset, preset="student" if birds else "paper") + ATTRIBUTES * birds)
    sweep = plan.load_spec(str(path), [f"{name}={value}" for name, value in TINY.items()], None, workspace)
    results = [train(trial, trials.directory(workspace, trial)) for trial in sweep.trials()]
    assert len(results) == (5 if birds else 3)
    for result in results:
        last = result["metrics"][-1]
        within = {name: value for name, value in last.items() if "_within_" in name}
        assert within
        assert all(value >= last[name.partition("_within_")[0]] for name, value in within.items())
    if dataset in REPORTED:
        folder = report.write(sweep, workspace).folder
        assert f"{dataset}, a tiny run" in (folder / "extra.md").read_text()
        assert all("not trained" not in (folder / name).read_text() for name in ("extra.md", "within.md"))
        assert ("attribute_weight 0.5" in (folder / "extra.md").read_text()) == birds
    if datasets.of_photographs(dataset):
        trial = next((workspace / "trials").iterdir())
        export.embed(workspace, trial.name, photographs_tested(trial, tmp_path), tmp_path / "e.npz")
        kept, mine = np.load(trial / "features.npz")["features"], np.load(tmp_path / "e.npz")["features"]
        np.testing.assert_allclose(mine, kept.astype(np.float32), rtol=2e-2, atol=2e-3)
