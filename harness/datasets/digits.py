"""Digits: scikit-learn's bundled handwritten digits, 1,797 real images of 8 × 8 pixels; nothing to download.

The embedded default for trying everything in minutes. Coarse classes (our grouping, `loops`): digits drawn with a closed
loop (0, 6, 8, 9) and those without (1, 2, 3, 4, 5, 7). Every fourth image is a test image. Nobody has published results on
it, and its small encoder and few epochs say nothing about the paper's.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from harness.datasets import DataFile, ImageData
from harness.errors import MissingData

title = "Digits"
train_size, test_size = 1_348, 449
classes = (2, 10)
source = "scikit-learn's load_digits: the test part of Optical Recognition of Handwritten Digits (UCI)"
licence = "CC BY 4.0"
url = None
how_to_get = "Nothing to fetch: the images come with scikit-learn."
digest = "sklearn-digits-1797"
groupings = ("loops",)
settings = {
    "encoder": "small",
    "initialisation": "random",
    "image_size": 8,
    "epochs": 20,
    "lr": 0.1,
    "bank_size": 1024,
    "eval_every": 5,
}
mean, std = (0.305,), (0.376,)
_LOOPS = (0, 6, 8, 9)


def files() -> tuple[DataFile, ...]:
    """None: the images come with scikit-learn."""
    return ()


def views(trial: Any) -> dict[str, tuple]:
    """No flips: a mirrored digit is no digit."""
    weak = (("random_resized_crop", {"size": trial.image_size, "scale": (0.5, 1.0)}),)
    return {"weak": weak, "strong": (*weak, ("rotation", {"degrees": 20, "fill": 0}))}


def read(root: Path, grouping: str) -> ImageData:
    """All images as grey levels 0–255 in one channel."""
    import numpy as np

    rows = np.loadtxt(_bundled(), delimiter=",", dtype=np.float64)  # (1797, 65): 64 pixels of 0–16, then the digit
    images = np.rint(rows[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    fine = rows[:, 64].astype(np.int64)
    coarse = np.where(np.isin(fine, _LOOPS), 0, 1).astype(np.int64)
    test = np.arange(len(fine)) % 4 == 3
    return ImageData(
        train_images=images[~test],
        train_fine=fine[~test],
        train_coarse=coarse[~test],
        test_images=images[test],
        test_fine=fine[test],
        test_coarse=coarse[test],
        fine_names=tuple(str(digit) for digit in range(10)),
        coarse_names=("with a loop", "without a loop"),
    )


def _bundled() -> Path:
    """scikit-learn's own file, read directly: importing sklearn.datasets brings pandas, and costs a second."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise MissingData("the digits come with scikit-learn, which is not installed: pip install scikit-learn.")
    return Path(found.origin).parent / "datasets" / "data" / "digits.csv.gz"
