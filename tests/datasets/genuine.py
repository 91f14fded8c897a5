"""Small files in CIFAR's genuine layout, and the real ones where HARNESS_DATA names them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest


def real_data(folder: str) -> Path:
    """The folder of real files, or a skip (a failure in CI, which has them)."""
    root = Path(os.environ.get("HARNESS_DATA", "data")).resolve()
    if not (root / folder).is_dir():
        pytest.skip(f"needs {folder} below HARNESS_DATA")
    return root


def write_cifar100(root: Path, count: int = 40, seed: int = 0) -> Path:
    """`count` training and test images of random pixels in the standard python layout."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for split in ("train", "test"):
        batch = {
            "filenames": [f"{number}.png" for number in range(count)],
            "batch_label": f"{split} batch",
            "fine_labels": [number % 100 for number in range(count)],
            "coarse_labels": [number % 20 for number in range(count)],
            "data": draw.integers(0, 256, (count, 3072), dtype=np.uint8),
        }
        (folder / split).write_bytes(pickle.dumps(batch, protocol=2))
    names = {
        "fine_label_names": [f"f{i}" for i in range(100)],
        "coarse_label_names": [f"c{i}" for i in range(20)],
    }
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    return root


def write_cifar10(root: Path, count: int = 50) -> Path:
    """Five batches and a test batch of `count` images each; label i of each batch is i modulo 10."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        data = np.repeat(np.arange(count, dtype=np.uint8)[:, None], 3072, axis=1)
        batch = {"labels": [number % 10 for number in range(count)], "data": data, "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["x"] * 10}, protocol=2))
    return root
