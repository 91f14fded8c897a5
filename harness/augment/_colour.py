"""PIL's ImageEnhance and ImageOps on batches, each image with its own parameters, exact to the grey level.

Images are (n, C, H, W) float32 with integer levels, C = 1 or 3. Parameters are (n,) on the host.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.devices import send


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """ImageEnhance.Brightness: blend with black."""
    return blend(torch.zeros_like(images), images, factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """ImageEnhance.Color: blend with the grey image. A grey image stays as it is."""
    return blend(grey(images), images, factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """ImageEnhance.Contrast: blend with the mean grey level, rounded half up."""
    pixels = images.shape[2] * images.shape[3]
    total = grey(images).sum(dim=(1, 2, 3), keepdim=True, dtype=torch.int64)  # float32 is inexact from 257 × 257 on
    mean = torch.div(2 * total + pixels, 2 * pixels, rounding_mode="floor")  # (n, 1, 1, 1)
    return blend(mean.to(images.dtype), images, factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """ImageEnhance.Sharpness: blend with ImageFilter.SMOOTH, (3 × 3 sum + 4 · centre) / 13, which leaves the border."""
    lines = images[:, :, :-2] + images[:, :, 1:-1] + images[:, :, 2:]
    box = lines[..., :-2] + lines[..., 1:-1] + lines[..., 2:]
    smooth = images.clone()
    # Never nearer than 1/26 to an integer, so the division's last bit does not matter.
    smooth[:, :, 1:-1, 1:-1] = torch.floor((box + 4 * images[:, :, 1:-1, 1:-1] + 6.5) / 13)
    return blend(smooth, images, factors)


def blend(degenerate: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """Image.blend: degenerate + factor · (image − degenerate) in float32, clipped, then truncated."""
    factors = _per_image(factors.to(torch.float32), images)
    return torch.floor((degenerate + factors * (images - degenerate)).clamp(0, 255))


def grey(images: Tensor) -> Tensor:
    """PIL's conversion to "L": integer weights over 2^16, rounded. All sums are below 2^24. (n, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.split(1, dim=1)
    return torch.floor((19595 * red + 38470 * green + 7471 * blue + 32768) / 65536)


def invert(images: Tensor) -> Tensor:
    """ImageOps.invert."""
    return 255 - images


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """ImageOps.solarize: invert the levels from the threshold on."""
    return torch.where(images < _per_image(thresholds.to(torch.float32), images), images, 255 - images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """ImageOps.posterize: keep the highest `bits` bits."""
    step = _per_image(torch.exp2(8 - bits).to(torch.float32), images)
    return torch.floor(images / step) * step


def autocontrast(images: Tensor) -> Tensor:
    """ImageOps.autocontrast: stretch each channel to 0..255. A flat channel stays as it is.

    In float64 and PIL's order of operations: it truncates, and where the stretched level is an integer the last bit
    decides about a grey level.
    """
    low = images.amin(dim=(2, 3), keepdim=True).to(torch.float64)
    high = images.amax(dim=(2, 3), keepdim=True).to(torch.float64)
    scale = torch.full_like(low, 255) / (high - low)  # `255 / tensor` would be 255 times a rounded reciprocal
    stretched = (images * scale + -low * scale).clamp(0, 255)
    return torch.where(high > low, torch.floor(stretched).to(images.dtype), images)


def equalize(images: Tensor) -> Tensor:
    """ImageOps.equalize: spread each channel's levels so that its histogram is about flat."""
    count, channels, height, width = images.shape
    levels = images.reshape(count * channels, height * width).to(torch.int64)
    first = 256 * torch.arange(len(levels), device=images.device)[:, None]
    histogram = torch.zeros(len(levels) * 256, dtype=torch.int32, device=images.device)
    histogram.scatter_add_(0, (levels + first).flatten(), histogram.new_ones(1).expand(levels.numel()))
    histogram = histogram.reshape(len(levels), 256)
    brightest = histogram.gather(1, levels.amax(dim=1, keepdim=True))
    step = (height * width - brightest) // 255  # (n·C, 1); 0 for a channel with too few other pixels: it stays
    below = histogram.cumsum(dim=1, dtype=torch.int32) - histogram
    table = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)  # (n·C, 256)
    spread = table.gather(1, levels).to(images.dtype).reshape(images.shape)
    return torch.where((step > 0).reshape(count, channels, 1, 1), spread, images)


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    return send(values, images.device)[:, None, None, None]
