"""The work of a search: points that were asked for and not finished first, then new ones; halving ends what falls behind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness import halving
from harness.config import TrialConfig
from harness.plan import Planned
from harness.points import Point, Study
from harness.spec import Cell

WAITING = ("missing", "unfinished")  # neither over nor in somebody's hands: what halving stopped is not woken


class Asking:
    """Trials of a search, as many as it may still ask for. Searches of several seeds run one after the other."""

    def __init__(self, study: Study, tried: Collection[str] = (), *, retry_failed: bool = False):
        self.study, self.search = study, study.search
        found = study.look()
        states = ("failed",) if retry_failed else WAITING
        own = [point for point in found if point.number is not None and point.trial.trial_id not in tried]
        self.waiting = [point for point in own if point.state.state in states]
        self.left = {} if retry_failed else {seed: self._left(found, seed) for seed in range(study.spec.seeds)}
        self.most = len(self.waiting) + sum(self.left.values())
        self.handed: set[str] = set()
        self.examples: Sequence[TrialConfig] = [study.spec.middle]

    def take(self) -> Planned | None:
        """A point that waits, or a new one."""
        point = self.waiting.pop(0) if self.waiting else self._new()
        if point is None:
            return None
        self.handed.add(point.trial.trial_id)
        label = Cell(self.search.method, point.settings, (point.trial,)).label
        return Planned(point.trial, point.directory, point.state, (label,))

    def heard(self, entry: Planned, metrics: dict[str, Any]) -> str | None:
        """Why halving ends this trial now; None where it goes on."""
        epoch, value = int(metrics["epoch"]), metrics.get(self.study.metric)
        if value is None or epoch not in self.search.rungs(entry.trial.epochs):
            return None
        others = [
            point.values[epoch]
            for point in self.study.look()
            if point.trial.seed == entry.trial.seed and point.trial.trial_id != entry.trial.trial_id
            if epoch in point.values
        ]
        if halving.goes_on(float(value), others, self.search.reduction):
            return None
        place = 1 + sum(other > value for other in others)
        return (
            f"number {place} of {1 + len(others)} after epoch {epoch}: held-out Recall@1 {100 * value:.2f} %, the best has "
            f"{100 * max(others):.2f} %"
        )

    def _left(self, found: Sequence[Point], seed: int) -> int:
        """How many points the search with this seed may still ask for."""
        asked = sum(point.trial.seed == seed and point.number is not None for point in found)
        return max(0, self.search.trials - asked)

    def _new(self) -> Point | None:
        from harness.sweep import proposals

        for seed in self.left:
            if self.left[seed] > 0:
                known = [point for point in self.study.look() if point.trial.seed == seed]
                number = 1 + max((point.number for point in known if point.number is not None), default=-1)
                place = proposals.propose(self.search, known, seed, number)
                self.left[seed] = self.left[seed] - 1 if place else 0  # of a few choices nothing may be left
                if place:
                    return self.study.ask(seed, number, place)
        return None
