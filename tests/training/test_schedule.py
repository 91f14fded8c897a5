"""The learning rate against closed forms, torch's own scheduler, and what a training logs."""

from __future__ import annotations

import math

import pytest
import torch

from harness.training.schedule import learning_rate

from .builders import STEPS, small, undisturbed


def all_rates(steps_per_epoch: int, **settings) -> list[float]:
    trial = small(**settings)
    return [learning_rate(trial, step, steps_per_epoch) for step in range(trial.epochs * steps_per_epoch)]


def expected_rates(lr: float, epochs: int, warmup_epochs: int, steps_per_epoch: int) -> list[float]:
    """A ramp from 0 that would reach `lr` at the warm-up's end, then sin² from there to 0 at the training's end."""
    warmup, total = warmup_epochs * steps_per_epoch, epochs * steps_per_epoch
    ramp = [lr / warmup * step for step in range(warmup)]
    return ramp + [lr * math.sin(math.pi / 2 * (total - step) / (total - warmup)) ** 2 for step in range(warmup, total)]


@pytest.mark.parametrize(
    ("epochs", "warmup_epochs", "effective"), [(200, 5, 5), (200, 0, 0), (50, 5, 5), (30, 5, 3), (9, 5, 0), (1, 5, 0)]
)
@pytest.mark.parametrize("steps_per_epoch", [1, 7])
def test_rate_is_a_ramp_then_half_a_cosine(epochs, warmup_epochs, effective, steps_per_epoch):
    found = all_rates(steps_per_epoch, epochs=epochs, warmup_epochs=warmup_epochs, lr=0.02)
    assert found == pytest.approx(expected_rates(0.02, epochs, effective, steps_per_epoch), abs=1e-15)


def test_rate_without_warmup_is_torchs_cosine_stepped_every_iteration():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20 * 6)
    theirs = []
    for _ in range(20 * 6):
        theirs.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert all_rates(6, epochs=20, warmup_epochs=0, lr=0.3) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("epochs", [1, 9, 10, 19, 49, 200])
@pytest.mark.parametrize("warmup_epochs", [0, 1, 5, 500])
def test_warmup_takes_a_tenth_of_the_epochs_at_most(epochs, warmup_epochs):
    found = all_rates(3, epochs=epochs, warmup_epochs=warmup_epochs)
    assert found.index(max(found)) <= 3 * epochs / 10
    assert max(found) == 0.1


@pytest.mark.parametrize("epochs", [3, 10, 200])
def test_rate_ends_near_zero(epochs):
    found = all_rates(5, epochs=epochs)
    assert 0 < found[-1] <= 0.1 * (math.pi / 2 / (5 * 0.9 * epochs)) ** 2


def test_rate_falls_after_the_warmup():
    found = all_rates(5, epochs=50)
    peak = found.index(max(found))
    assert found[:peak] == sorted(found[:peak])
    assert found[peak:] == sorted(found[peak:], reverse=True)


def test_logged_rate_is_that_of_the_epochs_last_step():
    expected = all_rates(STEPS, epochs=10, warmup_epochs=1)[STEPS - 1 :: STEPS]
    assert [line["lr"] for line in undisturbed("supce", epochs=10, warmup_epochs=1).lines] == expected
