"""RandomPerspective: the pixels against torchvision on PIL images, the corners against its draws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torchvision.transforms import RandomPerspective, functional

from harness.augment import perspective

from .pictures import applied, batch, enlarged, through_pil

SIZES = [(32, 32), (41, 24), (64, 97), (150, 211)]


def pictures(size: tuple[int, int], channels: int, count: int) -> torch.Tensor:
    images = batch(channels) if size == (32, 32) else enlarged(size, 30, channels)
    return images[torch.arange(count) % len(images)]


def corners_of(count: int, size: tuple[int, int], scale: float = 0.5, seed: int = 0) -> torch.Tensor:
    return perspective.draw_corners(count, *size, torch.Generator().manual_seed(seed), scale)


def expected(images: torch.Tensor, corners: torch.Tensor, fill: int = 0) -> torch.Tensor:
    """torchvision's `perspective` of each image by itself."""
    start = perspective.image_corners(*images.shape[2:]).tolist()
    return through_pil(
        images, lambda image, index: functional.perspective(image, start, corners[index].tolist(), fill=fill)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_moving_corners_equals_torchvision_on_pil_images(size, channels):
    images = pictures(size, channels, 600 if size[0] < 100 else 40)
    corners = corners_of(len(images), size)
    assert torch.equal(perspective.move_corners(images.float(), corners, fill=0), expected(images, corners))


def test_every_combination_of_corners_that_stay_or_move_all_the_way_equals_pil():
    moves = torch.tensor(list(itertools.product([0, 8], repeat=8))).reshape(-1, 4, 2)  # 256 combinations
    inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    corners = perspective.image_corners(32, 32) + inwards * moves
    images = pictures((32, 32), 3, len(corners))
    assert torch.equal(perspective.move_corners(images.float(), corners, fill=0), expected(images, corners))


def test_a_point_on_the_far_edge_lies_outside():
    moves = torch.tensor(list(itertools.product([0, 1], repeat=8))).reshape(-1, 4, 2)
    inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    corners = perspective.image_corners(5, 5) + inwards * moves
    x, y = perspective.source_points(perspective.coefficients(corners, 5, 5), 5, 5)
    on_the_right = (x == 5) & (y > 0) & (y < 5)
    below = (y == 5) & (x > 0) & (x < 5)
    assert on_the_right.any()
    assert below.any()
    images = 100 + torch.arange(25).reshape(1, 1, 5, 5).expand(len(corners), -1, -1, -1)
    moved = perspective.move_corners(images.float(), corners, fill=0)
    assert torch.equal(moved, expected(images, corners))
    assert (moved[:, 0][on_the_right | below] == 0).all()


@pytest.mark.parametrize("scale", [0.1, 0.8])
@pytest.mark.parametrize("fill", [7, 255])
def test_any_strength_and_fill_equal_pil(scale, fill):
    images = pictures((41, 24), 3, 200)
    corners = corners_of(len(images), (41, 24), scale)
    assert torch.equal(perspective.move_corners(images.float(), corners, fill), expected(images, corners, fill))


@pytest.mark.parametrize("size", SIZES)
def test_coefficients_are_torchvisions_to_the_last_bit(size):
    corners = corners_of(500, size)
    start = perspective.image_corners(*size).tolist()
    theirs = [functional._get_perspective_coeffs(start, each) for each in corners.tolist()]
    assert torch.equal(perspective.coefficients(corners, *size), torch.tensor(theirs, dtype=torch.float64))


@pytest.mark.parametrize("size", [(32, 32), (33, 51)])
@pytest.mark.parametrize("scale", [0.5, 0.3])
def test_each_corner_is_uniform_over_torchvisions_range(size, scale):
    height, width = size
    count = 20_000
    ours = corners_of(count, size, scale)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.tensor([RandomPerspective.get_params(width, height, scale)[1] for _ in range(2000)])
    assert torch.equal(ours.amin(dim=0), theirs.amin(dim=0))
    assert torch.equal(ours.amax(dim=0), theirs.amax(dim=0))
    for corner, axis in itertools.product(range(4), range(2)):
        found = torch.bincount(ours[:, corner, axis] - ours[:, corner, axis].min()) / count
        chance = 1 / len(found)
        assert len(found) == int(scale * (size[1 - axis] // 2)) + 1
        assert ((found - chance).abs() < 4.5 * math.sqrt(chance * (1 - chance) / count)).all()
    correlation = torch.corrcoef(ours.reshape(count, 8).T.double()) - torch.eye(8)
    assert correlation.abs().max() < 4.5 / math.sqrt(count)


def test_the_image_changes_with_its_probability_to_what_its_corners_say():
    images = batch()[:80][torch.arange(2000) % 80]
    for probability in (0.0, 0.3, 0.5, 1.0):
        result = applied("perspective", images.float(), torch.Generator().manual_seed(4), probability=probability)
        generator = torch.Generator().manual_seed(4)
        happens = torch.rand(len(images), generator=generator) < probability
        corners = perspective.draw_corners(len(images), 32, 32, generator, 0.5)
        assert torch.equal(result, torch.where(happens[:, None, None, None], expected(images, corners), images))
        assert abs(float(happens.double().mean()) - probability) < 4 * 0.5 / math.sqrt(len(images))
