"""The images that a benchmark runs on: the dataset's own where they are here, otherwise noise of the same size."""

from __future__ import annotations

import numpy as np

from harness import datasets
from harness.config import TrialConfig
from harness.datasets import ImageData

LARGEST_NOISE = 10_000  # images
ATTRIBUTES = 312  # as many as CUB has


def find(trial: TrialConfig) -> tuple[ImageData, str]:
    """The images, and in a word what they are. Timing does not depend on what an image shows."""
    if all(state.state == "intact" for state in datasets.states(trial.dataset)):
        return datasets.read(trial), "the dataset's"
    module = datasets.load(trial.dataset)
    train = min(trial.train_limit or module.train_size, module.train_size, LARGEST_NOISE)
    test = min(trial.test_limit or module.test_size, module.test_size, LARGEST_NOISE)
    return noise(train, test, trial.image_size), "noise"


def noise(train: int, test: int, size: int) -> ImageData:
    """Colour images of random grey levels, with 100 fine and 20 coarse labels and attributes of 0 and 1."""
    drawn = np.random.default_rng(0)
    train_images, test_images = (
        drawn.integers(0, 256, (count, 3, size, size), dtype=np.uint8) for count in (train, test)
    )
    train_fine, test_fine = (drawn.integers(0, 100, count) for count in (train, test))
    return ImageData(
        train_images=train_images,
        train_fine=train_fine,
        train_coarse=train_fine // 5,
        test_images=test_images,
        test_fine=test_fine,
        test_coarse=test_fine // 5,
        fine_names=tuple(f"fine {number}" for number in range(100)),
        coarse_names=tuple(f"coarse {number}" for number in range(20)),
        train_attributes=drawn.integers(0, 2, (train, ATTRIBUTES)).astype(np.float32),
    )
