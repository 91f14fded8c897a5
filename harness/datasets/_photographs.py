"""Photographs: decoded once, kept as uint8 in a memory-mapped cache, handed out in frames of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


class Photographs:
    """N decoded colour images whose shorter side has the same even length, and whose longer side is even."""

    sizes: np.ndarray  # (N, 2) int64: height and width of each

    def __len__(self) -> int:
        raise NotImplementedError

    def take(self, indices: np.ndarray) -> Photographs:
        """These images alone, in this order."""
        raise NotImplementedError

    def frames(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """n images, each in the middle of a black frame that is as large as the largest of them in each direction.

        (n, 3, H, W) uint8, and their sizes (n, 2) int64.
        """
        raise NotImplementedError


def load(
    root: Path, paths: Sequence[str], side: int, progress: Callable[[int, int], None] | None = None
) -> Photographs:
    """The images at `paths` below `root`, decoded first where they have not been. `progress(done, all)`."""
    raise NotImplementedError
