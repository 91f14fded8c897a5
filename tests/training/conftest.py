"""Here the digits have attributes, so that every method can train on them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from harness import datasets
from harness.datasets import ImageData


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
