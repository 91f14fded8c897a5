"""Rotate each image about its centre by a uniform random angle (torchvision's RandomRotation, nearest pixel)."""

from __future__ import annotations

import functools

import torch

from harness.augment import Drawn, _affine


def draw(count: int, height: int, width: int, generator: torch.Generator, *, degrees: float, fill: float = 0) -> Drawn:
    """By an angle in [-degrees, degrees]; the uncovered corners get grey level `fill`. Same shape."""
    angles = degrees * (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1)  # (N,)
    return functools.partial(_affine.rotate, fill=fill), (angles,)
