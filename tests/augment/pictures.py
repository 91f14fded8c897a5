"""Images to augment, and the way through PIL that every operation is held against."""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from harness import augment

REAL, MADE = 120, 40


@functools.cache
def batch(channels: int = 3) -> Tensor:
    """CIFAR-100 test images, where HARNESS_DATA has them, and made ones. (168, C, 32, 32) uint8."""
    generator = np.random.default_rng(0)
    folder = os.environ.get("HARNESS_DATA")
    file = Path(folder or "") / "cifar-100-python" / "test"
    if folder and file.is_file():
        pixels = pickle.loads(file.read_bytes(), encoding="latin1")["data"][:REAL].reshape(-1, 3, 32, 32)
    else:
        pixels = np.stack([made(generator) for _ in range(REAL)])
    images = torch.from_numpy(np.concatenate([pixels, [made(generator) for _ in range(MADE)], degenerate()]))
    return images if channels == 3 else images[:, 1:2].contiguous()


def made(generator: np.random.Generator, size: int = 32) -> np.ndarray:
    """A picture with what photographs have: gradients, flat shapes, texture, clipped levels. (3, size, size)."""
    y, x = np.mgrid[:size, :size] / size
    slope = generator.normal(size=(3, 2)) * 120
    picture = slope[:, :1, None] * y + slope[:, 1:, None] * x + generator.uniform(0, 255, (3, 1, 1))
    for _ in range(4):
        centre, radius = generator.uniform(size=2), generator.uniform(0.05, 0.4)
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        picture = np.where(inside, generator.uniform(-20, 275, (3, 1, 1)), picture)
    picture = picture + generator.normal(size=(3, size, size)) * generator.choice([0, 2, 25])
    return picture.clip(0, 255).astype(np.uint8)


def degenerate() -> np.ndarray:
    """The special cases of histograms and filters: flat, two levels, one odd pixel, stripes. (8, 3, 32, 32)."""
    images = np.zeros((8, 3, 32, 32), dtype=np.uint8)
    images[1] = 255
    images[2] = 128
    images[3, :, :16] = 255
    images[4] = 100
    images[4, :, 5, 5] = 101
    images[5, :, ::2] = 255
    images[6, 0] = np.arange(32) * 8
    images[7, :] = (np.arange(1024) // 4).reshape(32, 32)
    return images


def enlarged(size: tuple[int, int], count: int = 8, channels: int = 3) -> Tensor:
    """Some of the images at another size (height, width), for operations that depend on it. uint8."""
    resized = through_pil(batch(channels)[:count], lambda image, _: image.resize(size[::-1], Image.Resampling.BICUBIC))
    return resized.to(torch.uint8)


def applied(name: str, images: Tensor, generator: torch.Generator, **parameters: Any) -> Tensor:
    """One augmentation of one batch, drawn and applied to images as they are, without `augment` around it."""
    operation, drawn = augment.load(name).draw(*images.shape[:1], *images.shape[2:], generator, **parameters)
    return operation(images, *drawn)


def to_pil(image: Tensor) -> Image.Image:
    """(C, H, W) levels as a PIL image, mode L or RGB."""
    pixels = image.to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def from_pil(image: Image.Image) -> Tensor:
    """(C, H, W) float32."""
    pixels = torch.from_numpy(np.array(image)).to(torch.float32)
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def through_pil(images: Tensor, function: Callable[[Image.Image, int], Image.Image]) -> Tensor:
    """`function(image, index)` on each image by itself. (N, C, H, W) float32."""
    return torch.stack([from_pil(function(to_pil(image), index)) for index, image in enumerate(images)])


def grey_fill(image: Image.Image) -> int | tuple[int, int, int]:
    """Grey 128 in the image's mode."""
    return 128 if image.mode == "L" else (128, 128, 128)
