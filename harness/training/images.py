"""A trial's images: small ones as one tensor on the device, photographs in the cache on disk.

N images, n of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.augment.random_resized_crop import resize, resize_boxes
from harness.datasets._photographs import Photographs
from harness.devices import send

AT_ONCE, PHOTOGRAPHS_AT_ONCE = 500, 128  # images of an evaluation

Gathered = tuple[Tensor, Tensor, Tensor | None]  # indices (n,) and images (n, C, H, W) on the device, sizes (n, 2)


@dataclass(frozen=True)
class StoredImages:
    """Photographs of different sizes, for a device that they are sent to in frames."""

    photographs: Photographs
    device: torch.device

    def __len__(self) -> int:
        return len(self.photographs)

    def __getitem__(self, part: slice) -> StoredImages:
        kept = np.arange(len(self))[part]
        return StoredImages(self.photographs.take(kept), self.device)

    def frames(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (n, 3, H, W) uint8 on the device, and the sizes of the images in their middle (n, 2) on the host."""
        frames, sizes = self.photographs.frames(indices.numpy())
        return send(torch.from_numpy(frames), self.device), torch.from_numpy(sizes)


def images_on(loaded: np.ndarray | Photographs, device: torch.device) -> Tensor | StoredImages:
    """A dataset's images as a trial on `device` uses them."""
    if isinstance(loaded, np.ndarray):
        return torch.from_numpy(loaded).to(device)
    return StoredImages(loaded, device)


def gathered(images: Tensor | StoredImages, parts: Sequence[Tensor], device: torch.device) -> Iterator[Gathered]:
    """The images of each part (indices on the host); photographs one part ahead, by a thread."""
    if isinstance(images, Tensor):
        for part in parts:
            indices = send(part, device)
            yield indices, images[indices], None
        return
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(images.frames, parts[0]) if parts else None
        for number, part in enumerate(parts):
            frames, sizes = coming.result()
            coming = thread.submit(images.frames, parts[number + 1]) if number + 1 < len(parts) else None
            yield send(part, device), frames, sizes


def resized(images: Tensor | StoredImages, size: int, way: str) -> Iterator[tuple[Tensor, Tensor]]:
    """All images for testing: (indices (n,) on the host, grey levels (n, C, h, w) float32).

    Small images become squares of `size`. Photographs, `way`: "shorter" has the shorter side at `size`, those of one
    shape together; "square" ignores the shape; "centre" cuts the middle out of "shorter".
    """
    if isinstance(images, Tensor):
        for part in torch.arange(len(images)).split(AT_ONCE):
            some = images[part[0] : part[-1] + 1]
            yield part, some.float() if some.shape[-2:] == (size, size) else resize(some, size)
        return
    stored = torch.from_numpy(images.photographs.sizes)
    targets = torch.tensor([[size, size]]).expand(len(images), -1) if way == "square" else _shorter(stored, size)
    for target in targets.unique(dim=0):
        height, width = target.tolist()
        same = (targets == target).all(dim=1).nonzero().flatten()
        for part in same.split(PHOTOGRAPHS_AT_ONCE):
            frames, sizes = images.frames(part)
            margins = (torch.tensor(frames.shape[2:]) - sizes) // 2
            levels = resize_boxes(frames, torch.cat([margins, sizes], dim=1), (height, width))
            if way == "centre":
                top, left = (height - size) // 2, (width - size) // 2
                levels = levels[:, :, top : top + size, left : left + size]
            yield part, levels


def _shorter(sizes: Tensor, size: int) -> Tensor:
    """Each shape with its shorter side at `size`, the longer one rounded down, as torchvision's Resize does. (N, 2)"""
    shorter, longer = sizes.amin(dim=1), sizes.amax(dim=1)
    long_side = size * longer // shorter
    upright = (sizes[:, 0] > sizes[:, 1])[:, None]
    return torch.where(
        upright,
        torch.stack([long_side, torch.full_like(long_side, size)], dim=1),
        torch.stack([torch.full_like(long_side, size), long_side], dim=1),
    )
