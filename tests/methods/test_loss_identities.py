"""What the losses have in common, reduce to, approach, and must not depend on."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from harness import methods
from harness.methods import ContrastiveInputs

from .builders import (
    CLASSES,
    CONTRASTIVE,
    MASKED,
    TEMPERATURES,
    VARIANTS,
    WEIGHTS,
    WITH_RELATIONS,
    as_dtype,
    loss,
    random_inputs,
    variant_id,
    with_duplicates,
    with_lonely_row,
    with_own,
    with_planted_neighbours,
)

VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
CONTRASTIVE_VARIANT = pytest.mark.parametrize(("method", "options"), CONTRASTIVE, ids=variant_id)
SINGLE = as_dtype(random_inputs(31, samples=16, bank_size=257, dimension=32), torch.float32)
CASES = {
    "plain": random_inputs(30),
    "single precision": SINGLE,
    "own keys": with_own(random_inputs(32)),
    "own keys, single precision": with_own(SINGLE),
    "no entry of a row's class": with_lonely_row(random_inputs(33)),
    "ties": with_duplicates(random_inputs(34), copies=3),
}
CASE = pytest.mark.parametrize("inputs", CASES.values(), ids=CASES)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def permuted(inputs: ContrastiveInputs, seed: int) -> ContrastiveInputs:
    """The bank in another order, and what belongs to it."""
    order = torch.randperm(len(inputs.bank), generator=torch.Generator().manual_seed(seed))
    own = None if inputs.own is None else inputs.own[:, order]
    return dataclasses.replace(inputs, bank=inputs.bank[order], bank_labels=inputs.bank_labels[order], own=own)


@CASE
@pytest.mark.parametrize("method", ["maskcon", "grafit", "coins"])
def test_zero_weight_is_selfcon_bit_for_bit(method, inputs):
    for temperature in TEMPERATURES:
        assert torch.equal(loss(method, inputs, 0.0, temperature), loss("selfcon", inputs))


@CASE
def test_infinite_temperature_is_grafit_bit_for_bit(inputs):
    for weight in WEIGHTS:
        assert torch.equal(loss("maskcon", inputs, weight, math.inf), loss("grafit", inputs, weight))


@CASE
def test_full_weight_is_the_supervised_loss_bit_for_bit(inputs):
    assert torch.equal(loss("grafit", inputs, 1.0), loss("supcon", inputs))
    assert torch.equal(loss("maskcon", inputs, 1.0, math.inf), loss("supcon", inputs))
    assert torch.equal(loss("coins", inputs, 1.0), loss("supce", inputs))


@CASE
def test_supfine_is_a_supervised_loss_on_whatever_labels_it_gets(inputs):
    assert torch.equal(loss("supfine", inputs), loss("supce", inputs))
    assert torch.equal(loss("supfine", inputs, supfine_loss="supcon"), loss("supcon", inputs))


@CASE
def test_maskcon_with_one_class_at_zero_temperature_is_nnclr(inputs):
    labels, bank_labels = torch.zeros_like(inputs.labels), torch.zeros_like(inputs.bank_labels)
    one_class = dataclasses.replace(inputs, labels=labels, bank_labels=bank_labels)
    assert torch.equal(loss("maskcon", one_class, 1.0, 0.0), loss("nnclr", one_class))


@CASE
@pytest.mark.parametrize("method", ["maskcon", "grafit", "coins"])
def test_loss_is_linear_in_the_weight(method, inputs):
    ends = [loss(method, inputs, weight).double() for weight in (0.0, 1.0)]
    found = loss(method, inputs, 0.3).double()
    torch.testing.assert_close(found, 0.7 * ends[0] + 0.3 * ends[1], rtol=1e-5, atol=1e-6)


@VARIANT
def test_settings_that_a_method_does_not_use_change_nothing(method, options):
    used, inputs = methods.uses(method, options), CASES["own keys"]
    expected = loss(method, inputs, **options)
    if "weight" not in used:
        assert torch.equal(loss(method, inputs, weight=0.9, **options), expected)
    if "temperature" not in used:
        assert torch.equal(loss(method, inputs, temperature=0.0, **options), expected)
    if "bank" not in used:
        assert torch.equal(loss(method, inputs, contrastive_temperature=0.3, **options), expected)
        assert torch.equal(loss(method, permuted(random_inputs(35), 0), **options), loss(method, random_inputs(35)))
    if "classifier" not in used:
        assert torch.equal(loss(method, dataclasses.replace(inputs, logits=None), **options), expected)


@CASE
@CONTRASTIVE_VARIANT
def test_order_of_the_bank_does_not_matter(method, options, inputs):
    inputs = as_dtype(inputs, torch.float64)
    for temperature, seed in itertools.product((0.0, 0.05, math.inf), range(3)):
        found = loss(method, permuted(inputs, seed), temperature=temperature, **options)
        close(found, loss(method, inputs, temperature=temperature, **options))


@CONTRASTIVE_VARIANT
def test_common_rotation_does_not_matter(method, options):
    inputs = with_own(random_inputs(36, dimension=9))
    square = torch.randn(9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rotation = torch.linalg.qr(square).Q  # (D, D)
    rotated = {name: getattr(inputs, name) @ rotation for name in ("query", "key", "bank")}
    for temperature in (0.0, 0.05, math.inf):
        found = loss(method, dataclasses.replace(inputs, **rotated), temperature=temperature, **options)
        close(found, loss(method, inputs, temperature=temperature, **options))


@VARIANT
def test_names_of_the_classes_do_not_matter(method, options):
    inputs = with_own(random_inputs(37))
    for order in itertools.permutations(range(CLASSES)):
        new_name = torch.tensor(order)
        renamed = dataclasses.replace(
            inputs,
            labels=new_name[inputs.labels],
            bank_labels=new_name[inputs.bank_labels],
            logits=inputs.logits[:, new_name.argsort()],
        )
        close(loss(method, renamed, **options), loss(method, inputs, **options))


@pytest.mark.parametrize("method", ["selfcon", "nnclr", "ascl"])
def test_labels_do_not_matter_without_a_label_source(method):
    inputs = random_inputs(38)
    assert methods.load(method).label_source is None
    relabelled = dataclasses.replace(inputs, labels=inputs.labels.flip(0), bank_labels=inputs.bank_labels.flip(0))
    assert torch.equal(loss(method, relabelled), loss(method, inputs))


@VARIANT
def test_a_row_does_not_depend_on_the_others(method, options):
    inputs = with_own(random_inputs(39))
    expected = loss(method, inputs, **options)
    assert expected.shape == inputs.labels.shape
    for i in range(len(inputs.labels)):
        parts = {name: getattr(inputs, name)[i : i + 1] for name in ("query", "key", "labels", "logits", "own")}
        close(loss(method, dataclasses.replace(inputs, **parts), **options), expected[i : i + 1])


@VARIANT
def test_inputs_are_left_as_they_are(method, options):
    inputs, untouched = with_own(random_inputs(40)), with_own(random_inputs(40))
    loss(method, inputs, **options)
    for field in dataclasses.fields(inputs):
        assert torch.equal(getattr(inputs, field.name), getattr(untouched, field.name))


@VARIANT
def test_no_own_keys_is_an_empty_mask(method, options):
    inputs = random_inputs(41)
    empty = dataclasses.replace(inputs, own=torch.zeros(len(inputs.query), len(inputs.bank), dtype=torch.bool))
    close(loss(method, empty, **options), loss(method, inputs, **options))


@pytest.mark.parametrize(("method", "options"), [v for v in CONTRASTIVE if v[0] != "ascl"], ids=variant_id)
def test_own_keys_count_as_if_they_were_not_in_the_bank(method, options):
    """Not so for ASCL, which divides by log P of the whole bank."""
    inputs = random_inputs(42)
    kept = torch.arange(len(inputs.bank)) % 3 != 0
    masked = dataclasses.replace(inputs, own=(~kept).expand(len(inputs.query), -1))
    shorter = dataclasses.replace(inputs, bank=inputs.bank[kept], bank_labels=inputs.bank_labels[kept])
    for temperature in (0.0, 0.1, math.inf):
        found = loss(method, masked, temperature=temperature, **options)
        close(found, loss(method, shorter, temperature=temperature, **options))


@CONTRASTIVE_VARIANT
def test_a_row_that_owns_the_whole_bank_has_no_loss(method, options):
    inputs = with_own(random_inputs(43))
    assert loss(method, inputs, **options)[-1].item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("method", MASKED)
def test_an_entry_of_another_class_changes_the_partition_alone(method):
    """The growth of the loss is that of the log-sum-exp, which is SelfCon's growth."""
    inputs = with_own(random_inputs(44))
    larger = dataclasses.replace(
        inputs,
        bank=torch.cat([inputs.bank, inputs.key[1:2]]),
        bank_labels=torch.cat([inputs.bank_labels, torch.tensor([CLASSES])]),
        own=torch.cat([inputs.own, inputs.own.new_zeros(len(inputs.query), 1)], dim=1),
    )
    for temperature in TEMPERATURES:
        settings = {"weight": 0.8, "temperature": temperature}
        grown = loss(method, larger, **settings) - loss(method, inputs, **settings)
        close(grown, loss("selfcon", larger) - loss("selfcon", inputs))
        self_relation, bank = methods.load(method).relations(larger, **settings)
        before = methods.load(method).relations(inputs, **settings)
        close(self_relation, before[0])
        close(bank[:, :-1], before[1])
        assert not bank[:, -1].any()


