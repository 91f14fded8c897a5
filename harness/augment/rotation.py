"""Rotate each image about its centre by a uniform random angle (torchvision's RandomRotation, nearest pixel)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.augment import _affine


def apply(images: Tensor, generator: torch.Generator, *, degrees: float, fill: float = 0) -> Tensor:
    """By an angle in [-degrees, degrees]; the uncovered corners get grey level `fill`. Same shape."""
    angles = degrees * (2 * torch.rand(len(images), generator=generator, dtype=torch.float64) - 1)  # (N,)
    return _affine.rotate(images, angles, fill)
