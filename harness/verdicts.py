"""A verdict on one published number, in a fixed order of questions.

1. NOT COMPARABLE: a field that the source states differs. 2. INSUFFICIENT RUNS: fewer than three. 3. REPRODUCED: two one-sided
   tests at 5 %, which is the 90 % interval of ours − theirs inside ±δ. 4. LOWER or HIGHER THAN PUBLISHED: the interval wholly
   outside. 5. INCONCLUSIVE.

The published value is itself one run: the interval is d ± t·s·√(1 + 1/n), s pooled over the sweep's trainings.
"""

from __future__ import annotations

import math

from harness import statistics
from harness.statistics import Interval

NOT_COMPARABLE = "NOT COMPARABLE"
INSUFFICIENT = "INSUFFICIENT RUNS"
NO_MARGIN = "NO MARGIN DECLARED"
REPRODUCED = "REPRODUCED"
LOWER = "LOWER THAN PUBLISHED"
HIGHER = "HIGHER THAN PUBLISHED"
INCONCLUSIVE = "INCONCLUSIVE"
FAILING = (NOT_COMPARABLE, INSUFFICIENT, NO_MARGIN, LOWER)  # with one of these a comparison does not pass
FEWEST_RUNS = 3
LEVEL = 0.90  # of the interval: two one-sided tests at 5 %


def judge(difference: float, deviation: float, degrees: int, runs: int, margin: float) -> tuple[str, Interval | None]:
    """The verdict on comparable numbers, and the 90 % interval of the difference. All in points."""
    if runs < FEWEST_RUNS:
        return INSUFFICIENT, None
    interval = statistics.against_one_run(difference, deviation, degrees, runs, LEVEL)
    low, high = interval
    if -margin < low and high < margin:
        return REPRODUCED, interval
    if high < -margin:
        return LOWER, interval
    if low > margin:
        return HIGHER, interval
    return INCONCLUSIVE, interval


def power(
    deviation: float, degrees: int, runs: int, margin: float, shift: float, count: int = 20_000
) -> dict[str, float]:
    """How often each verdict falls where ours is truly `shift` points above theirs, by simulation with a fixed seed.

    `deviation` is taken for the true one; each simulated sweep estimates it anew with `degrees` degrees of freedom.
    """
    import numpy as np

    if not degrees or runs < FEWEST_RUNS:
        return {}
    draw = np.random.default_rng(0)
    differences = shift + deviation * math.sqrt(1 + 1 / runs) * draw.standard_normal(count)
    estimates = deviation * np.sqrt(draw.chisquare(degrees, count) / degrees)
    half = statistics.t_quantile((1 + LEVEL) / 2, degrees) * estimates * math.sqrt(1 + 1 / runs)
    low, high = differences - half, differences + half
    return {
        REPRODUCED: float(((low > -margin) & (high < margin)).mean()),
        LOWER: float((high < -margin).mean()),
        HIGHER: float((low > margin).mean()),
    }
