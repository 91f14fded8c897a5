"""Training images that are held out: which ones, that nothing trains on them, and what is measured on them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from harness import config, datasets, methods, plan, trials
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.errors import UsageError
from harness.evaluation import recall_at_k
from harness.training import train
from harness.training.data import TrialData
from harness.training.loop import embed

from .builders import VARIANTS, finished, learner_and_data, run, same_weights, small, undisturbed, variant_id

FRACTION = 0.25


def rows(images) -> list[bytes]:
    """Each image as something to compare by."""
    if isinstance(images, np.ndarray):
        return [image.tobytes() for image in images]
    return [images.frames(np.array([number]))[0].tobytes() for number in range(len(images))]


def assert_split(whole: ImageData, part: ImageData) -> None:
    """Every image is on one side with all that belongs to it, in the order that it had."""
    place = {image: number for number, image in enumerate(rows(whole.train_images))}
    assert len(place) == len(whole.train_fine)
    kept = [place[image] for image in rows(part.train_images)]
    held = [place[image] for image in rows(part.validation_images)]
    assert sorted(kept + held) == list(range(len(place)))
    assert kept == sorted(kept)
    assert held == sorted(held)
    assert part.train_fine.tolist() == whole.train_fine[kept].tolist()
    assert part.train_coarse.tolist() == whole.train_coarse[kept].tolist()
    assert part.validation_fine.tolist() == whole.train_fine[held].tolist()
    assert part.validation_coarse.tolist() == whole.train_coarse[held].tolist()
    if whole.train_attributes is not None:
        assert np.array_equal(part.train_attributes, whole.train_attributes[kept])
    assert np.array_equal(part.test_fine, whole.test_fine)


@pytest.mark.parametrize(("fraction", "limit", "held"), [(0.1, None, 135), (0.25, 256, 64), (0.3, 255, 76)])
def test_a_share_of_the_images_is_held_out_with_its_labels(fraction, limit, held):
    trial = small(train_limit=limit, validation_fraction=fraction)
    part = datasets.read(trial)
    assert len(part.validation_images) == held
    assert datasets.train_size(trial) == len(part.train_fine) == (limit or 1348) - held
    if limit is None:  # some digits stand in the set twice
        assert len(part.train_images) + len(part.validation_images) == 1348
    else:
        assert_split(datasets.read(small(train_limit=limit)), part)


def test_photographs_are_held_out_in_the_same_way(photographs):
    part = datasets.read(photographs.replace(validation_fraction=FRACTION))
    assert (len(part.train_images), len(part.validation_images)) == (50, 16)
    assert_split(datasets.read(photographs), part)


def test_a_held_out_photograph_is_prepared_as_a_test_image(photographs):
    trial = photographs.replace(validation_fraction=FRACTION)
    loaded = datasets.read(trial)
    swapped = dataclasses.replace(loaded, test_images=loaded.validation_images, test_fine=loaded.validation_fine)
    learner, data = learner_and_data(trial)
    other = TrialData(trial, "coarse", torch.device("cpu"), swapped)
    features = embed(learner.encoder, data.validation.images, data, trial)
    assert torch.equal(features, embed(learner.encoder, other.test_images, other, trial))


@pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
def test_trials_of_a_seed_hold_out_the_same_images(method, options):
    found = datasets.read(small(method, options=options, weight=0.3, temperature=0.7, validation_fraction=FRACTION))
    expected = datasets.read(small("selfcon", validation_fraction=FRACTION))
    assert np.array_equal(found.validation_images, expected.validation_images)
    assert np.array_equal(found.train_images, expected.train_images)


def test_seeds_hold_out_different_images_and_a_larger_share_adds_to_a_smaller():
    first, second, larger = (
        set(rows(datasets.read(small(seed=seed, validation_fraction=fraction)).validation_images))
        for seed, fraction in ((0, 0.25), (1, 0.25), (0, 0.5))
    )
    assert len(first & second) < 40
    assert first < larger


def test_held_out_images_enter_neither_a_batch_nor_the_bank():
    learner, data = learner_and_data(small(validation_fraction=FRACTION, bank_size=700))
    held = set(rows(data.validation.images.numpy()))
    assert data.steps_per_epoch == 3
    assert not held & set(rows(data.train_images.numpy()))
    learner.start(batch for epoch in (-1, -2, -3, -4) for batch in data.batches(epoch, {"key": "weak"}))
    indices = [*learner.bank.indices.tolist(), *(i for batch in data.batches(0, {}) for i in batch.indices.tolist())]
    assert set(indices) <= set(range(192))
    assert torch.equal(data.train_labels[learner.bank.indices], learner.bank.labels)


def with_other_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, the held-out images are black and of other classes."""
    read = datasets.read

    def changed(trial: TrialConfig) -> ImageData:
        found = read(trial)
        return dataclasses.replace(
            found,
            validation_images=0 * found.validation_images,
            validation_fine=found.validation_fine[::-1].copy(),
            validation_coarse=found.validation_coarse[::-1].copy(),
        )

    monkeypatch.setattr(datasets, "read", changed)


