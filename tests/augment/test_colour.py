"""The colour operations against PIL, level by level."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from harness.augment import _colour

from .pictures import batch, enlarged, through_pil

FACTORS = [1 + sign * magnitude for magnitude in np.linspace(0, 0.9, 10) for sign in (1, -1)]
ENHANCEMENTS = {
    "brightness": (_colour.brightness, ImageEnhance.Brightness),
    "saturation": (_colour.saturation, ImageEnhance.Color),
    "contrast": (_colour.contrast, ImageEnhance.Contrast),
    "sharpness": (_colour.sharpness, ImageEnhance.Sharpness),
}
UNSCALED = {
    "invert": (_colour.invert, ImageOps.invert),
    "autocontrast": (_colour.autocontrast, ImageOps.autocontrast),
    "equalize": (_colour.equalize, ImageOps.equalize),
}


def cycled(values, count: int) -> torch.Tensor:
    """The values over and over, one per image."""
    return torch.tensor(values, dtype=torch.float64)[torch.arange(count) % len(values)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ENHANCEMENTS)
def test_every_enhancement_equals_pil_for_every_magnitude_and_sign(name, channels):
    ours, theirs = ENHANCEMENTS[name]
    images = batch(channels)
    for factor in FACTORS:
        expected = through_pil(images, lambda image, _, factor=factor: theirs(image).enhance(factor))
        factors = torch.full((len(images),), factor, dtype=torch.float64)
        assert torch.equal(ours(images.float(), factors), expected)


@pytest.mark.parametrize("name", ENHANCEMENTS)
def test_each_image_is_enhanced_by_its_own_factor(name):
    ours, theirs = ENHANCEMENTS[name]
    images = batch()
    factors = cycled(FACTORS, len(images))
    expected = through_pil(images, lambda image, index: theirs(image).enhance(float(factors[index])))
    assert torch.equal(ours(images.float(), factors), expected)


def test_blending_equals_pil_for_every_pair_of_levels():
    first, second = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    pictures = [Image.fromarray(levels.to(torch.uint8).numpy()) for levels in (first, second)]
    for factor in [*FACTORS, 1 / 3, 2.5, -0.5]:
        expected = torch.from_numpy(np.array(Image.blend(*pictures, factor))).float()
        blended = _colour.blend(first[None, None], second[None, None], torch.tensor([factor], dtype=torch.float64))
        assert torch.equal(blended[0, 0], expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", UNSCALED)
def test_operations_without_magnitude_equal_pil(name, channels):
    ours, theirs = UNSCALED[name]
    images = batch(channels)
    assert torch.equal(ours(images.float()), through_pil(images, lambda image, _: theirs(image)))


def test_autocontrast_equals_pil_for_every_pair_of_extremes():
    extremes = torch.combinations(torch.arange(256)).reshape(-1, 3, 2, 1)  # a pair per channel
    levels = torch.arange(256).clamp(extremes[:, :, 0], extremes[:, :, 1])  # every level between them
    images = levels.reshape(-1, 3, 16, 16).float()
    expected = through_pil(images, lambda image, _: ImageOps.autocontrast(image))
    assert torch.equal(_colour.autocontrast(images), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("brightest", [255, 256])
def test_solarize_equals_pil_for_every_threshold(brightest, channels):
    images = batch(channels)
    thresholds = cycled(np.linspace(brightest, 0, 10), len(images))
    expected = through_pil(images, lambda image, index: ImageOps.solarize(image, float(thresholds[index])))
    assert torch.equal(_colour.solarize(images.float(), thresholds), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_posterize_equals_pil_for_every_number_of_bits(channels):
    images = batch(channels)
    bits = cycled(range(1, 9), len(images))
    expected = through_pil(images, lambda image, index: ImageOps.posterize(image, int(bits[index])))
    assert torch.equal(_colour.posterize(images.float(), bits), expected)


@pytest.mark.parametrize("size", [(20, 33), (300, 280)])
def test_statistics_of_whole_images_equal_pil_at_other_sizes(size):
    images = enlarged(size)
    factors = cycled([0.1, 1.9, 0.7], len(images))
    for ours, theirs in ENHANCEMENTS.values():
        expected = through_pil(images, lambda image, index, theirs=theirs: theirs(image).enhance(float(factors[index])))
        assert torch.equal(ours(images.float(), factors), expected)
    for ours, theirs in UNSCALED.values():
        assert torch.equal(ours(images.float()), through_pil(images, lambda image, _, theirs=theirs: theirs(image)))


def test_saturation_leaves_a_grey_image_as_it_is():
    images = batch(1).float()
    assert torch.equal(_colour.saturation(images, cycled(FACTORS, len(images))), images)
