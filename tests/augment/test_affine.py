"""The affine operations against PIL and torchvision, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from harness.augment import _affine

from .pictures import applied, batch, enlarged, grey_fill, through_pil

SLOPES = [sign * magnitude for magnitude in np.linspace(0, 0.3, 10) for sign in (1, -1)]
OFFSETS = [sign * magnitude * 32 for magnitude in np.linspace(0, 150 / 331, 10) for sign in (1, -1)]
ANGLES = [*np.linspace(0, 30, 10), *np.linspace(-30, 0, 10), 45, 90, -90, 180, 270, 360, 133.7, -171.3]


def sizes(channels: int) -> list[torch.Tensor]:
    """Square images, wide ones and tall ones."""
    return [batch(channels), enlarged((20, 33), 16, channels), enlarged((41, 24), 16, channels)]


def constant(images: torch.Tensor, value: float) -> torch.Tensor:
    return torch.full((len(images),), value, dtype=torch.float64)


@pytest.mark.parametrize("channels", [1, 3])
def test_rotation_equals_pil_for_every_angle(channels):
    for images in sizes(channels):
        for angle in ANGLES:
            expected = through_pil(images, lambda image, _, a=angle: image.rotate(a, fillcolor=grey_fill(image)))
            assert torch.equal(_affine.rotate(images.float(), constant(images, angle), fill=128), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_translation_equals_pil_for_every_magnitude_and_sign(axis, channels):
    ours = _affine.translate_x if axis == "x" else _affine.translate_y
    for images in sizes(channels):
        for offset in [*OFFSETS, 0.5, -0.5, 31.5, -31.5, 40, -40]:
            matrix = (1, 0, offset, 0, 1, 0) if axis == "x" else (1, 0, 0, 0, 1, offset)
            expected = through_pil(
                images,
                lambda image, _, m=matrix: image.transform(
                    image.size, Image.Transform.AFFINE, m, fillcolor=grey_fill(image)
                ),
            )
            assert torch.equal(ours(images.float(), constant(images, offset), fill=128), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("filter_name", ["NEAREST", "BICUBIC"])
def test_shear_equals_pil_for_every_magnitude_and_sign(filter_name, axis, channels):
    ours = getattr(_affine, f"shear_{axis}" + ("_bicubic" if filter_name == "BICUBIC" else ""))
    resample = Image.Resampling[filter_name]
    for images in sizes(channels):
        for slope in [*SLOPES, 0.25, -0.5, 1.0]:
            matrix = (1, slope, 0, 0, 1, 0) if axis == "x" else (1, 0, 0, slope, 1, 0)
            expected = through_pil(
                images,
                lambda image, _, m=matrix: image.transform(
                    image.size, Image.Transform.AFFINE, m, resample, fillcolor=grey_fill(image)
                ),
            )
            assert torch.equal(ours(images.float(), constant(images, slope), fill=128), expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_nearest_shear_equals_torchvision(axis):
    ours = (_affine.shear_x, _affine.shear_y)[axis]
    images = batch()
    for slope in SLOPES:
        angles = [0.0, 0.0]
        angles[axis] = math.degrees(math.atan(slope))
        expected = through_pil(
            images, lambda image, _, s=angles: functional.affine(image, 0.0, [0, 0], 1.0, s, center=[0, 0])
        )
        assert torch.equal(ours(images.float(), constant(images, slope), fill=0), expected)


def test_each_image_has_its_own_parameters():
    images = batch()
    angles = torch.linspace(-180, 180, len(images), dtype=torch.float64)
    expected = through_pil(images, lambda image, index: image.rotate(float(angles[index])))
    assert torch.equal(_affine.rotate(images.float(), angles, fill=0), expected)
    slopes = torch.linspace(-1, 1, len(images), dtype=torch.float64)
    expected = through_pil(
        images,
        lambda image, index: image.transform(
            image.size, Image.Transform.AFFINE, (1, float(slopes[index]), 0, 0, 1, 0), Image.Resampling.BICUBIC
        ),
    )
    assert torch.equal(_affine.shear_x_bicubic(images.float(), slopes, fill=0), expected)


def test_random_rotation_draws_an_angle_per_image_within_its_degrees():
    images = batch()
    generator = torch.Generator().manual_seed(3)
    rotated = applied("rotation", images.float(), generator, degrees=25, fill=7)
    draws = torch.rand(len(images), generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    angles = 50 * draws - 25
    expected = through_pil(images, lambda image, index: image.rotate(float(angles[index]), fillcolor=(7, 7, 7)))
    assert torch.equal(rotated, expected)
    assert angles.min() < -20
    assert angles.max() > 20
