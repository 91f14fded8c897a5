"""Claims that one method beats another: differences paired by seed, each method at the cell chosen on the other seeds.

Never by the `oracle` rule: the method with more cells would win by chance. Student's test of the pairs, corrected for the
choice (`statistics.paired`), Holm over the claims of a sweep.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness import datasets
from harness.selection import Selected
from harness.statistics import Interval, holm, paired
from harness.verdicts import FEWEST_RUNS, INSUFFICIENT

HOLDS, NOT_SHOWN, REVERSED, IDENTICAL = "HOLDS", "NOT SHOWN", "REVERSED", "IDENTICAL"
LEVEL = 0.05


@dataclass(frozen=True)
class Claim:
    """`better` beats `than`: what the runs say."""

    better: str
    than: str
    verdict: str
    differences: tuple[float, ...]  # per common seed, points
    interval: Interval | None = None  # 95 %, of the mean difference
    p: float | None = None  # two-sided
    p_holm: float | None = None  # adjusted for all tested claims
    trials: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        """Of the differences, points."""
        return statistics.fmean(self.differences) if self.differences else None


def judge(pairs: Sequence[tuple[str, str]], chosen: Mapping[str, Selected]) -> list[Claim]:
    """Every claim, in the order given; `chosen` by `selection.leave_one_seed_out`."""
    open_claims = [_paired(better, than, chosen) for better, than in pairs]
    tested = [place for place, claim in enumerate(open_claims) if claim.p is not None]
    adjusted = holm([open_claims[place].p or 0.0 for place in tested])
    for place, p_holm in zip(tested, adjusted, strict=True):
        claim = open_claims[place]
        verdict = NOT_SHOWN
        if p_holm < LEVEL and claim.mean:
            verdict = HOLDS if claim.mean > 0 else REVERSED
        open_claims[place] = dataclasses.replace(claim, verdict=verdict, p_holm=p_holm)
    return open_claims


def _paired(better: str, than: str, chosen: Mapping[str, Selected]) -> Claim:
    """The claim before Holm: its differences, and p where there is something to test."""
    if better not in chosen or than not in chosen:
        return Claim(better, than, INSUFFICIENT, ())
    ours, theirs = _by_seed(chosen[better]), _by_seed(chosen[than])
    seeds = sorted(set(ours) & set(theirs))
    differences = tuple(100 * (ours[seed][0] - theirs[seed][0]) for seed in seeds)
    trials = tuple(dict.fromkeys(side[seed][1] for side in (ours, theirs) for seed in seeds))
    if seeds and all(ours[seed][1] == theirs[seed][1] for seed in seeds):
        return Claim(better, than, IDENTICAL, differences, trials=trials)
    if len(seeds) < FEWEST_RUNS:
        return Claim(better, than, INSUFFICIENT, differences, trials=trials)
    selected = chosen[better].of_several or chosen[than].of_several
    p, interval = paired(differences, selected, least=_resolution(chosen[better]))
    return Claim(better, than, NOT_SHOWN, differences, interval, p, trials=trials)


def _resolution(selected: Selected) -> float:
    """The spread, in points, that counting whole test images alone gives a difference of two recalls."""
    trials = selected.cells[0].trials
    sizes = [
        size for trial in trials[:1] for size in (datasets.load(trial.dataset).test_size, trial.test_limit) if size
    ]
    return 100 / min(sizes) * math.sqrt(2 / 12) if sizes else 0.0


def _by_seed(selected: Selected) -> dict[int, tuple[float, str]]:
    values = zip(selected.values, selected.trial_ids, strict=True)
    return dict(zip(selected.seeds, values, strict=True))
