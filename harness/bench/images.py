"""The images that a benchmark runs on: the dataset's own where they are here, otherwise noise of the same size."""

from __future__ import annotations

import dataclasses

import numpy as np

from harness import datasets
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.datasets._photographs import Photographs

LARGEST_NOISE = 10_000  # images
LARGEST_PHOTOGRAPHS = 1_000  # 300 KiB each
WIDTHS = (4 / 3, 1.0, 3 / 2)  # of photographs, by their height
ATTRIBUTES = 312  # as many as CUB has


def find(trial: TrialConfig) -> tuple[ImageData, str]:
    """The images, and in a word what they are. Timing does not depend on what an image shows."""
    module = datasets.load(trial.dataset)
    if module.train_size is None or all(state.state == "intact" for state in datasets.states(trial.dataset)):
        return datasets.read(trial), "the dataset's"
    largest = LARGEST_PHOTOGRAPHS if datasets.of_photographs(trial.dataset) else LARGEST_NOISE
    train = min(trial.train_limit or module.train_size, module.train_size, largest)
    test = min(trial.test_limit or module.test_size, module.test_size, largest)
    found = noise(train, test, trial.image_size)
    if datasets.of_photographs(trial.dataset):
        pictures = photographs(train + test, trial.stored_side)
        parts = np.arange(train), np.arange(train, train + test)
        found = dataclasses.replace(found, train_images=pictures.take(parts[0]), test_images=pictures.take(parts[1]))
    return found, "noise"


def photographs(count: int, side: int) -> Photographs:
    """Landscape pictures of noise, as they would be stored."""
    widths = [2 * round(side * WIDTHS[number % len(WIDTHS)] / 2) for number in range(count)]
    sizes = np.array([(side, width) for width in widths], np.int64).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum(3 * sizes.prod(axis=1))])
    pixels = np.random.default_rng(0).integers(0, 256, offsets[-1], dtype=np.uint8)
    return Photographs(pixels, offsets[:-1], sizes)


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
