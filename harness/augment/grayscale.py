"""Make each image grey with a given probability (torchvision's RandomGrayscale), by PIL's conversion to "L"."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.augment import _chosen, _colour


def apply(images: Tensor, generator: torch.Generator, *, probability: float = 0.2) -> Tensor:
    """(N, C, H, W) to the same shape, the channels alike. One channel is grey already: it stays as it is."""
    happens = torch.rand(len(images), generator=generator) < probability  # (N,)
    return _chosen.apply_to(images, happens, lambda part: _colour.grey(part).expand_as(part))
