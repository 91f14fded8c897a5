"""Claims that a method beats another: paired by seed, Holm, and what is not tested."""

import pytest
from scipy import stats

from harness import claims, selection
from harness.report.tables.claims import p_text
from tests.test_selection import everyone, summary


def judged(pairs, *found):
    return claims.judge(pairs, selection.leave_one_seed_out(found, everyone))


ABOVE = summary("maskcon", 1.0, (0.651, 0.655, 0.653))
BELOW = summary("grafit", 0.8, (0.601, 0.607, 0.604))
NEAR = summary("coins", 0.5, (0.600, 0.608, 0.603))


def test_a_clear_difference_holds_or_is_reversed():
    first, second = judged([("maskcon", "grafit"), ("grafit", "maskcon")], ABOVE, BELOW)
    assert (first.verdict, second.verdict) == (claims.HOLDS, claims.REVERSED)
    assert first.differences == pytest.approx((5.0, 4.8, 4.9))
    expected = stats.ttest_rel([65.1, 65.5, 65.3], [60.1, 60.7, 60.4])
    assert first.p == pytest.approx(expected.pvalue)
    assert first.p_holm == pytest.approx(2 * expected.pvalue)
    assert first.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_a_small_difference_is_not_shown():
    (claim,) = judged([("grafit", "coins")], BELOW, NEAR)
    assert claim.verdict == claims.NOT_SHOWN


def test_holm_can_take_back_what_a_single_test_shows():
    found = [summary("maskcon", 1.0, (0.65, 0.66, 0.67)), summary("grafit", 0.8, (0.64, 0.648, 0.654))]
    (alone,) = judged([("maskcon", "grafit")], *found)
    assert alone.verdict == claims.HOLDS
    others = [("maskcon", "coins"), ("grafit", "coins")]
    several = judged([("maskcon", "grafit"), *others], *found, summary("coins", 0.5, (0.66, 0.64, 0.68)))
    assert several[0].p == alone.p
    assert several[0].verdict == claims.NOT_SHOWN


def test_the_same_training_on_both_sides_is_not_tested():
    same = summary("supcon", 0.0, BELOW.values)
    same = type(same)(same.cell, same.metric, same.values, BELOW.trial_ids, same.seeds, 0)
    (claim,) = judged([("grafit", "supcon")], BELOW, same)
    assert claim.verdict == claims.IDENTICAL
    assert claim.p is None


def test_fewer_than_three_common_seeds_are_not_tested():
    pairs = [("maskcon", "grafit"), ("maskcon", "selfcon")]
    found = judged(pairs, ABOVE, summary("grafit", 0.8, (0.60, 0.61)))
    assert [claim.verdict for claim in found] == ["INSUFFICIENT RUNS"] * 2
    assert found[0].differences == pytest.approx((5.1, 4.5))
    assert found[1].differences == ()


def test_seeds_are_paired_by_their_number_and_not_by_their_place():
    partial = summary("grafit", 0.8, (0.607, 0.604, 0.609), seeds=(1, 2, 3))
    whole = summary("maskcon", 1.0, (0.651, 0.655, 0.653, 0.66))
    (claim,) = judged([("maskcon", "grafit")], whole, partial)
    assert claim.differences == pytest.approx((4.8, 4.9, 5.1))


def test_a_small_p_is_a_bound_and_not_zero():
    assert [p_text(value) for value in (None, 0.0004, 0.001, 0.0456)] == ["–", "< 0.001", "0.001", "0.046"]
