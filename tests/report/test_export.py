"""Features of one's own images, and the encoder as a file to hand on."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from harness import config, export, trials
from harness.errors import UsageError
from harness.training.data import TrialData
from harness.training.loop import embed as embedded
from tests import builders

TRIAL = config.resolve("digits", "maskcon", seed=3, overrides={"epochs": 2, "test_limit": 12})


@pytest.fixture(scope="module")
def data():
    """Twelve test images of digits, as the trainer has them."""
    return TrialData(TRIAL, "coarse", torch.device("cpu"))


def trained(workspace, trial=TRIAL):
    """A finished trial with an encoder: (its id, the encoder)"""
    directory = builders.finished_trial(workspace, trial, 0.875)
    return directory.name, builders.encoder_files(directory)


def saved(folder, images):
    """Grey images (N, 1, H, W) as PNG files below a folder, in two levels of it."""
    (folder / "deeper").mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image[0].numpy()).save(folder / ("deeper" if number % 2 else ".") / f"{number:02}.png")
    return folder


def rows(path):
    """{path: features} of either format"""
    if path.suffix == ".npz":
        content = np.load(path)
        return dict(zip(content["path"].tolist(), content["features"], strict=True))
    table = pd.read_parquet(path)
    return dict(zip(table["path"], table["features"], strict=True))


@pytest.mark.parametrize("name", ["features.parquet", "features.npz", "new/folder/features.npz"])
def test_features_are_those_that_the_trainer_evaluates(tmp_path, data, name):
    trial_id, encoder = trained(tmp_path)
    count = export.embed(tmp_path, trial_id, saved(tmp_path / "images", data.test_images), tmp_path / name)
    expected = embedded(encoder, data.test_images, data, TRIAL).numpy()
    found = rows(tmp_path / name)
    assert count == len(found) == 12
    for number, features in enumerate(expected):
        mine = found[f"deeper/{number:02}.png" if number % 2 else f"{number:02}.png"]
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, features, rtol=1e-4, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01  # or anything would do


def test_an_image_of_another_shape_is_cut_to_its_centre(tmp_path, data):
    trial_id, _ = trained(tmp_path)
    images = tmp_path / "images"
    images.mkdir()
    digit = data.test_images[0, 0].numpy()
    padded = np.pad(digit, ((0, 0), (4, 4)), constant_values=255)
    for name, pixels in {"digit": digit, "wide": padded, "tall": np.pad(digit, ((6, 6), (0, 0)))}.items():
        Image.fromarray(pixels).save(images / f"{name}.png")
    Image.fromarray(np.stack([digit] * 3, axis=2)).save(images / "colour.bmp")
    export.embed(tmp_path, trial_id, images, tmp_path / "features.npz")
    found = rows(tmp_path / "features.npz")
    assert len(found) == 4
    for name in ("wide.png", "tall.png", "colour.bmp"):
        np.testing.assert_allclose(found[name], found["digit.png"], rtol=1e-4, atol=1e-4)


def test_other_files_between_the_images_are_left_out(tmp_path, data):
    trial_id, _ = trained(tmp_path)
    folder = saved(tmp_path / "images", data.test_images[:2])
    (folder / "notes.txt").write_text("no image")
    (folder / "00.png").rename(folder / "00.PNG")
    export.embed(tmp_path, trial_id[:6], folder, tmp_path / "features.npz")
    assert sorted(rows(tmp_path / "features.npz")) == ["00.PNG", "deeper/01.png"]


def damaged_image(folder, how):
    """A file named like an image: cut off, empty, or something else."""
    folder.mkdir()
    path = folder / "broken.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    path.write_bytes(
        {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"no image", "flipped": bytes(flipped)}[how]
    )
    return folder


@pytest.mark.parametrize("how", ["cut", "empty", "text", "flipped"])
def test_an_unreadable_image_is_named_and_nothing_is_written(tmp_path, how):
    trial_id, _ = trained(tmp_path)
    with pytest.raises(UsageError, match=r"broken\.png cannot be read as an image"):
        export.embed(tmp_path, trial_id, damaged_image(tmp_path / "images", how), tmp_path / "features.npz")
    assert not (tmp_path / "features.npz").exists()


def test_a_folder_without_images_a_missing_folder_and_a_wrong_ending_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty holds no images"):
        export.embed(tmp_path, "0", tmp_path / "empty", tmp_path / "features.npz")
    with pytest.raises(UsageError, match="nowhere is no folder"):
        export.embed(tmp_path, "0", tmp_path / "nowhere", tmp_path / "features.npz")
    with pytest.raises(UsageError, match=r"features\.csv: its ending must be \.parquet or \.npz"):
        export.embed(tmp_path, "0", tmp_path / "empty", tmp_path / "features.csv")


def test_a_trial_that_cannot_embed_is_refused_with_the_reason(tmp_path):
    done, other = TRIAL, TRIAL.replace(seed=4)
    builders.unfinished_trial(tmp_path, other, epoch=1)
    with pytest.raises(UsageError, match="is unfinished: only a finished trial"):
        export.load_encoder(tmp_path, other.trial_id)
    with pytest.raises(UsageError, match="names no trial"):
        export.load_encoder(tmp_path, "zzz")
    trained(tmp_path, done)
    with pytest.raises(UsageError, match="2 trials begin with it"):
        export.load_encoder(tmp_path, "")


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_an_encoder_that_is_missing_or_damaged_is_named(tmp_path, content):
    trial_id, _ = trained(tmp_path)
    path = tmp_path / "trials" / trial_id / trials.ENCODER
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        export.load_encoder(tmp_path, trial_id)
    assert trials.ENCODER in str(refused.value)


def test_an_exported_encoder_loads_back_equal(tmp_path):
    trial_id, encoder = trained(tmp_path)
    folder = export.export(tmp_path, trial_id, tmp_path / "exported")
    assert {path.name for path in folder.iterdir()} == {"encoder.safetensors", "config.json", "README.md"}
    again, expected = load_file(folder / "encoder.safetensors"), encoder.state_dict()
    assert again.keys() == expected.keys()
    assert all(torch.equal(again[name], expected[name]) for name in expected)
    assert config.from_dict(trials.read_json(folder / "config.json")) == TRIAL


def test_the_model_card_says_what_it_is_how_good_and_its_code_loads_it(tmp_path, monkeypatch, data):
    trial_id, encoder = trained(tmp_path)
    folder = export.export(tmp_path, trial_id, tmp_path / "exported")
    card = (folder / "README.md").read_text()
    assert card.startswith("# MaskCon encoder (small) trained on Digits\n")
    assert trial_id in card
    assert "| 1 | 87.50 |" in card
    assert "Recall@K on 12 test images, percent" in card
    assert "not the paper's network" in card
    assert str(tmp_path) not in card
    assert max(map(len, card.splitlines())) < 400
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(code, names)
    images = data.normalise(data.test_images.float())
    with torch.no_grad():
        torch.testing.assert_close(names["encoder"](images), encoder(images))


def test_a_trial_directory_from_elsewhere_can_be_exported(tmp_path):
    trial_id, _ = trained(tmp_path / "there")
    shutil.move(tmp_path / "there" / "trials" / trial_id, tmp_path / "brought")
    folder = export.export(tmp_path, str(tmp_path / "brought"), tmp_path / "exported")
    assert (folder / "encoder.safetensors").is_file()


def test_without_a_folder_the_encoder_goes_beside_where_one_is(tmp_path, monkeypatch):
    trial_id, _ = trained(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert export.export(tmp_path, trial_id, None).resolve() == tmp_path / f"exported-{trial_id}"
