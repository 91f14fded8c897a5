"""The Gaussian blur against PIL's ImageFilter.GaussianBlur, and its weights against a scalar version in float32."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import ImageFilter

from harness.augment import gaussian_blur

from .pictures import applied, batch, enlarged, through_pil

SIZES = [(32, 32), (41, 24), (64, 97), (150, 211)]


def expected(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    return through_pil(images, lambda image, index: image.filter(ImageFilter.GaussianBlur(radius=float(sigmas[index]))))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_blurring_equals_pil_for_every_sigma_of_the_recipe(size, channels):
    images = batch(channels) if size == (32, 32) else enlarged(size, 30, channels)
    images = images[torch.arange({32: 600, 41: 300}.get(size[0], 40)) % len(images)]
    sigmas = torch.linspace(0.1, 2.0, len(images), dtype=torch.float64)
    assert torch.equal(gaussian_blur.blur(images.float(), sigmas), expected(images, sigmas))


@pytest.mark.parametrize("size", [(32, 32), (5, 3), (2, 40)])
def test_boxes_of_any_radius_equal_pil_even_beyond_the_image(size):
    images = enlarged(size, 120)
    sigmas = torch.linspace(0, 12, len(images), dtype=torch.float64)
    assert gaussian_blur.box_weights(sigmas)[0].max() > 10
    assert torch.equal(gaussian_blur.blur(images.float(), sigmas), expected(images, sigmas))


def test_black_and_white_noise_stays_in_range_and_equals_pil():
    noise = torch.randint(2, (200, 3, 24, 24), generator=torch.Generator().manual_seed(0)) * 255
    noise[:40] = 255
    noise[40:80] = 0
    sigmas = torch.linspace(0.1, 4, 40, dtype=torch.float64).repeat(5)
    assert torch.equal(gaussian_blur.blur(noise.float(), sigmas), expected(noise, sigmas))


def box(sigma: float) -> tuple[int, int, int]:
    """BoxBlur.c's radius and weights, one number at a time: float32 but for what C promotes to double."""
    single = np.float32
    variance = single(single(single(sigma) * single(sigma)) / single(3))
    length = single(math.sqrt(12.0 * float(variance) + 1.0))
    whole = single(math.floor((float(length) - 1.0) / 2.0))
    share = (single(2) * whole + single(1)) * (whole * (whole + single(1)) - single(3) * variance)
    share = share / (single(6) * (variance - (whole + single(1)) * (whole + single(1))))
    extent = whole + share
    radius = int(extent)
    inner = int(single(1 << 24) / (extent * single(2) + single(1)))
    return radius, inner, ((1 << 24) - (radius * 2 + 1) * inner) // 2


def test_weights_are_those_of_the_scalar_arithmetic():
    sigmas = torch.rand(20_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 6
    ours = torch.stack(gaussian_blur.box_weights(sigmas), dim=1)
    assert torch.equal(ours, torch.tensor([box(sigma) for sigma in sigmas.tolist()]))


def test_weights_make_up_a_whole_or_miss_it_by_one():
    radius, inner, outer = gaussian_blur.box_weights(torch.linspace(0, 20, 5000, dtype=torch.float64))
    missing = (1 << 24) - (2 * radius + 1) * inner - 2 * outer
    assert set(missing.tolist()) == {0, 1}
    assert (outer <= inner).all()


def test_the_variance_is_sigmas():
    """Three boxes per axis have the Gaussian's variance, up to the extended box's own approximation."""
    sigmas = torch.linspace(0.5, 6, 500, dtype=torch.float64)
    radius, inner, outer = (values.double() for values in gaussian_blur.box_weights(sigmas))
    within = radius * (radius + 1) * (2 * radius + 1) / 3
    variance = 3 * (within * inner + 2 * (radius + 1) ** 2 * outer) / (1 << 24)
    assert torch.allclose(variance.sqrt(), sigmas, rtol=1e-4)


def test_each_image_is_blurred_with_the_probability_by_a_uniform_sigma():
    images = batch()[:90][torch.arange(900) % 90]
    for probability in (0.0, 0.5, 1.0):
        result = applied("gaussian_blur", images.float(), torch.Generator().manual_seed(2), probability=probability)
        happens, sigmas = gaussian_blur.draw_sigmas(
            len(images), torch.Generator().manual_seed(2), (0.1, 2.0), probability
        )
        assert torch.equal(result, torch.where(happens[:, None, None, None], expected(images, sigmas), images))


def test_draws_have_the_probability_and_range_asked_for():
    count = 20_000
    for low, high in [(0.1, 2.0), (1.0, 1.5)]:
        happens, sigmas = gaussian_blur.draw_sigmas(count, torch.Generator().manual_seed(0), (low, high), 0.3)
        assert abs(float(happens.double().mean()) - 0.3) < 4 * math.sqrt(0.3 * 0.7 / count)
        rank = (sigmas.sort().values - low) / (high - low)
        assert (rank - torch.arange(count) / count).abs().max() < 1.63 / math.sqrt(count)  # Kolmogorov–Smirnov at 1 %
        correlation = torch.corrcoef(torch.stack([happens.double(), sigmas]))[0, 1]
        assert abs(float(correlation)) < 4 / math.sqrt(count)
