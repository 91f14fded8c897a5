"""Every loss against its naive loop, in both precisions, and its gradients."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from harness import methods
from harness.methods import ContrastiveInputs

from . import naive
from .builders import (
    CONTRASTIVE,
    TEMPERATURES,
    VARIANTS,
    WEIGHTS,
    WITH_RELATIONS,
    as_dtype,
    loss,
    random_inputs,
    rows,
    variant_id,
    with_duplicates,
    with_lonely_row,
    with_own,
    with_planted_neighbours,
)

CASES = {
    "small": random_inputs(0, samples=3, bank_size=7, dimension=3),
    "wide": random_inputs(1, samples=4, bank_size=33, dimension=16),
    "flat": random_inputs(2, samples=7, bank_size=16, dimension=2),
    "own keys": with_own(random_inputs(3), seed=3),
    "own keys of one sample": with_own(random_inputs(4, samples=1)),
    "no entry of a row's class": with_lonely_row(random_inputs(5)),
    "no entry of a row's class, own keys": with_own(with_lonely_row(random_inputs(6)), seed=6),
    "one class": random_inputs(7, classes=1),
    "one class, own keys": with_own(random_inputs(8, classes=1), seed=8),
    "two ties": with_duplicates(random_inputs(9), copies=2),
    "five ties": with_duplicates(random_inputs(10, bank_size=29, dimension=13), copies=5),
    "ties everywhere": with_duplicates(random_inputs(11, bank_size=9), copies=9),
    "planted neighbours": with_planted_neighbours(random_inputs(12, dimension=12)),
    "one sample": random_inputs(13, samples=1),
    "one bank entry": random_inputs(14, bank_size=1),
    "one bank entry, own": with_own(random_inputs(15, bank_size=1)),
    "one sample, one bank entry": random_inputs(16, samples=1, bank_size=1),
}
WITH_A_BANK = {name: inputs for name, inputs in CASES.items() if len(inputs.bank) > 1}
VARIANT = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)


def agrees_with_the_loop(method: str, options: dict[str, str], inputs: ContrastiveInputs) -> None:
    """At every w and τ of the paper's grid, to 1e-9."""
    samples = rows(inputs)
    for weight, temperature, tau0 in itertools.product(WEIGHTS, TEMPERATURES, (0.1, 0.05)):
        settings = naive.Settings(weight, temperature, tau0, **options)
        expected = torch.tensor([naive.loss(method, row, settings) for row in samples], dtype=torch.float64)
        found = loss(method, inputs, weight, temperature, tau0, **options)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_every_pure_loss_has_a_naive_loop():
    assert {name for name in methods.names() if hasattr(methods.load(name), "loss")} == set(naive.METHODS)


@pytest.mark.parametrize("case", WITH_A_BANK)
@VARIANT
def test_loss_equals_the_naive_loop(method, options, case):
    agrees_with_the_loop(method, options, CASES[case])


@pytest.mark.parametrize("case", [name for name in CASES if name not in WITH_A_BANK])
@pytest.mark.parametrize(("method", "options"), [v for v in VARIANTS if v[0] != "ascl"], ids=variant_id)
def test_loss_with_one_bank_entry_equals_the_naive_loop(method, options, case):
    agrees_with_the_loop(method, options, CASES[case])


@pytest.mark.parametrize("weighting", ["authors", "section-3.2"])
@pytest.mark.parametrize("case", [name for name in CASES if name not in WITH_A_BANK])
def test_ascl_with_one_bank_entry_lies_between_selfcon_and_nnclr(case, weighting):
    """H(p)/log P is 0/0 for P = 1; whatever it is taken for, a confidence lies in [0, 1]."""
    inputs = CASES[case]
    found = loss("ascl", inputs, ascl_weighting=weighting)
    ends = torch.stack([loss("selfcon", inputs), loss("nnclr", inputs)])
    assert (found >= ends.amin(0) - 1e-12).all()
    assert (found <= ends.amax(0) + 1e-12).all()


@pytest.mark.parametrize("case", WITH_A_BANK)
@pytest.mark.parametrize("method", WITH_RELATIONS)
def test_relations_equal_the_naive_loop(method, case):
    inputs, samples = CASES[case], rows(CASES[case])
    for weight, temperature in itertools.product(WEIGHTS, TEMPERATURES):
        settings = naive.Settings(weight, temperature, 0.1)
        expected = torch.tensor([naive.RELATIONS[method](row, settings) for row in samples], dtype=torch.float64)
        own_share, bank = methods.load(method).relations(inputs, weight=weight, temperature=temperature)
        found = torch.cat([own_share[:, None], bank], dim=1)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@VARIANT
def test_loss_equals_the_naive_loop_on_a_full_bank(method, options):
    inputs = random_inputs(20, samples=1, bank_size=8192, dimension=32)
    settings = naive.Settings(0.8, 0.05, 0.1, **options)
    expected = naive.loss(method, rows(inputs)[0], settings)
    assert loss(method, inputs, 0.8, 0.05, **options).item() == pytest.approx(expected, rel=1e-9)


@VARIANT
def test_smallest_contrastive_temperature_does_not_overflow(method, options):
    inputs = CASES["own keys"]
    settings = naive.Settings(0.5, 0.1, 1e-4, **options)
    expected = [naive.loss(method, row, settings) for row in rows(inputs)]
    assert loss(method, inputs, 0.5, 0.1, 1e-4, **options).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("bank_size", [256, 8192])
