"""AutoAugment: the policy's table and pixels against torchvision's and against the released code's PIL calls."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from harness.augment import _sub_policies, autoaugment
from harness.errors import UsageError

from .pictures import applied, batch, enlarged, grey_fill, through_pil

ENHANCE = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}


def released(image: Image.Image, name: str, index: int | None, sign: int) -> Image.Image:
    """One operation as in the released code, for a given sign."""
    index = index or 0
    width, height = image.size

    def affine(matrix, resample=Image.Resampling.NEAREST):
        return image.transform(image.size, Image.Transform.AFFINE, matrix, resample, fillcolor=grey_fill(image))

    if name in ENHANCE:
        return ENHANCE[name](image).enhance(1 + np.linspace(0, 0.9, 10)[index] * sign)
    if name.startswith("shear"):
        slope = np.linspace(0, 0.3, 10)[index] * sign
        matrix = (1, slope, 0, 0, 1, 0) if name == "shear_x" else (1, 0, 0, slope, 1, 0)
        return affine(matrix, Image.Resampling.BICUBIC)
    if name.startswith("translate"):
        share = np.linspace(0, 150 / 331, 10)[index]
        x, y = (share * width * sign, 0) if name == "translate_x" else (0, share * height * sign)
        return affine((1, 0, x, 0, 1, y))
    if name == "rotate":
        turned = image.convert("RGBA").rotate(np.linspace(0, 30, 10)[index])
        return Image.composite(turned, Image.new("RGBA", turned.size, (128,) * 4), turned).convert(image.mode)
    if name == "posterize":
        return ImageOps.posterize(image, int(np.round(np.linspace(8, 4, 10))[index]))
    if name == "solarize":
        return ImageOps.solarize(image, np.linspace(256, 0, 10)[index])
    assert name in _sub_policies.UNSCALED
    return getattr(ImageOps, name)(image)


def choices(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the policy draws from a generator with this seed: sub-policy (N,), chance (N, 2), sign bit (N, 2)."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(25, (count,), generator=generator),
        torch.rand(count, 2, generator=generator),
        torch.randint(2, (count, 2), generator=generator),
    )


def test_sub_policies_are_torchvisions():
    theirs = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    ours = [
        tuple((name.title().replace("_", ""), probability, index) for name, probability, index in sub_policy)
        for sub_policy in _sub_policies.SUB_POLICIES
    ]
    assert ours == [
        tuple((name.title(), *rest) if name == "AutoContrast" else (name, *rest) for name, *rest in sub_policy)
        for sub_policy in theirs
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_released_operation_equals_pil_for_every_magnitude_and_sign(channels):
    images = batch(channels)[::3]
    magnitudes = _sub_policies.released_magnitudes(32, 32)
    for name, operation in autoaugment.RELEASED.items():
        for index in range(10):
            for sign in (1, -1) if name in _sub_policies.SIGNED else (1,):
                values = torch.full((len(images),), sign * magnitudes[name][index], dtype=torch.float64)
                expected = through_pil(images, lambda image, _, n=name, i=index, s=sign: released(image, n, i, s))
                assert torch.equal(operation(images.float(), values), expected), (name, index, sign)


@pytest.mark.parametrize("size", [(32, 32), (25, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_released_policy_equals_its_pil_calls(channels, size):
    images = enlarged(size, 150, channels)
    images = images[torch.arange(800) % len(images)]
    chosen, chance, bit = choices(len(images), seed=5)

    def augment(image: Image.Image, index: int) -> Image.Image:
        for stage, (name, probability, magnitude) in enumerate(_sub_policies.SUB_POLICIES[chosen[index]]):
            if chance[index, stage] < probability:
                image = released(image, name, magnitude, 2 * int(bit[index, stage]) - 1)
        return image

    ours = applied("autoaugment", images.float(), torch.Generator().manual_seed(5), policy="released")
    assert torch.equal(ours, through_pil(images, augment))


@pytest.mark.parametrize("size", [(32, 32), (25, 40)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_torchvision_policy_equals_torchvision(channels, size, monkeypatch):
    images = enlarged(size, 150, channels)
    images = images[torch.arange(800) % len(images)]
    chosen, chance, bit = choices(len(images), seed=6)
    theirs = AutoAugment(AutoAugmentPolicy.CIFAR10)

    def augment(image: Image.Image, index: int) -> Image.Image:
        monkeypatch.setattr(theirs, "get_params", lambda _: (int(chosen[index]), chance[index], bit[index]))
        return theirs(image)

    ours = applied("autoaugment", images.float(), torch.Generator().manual_seed(6), policy="torchvision")
    assert torch.equal(ours, through_pil(images, augment))


def test_operations_happen_as_often_as_the_policy_says():
    count = 50_000
    names = [*autoaugment.RELEASED, "nothing"]
    chosen, _ = autoaugment.draw_stages(count, 32, 32, torch.Generator().manual_seed(0), "released")
    for number in range(2):
        found = torch.bincount(chosen[:, number], minlength=len(names)) / count
        expected = Counter()
        for sub_policy in _sub_policies.SUB_POLICIES:
            name, probability, _ = sub_policy[number]
            expected[name] += probability / 25
            expected["nothing"] += (1 - probability) / 25
        expected = torch.tensor([expected[name] for name in names])
        assert ((found - expected).abs() <= 4 * torch.sqrt(expected * (1 - expected) / count)).all()


@pytest.mark.parametrize("policy", ["released", "torchvision"])
def test_signs_are_even_except_for_the_released_rotation(policy):
    names = list(autoaugment.RELEASED)
    chosen, drawn = autoaugment.draw_stages(20_000, 32, 32, torch.Generator().manual_seed(0), policy)
    for name in ("rotate", "translate_y", "shear_y"):
        values = drawn[chosen == names.index(name)]
        positive = float((values > 0).double().mean())
        if policy == "released" and name == "rotate":
            assert positive == 1
        else:
            assert abs(positive - 0.5) < 4 * 0.5 / len(values) ** 0.5


def test_draws_depend_on_the_number_of_images_alone():
    states = []
    for images, policy in [(batch(3), "released"), (batch(1), "torchvision"), (enlarged((20, 33), 168), "released")]:
        generator = torch.Generator().manual_seed(0)
        applied("autoaugment", images.float(), generator, policy=policy)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


def test_an_unknown_policy_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"'relased'.*Did you mean 'released'.*torchvision"):
        applied("autoaugment", batch().float(), torch.Generator(), policy="relased")
