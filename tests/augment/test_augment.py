"""What holds for every recipe: per-sample parameters, one stream, integer levels, full precision."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import harness
from harness import augment
from harness.errors import UsageError

from .pictures import applied, batch, through_pil

WEAK = (("random_resized_crop", {"size": 32, "scale": (0.2, 1.0)}), ("horizontal_flip", {}))
RECIPES = {
    "weak": WEAK,
    "released": (*WEAK, ("autoaugment", {"policy": "released"})),
    "torchvision": (*WEAK, ("autoaugment", {"policy": "torchvision"})),
    "40 pixels": (("random_resized_crop", {"size": 40}), ("rotation", {"degrees": 20}), ("autoaugment", {})),
}
every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def augmented(images: torch.Tensor, recipe, seed: int = 0) -> torch.Tensor:
    return augment.augment(images, recipe, torch.Generator().manual_seed(seed))


def test_names_are_the_files_without_underscore():
    assert {"autoaugment", "horizontal_flip", "random_resized_crop", "rotation"} <= set(augment.names())
    assert not any(name.startswith("_") for name in augment.names())
    assert all(callable(augment.load(name).draw) for name in augment.names())


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown augmentation 'horizontal_flop'. Did you mean 'horizontal_flip'"):
        augment.load("horizontal_flop")


def test_importing_the_package_does_not_import_torch():
    code = "import sys, harness.augment; harness.augment.names(); sys.exit('torch' in sys.modules)"
    root = str(Path(harness.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@every_recipe
@pytest.mark.parametrize("channels", [1, 3])
def test_results_are_integer_grey_levels_in_float32(recipe, channels):
    result = augmented(batch(channels), recipe)
    size = recipe[0][1]["size"]
    assert result.shape == (len(batch()), channels, size, size)
    assert result.dtype == torch.float32
    assert not result.requires_grad
    assert torch.equal(result, result.round())
    assert result.min() >= 0
    assert result.max() <= 255


@every_recipe
def test_the_images_handed_in_stay_as_they_are(recipe):
    images = batch().clone()
    augmented(images, recipe)
    assert torch.equal(images, batch())


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
def test_samples_of_one_batch_draw_different_parameters(recipe):
    same = batch()[:1].expand(200, -1, -1, -1)
    assert len(augmented(same, recipe).flatten(1).unique(dim=0)) > 190


@every_recipe
def test_the_generators_seed_decides_everything(recipe):
    assert torch.equal(augmented(batch(), recipe, seed=1), augmented(batch(), recipe, seed=1))
    assert not torch.equal(augmented(batch(), recipe, seed=1), augmented(batch(), recipe, seed=2))


@every_recipe
def test_the_global_generator_is_left_alone(recipe):
    before = torch.random.get_rng_state()
    augmented(batch(), recipe)
    assert torch.equal(torch.random.get_rng_state(), before)


@every_recipe
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_outside_changes_nothing(recipe, dtype):
    expected = augmented(batch(), recipe)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(augmented(batch(), recipe), expected)


@every_recipe
def test_a_longer_recipe_draws_the_same_beginning(recipe):
    flips = ("horizontal_flip", {"probability": 0.0})
    assert torch.equal(augmented(batch(), recipe), augmented(batch(), (*recipe, flips)))


def test_flipping_equals_pil_and_happens_with_its_probability():
    images = batch()[torch.arange(4000) % 160]
    mirrored = through_pil(batch()[:160], lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    mirrored = mirrored[torch.arange(4000) % 160]
    for probability in (0.0, 0.3, 0.5, 1.0):
        result = applied("horizontal_flip", images.float(), torch.Generator().manual_seed(0), probability=probability)
        flipped = (result == mirrored).flatten(1).all(dim=1)
        kept = (result == images).flatten(1).all(dim=1)
        assert (flipped | kept).all()
        asymmetric = (mirrored != images).flatten(1).any(dim=1)
        assert abs(float(flipped[asymmetric].double().mean()) - probability) < 4 * 0.5 / len(images) ** 0.5