@pytest.mark.parametrize("method", ["maskcon", "supfine"])
def test_nothing_but_their_own_recall_depends_on_held_out_images(monkeypatch, tmp_path, method):
    expected = undisturbed(method, validation_fraction=FRACTION)
    with_other_held_out(monkeypatch)
    found = run(small(method, validation_fraction=FRACTION), tmp_path)
    assert same_weights(found, expected)
    for ours, theirs in zip(found.lines, expected.lines, strict=True):
        assert {name for name in ours if ours[name] != theirs[name]} <= validation_names(ours)
        assert ours["validation_recall_at_1"] != theirs["validation_recall_at_1"]


def validation_names(line: dict) -> set[str]:
    return {name for name in line if name.startswith("validation")}


@pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
def test_recall_of_held_out_images_is_in_every_evaluation_and_the_coarse_one_where_the_method_has_coarse_labels(
    tmp_path, method, options
):
    trial = small(method, options=options, epochs=3, eval_every=2, validation_fraction=FRACTION)
    found = run(trial, tmp_path)
    assert (found.result["train_images"], found.result["validation_images"]) == (192, 64)
    expected = {trials.validation_metric(k) for k in (1, 2, 5, 10)}
    if methods.load(method).label_source == "coarse":
        expected |= {trials.validation_coarse_metric(k) for k in (1, 2, 5, 10)}
    assert [validation_names(line) for line in found.lines] == [set(), expected, expected]


def test_recall_of_held_out_images_is_that_of_their_features_among_themselves(tmp_path):
    found = run(small(validation_fraction=FRACTION), tmp_path)
    learner, data = learner_and_data(small(validation_fraction=FRACTION))
    learner.encoder.load_state_dict(found.encoder)
    features = embed(learner.encoder, data.validation.images, data, data.trial)
    for metric, labels in (
        (trials.validation_metric, data.validation.fine),
        (trials.validation_coarse_metric, data.validation.coarse),
    ):
        for k, value in recall_at_k(features, labels).items():
            assert found.lines[-1][metric(k)] == value


def test_without_a_share_nothing_is_held_out():
    found = undisturbed()
    assert found.result["validation_images"] == 0
    assert not any(validation_names(line) for line in found.lines)
    assert learner_and_data(small())[1].validation is None


def test_a_training_with_held_out_images_goes_on_exactly(tmp_path):
    trial = small(validation_fraction=FRACTION)

    def interrupt(done, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trial, tmp_path, report=interrupt)
    train(trial, tmp_path)
    assert finished(tmp_path).lines == undisturbed(validation_fraction=FRACTION).lines


def test_own_images_too_few_to_hold_some_out_are_refused_when_they_are_read(photographs, monkeypatch):
    monkeypatch.setattr(datasets.load("cars196"), "train_size", None)  # as of a folder, whose images are counted late
    for fraction, says in ((0.01, "holds out 1, and"), (0.9, "leaves 7 to train on, fewer than one batch")):
        with pytest.raises(UsageError, match=says):
            datasets.read(photographs.replace(validation_fraction=fraction))


def test_a_plan_counts_the_images_that_are_trained_on(photographs, monkeypatch):
    trial = config.resolve("cifar100", "maskcon", overrides={"validation_fraction": 0.1})
    assert datasets.train_size(trial) == 45_000
    assert datasets.train_size(trial.replace(train_limit=1000)) == 900
    assert plan._images_listed(photographs.replace(validation_fraction=FRACTION)) == 50
