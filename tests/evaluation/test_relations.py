"""d_z of Theorem 1 and the mass on the right fine class: against a double loop, closed forms, invariances."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from harness import methods
from harness.evaluation.relations import against_fine
from harness.methods import ContrastiveInputs

SAMPLES, ENTRIES = 12, 40
PER_COARSE = 3  # fine classes in a coarse one


def inputs(
    seed: int = 0, *, own_share: float = 0.2, per_coarse: int = PER_COARSE
) -> tuple[ContrastiveInputs, Tensor, Tensor]:
    """What a coarse method sees of a random batch and bank, and the fine labels of both."""
    drawn = torch.Generator().manual_seed(seed)
    fine = torch.randint(6, (SAMPLES,), generator=drawn)
    bank_fine = torch.randint(6, (ENTRIES,), generator=drawn)
    keys = torch.nn.functional.normalize(torch.randn(SAMPLES + ENTRIES, 8, generator=drawn), dim=1)
    own = (torch.rand(SAMPLES, ENTRIES, generator=drawn) < own_share) & (fine[:, None] == bank_fine[None, :])
    key, bank = keys[:SAMPLES], keys[SAMPLES:]
    coarse, bank_coarse = fine // per_coarse, bank_fine // per_coarse
    return ContrastiveInputs(key, key, bank, coarse, bank_coarse, own=own if own_share else None), fine, bank_fine


def relations(
    method: str, seen: ContrastiveInputs, weight: float = 0.7, temperature: float = 0.2
) -> tuple[Tensor, Tensor]:
    return methods.load(method).relations(seen, weight=weight, temperature=temperature)


def naive(self_relation, bank_relations, fine, bank_fine, own) -> tuple[list[float], list[float]]:
    """Both numbers of each sample, entry by entry."""
    errors, shares = [], []
    for i in range(len(fine)):
        right = [
            bank_fine[j] == fine[i] and bank_fine[j] >= 0 and not (own is not None and own[i][j])
            for j in range(len(bank_fine))
        ]
        ideal = 1 / (1 + sum(right))
        squares = (self_relation[i] - ideal) ** 2
        share = self_relation[i]
        for j, is_right in enumerate(right):
            squares += (bank_relations[i][j] - (ideal if is_right else 0.0)) ** 2
            share += bank_relations[i][j] if is_right else 0.0
        errors.append(math.sqrt(squares))
        shares.append(share)
    return errors, shares


@pytest.mark.parametrize("own_share", [0.0, 0.3])
@pytest.mark.parametrize("method", ["selfcon", "supcon", "grafit", "maskcon", "nnclr", "ascl", "coins"])
def test_both_numbers_equal_a_double_loop(method, own_share):
    seen, fine, bank_fine = inputs(own_share=own_share)
    bank_fine[3] = -1  # of no image
    self_relation, bank_relations = relations(method, seen)
    own = None if seen.own is None else seen.own.tolist()
    expected = naive(self_relation.tolist(), bank_relations.tolist(), fine.tolist(), bank_fine.tolist(), own)
    found = against_fine(self_relation, bank_relations, fine, bank_fine, seen.own)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.tolist() == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("partners", [0, 1, 3, 40])
def test_a_sample_alone_is_as_far_off_as_the_root_of_the_missed_share(partners):
    # z = [1, 0, …], ẑ = 1/(m+1) at m + 1 places: ‖z − ẑ‖² = (m/(m+1))² + m/(m+1)² = m/(m+1)
    fine, bank_fine = torch.zeros(1, dtype=torch.int64), (torch.arange(ENTRIES) >= partners).long()
    error, share = against_fine(torch.ones(1), torch.zeros(1, ENTRIES), fine, bank_fine)
    assert error.item() == pytest.approx(math.sqrt(partners / (partners + 1)))
    assert share.item() == 1


def test_the_nearest_neighbour_alone_has_a_closed_form():
    # z is ½ at the sample and ½ at its nearest; with m partners ẑ is 1/(m+1) at m + 1 places
    seen, fine, bank_fine = inputs(own_share=0)
    self_relation, bank_relations = relations("maskcon", seen, weight=1.0, temperature=0.0)
    assert (self_relation == 0.5).all()
    error, share = against_fine(self_relation, bank_relations, fine, bank_fine)
    for row in range(SAMPLES):
        allowed = seen.labels[row] == seen.bank_labels
        nearest = (seen.bank @ seen.key[row]).masked_fill(~allowed, -2).argmax()
        right = bool(bank_fine[nearest] == fine[row])
        partners = int((bank_fine == fine[row]).sum())
        ideal = 1 / (partners + 1)
        squares = (0.5 - ideal) ** 2
        squares += (0.5 - ideal) ** 2 + (partners - 1) * ideal**2 if right else 0.25 + partners * ideal**2
        assert error[row].item() == pytest.approx(math.sqrt(squares), abs=1e-6)
        assert share[row].item() == (1.0 if right else 0.5)


@pytest.mark.parametrize("own_share", [0.0, 0.3])
def test_relations_that_know_the_fine_classes_are_exactly_right(own_share):
    seen, fine, bank_fine = inputs(own_share=own_share, per_coarse=1)  # one fine class in each coarse one
    for method, changes in (("supcon", {}), ("maskcon", {"weight": 1.0, "temperature": math.inf})):
        error, share = against_fine(*relations(method, seen, **changes), fine, bank_fine, seen.own)
        assert (error == 0).all()
        assert share.tolist() == pytest.approx([1.0] * SAMPLES, abs=1e-6)


def test_equal_relations_over_a_coarse_class_have_its_share_of_the_fine_class():
    seen, fine, bank_fine = inputs(own_share=0)
    _, share = against_fine(*relations("supcon", seen), fine, bank_fine)
    for row in range(SAMPLES):
        right, all_of_them = (bank_fine == fine[row]).sum() + 1, (seen.bank_labels == seen.labels[row]).sum() + 1
        assert share[row].item() == pytest.approx((right / all_of_them).item(), abs=1e-6)


def test_neither_the_order_of_the_bank_nor_the_names_of_the_classes_matter():
    seen, fine, bank_fine = inputs()
    self_relation, bank_relations = relations("maskcon", seen)
    found = against_fine(self_relation, bank_relations, fine, bank_fine, seen.own)
    order, names = torch.randperm(ENTRIES, generator=torch.Generator().manual_seed(1)), torch.tensor([5, 9, 0, 7, 2, 4])
    again = against_fine(
        self_relation, bank_relations[:, order], names[fine], names[bank_fine][order], seen.own[:, order]
    )
    torch.testing.assert_close(again, found)


def test_an_own_key_that_is_left_out_is_no_partner_and_one_that_is_kept_is():
    fine, bank_fine = torch.zeros(1, dtype=torch.int64), torch.tensor([0, 0, 1])
    own = torch.tensor([[True, False, False]])
    alone = torch.ones(1), torch.zeros(1, 3)
    assert against_fine(*alone, fine, bank_fine, own)[0].item() == pytest.approx(math.sqrt(1 / 2))
    assert against_fine(*alone, fine, bank_fine)[0].item() == pytest.approx(math.sqrt(2 / 3))
