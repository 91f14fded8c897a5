"""`harness compare --self-test`: the error rates of the verdicts and claims, by simulation of sweeps whose truth is known.

Runs are normal, s points apart; the published value is drawn as a run too. The code that judges is the code that judges real
sweeps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from harness import claims, selection, statistics, verdicts
from harness.results import Summary
from harness.spec import Cell

MARGIN = 1.0
CELLS, SEEDS = 30, 3
SWEEPS = 400  # simulated for each rate of a verdict: 12,000 published numbers
FAMILIES = 2_000  # simulated for each rate of claims
GRID = {"maskcon": 20, "grafit": 4, "supce": 1}  # candidates per method, as on CIFAR-100
PAIRS = (("maskcon", "grafit"), ("maskcon", "supce"), ("grafit", "supce"))
WRONG = 0.05  # the level that every error rate is held to


@dataclass(frozen=True)
class Rate:
    """How often something happened; `error` is the standard error of the simulation."""

    what: str
    rate: float
    error: float
    limit: float | None = None  # an error rate may not exceed it; None: a power, which may be anything

    @property
    def passes(self) -> bool:
        """Whether the rate is within its limit, as far as the simulation can tell."""
        return self.limit is None or self.rate <= self.limit + 3 * self.error


def rates() -> list[Rate]:
    """Every measured rate, in about half a minute."""
    found = []
    for deviation in (0.3, 0.6):
        found += verdict_rates(deviation)
    return found + strained_rates() + claim_rates()


def verdict_rates(deviation: float, sweeps: int = SWEEPS) -> list[Rate]:
    """Of verdicts at s = `deviation` points and δ = 1, by the true difference."""
    at = f"s = {deviation:g}, δ = {MARGIN:g}, n = {SEEDS}"
    same, edge, apart = (_verdicts(deviation, shift, sweeps) for shift in (0.0, MARGIN, 2 * MARGIN))
    false = (verdicts.LOWER, verdicts.HIGHER)
    measured = {
        f"LOWER or HIGHER where nothing differs ({at})": ([one in false for one in same], WRONG),
        f"REPRODUCED where ours is off by δ ({at})": ([one == verdicts.REPRODUCED for one in edge], WRONG),
        f"LOWER or HIGHER where ours is off by δ ({at})": ([one in false for one in edge], WRONG),
        f"REPRODUCED where nothing differs ({at})": ([one == verdicts.REPRODUCED for one in same], None),
        f"LOWER or HIGHER where ours is off by 2δ ({at})": ([one in false for one in apart], None),
    }
    return [_rate(what, happened, limit, CELLS) for what, (happened, limit) in measured.items()]


def strained_rates(sweeps: int = SWEEPS) -> list[Rate]:
    """Of verdicts where what they assume does not hold: runs of one seed alike in all cells, cells of unequal spread."""
    cases = {"a seed shifts all cells by 0.3": (0.3, 1.0), "one cell in six spreads 4 times as much": (0.0, 4.0)}
    found = []
    for case, (shared, noisy) in cases.items():
        edge = _verdicts(0.3, MARGIN, sweeps, shared, noisy)
        same = _verdicts(0.3, 0.0, sweeps, shared, noisy)
        false = [one in (verdicts.LOWER, verdicts.HIGHER) for one in same]
        found.append(
            _rate(
                f"REPRODUCED where ours is off by δ; {case}", [one == verdicts.REPRODUCED for one in edge], None, CELLS
            )
        )
        found.append(_rate(f"LOWER or HIGHER where nothing differs; {case}", false, None, CELLS))
    return found


def claim_rates(families: int = FAMILIES) -> list[Rate]:
    """Of claims among methods of 20, 4 and 1 candidates: wrong ones where all are equal, right ones where one is better."""
    decided = (claims.HOLDS, claims.REVERSED)
    found = []
    for seeds in (3, 5):
        draw = np.random.default_rng(seeds)
        sweeps = [_sweep(draw, seeds, {}) for _ in range(families)]
        wrong = [any(claim.verdict in decided for claim in _judged(sweep)) for sweep in sweeps]
        found.append(_rate(f"some claim HOLDS or is REVERSED where all are equal (n = {seeds})", wrong, WRONG))
        better = [_sweep(draw, seeds, {"maskcon": 3.0}) for _ in range(families // 4)]
        holds = [_judged(sweep)[0].verdict == claims.HOLDS for sweep in better]
        found.append(_rate(f"a claim HOLDS where the better method is 10 s better (n = {seeds})", holds))
    return found


def run(out: Console, as_json: bool) -> int:
    """Print the rates. 0 where every error rate is within its level."""
    found = rates()
    if as_json:
        out.print_json(json.dumps([asdict(rate) | {"passes": rate.passes} for rate in found]))
    else:
        table = Table("how often", "rate", "allowed", "", box=box.SIMPLE)
        for rate in found:
            limit = "" if rate.limit is None else f"{100 * rate.limit:.0f} %"
            mark = "" if rate.limit is None else "[green]holds[/]" if rate.passes else "[red]exceeded[/]"
            table.add_row(rate.what, f"{100 * rate.rate:.1f} ± {100 * rate.error:.1f} %", limit, mark)
        out.print(table)
        out.print(
            "± is the standard error of the simulation. Rows without a limit are powers, or strain the assumptions."
        )
    return 0 if all(rate.passes for rate in found) else 1


def _verdicts(deviation: float, shift: float, sweeps: int, shared: float = 0.0, noisy: float = 1.0) -> list[str]:
    """The verdicts on every cell of simulated sweeps.

    All cells of a seed share a part that deviates by `shared`; one cell in six deviates `noisy` times as much as the others.
    """
    draw = np.random.default_rng(int(1000 * (deviation + 10 * shift + 100 * shared)))
    scale = deviation * np.where(np.arange(CELLS) % 6 == 0, noisy, 1.0)
    found = []
    for _ in range(sweeps):
        of_seed = shared * draw.standard_normal(SEEDS)
        runs = shift + scale[:, None] * draw.standard_normal((CELLS, SEEDS)) + of_seed
        published = scale * draw.standard_normal(CELLS) + shared * draw.standard_normal()
        spread, degrees = statistics.pooled(runs.tolist())
        differences = runs.mean(axis=1) - published
        found += [verdicts.judge(float(one), spread, degrees, SEEDS, MARGIN)[0] for one in differences]
    return found


def _sweep(draw: np.random.Generator, seeds: int, better: dict[str, float]) -> list[Summary]:
    """A sweep with s = 0.3 points within cells, and a part that all cells of a seed share."""
    shared = 0.3 * draw.standard_normal(seeds)
    found = []
    for method, count in GRID.items():
        for number in range(count):
            values = 50 + better.get(method, 0.0) + shared + 0.3 * draw.standard_normal(seeds)
            cell = Cell(method, (("weight", float(number)),), ())
            ids = tuple(f"{method}-{number}-{seed}" for seed in range(seeds))
            found.append(Summary(cell, "recall_at_1", tuple(values / 100), ids, tuple(range(seeds)), 0))
    return found


def _judged(sweep: Sequence[Summary]) -> list[claims.Claim]:
    return claims.judge(PAIRS, selection.leave_one_seed_out(sweep, lambda cell: True))


def _rate(what: str, happened: Sequence[bool], limit: float | None = None, together: int = 1) -> Rate:
    """`together` outcomes in a row are of one sweep, and not independent."""
    by_sweep = np.reshape(happened, (-1, together)).mean(axis=1)
    return Rate(what, float(by_sweep.mean()), float(by_sweep.std(ddof=1)) / len(by_sweep) ** 0.5, limit)