@VARIANT
def test_single_precision_agrees_with_double(method, options, bank_size):
    """Away from ties: sharp soft labels where one neighbour is clearly the nearest, softer ones anywhere."""
    spread = random_inputs(21, samples=128, bank_size=bank_size, dimension=128)
    trials = [(with_planted_neighbours(spread), (0.0, 1e-4)), (spread, (0.01, 0.05, math.inf))]
    for inputs, temperatures in trials:
        single = as_dtype(inputs, torch.float32)
        for temperature in temperatures:
            found = loss(method, single, 0.8, temperature, **options)
            expected = loss(method, as_dtype(single, torch.float64), 0.8, temperature, **options)
            assert found.dtype == torch.float32
            torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("copies", [1, 2, 7, 100])
def test_ties_share_the_relation_in_a_full_bank(copies, dtype):
    """Equal entries tie wherever they lie, although a matrix product may round each column in its own way."""
    for bank_size in (8192, 8191, 1003):
        inputs = as_dtype(with_duplicates(random_inputs(22, bank_size=bank_size, dimension=128), copies), dtype)
        for method in ("maskcon", "nnclr"):
            self_relation, bank = methods.load(method).relations(inputs, weight=1.0, temperature=0.0)
            assert self_relation[0].item() == pytest.approx(1 / (1 + copies), rel=1e-6)
            assert (bank[0] > 0).sum() == copies


@pytest.mark.parametrize("case", ["small", "own keys", "two ties", "one bank entry"])
@VARIANT
def test_gradients_of_query_and_logits_are_those_of_the_loss(method, options, case):
    inputs = CASES[case]

    def of(query: torch.Tensor, logits: torch.Tensor, temperature: float) -> torch.Tensor:
        return loss(method, dataclasses.replace(inputs, query=query, logits=logits), 0.5, temperature, **options)

    free = (1.7 * inputs.query).requires_grad_(), inputs.logits.clone().requires_grad_()
    for temperature in (0.0, 0.1, math.inf):
        assert torch.autograd.gradcheck(of, (*free, temperature))


def slopes(method: str, options: dict[str, str], inputs: ContrastiveInputs) -> torch.Tensor:
    """The loss's derivative by each contrastive logit: softmax(ℓ) − Z. (N, 1+P)."""
    settings = naive.Settings(0.8, 0.1, 0.1, **options)
    relations = naive.RELATIONS["supcon" if method == "supfine" else method]
    found = []
    for row in rows(inputs):
        logits = naive.contrastive_logits(row, settings)
        largest = max(logits)
        total = sum(math.exp(logit - largest) for logit in logits)
        pairs = zip(logits, relations(row, settings), strict=True)
        found.append([math.exp(logit - largest) / total - relation for logit, relation in pairs])
    return torch.tensor(found, dtype=torch.float64)


@pytest.mark.parametrize("case", ["wide", "own keys", "two ties"])
@pytest.mark.parametrize(("method", "options"), CONTRASTIVE, ids=variant_id)
def test_gradient_of_the_query_is_softmax_minus_relations(method, options, case):
    inputs = CASES[case]
    query = inputs.query.clone().requires_grad_()
    total = loss(method, dataclasses.replace(inputs, query=query), 0.8, **options).sum()
    (found,) = torch.autograd.grad(total, query)
    slope = slopes(method, options, inputs) / 0.1
    torch.testing.assert_close(found, slope[:, :1] * inputs.key + slope[:, 1:] @ inputs.bank, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("method", "options"), [*CONTRASTIVE, ("coins", {})], ids=variant_id)
def test_no_gradient_reaches_key_or_bank(method, options):
    inputs = random_inputs(24)
    query, key, bank = (x.clone().requires_grad_() for x in (inputs.query, inputs.key, inputs.bank))
    loss(method, dataclasses.replace(inputs, query=query, key=key, bank=bank), **options).sum().backward()
    largest = {name: 0.0 if x.grad is None else x.grad.abs().max().item() for name, x in (("key", key), ("bank", bank))}
    assert query.grad.any()
    assert largest == {"key": 0.0, "bank": 0.0}


@pytest.mark.parametrize("method", WITH_RELATIONS)
def test_relations_carry_no_gradient(method):
    inputs = random_inputs(25)
    query, key, bank = (x.clone().requires_grad_() for x in (inputs.query, inputs.key, inputs.bank))
    tracked = dataclasses.replace(inputs, query=query, key=key, bank=bank)
    relations = methods.load(method).relations(tracked, weight=0.8, temperature=0.1)
    assert not any(part.requires_grad for part in relations)


@VARIANT
def test_gradient_is_finite_in_single_precision_at_extreme_temperatures(method, options):
    inputs = as_dtype(with_own(random_inputs(26, samples=8, bank_size=512, dimension=64)), torch.float32)
    for temperature, tau0 in itertools.product((0.0, 1e-4, math.inf), (0.1, 1e-4)):
        query, logits = inputs.query.clone().requires_grad_(), inputs.logits.clone().requires_grad_()
        found = loss(method, dataclasses.replace(inputs, query=query, logits=logits), 0.5, temperature, tau0, **options)
        assert found.isfinite().all()
        found.sum().backward()
        assert all(x.grad is None or x.grad.isfinite().all() for x in (query, logits))
