"""Several batches augmented in one go are the batches one by one, and nothing waits for the device meanwhile."""

from __future__ import annotations

import pytest
import torch

from harness import augment

from ..pretended import PretendedCUDA
from .pictures import applied, batch
from .recipes import ALL, SINGLE

every_recipe = pytest.mark.parametrize("recipe", ALL.values(), ids=ALL)


def test_every_augmentation_is_among_these():
    assert {recipe[0][0] for recipe in SINGLE.values()} == set(augment.names())


@every_recipe
def test_a_recipe_is_its_augmentations_one_after_another(recipe):
    together, apart = (torch.Generator().manual_seed(0) for _ in range(2))
    images = batch().float()
    for name, parameters in recipe:
        images = applied(name, images, apart, **parameters)
    assert torch.equal(augment.augment(batch(), recipe, together), images)
    assert torch.equal(together.get_state(), apart.get_state())


@every_recipe
@pytest.mark.parametrize("channels", [1, 3])
def test_batches_in_one_go_equal_the_batches_one_by_one(recipe, channels):
    images = batch(channels)  # 168
    for batches in (1, 2, 3, 8):
        one_go, one_by_one = (torch.Generator().manual_seed(batches) for _ in range(2))
        found = augment.augment(images, recipe, one_go, batches)
        expected = [augment.augment(part, recipe, one_by_one) for part in images.chunk(batches)]
        assert torch.equal(found, torch.cat(expected))
        assert torch.equal(one_go.get_state(), one_by_one.get_state())


@pytest.mark.parametrize("batches", [0, 5, 200])
def test_batches_of_unequal_size_are_refused(batches):
    with pytest.raises(ValueError, match=f"168 images are not {batches} equal batches"):
        augment.augment(batch(), SINGLE["grayscale"], torch.Generator(), batches)


@pytest.mark.parametrize("recipe", SINGLE.values(), ids=SINGLE)
def test_parameters_are_on_the_host_with_a_row_per_image(recipe):
    ((name, parameters),) = recipe
    for count in (1, 6):
        _, drawn = augment.load(name).draw(count, 32, 40, torch.Generator(), **parameters)
        assert drawn
        assert all(len(values) == count and values.device.type == "cpu" for values in drawn)


@every_recipe
def test_the_host_never_waits_for_cuda(recipe):
    with PretendedCUDA() as cuda:
        images = torch.empty(64, 3, 32, 32, dtype=torch.uint8, device=torch.device("cuda"))
        result = augment.augment(images, recipe, torch.Generator().manual_seed(0), 4)
    assert result.device.type == "cuda"
    assert result.dtype == torch.float32
    assert cuda.copies > 0


@pytest.mark.parametrize(
    "waits",
    [
        lambda images: images.sum().item(),
        lambda images: bool((images > 0).all()),
        lambda images: (images > 0).nonzero(),
        lambda images: images[images > 0],
        lambda images: images + torch.ones(64, 1, 1, 1),
        lambda images: torch.ones(3).to(images.device),
        lambda images: torch.ones(3).to(images.device, non_blocking=True),
        lambda images: torch.where(images > 0, images, 1),
        lambda images: images[(torch.ones(64) > 0)],
        lambda images: images.cpu(),
    ],
)
def test_pretended_cuda_notices_whoever_waits(waits):
    with PretendedCUDA():
        images = torch.empty(64, 3, 32, 32, device=torch.device("cuda"))
        with pytest.raises((AssertionError, RuntimeError)):
            waits(images)


if torch.cuda.is_available():  # CI counts a skip as a failure, and has no GPU

    @every_recipe
    def test_cuda_itself_sees_no_wait_and_the_same_pixels(recipe):
        expected = augment.augment(batch(), recipe, torch.Generator().manual_seed(0), 3)
        images = batch().cuda()
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = augment.augment(images, recipe, torch.Generator().manual_seed(0), 3)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert torch.equal(found.cpu(), expected)
