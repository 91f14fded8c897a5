"""Crop a random box and resize it: torchvision's RandomResizedCrop with PIL's bilinear filter, bit for bit.

The boxes of a batch are drawn at once, and each axis is resized by one batched matrix product.

N images of C channels and H × W pixels.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from harness.augment import Drawn, _resample

takes_sizes = True
TRIES = 10  # torchvision's: boxes drawn before it falls back to the largest centred box of an allowed ratio


def draw(
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    size: int | tuple[int, int],
    scale: tuple[float, float] = (0.2, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    sizes: Tensor | None = None,
) -> Drawn:
    """Boxes with an area in `scale` (share of the image) and width / height in `ratio`. To (N, C, *size).

    sizes: (N, 2) height and width of images in the middle of frames of `height` × `width`; None: they fill them.
    """
    if sizes is None:
        sizes = torch.tensor([[height, width]]).expand(count, -1)
    boxes = draw_boxes(sizes, generator, scale, ratio)
    boxes[:, :2] += (torch.tensor([height, width]) - sizes) // 2
    return functools.partial(resize_boxes, size=size), (boxes,)


def resize(images: Tensor, size: int | tuple[int, int]) -> Tensor:
    """PIL's bilinear resize of whole images to `size` (a number: square). (N, C, H, W) to (N, C, *size) float32."""
    height, width = images.shape[2:]
    return resize_boxes(images, torch.tensor([[0, 0, height, width]]), size)


def resize_boxes(images: Tensor, boxes: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Cut each image's box (top, left, height, width) out and resize it, as PIL's `crop` and `resize` (BILINEAR) do.

    boxes: (N, 4) int64 on the host, or (1, 4) for all. Returns (N, C, *size) float32 integer levels.
    """
    height, width = (size, size) if isinstance(size, int) else size
    top, left, box_height, box_width = boxes.unbind(dim=1)
    images = _resample.columns(images.to(torch.float32), left, box_width, width)  # (N, C, H, width)
    return _resample.rows(images, top, box_height, height)  # (N, C, height, width)


def draw_boxes(
    sizes: Tensor, generator: torch.Generator, scale: tuple[float, float], ratio: tuple[float, float]
) -> Tensor:
    """Boxes (top, left, height, width) as RandomResizedCrop.get_params draws them. sizes: (N, 2) int64. (N, 4) int64."""
    height, width = sizes.to(torch.float64)[:, :, None].unbind(dim=1)  # (N, 1) each
    area, shape, down, right = torch.rand(4, len(sizes), TRIES, generator=generator, dtype=torch.float64)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * area)  # (N, TRIES)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = torch.exp(low + (high - low) * shape)  # width / height
    box_width = torch.round(torch.sqrt(area * shape))
    box_height = torch.round(torch.sqrt(area / shape))
    fits = (box_width > 0) & (box_width <= width) & (box_height > 0) & (box_height <= height)
    free_rows, free_columns = height - box_height, width - box_width
    # A draw just below 1 can round up to free + 1.
    top = torch.minimum(torch.floor(down * (free_rows + 1)), free_rows)
    left = torch.minimum(torch.floor(right * (free_columns + 1)), free_columns)
    boxes = torch.stack([top, left, box_height, box_width], dim=2)  # (N, TRIES, 4)
    first = fits.to(torch.int64).argmax(dim=1)  # the first that fits
    chosen = boxes[torch.arange(len(sizes)), first].to(torch.int64)
    return torch.where(fits.any(dim=1, keepdim=True), chosen, centre_boxes(sizes, ratio))


def centre_boxes(sizes: Tensor, ratio: tuple[float, float]) -> Tensor:
    """The fallback: the whole image, trimmed on one axis to the nearest allowed ratio. (N, 4) int64."""
    height, width = sizes.to(torch.float64).unbind(dim=1)
    low, high = min(ratio), max(ratio)
    box_height = torch.where(width / height < low, torch.round(width / low), height).to(torch.int64)
    box_width = torch.where(width / height > high, torch.round(height * high), width).to(torch.int64)
    box = torch.stack([box_height, box_width], dim=1)
    return torch.cat([(sizes - box) // 2, box], dim=1)
