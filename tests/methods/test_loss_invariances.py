"""What the losses must not depend on: the bank's order, a rotation, the classes' names, the rest of the batch."""

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
    FEW,
    MASKED,
    TEMPERATURES,
    VARIANTS,
    as_dtype,
    close,
    loss,
    random_inputs,
    variant_id,
    with_own,
)

VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
CONTRASTIVE_VARIANT = pytest.mark.parametrize(("method", "options"), CONTRASTIVE, ids=variant_id)


def permuted(inputs: ContrastiveInputs, seed: int) -> ContrastiveInputs:
    """The bank in another order, and what belongs to it."""
    order = torch.randperm(len(inputs.bank), generator=torch.Generator().manual_seed(seed))
    entries = {name: getattr(inputs, name)[order] for name in ("bank", "bank_labels", "bank_attributes")}
    own = None if inputs.own is None else inputs.own[:, order]
    return dataclasses.replace(inputs, own=own, **entries)


@pytest.mark.parametrize("inputs", FEW.values(), ids=FEW)
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
        names = ("query", "key", "labels", "logits", "own", "attributes")
        parts = {name: getattr(inputs, name)[i : i + 1] for name in names}
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
    entries = {name: getattr(inputs, name)[kept] for name in ("bank", "bank_labels", "bank_attributes")}
    shorter = dataclasses.replace(inputs, **entries)
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
        bank_attributes=torch.cat([inputs.bank_attributes, inputs.attributes[1:2]]),
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
