"""Small trials on digits, what a training left behind, and learners to look into."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness import methods, trials
from harness.config import TrialConfig
from harness.training import train
from harness.training.data import TrialData
from harness.training.learner import build_learner

SMALL = {
    "dataset": "digits",
    "encoder": "small",
    "initialisation": "random",
    "image_size": 8,
    "train_limit": 256,
    "test_limit": 128,
    "batch_size": 64,
    "bank_size": 256,
    "projector_hidden": 32,
    "projection_dimension": 16,
    "epochs": 2,
    "eval_every": 1,
    "lr": 0.1,
    "weight": 0.5,
    "device": "cpu",
    "threads": 1,  # of this process and of those it starts: sums must not be split differently
}
STEPS = 4  # an epoch, with these limits
VARIANTS = [
    *((name, {}) for name in methods.names()),
    ("supfine", {"supfine_loss": "supcon"}),
    ("maskcon_attributes", {"attribute_similarity": "euclidean"}),
]
VOLATILE = (
    "attempts",
    "deaths",
    "seconds",
    "time",
    "first_step",
    "finished",
    "notes",
    "metrics",
)  # of a result or a metric line; the rest is reproducible


@dataclass(frozen=True)
class Trained:
    """What a finished trial's directory holds that another training of it must hold, too."""

    lines: list[dict[str, Any]]  # of metrics.jsonl
    result: dict[str, Any]
    encoder: dict[str, Tensor]
    features: np.ndarray  # (T, F)


def small(method: str = "maskcon", **changes: Any) -> TrialConfig:
    """A trial of two epochs of four steps, a tenth of a second."""
    return TrialConfig(**{**SMALL, "method": method, **changes})


def run(trial: TrialConfig, directory: Path, **callbacks: Any) -> Trained:
    """Train a trial to its end, from wherever its directory stands."""
    result = train(trial, directory, **callbacks)
    found = finished(directory)
    assert found.result == stable(result)
    return found


@functools.cache
def undisturbed(method: str = "maskcon", **changes: Any) -> Trained:
    """`small(method, **changes)` trained in one go, in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        return run(small(method, **changes), Path(directory))


def finished(directory: Path) -> Trained:
    """Read a finished trial's directory. Its result and metrics.jsonl must tell the same epochs."""
    result = trials.read_json(directory / trials.RESULT)
    lines = trials.read_metrics(directory / trials.METRICS)
    assert result["metrics"] == lines
    encoder = torch.load(directory / trials.ENCODER, weights_only=True)
    with np.load(directory / trials.FEATURES) as features:
        return Trained([stable(line) for line in lines], stable(result), encoder, features["features"])


def assert_same_training(found: Trained, expected: Trained) -> None:
    """Bit for bit: metrics, result, encoder and features."""
    assert found.lines == expected.lines
    assert found.result == expected.result
    assert same_weights(found, expected)
    assert np.array_equal(found.features, expected.features)


def same_weights(found: Trained, expected: Trained) -> bool:
    """Whether two encoders are the same, bit for bit."""
    return same_tensors(found.encoder, expected.encoder)


def same_tensors(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    """Whether two state dicts hold the same, bit for bit."""
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def stable(content: dict[str, Any]) -> dict[str, Any]:
    """What two trainings of one trial have in common."""
    return {name: value for name, value in content.items() if name not in VOLATILE}


def learner_and_data(trial: TrialConfig) -> tuple[nn.Module, TrialData]:
    """A trial's learner before its first step, in training mode, and its data."""
    data = TrialData(trial, methods.load(trial.method).label_source, torch.device("cpu"))
    return build_learner(trial, data).train(), data


def variant_id(value: Any) -> str:
    """What pytest prints for a half of a variant."""
    return value if isinstance(value, str) else "-".join(value.values()) or "default"
