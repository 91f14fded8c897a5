"""RandomResizedCrop: the pixels against PIL, the boxes against torchvision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from harness.augment import _resample, random_resized_crop

from .pictures import batch, enlarged, through_pil

SCALE, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)


def pil_crops(images: torch.Tensor, boxes: torch.Tensor, size: tuple[int, int], at_once: bool = False) -> torch.Tensor:
    """Crop and resize by PIL: columns, then rows, or both in one call. size: (height, width)."""

    def crop(image: Image.Image, index: int) -> Image.Image:
        top, left, height, width = boxes[index].tolist()
        image = image.crop((left, top, left + width, top + height))
        if not at_once:
            image = image.resize((size[1], height), Image.Resampling.BILINEAR)
        return image.resize(size[::-1], Image.Resampling.BILINEAR)

    return through_pil(images, crop)


def any_boxes(count: int, height: int, width: int, seed: int) -> torch.Tensor:
    """Boxes of every shape, from one pixel to the whole image. (count, 4)."""
    generator = np.random.default_rng(seed)
    heights = generator.integers(1, height + 1, count)
    widths = generator.integers(1, width + 1, count)
    return torch.tensor(
        np.stack(
            [generator.integers(0, height - heights + 1), generator.integers(0, width - widths + 1), heights, widths], 1
        )
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_crops_of_small_images_equal_pil_for_thousands_of_boxes(channels):
    images = batch(channels)
    images = images[torch.arange(3000) % len(images)]
    boxes = any_boxes(len(images), 32, 32, seed=0)
    expected = pil_crops(images, boxes, (32, 32), at_once=True)
    assert torch.equal(random_resized_crop.resize_boxes(images, boxes, 32), expected)


def test_crops_equal_pil_for_every_interval_of_an_axis():
    intervals = [(start, length) for length in range(1, 33) for start in range(33 - length)]
    starts, lengths = torch.tensor(intervals).unbind(dim=1)
    images = batch()[torch.arange(len(intervals)) % 100]
    boxes = torch.stack([starts, starts.flip(0), lengths, lengths.flip(0)], dim=1)
    expected = pil_crops(images, boxes, (32, 32), at_once=True)
    assert torch.equal(random_resized_crop.resize_boxes(images, boxes, 32), expected)


@pytest.mark.parametrize("size", [(40, 40), (17, 50), (224, 224), (12, 8), (64, 31)])
@pytest.mark.parametrize("source", [(32, 32), (150, 211)])
def test_crops_equal_pil_when_enlarging_and_shrinking_by_any_factor(source, size):
    images = enlarged(source, 60)
    boxes = any_boxes(len(images), *source, seed=1)
    ours = random_resized_crop.resize_boxes(images, boxes, size)
    assert torch.equal(ours, pil_crops(images, boxes, size))
    # Pillow 13 resizes both axes in the other order where the height shrinks the more.
    assert (ours - pil_crops(images, boxes, size, at_once=True)).abs().max() <= 1


@pytest.mark.parametrize("size", [(32, 32), (7, 7), (16, 24), (224, 224)])
@pytest.mark.parametrize("channels", [1, 3])
def test_resizing_whole_images_equals_pil(channels, size):
    for images in (batch(channels)[:40], enlarged((150, 211), 8, channels)):
        expected = through_pil(images, lambda image, _: image.resize(size[::-1], Image.Resampling.BILINEAR))
        assert torch.equal(random_resized_crop.resize(images, size), expected)


def test_the_whole_image_at_its_own_size_stays_as_it_is():
    images = batch()
    assert torch.equal(random_resized_crop.resize(images, 32), images.float())


def test_shrinking_beyond_the_exact_range_is_refused():
    with pytest.raises(ValueError, match="1000 pixels to 4"):
        random_resized_crop.resize(torch.zeros(1, 1, 1000, 1000), 4)


def test_coefficients_keep_all_bits_in_reduced_precision_matrix_products():
    """TF32 keeps 11 significant bits of each factor; the levels 0..255 need 8."""
    for size in (32, 50, 224):
        lengths = torch.arange(1, 256)
        for half in _resample.halves(torch.zeros_like(lengths), lengths, size, 256, torch.device("cpu")):
            mantissa, _ = torch.frexp(half)
            assert torch.equal(mantissa * 2**11, (mantissa * 2**11).round())
            assert half.abs().max() <= 2**11


def torchvision_boxes(count: int, height: int, width: int, scale=SCALE, ratio=RATIO) -> torch.Tensor:
    image = torch.zeros(1, height, width)
    return torch.tensor([RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(count)])


def sizes(count: int, height: int, width: int) -> torch.Tensor:
    return torch.tensor([[height, width]]).expand(count, -1)


def kolmogorov_smirnov(first: torch.Tensor, second: torch.Tensor) -> float:
    """The largest distance between two empirical distribution functions."""
    values = torch.cat([first, second]).unique()
    ranks = [torch.searchsorted(sample.sort().values, values, right=True) / len(sample) for sample in (first, second)]
    return float((ranks[0] - ranks[1]).abs().max())


@pytest.mark.parametrize("shape", [(32, 32), (40, 90)])
def test_boxes_are_distributed_as_torchvisions(shape):
    count = 6000
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torchvision_boxes(count, *shape).double()
    ours = random_resized_crop.draw_boxes(sizes(count, *shape), torch.Generator().manual_seed(1), SCALE, RATIO).double()
    critical = 1.63 * math.sqrt(2 / count)  # at 1 %
    for column in range(4):
        assert kolmogorov_smirnov(ours[:, column], theirs[:, column]) < critical
    for combined in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 3] / box[:, 2], lambda box: box.sum(dim=1)):
        assert kolmogorov_smirnov(combined(ours), combined(theirs)) < critical
    standard_error = theirs.std(dim=0) * math.sqrt(2 / count)
    assert ((ours.mean(dim=0) - theirs.mean(dim=0)).abs() < 3 * standard_error).all()
    assert torch.allclose(torch.corrcoef(ours.T), torch.corrcoef(theirs.T), atol=0.06)


def test_every_box_lies_inside_the_image():
    for height, width in [(32, 32), (7, 50)]:
        boxes = random_resized_crop.draw_boxes(
            sizes(20000, height, width), torch.Generator().manual_seed(2), SCALE, RATIO
        )
        top, left, box_height, box_width = boxes.unbind(dim=1)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] >= 1).all()
        assert (top + box_height).max() == height
        assert (left + box_width).max() == width


@pytest.mark.parametrize(("height", "width"), [(10, 100), (100, 10), (33, 32)])
def test_the_fallback_is_torchvisions_centred_box(height, width):
    scale = (4.0, 5.0)  # larger than the image: no try can fit
    ours = random_resized_crop.draw_boxes(sizes(5, height, width), torch.Generator(), scale, RATIO)
    assert torch.equal(ours, torchvision_boxes(5, height, width, scale))


def test_boxes_take_a_fixed_number_of_draws():
    states = []
    for scale in (SCALE, (4.0, 5.0)):
        generator = torch.Generator().manual_seed(0)
        random_resized_crop.draw_boxes(sizes(10, 32, 32), generator, scale, RATIO)
        states.append(generator.get_state())
    assert torch.equal(*states)
