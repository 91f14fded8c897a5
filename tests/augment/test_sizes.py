"""Photographs of different sizes in frames of one size: each is augmented as it would be alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from harness import augment, datasets
from harness.augment import random_resized_crop
from harness.config import resolve

from .pictures import made

SIZES = torch.tensor([[32, 32], [32, 50], [48, 32], [32, 34], [40, 32], [32, 64]] * 6)
CROP = ("random_resized_crop", {"size": 24, "scale": (0.2, 1.0)})
AFTER = (("horizontal_flip", {}), ("perspective", {}), ("color_jitter", {}))


def framed() -> torch.Tensor:
    """Pictures of SIZES in the middle of black frames. (36, 3, 48, 64) uint8"""
    generator = np.random.default_rng(3)
    frames = torch.zeros(len(SIZES), 3, 48, 64, dtype=torch.uint8)
    for frame, (height, width) in zip(frames, SIZES.tolist(), strict=True):
        top, left = (48 - height) // 2, (64 - width) // 2
        picture = made(generator, max(height, width))[:, :height, :width]
        frame[:, top : top + height, left : left + width] = torch.from_numpy(picture)
    return frames


def alone(frames: torch.Tensor, index: int) -> Image.Image:
    """The picture without its margins."""
    height, width = SIZES[index].tolist()
    top, left = (48 - height) // 2, (64 - width) // 2
    return Image.fromarray(frames[index, :, top : top + height, left : left + width].permute(1, 2, 0).numpy())


def test_a_crop_is_pils_crop_of_the_image_without_its_margins():
    frames = framed()
    boxes = random_resized_crop.draw_boxes(SIZES, torch.Generator().manual_seed(5), (0.2, 1.0), (3 / 4, 4 / 3))
    found = augment.augment(frames, (CROP,), torch.Generator().manual_seed(5), sizes=SIZES)
    for index, (top, left, height, width) in enumerate(boxes.tolist()):
        expected = np.asarray(functional.resized_crop(alone(frames, index), top, left, height, width, [24, 24]))
        off = abs(found[index].permute(1, 2, 0).numpy() - expected)
        # Pillow from 13 on takes rows first where the height shrinks by much more than the width (see _resample)
        assert off.max() <= (1 if height > width else 0)
        assert top + height <= SIZES[index, 0]
        assert left + width <= SIZES[index, 1]


def test_flip_and_rotation_before_the_crop_are_those_of_the_image():
    """As the attribute idea's code has it. Whole pixels of margin on each side: PIL's own arithmetic is about a centre."""
    frames = framed()
    recipe = (("horizontal_flip", {"probability": 1.0}), ("rotation", {"degrees": 30, "fill": 0}))
    crop = ("random_resized_crop", {"size": 24, "scale": (1.0, 1.0), "ratio": (1.0, 1.0)})
    generator = torch.Generator().manual_seed(7)
    torch.rand(len(frames), generator=generator)  # the flips
    angles = 30 * (2 * torch.rand(len(frames), generator=generator, dtype=torch.float64) - 1)
    boxes = random_resized_crop.draw_boxes(SIZES, generator, (1.0, 1.0), (1.0, 1.0))
    found = augment.augment(frames, (*recipe, crop), torch.Generator().manual_seed(7), sizes=SIZES)
    off = []
    for index, (top, left, height, width) in enumerate(boxes.tolist()):
        turned = functional.rotate(functional.hflip(alone(frames, index)), float(angles[index]), fill=0)
        expected = np.asarray(functional.resized_crop(turned, top, left, height, width, [24, 24]))
        off.append((found[index].permute(1, 2, 0).numpy() != expected).any(axis=2).mean())
    # PIL adds up in fixed point from the corner: where a source lies on the edge of two pixels, the other one can win
    assert np.mean(off) < 0.01, off


def test_what_an_image_becomes_does_not_depend_on_its_frame():
    frames = framed()
    wider = torch.nn.functional.pad(frames, (10, 10, 4, 4))
    recipe = (CROP, *AFTER)
    found, other = (
        augment.augment(images, recipe, torch.Generator().manual_seed(0), sizes=SIZES) for images in (frames, wider)
    )
    assert torch.equal(found, other)


def test_images_that_fill_their_frame_need_no_sizes():
    images = torch.randint(0, 256, (20, 3, 48, 64), dtype=torch.uint8)
    full = torch.tensor([[48, 64]]).expand(20, -1)
    recipe = (CROP, *AFTER)
    found, other = (
        augment.augment(images, recipe, torch.Generator().manual_seed(0), sizes=sizes) for sizes in (full, None)
    )
    assert torch.equal(found, other)


def test_batches_in_one_go_equal_the_batches_one_by_one():
    frames = framed()
    one_go, one_by_one = (torch.Generator().manual_seed(1) for _ in range(2))
    found = augment.augment(frames, (CROP, *AFTER), one_go, 3, SIZES)
    parts = zip(frames.chunk(3), SIZES.chunk(3), strict=True)
    expected = [augment.augment(part, (CROP, *AFTER), one_by_one, sizes=sizes) for part, sizes in parts]
    assert torch.equal(found, torch.cat(expected))


def test_a_recipe_without_a_crop_cannot_have_images_of_different_sizes():
    with pytest.raises(ValueError, match="need a recipe that crops them to one; this one has horizontal_flip"):
        augment.augment(framed(), (("horizontal_flip", {}),), torch.Generator(), sizes=SIZES)


@pytest.mark.parametrize("name", [name for name in datasets.names() if hasattr(datasets.load(name), "listing")])
def test_every_recipe_for_photographs_crops_them_to_one_size(name):
    overrides = {"initialisation": "random", "image_size": 24}
    for recipe in datasets.load(name).views(resolve(name, "selfcon", overrides=overrides)).values():
        found = augment.augment(framed(), recipe, torch.Generator().manual_seed(0), sizes=SIZES)
        assert found.shape == (36, 3, 24, 24)
