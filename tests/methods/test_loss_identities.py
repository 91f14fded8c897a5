"""What the losses reduce to, approach at the ends of τ, and what their relations are."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from harness import methods

from .builders import (
    FEW,
    MASKED,
    TEMPERATURES,
    VARIANTS,
    WEIGHTS,
    WITH_RELATIONS,
    close,
    loss,
    random_inputs,
    variant_id,
    with_duplicates,
    with_lonely_row,
    with_own,
    with_planted_neighbours,
)

VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
CASE = pytest.mark.parametrize("inputs", FEW.values(), ids=FEW)


@CASE
@pytest.mark.parametrize("method", ["maskcon", "grafit", "coins", "maskcon_attributes"])
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
@pytest.mark.parametrize("method", ["maskcon", "grafit", "coins", "maskcon_attributes"])
def test_loss_is_linear_in_the_weight(method, inputs):
    ends = [loss(method, inputs, weight).double() for weight in (0.0, 1.0)]
    found = loss(method, inputs, 0.3).double()
    torch.testing.assert_close(found, 0.7 * ends[0] + 0.3 * ends[1], rtol=1e-5, atol=1e-6)


@VARIANT
def test_settings_that_a_method_does_not_use_change_nothing(method, options):
    used, inputs = methods.uses(method, options), FEW["own keys"]
    expected = loss(method, inputs, **options)
    if "weight" not in used:
        assert torch.equal(loss(method, inputs, weight=0.9, **options), expected)
    if "temperature" not in used:
        assert torch.equal(loss(method, inputs, temperature=0.0, **options), expected)
    if "bank" not in used:
        assert torch.equal(loss(method, inputs, contrastive_temperature=0.3, **options), expected)
        without = dataclasses.replace(inputs, query=None, key=None, bank=None, bank_labels=None, own=None)
        assert torch.equal(loss(method, without, **options), expected)
    if not getattr(methods.load(method), "needs_attributes", False):
        without = dataclasses.replace(inputs, attributes=None, bank_attributes=None)
        assert torch.equal(loss(method, without, **options), expected)
    if "classifier" not in used:
        assert torch.equal(loss(method, dataclasses.replace(inputs, logits=None), **options), expected)


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
    coarse = dict.fromkeys(("maskcon", "maskcon_attributes", "grafit", "supcon", "coins", "supce"), "coarse")
    assert found == {**coarse, "supfine": "fine", **dict.fromkeys(("selfcon", "nnclr", "ascl"))}
