"""Relation error and fine mass at each epoch's end: what they are taken from, and that training does not notice."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from harness import trials
from harness.training import TrainingFailed, diagnosis, loop, train
from harness.training.data import Batch, TrialData
from harness.training.diagnosis import batch_starts, build_diagnosis
from harness.training.learner import build_learner
from harness.training.step import Step, build_optimiser

from .builders import (
    VARIANTS,
    assert_same_training,
    learner_and_data,
    run,
    same_tensors,
    same_weights,
    small,
    undisturbed,
    variant_id,
)

NAMES = ("relation_error", "fine_mass")
WITHOUT = [("supce", {}), ("supfine", {})]
VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)


def without_diagnosis(lines: list[dict]) -> list[dict]:
    return [{name: value for name, value in line.items() if name not in NAMES} for line in lines]


def after_an_epoch(**changes) -> tuple[nn.Module, TrialData]:
    """A learner with a full bank, one epoch trained."""
    trial = small(**changes)
    learner, data = learner_and_data(trial)
    learner.start(batch for epoch in range(-1, -9, -1) for batch in data.batches(epoch, {"key": "weak"}))
    step = Step(learner, build_optimiser(trial, learner))
    for batch in data.batches(0, learner.views):
        step(batch, 0.05)
    return learner, data


def copied(learner: nn.Module, data: TrialData) -> nn.Module:
    """Another learner in the same state, in training."""
    twin = build_learner(learner.trial, data).train()
    twin.load_state_dict(learner.state_dict())
    return twin


@VARIANT
def test_every_epoch_of_a_method_with_relations_logs_both_numbers(tmp_path, method, options):
    lines = run(small(method, options=options), tmp_path).lines
    expected = set() if (method, options) in WITHOUT else set(NAMES)
    assert [set(NAMES) & set(line) for line in lines] == [expected] * 2
    for line in lines:
        assert all(0 <= line[name] <= 1.001 for name in expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "selfcon", "batch_size": 100},
        {"method": "coins"},
        {"method": "ascl", "own_keys": "keep"},
        {"method": "maskcon_attributes"},
        {"precision": "bf16"},
        {"compile": "on"},
    ],
    ids=str,
)
def test_training_is_bit_for_bit_the_one_without_the_diagnosis(monkeypatch, tmp_path, changes):
    trial = small(**changes)
    found = run(trial, tmp_path / "with")
    monkeypatch.setattr(loop, "build_diagnosis", lambda *those: None)
    expected = run(trial, tmp_path / "without")
    assert set(NAMES) <= set(found.lines[0])
    assert not set(NAMES) & set(expected.lines[0])
    assert without_diagnosis(found.lines) == expected.lines
    assert same_weights(found, expected)
    assert (found.features == expected.features).all()


@pytest.mark.parametrize("mode", [True, False])
def test_it_leaves_no_trace(mode):
    learner, data = after_an_epoch(precision="bf16")
    learner.train(mode)
    before = copy.deepcopy(learner.state_dict())
    places = {name: value.data_ptr() for name, value in learner.state_dict().items()}
    modes = [module.training for module in learner.modules()]
    random, entering = torch.get_rng_state(), learner._entering
    measured = build_diagnosis(learner.trial, data, learner)
    first, again = measured.measure(1), measured.measure(1)
    assert first == again
    assert same_tensors(learner.state_dict(), before)
    assert {name: value.data_ptr() for name, value in learner.state_dict().items()} == places  # a CUDA graph knows them
    assert [module.training for module in learner.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert learner._entering is entering
    assert all(value.grad is None for value in learner.key_encoder.parameters())


def test_statistics_come_back_where_the_measurement_fails(monkeypatch):
    learner, data = after_an_epoch()
    before = copy.deepcopy(learner.state_dict())

    def broken(*those, **others):
        raise RuntimeError("broken")

    monkeypatch.setattr(diagnosis, "against_fine", broken)
    with pytest.raises(RuntimeError, match="broken"):
        build_diagnosis(learner.trial, data, learner).measure(1)
    assert same_tensors(learner.state_dict(), before)


def expected_numbers(learner: nn.Module, data: TrialData, found: diagnosis.Diagnosis) -> tuple[float, float]:
    """Both numbers, from a training forward pass of a copy, relation by relation."""
    twin = copied(learner, data)
    fine, bank_fine = data.diagnosis_fine, data.diagnosis_fine[twin.bank.indices]
    rows: dict[int, tuple[float, float]] = {}
    for indices, levels in found.batches:
        batch = Batch({"key": data.normalise(levels.float())}, data.train_labels[indices], indices)
        self_relation, bank_relations, _ = twin.relations(batch)
        keeps = learner.trial.own_keys == "keep"
        for place, image in enumerate(indices.tolist()):
            right = (bank_fine == fine[image]) & (keeps | (twin.bank.indices != image))
            row = torch.cat([self_relation[place, None], bank_relations[place]]).double()
            ideal = torch.cat([torch.ones(1), right]).double()
            error = (row - ideal / ideal.sum()).square().sum().sqrt().item()
            rows[image] = error, (row * (ideal > 0)).sum().item()
    return tuple(sum(pair[part] for pair in rows.values()) / len(rows) for part in (0, 1))  # type: ignore[return-value]


@pytest.mark.parametrize("own_keys", ["exclude", "keep"])
@pytest.mark.parametrize(("method", "bank_size"), [("maskcon", 256), ("maskcon_attributes", 100), ("nnclr", 700)])
def test_both_are_means_over_the_anchors_of_what_the_method_relates(method, bank_size, own_keys):
    learner, data = after_an_epoch(method=method, bank_size=bank_size, own_keys=own_keys)
    found = build_diagnosis(learner.trial, data, learner)
    measured = found.measure(1)
    expected = expected_numbers(learner, data, found)
    assert [measured[name] for name in NAMES] == pytest.approx(expected, abs=1e-6)


def test_keys_of_the_anchors_are_those_of_a_training_step():
    learner, data = after_an_epoch()
    found = build_diagnosis(learner.trial, data, learner)
    indices, levels = found.batches[0]
    views = {name: data.normalise(levels.float()) for name in ("query", "key")}
    twin = copied(learner, data)
    twin(Batch(views, data.train_labels[indices], indices))
    seen: list[Tensor] = []
    key = learner._key
    learner._key = lambda batch: [seen.append(key(batch)), seen[-1]][1]
    found.measure(1)
    assert torch.equal(seen[0], twin._entering[0])


@VARIANT
def test_anchors_and_their_views_depend_on_the_seed_alone(method, options):
    if (method, options) in WITHOUT:
        return
    learner, data = learner_and_data(small(method, options=options, weight=0.3, temperature=0.7))
    found = build_diagnosis(learner.trial, data, learner).batches
    learner, data = learner_and_data(small("selfcon"))
    for ours, theirs in zip(found, build_diagnosis(learner.trial, data, learner).batches, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_seeds_have_other_anchors():
    orders = []
    for seed in (0, 1):
        learner, data = learner_and_data(small(seed=seed, train_limit=1000))
        orders.append(torch.cat([indices for indices, _ in build_diagnosis(learner.trial, data, learner).batches]))
    assert len(orders[0]) == 256
    assert not torch.equal(*(order.sort().values for order in orders))


@pytest.mark.parametrize("count", [256, 200, 64, 2])
@pytest.mark.parametrize("size", [2, 64, 100, 255, 256, 300, 512])
def test_batches_of_anchors_are_whole_and_cover_all(count, size):
    starts = batch_starts(count, size)
    assert {place for start in starts for place in range(start, start + size)} >= set(range(count))
    assert len(starts) == max(1, -(-count // size))
    assert starts[-1] + size == max(count, size)  # never beyond the images, of which there are at least a batch


def test_anchors_are_256_images_or_all_where_there_are_fewer():
    for limit, size, count in ((1000, 300, 256), (200, 64, 200), (64, 64, 64)):
        learner, data = learner_and_data(small(train_limit=limit, batch_size=size, bank_size=300))
        found = build_diagnosis(learner.trial, data, learner)
        assert found.count == count
        assert all(len(indices) == size == len(set(indices.tolist())) for indices, _ in found.batches)


def test_methods_of_known_relations_have_the_numbers_that_follow(tmp_path):
    selfcon, coins = undisturbed("selfcon").lines, undisturbed("coins").lines
    assert [line["fine_mass"] for line in selfcon] == [1.0, 1.0]
    for one, other in zip(selfcon, coins, strict=True):  # the same banks, and only itself in both
        assert [one[name] for name in NAMES] == [other[name] for name in NAMES]
    for line in run(small("supfine", options={"supfine_loss": "supcon"}), tmp_path).lines:
        assert line["relation_error"] == 0
        assert line["fine_mass"] == pytest.approx(1, abs=1e-6)


def test_a_bank_entry_of_no_image_is_of_no_class():
    learner, data = after_an_epoch(method="selfcon", bank_size=256)
    learner.bank.indices.fill_(-1)
    assert build_diagnosis(learner.trial, data, learner).measure(1) == {"relation_error": 0.0, "fine_mass": 1.0}


def test_photographs_are_diagnosed_in_the_same_views_each_epoch(photographs, tmp_path):
    trial = photographs.replace(epochs=2, device="cpu", threads=1, validation_fraction=0.1)
    lines = train(trial, trials.directory(tmp_path / "workspace", trial))["metrics"]
    assert all(0 < line[name] < 1 for line in lines for name in NAMES)
    learner, data = learner_and_data(trial)
    found = build_diagnosis(trial, data, learner)
    assert found.count == 59
    assert {levels.shape for _, levels in found.batches} == {(16, 3, 20, 20)}


def test_numbers_that_are_not_finite_stop_the_training():
    learner, data = after_an_epoch(method="maskcon")
    with torch.no_grad():
        next(learner.key_encoder.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingFailed, match="the relations hold NaN or infinity after epoch 7"):
        build_diagnosis(learner.trial, data, learner).measure(7)


def test_an_interrupted_training_logs_the_same_numbers(tmp_path):
    trial = small("maskcon", epochs=3)

    def interrupt(done, metrics):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(trial, tmp_path, report=interrupt)
    assert_same_training(run(trial, tmp_path), undisturbed("maskcon", epochs=3))
