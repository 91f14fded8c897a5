"""Mirror each image left to right with a given probability (torchvision's RandomHorizontalFlip)."""

from __future__ import annotations

import torch
from torch import Tensor


def apply(images: Tensor, generator: torch.Generator, *, probability: float = 0.5) -> Tensor:
    """(N, C, H, W) to the same shape."""
    mirrored = torch.rand(len(images), generator=generator) < probability  # (N,)
    mirrored = mirrored.to(images.device, non_blocking=True)[:, None, None, None]
    return torch.where(mirrored, images.flip(-1), images)
