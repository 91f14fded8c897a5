"""AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019), which is the strong part of the query view at 32 pixels.

Each image draws one of 25 sub-policies; each of its two stages happens with its own probability and, where the
operation has a direction, with a random sign. Two variants:

released     DeepVoltaire/AutoAugment as the MaskCon code copies it: fills with grey 128, never turns clockwise, and
             shears bicubically
torchvision  torchvision.transforms.AutoAugment(CIFAR10): fills with black, turns either way, shears to nearest pixels
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import errors
from harness.augment import Drawn, _affine, _colour, _stages, _sub_policies

# An operation's value is a magnitude with its sign, float64.
COLOUR: dict[str, _stages.Operation] = {
    "brightness": lambda images, values: _colour.brightness(images, 1 + values),
    "color": lambda images, values: _colour.saturation(images, 1 + values),
    "contrast": lambda images, values: _colour.contrast(images, 1 + values),
    "sharpness": lambda images, values: _colour.sharpness(images, 1 + values),
    "posterize": _colour.posterize,
    "solarize": _colour.solarize,
    "autocontrast": lambda images, values: _colour.autocontrast(images),
    "equalize": lambda images, values: _colour.equalize(images),
    "invert": lambda images, values: _colour.invert(images),
}
# NOTE: the released code gives PIL the shift itself, torchvision inverts it. Both shear about the corner (0, 0), and
# torchvision's tan(atan(magnitude)) is the magnitude.
RELEASED: dict[str, _stages.Operation] = COLOUR | {
    "shear_x": functools.partial(_affine.shear_x_bicubic, fill=128),
    "shear_y": functools.partial(_affine.shear_y_bicubic, fill=128),
    "translate_x": functools.partial(_affine.translate_x, fill=128),
    "translate_y": functools.partial(_affine.translate_y, fill=128),
    "rotate": functools.partial(_affine.rotate, fill=128),
}
TORCHVISION: dict[str, _stages.Operation] = COLOUR | {
    "shear_x": functools.partial(_affine.shear_x, fill=0),
    "shear_y": functools.partial(_affine.shear_y, fill=0),
    "translate_x": lambda images, values: _affine.translate_x(images, -values, fill=0),
    "translate_y": lambda images, values: _affine.translate_y(images, -values, fill=0),
    "rotate": functools.partial(_affine.rotate, fill=0),
}


@dataclass(frozen=True)
class Variant:
    """One implementation of the policy."""

    operations: dict[str, _stages.Operation]
    signed: tuple[str, ...]  # operations whose magnitude gets a random sign
    magnitudes: Callable[[int, int], dict[str, list[float]]]  # (height, width) -> ten per operation


VARIANTS = {
    "released": Variant(RELEASED, _sub_policies.SIGNED, _sub_policies.released_magnitudes),
    "torchvision": Variant(TORCHVISION, (*_sub_policies.SIGNED, "rotate"), _sub_policies.torchvision_magnitudes),
}


def draw(count: int, height: int, width: int, generator: torch.Generator, *, policy: str = "released") -> Drawn:
    """The policy for each image. (N, C, H, W) to the same shape."""
    if policy not in VARIANTS:
        raise errors.unknown("AutoAugment policy", policy, VARIANTS)
    operations = list(VARIANTS[policy].operations.values())
    stages = draw_stages(count, height, width, generator, policy)
    return functools.partial(_stages.apply_stages, operations=operations), stages


def draw_stages(count: int, height: int, width: int, generator: torch.Generator, policy: str) -> tuple[Tensor, Tensor]:
    """Both stages for N = `count` images, from five draws per image whatever comes up. (N, 2) each.

    Indices into the variant's operations, or their number: nothing; and float64 magnitudes with their signs.
    """
    operation, probability, values, signed = _table(policy, height, width)  # (25, 2) each
    chosen = torch.randint(len(operation), (count,), generator=generator)
    happens = torch.rand(count, 2, generator=generator) < probability[chosen]
    signs = 2 * torch.randint(2, (count, 2), generator=generator) - 1
    values = torch.where(signed[chosen], signs * values[chosen], values[chosen])
    return torch.where(happens, operation[chosen], len(VARIANTS[policy].operations)), values


@functools.cache
def _table(policy: str, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sub-policies as tensors (25, 2): operation index, probability, magnitude, whether it gets a random sign."""
    variant = VARIANTS[policy]
    names = list(variant.operations)
    magnitudes = variant.magnitudes(height, width)
    stages = [stage for sub_policy in _sub_policies.SUB_POLICIES for stage in sub_policy]
    operation = torch.tensor([names.index(name) for name, _, _ in stages])
    probability = torch.tensor([probability for _, probability, _ in stages])
    values = torch.tensor([magnitudes[name][index or 0] for name, _, index in stages], dtype=torch.float64)
    signed = torch.tensor([name in variant.signed for name, _, _ in stages])
    return operation.view(-1, 2), probability.view(-1, 2), values.view(-1, 2), signed.view(-1, 2)
