"""The paper's views of Cars196 and SOP (appendix A.1): each operation and the whole recipes, at any size."""

from __future__ import annotations

import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import functional

from harness import augment
from harness.augment import color_jitter, gaussian_blur, perspective

from .pictures import applied, batch, enlarged, through_pil

OPERATIONS = ("perspective", "color_jitter", "grayscale", "gaussian_blur")
COLOURS = (("color_jitter", {}), ("grayscale", {}), ("gaussian_blur", {}))
CROP = ("random_resized_crop", {"size": 32, "scale": (0.2, 1.0)})
RECIPES = {
    **{name: ((name, {"probability": 1.0}),) for name in OPERATIONS},
    "cars196 strong": (CROP, ("horizontal_flip", {}), ("perspective", {}), *COLOURS),
    "sop strong": (CROP, ("horizontal_flip", {}), ("perspective", {})),
    "weak": (CROP, ("perspective", {}), ("horizontal_flip", {})),
}
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def augmented(images: torch.Tensor, recipe, seed: int = 0) -> torch.Tensor:
    return augment.augment(images, recipe, torch.Generator().manual_seed(seed))


def test_the_operations_are_found_by_name():
    assert set(OPERATIONS) <= set(augment.names())


@every_recipe
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 32), (41, 24)])
def test_results_are_integer_grey_levels_in_float32(recipe, channels, size):
    images = batch(channels) if size == (32, 32) else enlarged(size, 60, channels)
    result = augmented(images, recipe)
    assert result.shape == (len(images), channels, *((32, 32) if recipe[0] == CROP else size))
    assert result.dtype == torch.float32
    assert not result.requires_grad
    assert torch.equal(result, result.round())
    assert result.min() >= 0
    assert result.max() <= 255


@every_recipe
def test_the_images_handed_in_stay_as_they_are(recipe):
    images = batch().float()
    for name, parameters in recipe:
        applied(name, images, torch.Generator().manual_seed(0), **parameters)
    assert torch.equal(images, batch().float())


@every_recipe
def test_changing_one_image_changes_no_other_result(recipe):
    images = batch().clone()
    before = augmented(images, recipe)
    for changed in (0, 57, len(images) - 1):
        images[changed] = 255 - images[changed].flip(-1)
        after = augmented(images, recipe)
        images[changed] = batch()[changed]
        others = torch.arange(len(images)) != changed
        assert torch.equal(after[others], before[others])
        assert not torch.equal(after[changed], before[changed])


@every_recipe
def test_what_an_image_becomes_does_not_depend_on_slices_of_the_batch(recipe, monkeypatch):
    expected = augmented(batch(), recipe)
    for pixels in (1, 5 * 1024, 1 << 30):
        monkeypatch.setattr("harness.augment._chosen.PIXELS_AT_ONCE", pixels)
        assert torch.equal(augmented(batch(), recipe), expected)


@pytest.mark.parametrize("name", ["perspective", "color_jitter", "gaussian_blur"])
def test_samples_of_one_batch_draw_different_parameters(name):
    same = batch()[:1].expand(200, -1, -1, -1)
    assert len(augmented(same, RECIPES[name]).flatten(1).unique(dim=0)) > 150


@every_recipe
def test_the_generators_seed_decides_everything(recipe):
    assert torch.equal(augmented(batch(), recipe, seed=1), augmented(batch(), recipe, seed=1))
    if recipe != RECIPES["grayscale"]:
        assert not torch.equal(augmented(batch(), recipe, seed=1), augmented(batch(), recipe, seed=2))


@every_recipe
def test_the_global_generator_is_left_alone(recipe):
    before = torch.random.get_rng_state()
    augmented(batch(), recipe)
    assert torch.equal(torch.random.get_rng_state(), before)


@every_recipe
def test_autocast_outside_changes_nothing(recipe):
    expected = augmented(batch(), recipe)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmented(batch(), recipe), expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_draws_depend_on_the_number_of_images_alone(name):
    states = []
    for images, probability in [(batch(3), 0.0), (batch(1), 0.5), (enlarged((20, 33), 168), 1.0)]:
        generator = torch.Generator().manual_seed(0)
        applied(name, images.float(), generator, probability=probability)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


@pytest.mark.parametrize("size", [(32, 32), (64, 97)])
def test_the_strong_view_of_cars196_equals_its_pil_calls(size):
    images = batch() if size == (32, 32) else enlarged(size, 60)
    generator = torch.Generator().manual_seed(9)
    count = len(images)
    seen_aside = torch.rand(count, generator=generator) < 0.5
    corners = perspective.draw_corners(count, *size, generator, 0.5)
    jittered, order, values = color_jitter.draw_orders(count, generator, (0.4, 0.4, 0.4, 0.1), 0.8)
    greyed = torch.rand(count, generator=generator) < 0.2
    blurred, sigmas = gaussian_blur.draw_sigmas(count, generator, (0.1, 2.0), 0.5)
    start = perspective.image_corners(*size).tolist()
    names = ("brightness", "contrast", "saturation", "hue")

    def strong(image: Image.Image, index: int) -> Image.Image:
        if seen_aside[index]:
            image = functional.perspective(image, start, corners[index].tolist(), fill=0)
        for operation in order[index].tolist() if jittered[index] else ():
            adjust = getattr(functional, f"adjust_{names[operation]}")
            image = adjust(image, float(values[index, operation]))
        if greyed[index]:
            image = functional.rgb_to_grayscale(image, num_output_channels=3)
        if blurred[index]:
            image = image.filter(ImageFilter.GaussianBlur(radius=float(sigmas[index])))
        return image

    ours = augmented(images, (("perspective", {}), *COLOURS), seed=9)
    assert torch.equal(ours, through_pil(images, strong))
