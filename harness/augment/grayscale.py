"""Make each image grey with a given probability (torchvision's RandomGrayscale), by PIL's conversion to "L"."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from harness.augment import Drawn, _chosen, _colour


def draw(count: int, height: int, width: int, generator: torch.Generator, *, probability: float = 0.2) -> Drawn:
    """(N, C, H, W) to the same shape, the channels alike. One channel is grey already: it stays as it is."""
    happens = torch.rand(count, generator=generator) < probability  # (N,)
    return functools.partial(_chosen.apply_to, make_grey), (happens,)


def make_grey(images: Tensor) -> Tensor:
    """The grey level in every channel."""
    return _colour.grey(images).expand_as(images)
