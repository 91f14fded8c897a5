"""Successive halving, asynchronous: which trainings of a search go on, and what those that do not would have reached.

Li et al., A system for massively parallel hyperparameter tuning (ASHA), MLSys 2020: a training that gets to a rung goes on
if it is among the best 1/η of those that got there so far, itself included.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def goes_on(value: float, others: Sequence[float], reduction: int) -> bool:
    """Whether a training with this recall at a rung is among the best 1/η (one at the least) of all that got there.

    `others` is what the others had there. The first one always goes on, and so do equals.
    """
    places = max(1, (1 + len(others)) // reduction)
    return sum(other > value for other in others) < places


def at_the_end(values: Mapping[int, float], finished: Sequence[Mapping[int, float]], epochs: int) -> float | None:
    """Recall after the last epoch, by epoch `values` of one training; None before its first evaluation.

    One that was stopped counts with its last recall and the median of what finished trainings gained from that epoch on:
    as it is, it would look worse than it is to a model of the settings, and the earlier the worse.
    """
    if epochs in values:
        return values[epochs]
    if not values:
        return None
    last = max(values)
    gains = [other[epochs] - other[last] for other in finished if last in other and epochs in other]
    return min(1.0, values[last] + (statistics.median(gains) if gains else 0.0))
