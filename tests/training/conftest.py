"""Here the digits have attributes, so that every method can train on them; and a trial on photographs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness import config, datasets
from harness.config import TrialConfig
from harness.datasets import ImageData

from ..datasets import genuine


@pytest.fixture(autouse=True)
def digits_have_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven made-up ones of 0 and 1, unrelated to any label."""
    digits = datasets.load("digits")
    read = digits.read

    def with_attributes(root: Path, grouping: str) -> ImageData:
        found = read(root, grouping)
        made_up = np.random.default_rng(0).integers(0, 2, (len(found.train_fine), 7)).astype(np.float32)
        return dataclasses.replace(found, train_attributes=made_up)

    monkeypatch.setattr(digits, "read", with_attributes)


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialConfig:
    """A trial on a small Cars196 with photographs of several shapes."""
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_cars(tmp_path / "data")))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "decoded"))
    folder = tmp_path / "data" / "stanford_cars"
    shapes = [(40, 32), (64, 40), (30, 50), (48, 48)]
    for number, path in enumerate(sorted([*folder.glob("cars_train/*.jpg"), *folder.glob("cars_test/*.jpg")])):
        genuine.write_photo(path, number, *shapes[number % 4])
    settings = {"encoder": "small", "initialisation": "random", "image_size": 20, "stored_side": 28, "batch_size": 16}
    return config.resolve("cars196", "maskcon", overrides=settings | {"bank_size": 32})
