"""Verdicts on published numbers: the order of questions, the edges, their error rates."""

import numpy as np
import pytest
from scipy import stats

from harness import self_test_command, verdicts


def judge(difference, deviation=0.3, degrees=58, runs=3, margin=1.0):
    return verdicts.judge(difference, deviation, degrees, runs, margin)[0]


def test_each_verdict_falls_where_its_interval_lies():
    half = stats.t.ppf(0.95, 58) * 0.3 * (4 / 3) ** 0.5
    assert judge(0.0) == judge(0.99 - half) == judge(-0.99 + half) == verdicts.REPRODUCED
    assert judge(1.01 - half) == judge(-1.01 + half) == judge(0.99 + half) == verdicts.INCONCLUSIVE
    assert judge(1.01 + half) == verdicts.HIGHER
    assert judge(-1.01 - half) == verdicts.LOWER


def test_few_runs_come_before_any_number():
    assert judge(0.0, runs=2) == verdicts.INSUFFICIENT
    assert verdicts.judge(0.0, 0.3, 58, 2, 1.0)[1] is None


def test_a_large_spread_is_inconclusive_and_not_reproduced():
    assert judge(0.0, deviation=3.0) == verdicts.INCONCLUSIVE


def test_two_one_sided_tests_give_the_same_answer():
    draw = np.random.default_rng(0)
    for _ in range(300):
        difference, deviation = draw.normal(0, 1), draw.uniform(0.1, 0.6)
        error = deviation * (4 / 3) ** 0.5
        lower, upper = stats.t.sf((difference + 1) / error, 20), stats.t.cdf((difference - 1) / error, 20)
        equivalent = max(lower, upper) < 0.05
        assert (judge(difference, deviation, 20) == verdicts.REPRODUCED) == equivalent


def test_the_power_is_that_of_judging_simulated_sweeps():
    expected = verdicts.power(0.3, 60, 3, 1.0, 0.0)
    found = self_test_command._verdicts(0.3, 0.0, 60)
    assert expected[verdicts.REPRODUCED] == pytest.approx(
        np.mean([one == verdicts.REPRODUCED for one in found]), abs=0.04
    )


def test_error_rates_stay_within_their_level():
    rates = [*self_test_command.verdict_rates(0.3, sweeps=60), *self_test_command.claim_rates(families=250)]
    assert [rate.what for rate in rates if not rate.passes] == []


def test_a_rate_above_its_limit_does_not_pass():
    assert not self_test_command.Rate("wrong", 0.08, 0.005, 0.05).passes
    assert self_test_command.Rate("a power", 0.08, 0.005).passes
