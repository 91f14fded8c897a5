"""The plain pipeline learns what ours learns: same loss, gradients, keys and bank, so that only its speed is compared."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from harness import datasets
from harness.bench.plain import PlainLearner, batches
from harness.config import TrialConfig
from harness.training.data import Batch

from ..datasets import genuine
from ..training.builders import learner_and_data, small

# Single precision: both sum P = 256 products in another order. The losses are about 5; the largest differences seen are 1e-6.
LOSS = {"rtol": 2e-6, "atol": 2e-6}
GRADIENT = {"rtol": 1e-4, "atol": 1e-6}
WEIGHTS = (1.0, 0.5, 0.0)
TEMPERATURES = (0.01, 0.05, 0.1, 1.0, math.inf)


def both(**changes):
    """Our learner and the plain one on copies of its networks and bank, and a batch. Keys lag behind queries."""
    ours, data = learner_and_data(small(own_keys="keep", key_momentum=0.7, **changes))
    ours.start(data.batches(-1, {"key": "weak"}))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in [*ours.encoder.parameters(), *ours.projector.parameters()]:
            value += 0.02 * torch.randn(value.shape, generator=generator)
    twin, _ = learner_and_data(ours.trial)
    twin.load_state_dict(ours.state_dict())
    return ours, PlainLearner(twin), next(iter(data.batches(0, ours.views)))


def keys_of(ours):
    return [*ours.key_encoder.parameters(), *ours.key_projector.parameters()]


def queries_of(ours):
    return [*ours.encoder.parameters(), *ours.projector.parameters()]


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_losses_and_gradients_are_ours(weight, temperature):
    ours, plain, batch = both(weight=weight, temperature=temperature)
    found, expected = plain(batch), ours(batch)
    assert found.shape == (64,)
    torch.testing.assert_close(found, expected, **LOSS)
    found.mean().backward()
    expected.mean().backward()
    for theirs, our in zip(plain.query.parameters(), queries_of(ours), strict=True):
        torch.testing.assert_close(theirs.grad, our.grad, **GRADIENT)
    assert all(key.grad is None for key in plain.key.parameters())


def test_the_settings_of_the_losses_matter():
    batch = both()[2]
    settings = [(weight, 0.05) for weight in WEIGHTS] + [(1.0, 1.0)]
    losses = [both(weight=weight, temperature=temperature)[1](batch) for weight, temperature in settings]
    for one, other in itertools.combinations(losses, 2):
        assert (one - other).abs().max() > 0.01


def test_own_keys_in_the_bank_are_kept():
    ours, plain, batch = both(temperature=0.05)
    assert torch.isin(batch.indices, plain.bank.indices).all()
    excluding, _ = learner_and_data(small(own_keys="exclude", temperature=0.05))
    excluding.load_state_dict(ours.state_dict())
    assert (plain(batch) - excluding(batch)).abs().min() > 1e-4


def test_key_parameters_move_as_ours():
    ours, plain, _ = both()
    before = [key.clone() for key in keys_of(ours)]
    ours.before_step()
    plain.before_step()
    for theirs, our in zip(plain.key.parameters(), keys_of(ours), strict=True):
        torch.testing.assert_close(theirs, our, rtol=1e-6, atol=1e-7)
    assert any((key != old).any() for key, old in zip(plain.key.parameters(), before, strict=True))


def test_the_bank_gets_the_keys_that_ours_gets():
    ours, plain, batch = both()
    for step in range(3):
        changed = Batch(batch.views, (batch.labels + step) % 3, batch.indices + step)
        for learner in (ours, plain):
            learner.before_step()
            learner(changed)
            learner.after_step()
    assert torch.equal(plain.bank.labels, ours.bank.labels)
    assert torch.equal(plain.bank.indices, ours.bank.indices)
    assert plain.bank.position == ours.bank.position == 3 * 64
    torch.testing.assert_close(plain.bank.keys, ours.bank.keys, rtol=1e-5, atol=1e-6)


def test_the_batches_hold_both_views_of_the_same_images():
    genuine.real_data("cifar-100-python")
    trial = TrialConfig(dataset="cifar100", batch_size=8, train_limit=20, test_limit=20)
    images = datasets.read(trial)
    coming = batches(trial, images, workers=0, device=torch.device("cpu"))
    seen = [next(coming) for _ in range(4)]  # two batches an epoch
    for batch in seen:
        assert {name: view.shape for name, view in batch.views.items()} == dict.fromkeys(
            ("query", "key"), (8, 3, 32, 32)
        )
        assert batch.labels.tolist() == images.train_coarse[batch.indices.numpy()].tolist()
        assert not torch.equal(batch.views["query"], batch.views["key"])
    assert len({index for batch in seen[:2] for index in batch.indices.tolist()}) == 16
