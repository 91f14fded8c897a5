"""Successive halving against a naive ranking, and what a stopped training would have reached."""

from __future__ import annotations

import random

import pytest

from harness import halving


def naive(value, others, reduction):
    """Rank all that got there; the best 1/η, one at the least, go on, and whoever is equal to the last of them."""
    ranked = sorted([*others, value], reverse=True)
    kept = ranked[: max(1, len(ranked) // reduction)]
    return value >= kept[-1]


@pytest.mark.parametrize("reduction", [2, 3, 4])
def test_the_best_share_goes_on(reduction):
    draw = random.Random(0)
    for _ in range(500):
        others = [draw.randrange(6) / 10 for _ in range(draw.randrange(12))]
        value = draw.randrange(6) / 10
        assert halving.goes_on(value, others, reduction) == naive(value, others, reduction)


def test_the_first_one_always_goes_on():
    assert halving.goes_on(0.0, [], 3)


def test_a_finished_training_has_what_it_reached():
    assert halving.at_the_end({1: 0.2, 3: 0.4, 9: 0.7}, [], 9) == 0.7


def test_a_stopped_one_has_its_last_and_the_median_gain_of_the_finished():
    finished = [{1: 0.2, 3: 0.4, 9: 0.7}, {1: 0.3, 3: 0.5, 9: 0.6}, {1: 0.1, 3: 0.5, 9: 0.9}]
    assert halving.at_the_end({1: 0.1}, finished, 9) == pytest.approx(0.1 + 0.5)  # of 0.5, 0.3 and 0.8
    assert halving.at_the_end({1: 0.1, 3: 0.3}, finished, 9) == pytest.approx(0.3 + 0.3)  # of 0.3, 0.1 and 0.4


def test_no_gain_is_known_before_one_has_finished():
    assert halving.at_the_end({1: 0.1}, [], 9) == 0.1
    assert halving.at_the_end({2: 0.1}, [{1: 0.1, 9: 0.5}], 9) == 0.1


def test_no_recall_is_above_one_and_none_is_made_up():
    assert halving.at_the_end({1: 0.9}, [{1: 0.2, 9: 0.9}], 9) == 1.0
    assert halving.at_the_end({}, [{1: 0.2, 9: 0.9}], 9) is None
