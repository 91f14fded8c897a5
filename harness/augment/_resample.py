"""PIL's bilinear resampling of one axis as a matrix product, bit for bit (Pillow's src/libImaging/Resample.c).

NOTE: columns first, then rows, as in Pillow up to 12. Pillow 13 takes rows first where the height shrinks by much more
than the width, and some pixels then differ by one level (never where a 32-pixel image stays at 32 pixels).

PIL multiplies grey levels by integer coefficients of 22 bits, sums in integers and rounds half up. float32 is exact for
integers below 2^24 only, so a coefficient is split into k = high · 2^11 + low, |low| ≤ 2^10, and the two products are
put together after summing. Both halves and the levels have at most 11 significant bits: TF32 is exact as well.
Enlarging to a power of two (every crop of a 32-pixel image to 32 pixels) has low = 0 and needs one product.

N images of C channels and H × W pixels, S pixels of output, K pixels under the filter, L pixels of the axis.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.devices import send

COEFFICIENT_BITS = 22
HALF_BITS = 11
# 255 · 2^10 · K < 2^24 bounds the filter; PIL's spans two output pixels, so an axis shrinks by 31 at most.
LARGEST_FILTER = 64


def columns(images: Tensor, starts: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Resize the columns [start, start + length) of each image to `size`. (N, C, H, W) to (N, C, H, size)."""
    count, channels, height, width = images.shape
    if size == width and bool((lengths == width).all()):
        return images
    lines = images.reshape(count, channels * height, width)
    products = [
        lines @ half.expand(count, -1, -1).transpose(1, 2)  # (N, C·H, size)
        for half in halves(starts, lengths, size, width, images.device)
    ]
    return _rounded(products).reshape(count, channels, height, size)


def rows(images: Tensor, starts: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Resize the rows [start, start + length) of each image to `size`. (N, C, H, W) to (N, C, size, W)."""
    height = images.shape[2]
    if size == height and bool((lengths == height).all()):
        return images
    return _rounded([half[:, None] @ images for half in halves(starts, lengths, size, height, images.device)])


def halves(starts: Tensor, lengths: Tensor, size: int, total: int, device: torch.device) -> list[Tensor]:
    """The coefficients as matrices on the device, [high] or, where some low half is not zero, [high, low].

    starts, lengths: (N,) int64 on the host, the part of an axis of L = `total` pixels. Each matrix: (N, S, L) float32.
    """
    first, coefficients = pil_coefficients(lengths, size)  # (N, S), (N, S, K)
    filter_size = coefficients.shape[2]
    if filter_size > LARGEST_FILTER:
        raise ValueError(f"resizing {int(lengths.max())} pixels to {size} shrinks by more than 31; resize in two steps")
    pixel = (first + starts[:, None])[:, :, None] + torch.arange(filter_size)  # (N, S, K)
    pixel = send(pixel, device)
    high = (coefficients + (1 << (HALF_BITS - 1))) >> HALF_BITS
    low = coefficients - (high << HALF_BITS)
    parts = [high, low] if bool(low.any()) else [high]
    # The last outputs reach over the edge of the axis, with coefficients of zero: room for them, cut off again.
    blank = torch.zeros(len(first), size, total + filter_size, device=device)
    return [blank.scatter(2, pixel, send(part, device, torch.float32))[:, :, :total] for part in parts]


def pil_coefficients(lengths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """For each output pixel the first input pixel under the filter (N, S), and the coefficients from it on (N, S, K).

    Both int64. Resample.c's precompute_coeffs and normalize_coeffs_8bpc for a triangle filter, in the same doubles.
    """
    scale = lengths.to(torch.float64)[:, None] / size  # (N, 1) input pixels per output pixel
    support = scale.clamp(min=1)
    centre = (torch.arange(size) + 0.5) * scale  # (N, S)
    first = (centre - support + 0.5).to(torch.int64).clamp(min=0)
    last = torch.minimum((centre + support + 0.5).to(torch.int64), lengths[:, None])
    taps = torch.arange(int((last - first).max()))  # (K,)
    distance = ((taps + first[:, :, None]) - centre[:, :, None] + 0.5) * (1 / support)[:, :, None]  # (N, S, K)
    weight = (1 - distance.abs()).clamp(min=0)
    weight = torch.where(taps < (last - first)[:, :, None], weight, 0.0)
    weight = weight / weight.cumsum(dim=2)[:, :, -1:]  # summed one after the other, as PIL does
    return first, (weight * (1 << COEFFICIENT_BITS) + 0.5).to(torch.int64)


def _rounded(products: list[Tensor]) -> Tensor:
    """(high · 2^11 + low) / 2^22, rounded half up: what low carries into high is its floor over 2^11. In place."""
    result = products[0]
    if len(products) > 1:
        result += products[1].div_(1 << HALF_BITS).floor_()
    half = 1 << (COEFFICIENT_BITS - HALF_BITS - 1)
    return result.add_(half).div_(1 << (COEFFICIENT_BITS - HALF_BITS)).floor_()
