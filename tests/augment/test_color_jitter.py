"""ColorJitter: hue against PIL for every colour, the whole against torchvision on PIL images, and what is drawn."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import ColorJitter, functional

from harness.augment import _hue, color_jitter

from .pictures import applied, batch, enlarged, from_pil, through_pil

STRENGTHS = (0.4, 0.4, 0.4, 0.1)
SIZES = [(32, 32), (41, 24), (150, 211)]
ADJUST = [
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
]


def cube(first: int) -> torch.Tensor:
    """Every triple of bytes whose first is in [first, first + 16). (1, 3, 4096, 256) uint8."""
    bytes_ = torch.arange(256)
    return (
        torch.cartesian_prod(torch.arange(first, first + 16), bytes_, bytes_).to(torch.uint8).T.reshape(1, 3, -1, 256)
    )


def image_of(levels: torch.Tensor, mode: str) -> Image.Image:
    height, width = levels.shape[2:]
    pixels = np.ascontiguousarray(levels[0].permute(1, 2, 0).numpy())
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def test_hue_saturation_and_value_equal_pil_for_every_colour():
    for first in range(0, 256, 16):
        colours = cube(first)
        ours = torch.cat(_hue.to_hsv(colours.float()), dim=1)
        assert torch.equal(ours[0], from_pil(image_of(colours, "RGB").convert("HSV")))


def test_colours_equal_pil_for_every_hue_saturation_and_value():
    for first in range(0, 256, 16):
        levels = cube(first)
        ours = _hue.to_rgb(*levels.float().split(1, dim=1))
        assert torch.equal(ours[0], from_pil(image_of(levels, "HSV").convert("RGB")))


@pytest.mark.parametrize("size", SIZES)
def test_turning_the_hue_equals_torchvision_for_any_turn(size):
    images = batch() if size == (32, 32) else enlarged(size, 30)
    turns = torch.linspace(-0.5, 0.5, len(images), dtype=torch.float64)
    turns[:4] = torch.tensor([0, 1 / 255, -1 / 255, 0.1])
    expected = through_pil(images, lambda image, index: functional.adjust_hue(image, float(turns[index])))
    assert torch.equal(_hue.turn(images.float(), turns), expected)


def test_one_channel_has_no_hue():
    images = batch(1).float()
    assert torch.equal(_hue.turn(images, torch.full((len(images),), 0.3)), images)


def jittered(images: torch.Tensor, order: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """torchvision's functions, in each image's order."""

    def jitter(image: Image.Image, index: int) -> Image.Image:
        for operation in order[index].tolist():
            image = ADJUST[operation](image, float(values[index, operation]))
        return image

    return through_pil(images, jitter)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_order_equals_torchvision(size, channels):
    orders = torch.tensor(list(itertools.permutations(range(4))))
    images = batch(channels) if size == (32, 32) else enlarged(size, 30, channels)
    images = images[torch.arange(480 if size[0] < 100 else 48) % len(images)]
    order = orders[torch.arange(len(images)) % 24]
    _, _, values = color_jitter.draw_orders(len(images), torch.Generator().manual_seed(1), STRENGTHS, 1.0)
    assert torch.equal(color_jitter.jitter(images.float(), order, values), jittered(images, order, values))


@pytest.mark.parametrize("strengths", [STRENGTHS, (0.8, 0.8, 0.8, 0.2), (1.5, 1.5, 1.5, 0.5), (0.4, 0.4, 0.4, 0)])
def test_the_whole_equals_torchvisions_color_jitter(strengths, monkeypatch):
    images = batch()[torch.arange(400) % 168]
    theirs = ColorJitter(*strengths)
    happens, order, values = color_jitter.draw_orders(len(images), torch.Generator().manual_seed(3), strengths, 0.8)

    def jitter(image: Image.Image, index: int) -> Image.Image:
        factors = values[index].tolist()[: 4 if strengths[3] else 3]
        fixed = (order[index], *factors, None)[:5]
        monkeypatch.setattr(theirs, "get_params", lambda *_: fixed)
        return theirs(image) if happens[index] else image

    named = dict(zip(("brightness", "contrast", "saturation", "hue"), strengths, strict=True))
    ours = applied("color_jitter", images.float(), torch.Generator().manual_seed(3), **named)
    assert torch.equal(ours, through_pil(images, jitter))


def test_no_strength_changes_nothing():
    images = batch().float()
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(
        applied("color_jitter", images, generator, brightness=0, contrast=0, saturation=0, hue=0, probability=1), images
    )


def test_a_strength_above_one_never_asks_for_a_negative_factor():
    _, _, values = color_jitter.draw_orders(5000, torch.Generator().manual_seed(0), (1.5, 1.5, 1.5, 0.1), 1.0)
    assert values[:, :3].min() >= 0
    assert values[:, :3].max() > 2.45


def test_all_orders_are_equally_likely_whatever_else_is_drawn():
    count = 24_000
    happens, order, values = color_jitter.draw_orders(count, torch.Generator().manual_seed(0), STRENGTHS, 0.8)
    found = torch.bincount(order @ torch.tensor([64, 16, 4, 1])) / count
    found = found[found > 0]
    assert len(found) == 24
    assert ((found - 1 / 24).abs() < 4.5 * math.sqrt(1 / 24 * 23 / 24 / count)).all()
    assert abs(float(happens.double().mean()) - 0.8) < 4 * math.sqrt(0.8 * 0.2 / count)
    everything = torch.cat([happens[:, None].double(), order[:, :1].double(), values], dim=1)
    assert (torch.corrcoef(everything.T) - torch.eye(6)).abs().max() < 4.5 / math.sqrt(count)


def test_factors_are_uniform_in_torchvisions_ranges():
    count = 20_000
    _, _, values = color_jitter.draw_orders(count, torch.Generator().manual_seed(0), STRENGTHS, 0.8)
    theirs = ColorJitter(*STRENGTHS)
    ranges = [theirs.brightness, theirs.contrast, theirs.saturation, theirs.hue]
    for column, (low, high) in enumerate(ranges):
        rank = (values[:, column].sort().values - low) / (high - low)
        assert (rank - torch.arange(count) / count).abs().max() < 1.63 / math.sqrt(count)  # Kolmogorov–Smirnov at 1 %
