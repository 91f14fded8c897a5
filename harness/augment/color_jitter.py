"""Jitter brightness, contrast, saturation and hue: torchvision's ColorJitter on PIL images, with a given probability.

That is RandomApply([ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8). Each image draws its own strength of each operation and
its own order of the four.

n or N images.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from harness.augment import Drawn, _chosen, _colour, _hue, _stages

OPERATIONS = [_colour.brightness, _colour.contrast, _colour.saturation, _hue.turn]
HUE = OPERATIONS.index(_hue.turn)


def draw(
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
    hue: float = 0.1,
    probability: float = 0.8,
) -> Drawn:
    """Factors of 1 ± the first three, not below 0, and a hue turned by ± `hue` of a turn. Same shape."""
    strengths = (brightness, contrast, saturation, hue)
    return functools.partial(_chosen.apply_to, jitter), draw_orders(count, generator, strengths, probability)


def draw_orders(
    count: int, generator: torch.Generator, strengths: tuple[float, float, float, float], probability: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Whether each image is jittered (count,), its order of operations and the value of each (count, 4).

    The order holds indices into OPERATIONS, values are in the order of OPERATIONS. Nine draws per image.
    """
    happens = torch.rand(count, generator=generator) < probability
    order = torch.rand(count, 4, generator=generator, dtype=torch.float64).argsort(dim=1)
    share = torch.rand(count, 4, generator=generator, dtype=torch.float64)
    *others, hue = strengths
    low = torch.tensor([*(max(0, 1 - strength) for strength in others), -hue], dtype=torch.float64)
    high = torch.tensor([*(1 + strength for strength in others), hue], dtype=torch.float64)
    if hue == 0:  # no way through HSV then, which rounds; an index beyond the operations does nothing
        order = torch.where(order == HUE, len(OPERATIONS), order)
    return happens, order, low + (high - low) * share


def jitter(images: Tensor, order: Tensor, values: Tensor) -> Tensor:
    """Each image's operations in its order, each with its value. order, values: (n, 4) on the host."""
    return _stages.apply_stages(images, order, values.gather(1, order.clamp(max=HUE)), OPERATIONS)
