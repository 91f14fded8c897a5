"""Equal trainings are equal bit for bit, and trials of one seed share everything random."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from harness import datasets, methods
from harness.training.data import Batch

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

VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
# without a bank there is no projector, but the encoder is the same
EQUAL = {
    "maskcon(0, τ) = selfcon": (("maskcon", {"weight": 0.0}), ("selfcon", {})),
    "grafit(0) = selfcon": (("grafit", {"weight": 0.0}), ("selfcon", {})),
    "coins(0) = selfcon": (("coins", {"weight": 0.0}), ("selfcon", {})),
    "maskcon(w, ∞) = grafit(w)": (("maskcon", {"temperature": math.inf}), ("grafit", {})),
    "maskcon(1, ∞) = supcon": (("maskcon", {"weight": 1.0, "temperature": math.inf}), ("supcon", {})),
    "grafit(1) = supcon": (("grafit", {"weight": 1.0}), ("supcon", {})),
    "coins(1) = supce": (("coins", {"weight": 1.0}), ("supce", {})),
}


def batches(method: str, epoch: int = 0, **settings) -> list[Batch]:
    learner, data = learner_and_data(small(method, **settings))
    return list(data.batches(epoch, learner.views))


def initial_encoder(method: str, **settings) -> dict[str, torch.Tensor]:
    return learner_and_data(small(method, **settings))[0].encoder.state_dict()


@pytest.mark.parametrize(("special", "simple"), EQUAL.values(), ids=EQUAL)
def test_special_case_trains_bit_for_bit_as_the_method_that_it_is(special, simple):
    (method, changes), (name, others) = special, simple
    assert small(method, **changes).trial_id == small(name, **others).trial_id
    found, expected = undisturbed(method, **changes), undisturbed(name, **others)
    assert found.lines == expected.lines
    assert same_weights(found, expected)


def test_methods_differ_where_they_are_not_special_cases():
    trainings = [undisturbed(name) for name in ("selfcon", "supcon", "grafit", "maskcon", "supce", "coins")]
    trainings += [undisturbed(name) for name in ("supfine", "nnclr", "ascl", "maskcon_attributes")]
    for one, other in itertools.combinations(trainings, 2):
        assert not same_weights(one, other)


def test_same_trial_trains_bit_for_bit_again(tmp_path):
    assert_same_training(run(small(), tmp_path), undisturbed())


def test_evaluation_leaves_the_training_as_it_is(tmp_path):
    seldom = run(small(eval_every=10, epochs=3), tmp_path)
    assert same_weights(seldom, undisturbed(epochs=3))
    assert seldom.lines[-1] == undisturbed(epochs=3).lines[-1]
    assert [sorted(line) for line in seldom.lines[:2]] == [["epoch", "fine_mass", "loss", "lr", "relation_error"]] * 2


@VARIANT
def test_initial_encoder_depends_on_the_seed_alone(method, options):
    found = initial_encoder(method, options=options, weight=0.3, temperature=0.7)
    assert same_tensors(found, initial_encoder("selfcon"))


@VARIANT
def test_order_and_views_depend_on_the_seed_alone(method, options):
    for epoch in (0, 1):
        found = batches(method, epoch, options=options, weight=0.3, temperature=0.7)
        for ours, theirs in zip(found, batches("selfcon", epoch), strict=True):
            assert torch.equal(ours.indices, theirs.indices)
            assert all(torch.equal(view, theirs.views[name]) for name, view in ours.views.items())


def test_methods_with_a_bank_share_their_initial_projector():
    projectors = [
        learner_and_data(small(name))[0].projector.state_dict()
        for name in methods.names()
        if "bank" in small(name).uses
    ]
    assert len(projectors) >= 7
    assert all(same_tensors(found, projectors[0]) for found in projectors)


def test_each_view_and_each_epoch_has_augmentations_of_its_own():
    data = learner_and_data(small("selfcon", train_limit=64))[1]
    data.train_images[:] = data.train_images[0].clone()  # what differs now is the augmentation alone
    first, second = (next(data.batches(epoch, {"query": "weak", "key": "weak"})).views for epoch in (0, 1))
    for one, other in itertools.combinations([*first.values(), *second.values()], 2):
        assert not torch.equal(one, other)


def test_every_image_is_seen_once_an_epoch_in_another_order():
    orders = [torch.cat([batch.indices for batch in batches("selfcon", epoch)]) for epoch in (0, 1)]
    assert all(torch.equal(order.sort().values, torch.arange(256)) for order in orders)
    assert not torch.equal(*orders)


def test_incomplete_last_batch_is_dropped():
    found = batches("selfcon", train_limit=255)
    assert [len(batch.indices) for batch in found] == [64, 64, 64]
    assert len(set(torch.cat([batch.indices for batch in found]).tolist())) == 192


@pytest.mark.parametrize(("recipe", "limit"), [("strong", 255), ("weak", 256), ("strong", 63)])
def test_batches_are_the_same_however_many_are_augmented_ahead(recipe, limit):
    data = learner_and_data(small("selfcon", train_limit=limit, batch_size=32))[1]
    views = {"query": recipe, "key": "weak"}
    expected = list(data.batches(1, views, ahead=1))
    assert len(expected) == limit // 32
    for ahead in (None, 2, 3, 8):
        for found, alone in zip(data.batches(1, views, ahead), expected, strict=True):
            assert torch.equal(found.indices, alone.indices)
            assert torch.equal(found.labels, alone.labels)
            assert same_tensors(found.views, alone.views)
            for name, view in found.views.items():
                assert view.is_contiguous(memory_format=torch.channels_last)
                assert view.stride() == alone.views[name].stride()


def test_seeds_differ_in_initial_weights_order_and_views():
    weights = [initial_encoder("selfcon", seed=seed)["body.0.weight"] for seed in (0, 1)]
    assert not torch.equal(*weights)
    first, second = (batches("selfcon", seed=seed)[0] for seed in (0, 1))
    assert not torch.equal(first.indices, second.indices)
    data = learner_and_data(small("selfcon"))[1]
    for name in ("query", "key"):
        assert not torch.equal(first.views[name], second.views[name])
    assert torch.equal(data.train_images, learner_and_data(small("selfcon", seed=1))[1].train_images)


def test_seeds_train_differently():
    assert not same_weights(undisturbed(seed=0), undisturbed(seed=1))


def with_permuted_fine_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, the training images' fine labels are shuffled among them; all else is read as it is."""
    read = datasets.read

    def permuted(trial):
        found = read(trial)
        fine = np.random.default_rng(0).permutation(found.train_fine)
        assert not np.array_equal(fine, found.train_fine)
        return type(found)(**{**vars(found), "train_fine": fine})

    monkeypatch.setattr(datasets, "read", permuted)


@VARIANT
def test_fine_labels_of_training_images_reach_only_methods_that_declare_them(monkeypatch, tmp_path, method, options):
    expected = run(small(method, options=options, epochs=1), tmp_path / "as they are")
    with_permuted_fine_labels(monkeypatch)
    found = run(small(method, options=options, epochs=1), tmp_path / "permuted")
    assert same_weights(found, expected) == (methods.load(method).label_source != "fine")
    for lines in (found.lines, expected.lines):
        for line in lines:  # the diagnosis is of the fine labels
            line.pop("relation_error", None)
            line.pop("fine_mass", None)
    assert (found.lines == expected.lines) == (methods.load(method).label_source != "fine")
