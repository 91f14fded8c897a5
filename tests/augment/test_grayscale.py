"""RandomGrayscale against torchvision on PIL images."""

from __future__ import annotations

import math

import pytest
import torch
from torchvision.transforms import functional

from .pictures import applied, batch, enlarged, through_pil


@pytest.mark.parametrize("size", [(32, 32), (41, 24), (150, 211)])
def test_a_grey_image_is_torchvisions(size):
    images = batch() if size == (32, 32) else enlarged(size, 20)
    expected = through_pil(images, lambda image, _: functional.rgb_to_grayscale(image, num_output_channels=3))
    result = applied("grayscale", images.float(), torch.Generator().manual_seed(0), probability=1.0)
    assert torch.equal(result, expected)


def test_grey_equals_pil_for_every_colour_of_every_fifth_level():
    levels = torch.arange(0, 256, 5)
    colours = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 52, -1)
    expected = through_pil(colours, lambda image, _: image.convert("L").convert("RGB"))
    assert torch.equal(applied("grayscale", colours.float(), torch.Generator(), probability=1.0), expected)


def test_one_channel_is_grey_already():
    images = batch(1).float()
    assert torch.equal(applied("grayscale", images, torch.Generator().manual_seed(0), probability=1.0), images)


def test_each_image_is_greyed_with_the_probability_and_otherwise_stays():
    images = batch()[:120][torch.arange(4000) % 120]
    greyed = through_pil(batch()[:120], lambda image, _: image.convert("L").convert("RGB"))[torch.arange(4000) % 120]
    coloured = (greyed != images).flatten(1).any(dim=1)
    for probability in (0.0, 0.2, 1.0):
        result = applied("grayscale", images.float(), torch.Generator().manual_seed(0), probability=probability)
        is_grey = (result == greyed).flatten(1).all(dim=1)
        assert (is_grey | (result == images).flatten(1).all(dim=1)).all()
        share = float(is_grey[coloured].double().mean())
        assert abs(share - probability) < 4 * 0.5 / math.sqrt(int(coloured.sum()))
