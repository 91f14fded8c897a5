"""Photographs: decoded once, kept as uint8 in a memory-mapped cache, handed out in frames of one size.

The cache lies in $HARNESS_CACHE, otherwise $XDG_CACHE_HOME/harness/decoded; `_cache` says what is in it, `_build` fills it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from harness.datasets import _build, _cache

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Photographs:
    """N decoded colour images whose shorter side has the same even length, and whose longer side is even."""

    sizes: np.ndarray  # (N, 2) int64: height and width of each

    def __init__(self, pixels: np.ndarray, offsets: np.ndarray, sizes: np.ndarray):
        self.pixels = pixels  # (bytes,) uint8: every image after the other
        self.offsets = offsets  # (N,) int64: where each begins
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, indices: np.ndarray) -> Photographs:
        """These images alone, in this order. No pixel is read."""
        return Photographs(self.pixels, self.offsets[indices], self.sizes[indices])

    def frames(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """n images, each in the middle of a black frame that is as large as the largest of them in each direction.

        (n, 3, H, W) uint8, and their sizes (n, 2) int64. 128 images of 256 × 342 take 12 ms (one core of an AMD EPYC, the
        file in memory).
        """
        sizes, offsets = self.sizes[indices], self.offsets[indices]
        frame_height, frame_width = sizes.max(axis=0, initial=0).tolist()
        frames = np.zeros((len(sizes), 3, frame_height, frame_width), np.uint8)
        for frame, (height, width), offset in zip(frames, sizes.tolist(), offsets.tolist(), strict=True):
            top, left = (frame_height - height) // 2, (frame_width - width) // 2  # exact: all four are even
            image = self.pixels[offset : offset + 3 * height * width].reshape(3, height, width)
            frame[:, top : top + height, left : left + width] = image
        return frames, sizes


def load(
    root: Path,
    paths: Sequence[str],
    side: int,
    progress: Callable[[int, int], None] | None = None,
    name: str = "NAME",
) -> Photographs:
    """The images at `paths` below `root`, decoded first where they have not been. `progress(done, all)`.

    Raises UnreadableImages, after all others were decoded, and UsageError where there is no room for them. `name` is the
    dataset's, for messages. A file is known by its path, its length and the time of its last change.
    """
    wanted = _cache.wanted(root, paths, side)
    if not paths:
        return Photographs(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros((0, 2), np.int64))
    found = _cache.opened(wanted.folder) or _build.build(wanted, progress or (lambda done, count: None), name)
    pixels, sizes = found
    return Photographs(np.asarray(pixels), _cache.offsets_of(sizes)[:-1], sizes)  # slices of a plain array are cheaper


def verify(root: Path, paths: Sequence[str], side: int) -> str:
    """Whether every byte of these images' cache is what was decoded: "intact", "differs" or "missing".

    One that differs is removed, so that `load` decodes the images again.
    """
    wanted = _cache.wanted(root, paths, side)
    if not paths:
        return "intact"
    if not (wanted.folder / "index.json").is_file():
        return "missing"
    with _cache.locked(wanted.lock, lambda: None):
        if _cache.opened(wanted.folder):
            with (wanted.folder / "pixels").open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest == _cache.content_of(wanted.folder / "index.json").get("sha256"):
                return "intact"
        _cache.remove(wanted.folder)
        return "differs"


def unlisted(root: Path, folders: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Image files (by suffix) below these folders of the root that are not in `paths`, sorted."""
    listed = {os.path.normpath(path) for path in paths}
    found = set()
    for folder in folders:
        for parent, _, names in os.walk(root / folder):
            beside = os.path.relpath(parent, root)
            found |= {os.path.normpath(f"{beside}/{name}") for name in names if name.lower().endswith(SUFFIXES)}
    return sorted(found - listed)
