"""Blur each image with a given probability: the GaussianBlur([.1, 2.]) of SimCLR and MoCo v2, PIL's filter bit for bit.

PIL blurs by three box filters per axis whose outermost pixels have a share of the weight (Gwosdek et al., SSVM 2011;
Pillow's src/libImaging/BoxBlur.c). Every pass ends in integer levels, weighted in 8.24 fixed point.

n or N images of C channels and H × W pixels.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from harness.augment import Drawn, _chosen
from harness.devices import send

PASSES = 3
WEIGHT_BITS = 24


def draw(
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    sigma: tuple[float, float] = (0.1, 2.0),
    probability: float = 0.5,
) -> Drawn:
    """By a Gaussian whose standard deviation is uniform in `sigma`, in pixels. Same shape."""
    return functools.partial(_chosen.apply_to, blur), draw_sigmas(count, generator, sigma, probability)


def draw_sigmas(
    count: int, generator: torch.Generator, sigma: tuple[float, float], probability: float
) -> tuple[Tensor, Tensor]:
    """Whether each image is blurred, and its standard deviation. (count,) each."""
    chance, share = torch.rand(2, count, generator=generator, dtype=torch.float64)
    return chance < probability, sigma[0] + (sigma[1] - sigma[0]) * share


def blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """ImageFilter.GaussianBlur(sigma) of each image. sigmas: (n,) on the host."""
    radius, inner, outer = box_weights(sigmas)
    for each in radius.unique().tolist():
        images = _chosen.apply_to(functools.partial(box_blur, radius=each), images, radius == each, inner, outer)
    return images


def box_weights(sigmas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The box for each standard deviation, in PIL's mixture of float32 and float64. (n,) int64 each.

    Its whole pixels on either side of the centre, the weight of each pixel in it, and of the two beyond its ends; the
    weights of a box sum to 2^24 or to one less.
    """
    variance = sigmas.to(torch.float32).square() / PASSES
    length = torch.sqrt(12 * variance.to(torch.float64) + 1).to(torch.float32)
    whole = torch.floor((length.to(torch.float64) - 1) / 2).to(torch.float32)
    share = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    share = share / (6 * (variance - (whole + 1) * (whole + 1)))
    extent = whole + share
    radius = extent.to(torch.int64)
    one = torch.full_like(extent, 1 << WEIGHT_BITS)
    inner = (one / (extent * 2 + 1)).to(torch.int64)
    outer = ((1 << WEIGHT_BITS) - (2 * radius + 1) * inner) // 2
    return radius, inner, outer


def box_blur(images: Tensor, inner: Tensor, outer: Tensor, radius: int) -> Tensor:
    """All passes, along the rows and then along the columns, of images that share a `radius`."""
    missing = (1 << WEIGHT_BITS) - (2 * radius + 1) * inner - 2 * outer  # (n,) 0 or 1
    half = (1 << (WEIGHT_BITS - 1)) - 128 * missing
    weights = send(torch.stack([inner, outer, half]), images.device, torch.int32)
    # Levels from -128 to 127 keep every sum in 32 bits with a sign; PIL's own need all 32 without one.
    levels = images.to(torch.int32) - 128
    for axis in (3, 2):
        for _ in range(PASSES):
            levels = box_pass(levels, weights, radius, axis)
    return (levels + 128).to(images.dtype)


def box_pass(levels: Tensor, weights: Tensor, radius: int, axis: int) -> Tensor:
    """One box filter along an axis, edge pixels repeated. weights: (3, n) int32."""
    inner, outer, half = weights[:, :, None, None, None]
    size = levels.shape[axis]
    beyond = [levels.narrow(axis, edge, 1) for edge in (0, size - 1)]
    padded = torch.cat([beyond[0]] * (radius + 1) + [levels] + [beyond[1]] * (radius + 1), dim=axis)
    first, *box, last = (padded.narrow(axis, tap, size) for tap in range(2 * radius + 3))
    return (functools.reduce(torch.add, box) * inner + (first + last) * outer + half) >> WEIGHT_BITS
