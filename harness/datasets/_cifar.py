"""Reading the python version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets import _pickles

MEAN_10, STD_10 = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
MEAN_100, STD_100 = (0.507, 0.487, 0.441), (0.267, 0.256, 0.276)


def read_pickle(path: Path) -> dict[str, Any]:
    """One batch file. Raises UsageError that names the file where it is not what it should be."""
    return _pickles.read(path, "a CIFAR batch")


def images(batch: dict[str, Any]) -> np.ndarray:
    """The pixels of a batch. (N, 3, 32, 32) uint8"""
    return np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)


def labels(batch: dict[str, Any], kind: str) -> np.ndarray:
    """Labels of a batch; `kind` is its key in the file. (N,) int64"""
    return np.asarray(batch[kind], dtype=np.int64)


def views(trial: Any) -> dict[str, tuple]:
    """Both views at 32 px (paper appendix A.1): weak is crop and flip, strong adds AutoAugment's CIFAR-10 policy."""
    weak: tuple = (("random_resized_crop", {"size": trial.image_size, "scale": (0.2, 1.0)}), ("horizontal_flip", {}))
    return {"weak": weak, "strong": (*weak, ("autoaugment", {"policy": trial.policy}))}