@CASE
@pytest.mark.parametrize("method", WITH_RELATIONS)
def test_relations_are_a_distribution_without_own_entries(method, inputs):
    for weight, temperature in itertools.product(WEIGHTS, TEMPERATURES):
        self_relation, bank = methods.load(method).relations(inputs, weight=weight, temperature=temperature)
        assert self_relation.shape == inputs.labels.shape
        assert bank.shape == (len(inputs.query), len(inputs.bank))
        assert (self_relation > 0).all()
        assert (bank >= 0).all()
        torch.testing.assert_close(self_relation + bank.sum(1), torch.ones_like(self_relation))
        if inputs.own is not None:
            assert not bank[inputs.own].any()
        if method in MASKED:
            assert not bank[inputs.labels[:, None] != inputs.bank_labels].any()


def test_a_row_without_an_entry_of_its_class_relates_to_itself_alone():
    inputs = with_lonely_row(random_inputs(45))
    for method, temperature in itertools.product(MASKED, TEMPERATURES):
        self_relation, bank = methods.load(method).relations(inputs, weight=1.0, temperature=temperature)
        assert self_relation[0] == 1
        assert not bank[0].any()
        close(loss(method, inputs, 1.0, temperature)[0], loss("selfcon", inputs)[0])


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_nearest_entries_that_tie_share_the_loss(copies):
    """Closed form: log Σ exp ℓ − (ℓ_0 + T·ℓ_nearest)/(1+T)."""
    inputs = with_duplicates(random_inputs(46), copies)
    own_logit = 10 * inputs.query[0] @ inputs.key[0]  # the planted entries are the key itself
    partition = torch.cat([own_logit[None], 10 * inputs.bank @ inputs.query[0]]).logsumexp(0)
    for method in ("maskcon", "nnclr"):
        close(loss(method, inputs, 1.0, 0.0)[0], partition - own_logit)
    self_relation, _ = methods.load("maskcon").relations(inputs, weight=1.0, temperature=0.0)
    assert self_relation[0].item() == pytest.approx(1 / (1 + copies), rel=1e-12)


def test_small_temperatures_approach_zero():
    inputs = with_planted_neighbours(random_inputs(47, dimension=16))
    exact = loss("maskcon", inputs, 1.0, 0.0)
    gaps = [(loss("maskcon", inputs, 1.0, t) - exact).abs().max().item() for t in (0.3, 0.1, 0.03, 0.001, 1e-4)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.1
    assert gaps[-1] < 1e-12


def test_large_temperatures_approach_infinity_at_first_order():
    inputs = with_own(random_inputs(48))
    exact = loss("maskcon", inputs, 1.0, math.inf)
    gaps = [(loss("maskcon", inputs, 1.0, t) - exact).abs().max().item() for t in (1e2, 1e3, 1e4, 1e9)]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(10, rel=0.1)
    assert gaps[-1] < 1e-8


def test_label_sources_are_those_of_the_methods():
    found = {name: methods.load(name).label_source for name, _ in VARIANTS}
    coarse = dict.fromkeys(("maskcon", "grafit", "supcon", "coins", "supce"), "coarse")
    assert found == {**coarse, "supfine": "fine", **dict.fromkeys(("selfcon", "nnclr", "ascl"))}
