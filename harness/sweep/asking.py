"""The work of a search: points that were asked for and not finished first, then new ones; halving ends what falls behind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness import halving, trials
from harness.config import TrialConfig
from harness.plan import Planned
from harness.points import Point, Study
from harness.spec import Cell

WAITING = ("missing", "unfinished")  # neither over nor in somebody's hands: what halving stopped is not woken


class Asking:
    """Trials of a search, as many as it may still ask for. Searches of several seeds run one after the other."""

    ahead = False  # each point is chosen when a place is free, by all that is known then

    def __init__(self, study: Study, tried: Collection[str] = (), *, only: Collection[str] | None = None):
        """`tried` in this run are not tried again; with `only`, nothing but these trials is trained, and nothing asked for."""
        self.study, self.search = study, study.search
        found = study.look()
        own = [point for point in found if point.number is not None and point.trial.trial_id not in tried]
        self.waiting = [
            point
            for point in own
            if (point.trial.trial_id in only if only is not None else point.state.state in WAITING)
        ]
        self.seeds = range(study.spec.seeds) if only is None else ()
        self.most = len(self.waiting) + sum(study.left(found, seed) for seed in self.seeds)
        self.handed: set[str] = set()
        self.examples: Sequence[TrialConfig] = [study.spec.middle]

    def take(self) -> Planned | None:
        """A point that waits, or a new one."""
        while self.waiting:
            point = self.study.again(self.waiting.pop(0))
            if point.state.state in ("done", "running", "stopped"):  # by another driver, meanwhile
                continue
            last = max(point.values, default=0)  # where a stop came between a rung and its verdict, it is given now
            reason = self._behind(point.trial, last, point.values[last]) if last else None
            if reason is None:
                return self._handed(point)
            trials.record_stop(point.directory, trials.SEARCH, reason, None)
        new = self._new()
        return self._handed(new) if new else None

    def heard(self, entry: Planned, metrics: dict[str, Any]) -> str | None:
        """Why halving ends this trial now; None where it goes on."""
        value = metrics.get(self.study.metric)
        return None if value is None else self._behind(entry.trial, int(metrics["epoch"]), float(value))

    def _behind(self, trial: TrialConfig, epoch: int, value: float) -> str | None:
        """Why a trial with this recall at a rung does not go on; None where it does, or where there is no rung."""
        if epoch not in self.search.rungs(trial.epochs):
            return None
        others = [
            point.values[epoch]
            for point in self.study.look()
            if point.trial.seed == trial.seed and point.trial.trial_id != trial.trial_id and epoch in point.values
        ]
        if halving.goes_on(value, others, self.search.reduction):
            return None
        place = 1 + sum(other > value for other in others)
        return (
            f"number {place} of {1 + len(others)} after epoch {epoch}: held-out Recall@1 {100 * value:.2f} %, the best has "
            f"{100 * max(others):.2f} %"
        )

    def _new(self) -> Point | None:
        from harness.sweep import proposals

        for seed in self.seeds:
            found = self.study.look()  # another driver may have asked meanwhile
            if self.study.left(found, seed) > 0:
                known = [point for point in found if point.trial.seed == seed]
                number = 1 + max((point.number for point in known if point.number is not None), default=-1)
                place = proposals.propose(self.search, known, seed, number, self.study.identify)
                if place:
                    return self.study.ask(seed, number, place)
        return None

    def _handed(self, point: Point) -> Planned:
        self.handed.add(point.trial.trial_id)
        label = Cell(self.search.method, point.settings, (point.trial,)).label
        return Planned(point.trial, point.directory, point.state, (label,))
