"""Parts of a dataset: as many images as a trial's limits allow, and training images that are held out for validation."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.seeds import stream_seed

if TYPE_CHECKING:
    import numpy as np

    from harness.datasets import ImageData
    from harness.datasets._photographs import Photographs


def limited(data: ImageData, train_limit: int | None, test_limit: int | None) -> ImageData:
    """The images within the limits, in their order."""
    for split, limit in (("train", train_limit), ("test", test_limit)):
        count = len(getattr(data, f"{split}_fine"))
        if limit is not None and limit < count:
            kept = within_limit(count, limit)
            data = dataclasses.replace(data, **(_train if split == "train" else _test)(data, kept))
    return data


def within_limit(count: int, limit: int | None) -> np.ndarray:
    """Which of so many images a limit keeps, ascending: a fixed random part, the same whatever the trial's seed."""
    import numpy as np

    return np.sort(np.random.default_rng(0).permutation(count)[:limit])


def held_out_size(fraction: float, size: int, batch_size: int) -> int:
    """How many of `size` training images a fraction holds out: round(fraction · size).

    Raises UsageError where that is one image or none, among which nothing can be retrieved, or leaves less than a batch.
    """
    if fraction == 0:
        return 0
    count = round(fraction * size)
    given = f"validation_fraction={fraction:g} of {size} training images"
    if count < 2:
        raise UsageError(
            f"{given} holds out {count}, and recall among them needs 2 at least; try "
            f"--set validation_fraction={math.ceil(200 / size) / 100:g}."
        )
    if size - count < batch_size:
        raise UsageError(
            f"{given} leaves {size - count} to train on, fewer than one batch of batch_size={batch_size}; try a smaller "
            "fraction or a smaller batch."
        )
    return count


def held_out(data: ImageData, count: int, seed: int) -> ImageData:
    """The data with `count` training images moved to the held-out ones, both in their order.

    Which ones depends on the seed alone, so that trials of one seed hold out the same; a larger count adds to a smaller.
    """
    import numpy as np

    if count == 0:
        return data
    order = np.random.default_rng(stream_seed(seed, "validation")).permutation(len(data.train_fine))
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    return dataclasses.replace(
        data,
        **_train(data, kept),
        validation_images=_taken(data.train_images, held),
        validation_fine=data.train_fine[held],
        validation_coarse=data.train_coarse[held],
    )


def _train(data: ImageData, kept: np.ndarray) -> dict[str, Any]:
    """All that there is of each training image, for these alone."""
    attributes = data.train_attributes
    return {
        "train_images": _taken(data.train_images, kept),
        "train_fine": data.train_fine[kept],
        "train_coarse": data.train_coarse[kept],
        "train_attributes": None if attributes is None else attributes[kept],
    }


def _test(data: ImageData, kept: np.ndarray) -> dict[str, Any]:
    """All that there is of each test image, for these alone."""
    return {
        "test_images": _taken(data.test_images, kept),
        "test_fine": data.test_fine[kept],
        "test_coarse": data.test_coarse[kept],
        "test_groups": {name: groups[kept] for name, groups in data.test_groups.items()},
    }


def _taken(images: np.ndarray | Photographs, kept: np.ndarray) -> Any:
    import numpy as np

    return images[kept] if isinstance(images, np.ndarray) else images.take(kept)
