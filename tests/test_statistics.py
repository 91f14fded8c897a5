"""Intervals, pooling, pairs and Holm against scipy, closed forms and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from harness import statistics

RUNS = [[60.1, 61.2, 59.8], [40.5, 40.9], [71.0], [55.0, 55.5, 54.1, 56.2]]


@pytest.mark.parametrize("values", [RUNS[0], RUNS[1], RUNS[3]])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_a_mean_is_scipys(values, level):
    expected = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert statistics.mean_interval(values, level) == pytest.approx(expected)


def test_one_run_has_no_interval():
    assert statistics.mean_interval([60.0]) is None


def test_the_pooled_deviation_is_that_of_one_way_residuals():
    residuals = np.concatenate([np.array(group) - np.mean(group) for group in RUNS])
    degrees = sum(len(group) - 1 for group in RUNS)
    assert statistics.pooled(RUNS) == (pytest.approx(math.sqrt((residuals**2).sum() / degrees)), degrees)


def test_without_repeated_runs_nothing_is_pooled():
    deviation, degrees = statistics.pooled([[1.0], [2.0], []])
    assert math.isnan(deviation)
    assert degrees == 0


def test_against_one_run_covers_the_true_difference_at_its_level():
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(4_000):
        runs, published = draw.normal(61.0, 0.4, (10, 3)), draw.normal(60.0, 0.4)
        deviation, degrees = statistics.pooled(runs.tolist())
        low, high = statistics.against_one_run(runs[0].mean() - published, deviation, degrees, 3)
        covered.append(low <= 1.0 <= high)
    assert np.mean(covered) == pytest.approx(0.90, abs=0.02)


def test_between_two_means_is_scipys_interval_where_spreads_are_pooled():
    first, second = RUNS[0], RUNS[3]
    deviation, degrees = statistics.pooled([first, second])
    expected = stats.ttest_ind(first, second).confidence_interval(0.95)
    found = statistics.between(np.mean(first) - np.mean(second), deviation, degrees, (3, 4))
    assert found == pytest.approx((expected.low, expected.high))


def test_the_paired_test_is_scipys_where_nothing_was_selected():
    ours, theirs = np.array([65.1, 64.8, 65.9, 65.0]), np.array([60.2, 60.9, 60.1, 61.5])
    expected = stats.ttest_rel(ours, theirs)
    p, interval = statistics.paired(list(ours - theirs), selected=False)
    assert p == pytest.approx(expected.pvalue)
    assert interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_a_selection_widens_the_paired_interval_by_the_share_of_common_seeds():
    differences = [1.0, 1.4, 0.7, 1.2]
    plain, corrected = (statistics.paired(differences, selected)[1] for selected in (False, True))
    widths = [high - low for low, high in (plain, corrected)]
    assert widths[1] / widths[0] == pytest.approx(math.sqrt((1 / 4 + 1 / 3) / (1 / 4)))
    assert sum(plain) == pytest.approx(sum(corrected))


def test_equal_differences_leave_no_doubt():
    assert statistics.paired([0.0, 0.0, 0.0], selected=False)[0] == 1
    assert statistics.paired([2.0, 2.0, 2.0], selected=True)[0] == 0


def test_holm_is_the_stepwise_rule():
    # 0.01·4, then 0.02·3, then max with 0.03·2, then 0.2·1
    assert statistics.holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_holm_rejects_what_the_definition_rejects():
    draw = np.random.default_rng(1)
    for _ in range(200):
        p = draw.uniform(0, 0.2, 5)
        rejected = set()
        for rank, place in enumerate(np.argsort(p)):
            if p[place] > 0.05 / (5 - rank):
                break
            rejected.add(int(place))
        assert {place for place, value in enumerate(statistics.holm(list(p))) if value <= 0.05} == rejected
