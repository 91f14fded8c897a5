"""The grid of simulated sweeps: 30 to 10,000 trials on 1 to 256 GPUs, with nodes that never fail, daily, or every six hours.

How long a training of the paper takes on a GPU is not known here: an hour is assumed, and a quarter and four beside it.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import lease, processes
from harness.sweep.simulation.events import simulate
from harness.sweep.simulation.model import CAUSES, Cluster, Costs, Outcome, Work, efficiency

TRIALS = (30, 90, 300, 1000, 3000, 10_000)
GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
HOURS_BETWEEN_FAILURES = (None, 24.0, 6.0)
SEEDS = {30: 20, 90: 20, 300: 10, 1000: 5, 3000: 3, 10_000: 2}  # few trials vary more
GPU_HOURS = (0.25, 1.0, 4.0)
ASSUMED_GPU_HOURS = 1.0
START_SECONDS = (10.0, 30.0, 60.0, 120.0)
AT_GPUS, AT_TRIALS, AT_HOURS = 64, 3000, 6.0  # where the goal is looked at
GOAL = 0.97
EFFICIENCIES = {  # by name: which part of the sweep, and whether GPUs that are down count as GPU time
    "queue": ("queue", False),
    "queue, down counted": ("queue", True),
    "whole": ("whole", False),
    "whole, down counted": ("whole", True),
}


@dataclass(frozen=True)
class Case:
    """One place of a table."""

    trials: int
    gpus: int
    hours_between_failures: float | None
    gpu_hours: float = ASSUMED_GPU_HOURS
    start_seconds: float | None = None  # None: as measured
    detection_seconds: float | None = None

    def once(self, costs: Costs, seed: int) -> Outcome:
        """One simulated sweep."""
        others = {"start_seconds": self.start_seconds, "detection_seconds": self.detection_seconds}
        costs = dataclasses.replace(costs, **{name: value for name, value in others.items() if value is not None})
        cluster = Cluster(self.gpus, hours_between_failures=self.hours_between_failures)
        return simulate(cluster, costs, Work(self.trials, self.gpu_hours), seed)


def costs_of(measured: Mapping[str, Any]) -> Costs:
    """The medians of a file of `--measure`."""
    return Costs(**{name: constant["median"] for name, constant in measured["constants"].items()})


def cases() -> dict[str, list[Case]]:
    """By the table that they are for."""
    return {
        "grid": [Case(*place) for place in itertools.product(TRIALS, GPUS, HOURS_BETWEEN_FAILURES)],
        "gpu_hours": [
            Case(AT_TRIALS, AT_GPUS, between, hours)
            for hours, between in itertools.product(GPU_HOURS, HOURS_BETWEEN_FAILURES)
        ],
        "starts": [
            Case(AT_TRIALS, AT_GPUS, AT_HOURS, hours, start)
            for hours, start in itertools.product(GPU_HOURS, START_SECONDS)
        ],
        "detection": [Case(AT_TRIALS, AT_GPUS, AT_HOURS, detection_seconds=float(lease.STALE_SECONDS))],
    }


def run(costs: Costs) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, averaged over seeds; by two processes on two cores."""
    wanted = cases()
    distinct = dict.fromkeys(itertools.chain(*wanted.values()))
    single = [(case, seed) for case in distinct for seed in range(SEEDS[case.trials])]
    single.sort(key=lambda one: -one[0].trials)  # the longest first, so that all processes end at about the same time
    found: dict[Case, list[Outcome]] = {}
    outcomes = processes.mapped(lambda one: one[0].once(costs, one[1]), single, True)
    for (case, _), outcome in zip(single, outcomes, strict=True):
        found.setdefault(case, []).append(outcome)
    return {table: [row(case, found[case]) for case in group] for table, group in wanted.items()}


def compared(measured: Mapping[str, Any]) -> list[dict[str, float]]:
    """Each real sweep of sleeping trials beside the simulated one.

    Starting and leaving are as measured with one such trial at a time, and with as many as in that sweep.
    """
    found = []
    for real in measured["compared"]:
        crowds = {"alone": "1", "crowded": str(real["actors"])}
        simulated = {crowd: _slept(real, costs_of(measured), measured["by_actors"][at]) for crowd, at in crowds.items()}
        found.append(real | {crowd: round(seconds, 3) for crowd, seconds in simulated.items()})
    return found


def _slept(real: Mapping[str, Any], costs: Costs, here: Mapping[str, Any]) -> float:
    """Seconds from the first trial's first epoch to the last one's end. Nothing is checkpointed or recorded."""
    starting = {name: here[name]["median"] for name in ("start_seconds", "leave_seconds", "report_seconds")}
    costs = dataclasses.replace(costs, checkpoint_seconds=0.0, driver_record_seconds=0.0, **starting)
    work = Work(real["trials"], real["trial_seconds"] / 3600, real["spread"], real["epochs"])
    outcome = simulate(Cluster(real["actors"], gpus_per_node=real["actors"]), costs, work, seed=0)
    before = costs.driver_start_seconds + costs.start_seconds
    after = costs.driver_end_seconds + costs.report_seconds + costs.leave_seconds
    return outcome.makespan_seconds - before - after


def row(case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What the seeds of a case have in common."""
    return {
        **dataclasses.asdict(case),
        "seeds": len(outcomes),
        "efficiency": {
            name: _spread(efficiency(getattr(one, part), count_down=down) for one in outcomes)
            for name, (part, down) in EFFICIENCIES.items()
        },
        "shares": {part: _shares([getattr(one, part) for one in outcomes]) for part in ("queue", "whole")},
        "makespan_hours": _mean(one.makespan_seconds / 3600 for one in outcomes),
        "driver_share": _mean(one.driver_busy_seconds / one.makespan_seconds for one in outcomes),
        "driver_bytes": _mean(one.driver_bytes for one in outcomes),
        "failures": _mean(one.failures for one in outcomes),
        "losses": _mean(one.losses for one in outcomes),
        "given_up": _mean(one.given_up for one in outcomes),
    }


def _shares(totals: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """Of all GPU time, by cause."""
    if any(sum(seconds.values()) == 0 for seconds in totals):
        return None
    return {cause: _mean(seconds[cause] / sum(seconds.values()) for seconds in totals) for cause in CAUSES}


def _spread(values: Iterable[float | None]) -> dict[str, float] | None:
    """None where a seed has no value."""
    known = [_rounded(value) for value in values if value is not None]
    return {"mean": _mean(known), "lowest": min(known), "highest": max(known)} if known else None


def _mean(values: Iterable[float]) -> float:
    return _rounded(statistics.fmean(values))


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
