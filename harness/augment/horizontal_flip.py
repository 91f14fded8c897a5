"""Mirror each image left to right with a given probability (torchvision's RandomHorizontalFlip)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.augment import Drawn
from harness.devices import send


def draw(count: int, height: int, width: int, generator: torch.Generator, *, probability: float = 0.5) -> Drawn:
    """(N, C, H, W) to the same shape."""
    return flip, (torch.rand(count, generator=generator) < probability,)


def flip(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror the images where `mirrored`, (N,) bool on the host."""
    mirrored = send(mirrored, images.device)[:, None, None, None]
    return torch.where(mirrored, images.flip(-1), images)
