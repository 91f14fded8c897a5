"""PIL's affine transforms on batches, each image with its own parameters (Pillow's src/libImaging/Geometry.c).

As in PIL a matrix (a0 … a5) maps an output pixel (x, y) to the input point (a0 x + a1 y + a2, a3 x + a4 y + a5), and
what falls outside gets `fill`, by masked_fill, which makes no tensor of a number.
Parameters are float64 on the host.

n images of C channels and H × W pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.devices import send


def nearest(images: Tensor, matrices: Tensor, fill: float) -> Tensor:
    """The nearest pixel, in PIL's 16.16 fixed point (its `affine_fixed`). matrices: (n, 6)."""
    count, channels, height, width = images.shape
    a0, a1, a2, a3, a4, a5 = matrices.unbind(dim=1)
    centred = torch.stack([a0, a1, a2 + a0 * 0.5 + a1 * 0.5, a3, a4, a5 + a3 * 0.5 + a4 * 0.5])
    fixed = send(torch.floor(centred * 65536 + 0.5), images.device, torch.int64)
    a0, a1, a2, a3, a4, a5 = fixed[:, :, None, None]  # (n, 1, 1) each
    column = torch.arange(width, device=images.device)
    row = torch.arange(height, device=images.device)[:, None]
    x = (a2 + a1 * row + a0 * column) >> 16  # (n, H, W)
    y = (a5 + a4 * row + a3 * column) >> 16
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    source = source.reshape(count, 1, height * width).expand(-1, channels, -1)
    moved = images.reshape(count, channels, -1).gather(2, source).reshape(images.shape)
    return moved.masked_fill(~inside[:, None], fill)


def rotate(images: Tensor, degrees: Tensor, fill: float) -> Tensor:
    """Image.rotate: counter-clockwise about the centre, nearest pixel. degrees: (n,)."""
    height, width = images.shape[2:]
    matrices = [rotation_matrix(angle, height, width) for angle in degrees.tolist()]
    return nearest(images, torch.tensor(matrices, dtype=torch.float64).reshape(-1, 6), fill)


def rotation_matrix(degrees: float, height: int, width: int) -> tuple[float, ...]:
    """Image.rotate's matrix, with its rounding of sine and cosine to 15 decimals."""
    angle = -math.radians(degrees % 360)
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    x, y = width / 2, height / 2
    return cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y


def translate_x(images: Tensor, offsets: Tensor, fill: float) -> Tensor:
    """Take each pixel from `offset` columns to the right. offsets: (n,), fractions allowed.

    PIL scales and translates in doubles instead of fixed point (its ImagingScaleAffine); without scaling that is a
    shift by floor(offset + 1/2).
    """
    matrices = _identity(len(images))
    matrices[:, 2] = torch.floor(offsets + 0.5)
    return nearest(images, matrices, fill)


def shear_x(images: Tensor, slopes: Tensor, fill: float) -> Tensor:
    """Take each pixel from slope · y columns to the right, nearest pixel. slopes: (n,)."""
    matrices = _identity(len(images))
    matrices[:, 1] = slopes
    return nearest(images, matrices, fill)


def shear_x_bicubic(images: Tensor, slopes: Tensor, fill: float) -> Tensor:
    """`shear_x` with PIL's bicubic filter (a = -1, edge pixels repeated, truncated after clipping).

    Rows stay where they are, so the filter's vertical pass changes nothing. In float64 and PIL's order of operations:
    a result that should be an integer would otherwise lose a grey level by the truncation.
    """
    channels, height, width = images.shape[1:]
    slopes = send(slopes, images.device)[:, None, None]
    column = torch.arange(width, device=images.device, dtype=torch.float64)
    row = torch.arange(height, device=images.device, dtype=torch.float64)[:, None]
    position = (column + 0.5) + slopes * (row + 0.5)  # (n, H, W)
    inside = (position >= 0) & (position < width)
    left = torch.floor(position - 0.5)
    distance = (position - 0.5 - left)[:, None]  # (n, 1, H, W)
    left = left.to(torch.int64)[:, None].expand(-1, channels, -1, -1)
    v1, v2, v3, v4 = (images.gather(3, (left + tap).clamp(0, width - 1)).to(torch.float64) for tap in (-1, 0, 1, 2))
    p2 = v3 - v1
    p3 = 2 * (v1 - v2) + v3 - v4
    p4 = v2 - v1 - v3 + v4
    value = v2 + distance * (p2 + distance * (p3 + distance * p4))
    value = torch.floor(value.clamp(0, 255)).to(images.dtype)
    return value.masked_fill(~inside[:, None], fill)


def translate_y(images: Tensor, offsets: Tensor, fill: float) -> Tensor:
    """Take each pixel from `offset` rows below."""
    return translate_x(images.mT, offsets, fill).mT


def shear_y(images: Tensor, slopes: Tensor, fill: float) -> Tensor:
    """Take each pixel from slope · x rows below, nearest pixel."""
    return shear_x(images.mT, slopes, fill).mT


def shear_y_bicubic(images: Tensor, slopes: Tensor, fill: float) -> Tensor:
    """`shear_y` with PIL's bicubic filter."""
    return shear_x_bicubic(images.mT, slopes, fill).mT


def _identity(count: int) -> Tensor:
    return torch.tensor([[1.0, 0, 0, 0, 1, 0]], dtype=torch.float64).repeat(count, 1)
