"""What is known of a sweep as it goes, read from the trial directories again and again: its trainings, pace, what is left."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import attempts, points, trials
from harness.plan import Planned, plan
from harness.points import Point
from harness.spec import Cell, SweepSpec


@dataclass
class Known:
    """What is known of one training beyond its state."""

    recall: float | None = None  # Recall@1 in percent of a finished one, of held-out images where it has some
    seconds: float = 0.0  # of its device, by processes that went on
    deaths: int = 0
    progress: Mapping[str, Any] = field(default_factory=dict)  # of a running one


class Watch:
    """The trainings of a sweep, looked at again and again; a finished one is read once."""

    def __init__(self, spec: SweepSpec, workspace: Path):
        self.spec, self.workspace = spec, workspace
        self.study = points.Study(spec, workspace) if spec.search else None
        self.tried: list[Point] = []  # of a search
        self.entries: list[Planned] = []
        self.known: dict[str, Known] = {}
        self.begun = self.looked = time.monotonic()
        self._plan()
        self.before = self.epochs_done()

    def _plan(self) -> None:
        """Which trainings there are; of a search there are more and more."""
        if self.study:
            self.tried = self.study.look()
            self.spec = self.study.in_cells(self.tried)
        self.entries = plan(self.spec, self.workspace, glance=True)
        for place, entry in enumerate(self.entries):
            if entry.trial.trial_id not in self.known:
                self.known[entry.trial.trial_id] = Known()
                self._read(place)

    def look(self) -> None:
        """Read what has changed."""
        self.looked = time.monotonic()
        if self.study:
            self._plan()
        for place, entry in enumerate(self.entries):
            if entry.state.state != "done":
                state = trials.state(entry.directory, glance=True)
                self.entries[place] = dataclasses.replace(entry, state=state)
                if state.state != "missing":
                    self._read(place)

    def count(self, state: str) -> int:
        """How many trainings are in a state."""
        return sum(entry.state.state == state for entry in self.entries)

    def epochs_done(self) -> float:
        """Over all trainings."""
        return sum(min(entry.trial.epochs, self.epoch(entry)) for entry in self.entries)

    def epoch(self, entry: Planned) -> float:
        """How far a training is, with the part of its epoch that is done."""
        share = self.known[entry.trial.trial_id].progress.get("fraction")
        if entry.state.state == "running" and share is not None:
            return float(share) * entry.trial.epochs
        return float(entry.state.epoch)

    def seconds_left(self) -> float | None:
        """At the pace since the watch began; None before there is one."""
        done, passed = self.epochs_done() - self.before, self.looked - self.begun
        if done <= 0 or passed <= 0:
            return None
        missing = [entry for entry in self.entries if entry.state.state not in ("done", "failed", "stopped")]
        left = sum(entry.trial.epochs - self.epoch(entry) for entry in missing) + self._not_asked() * self._epochs()
        return left * passed / done

    def _not_asked(self) -> int:
        """Points that a search may still ask for."""
        if not self.study:
            return 0
        return sum(self.study.left(self.tried, seed) for seed in range(self.spec.seeds))

    def _epochs(self) -> float:
        """Of a point of a search, on average: halving ends most of them early."""
        over = [entry.state.epoch for entry in self.entries if entry.state.state in ("done", "stopped")]
        return statistics.fmean(over) if over else float(self.spec.middle.epochs)

    def is_complete(self) -> bool:
        """Whether nothing is left to train."""
        if self.study:
            return self.study.is_complete(self.tried)
        return self.count("done") == len(self.entries)

    def value(self, cell: Cell) -> tuple[float | None, int]:
        """Mean Recall@1 of a cell's finished seeds in percent, and how many these are."""
        found = [self.known[trial.trial_id].recall for trial in cell.trials]
        values = [value for value in found if value is not None]
        return (sum(values) / len(values) if values else None), len(values)

    def states(self, cell: Cell) -> set[str]:
        """Of a cell's trainings."""
        by_id = {entry.trial.trial_id: entry.state.state for entry in self.entries}
        return {by_id[trial.trial_id] for trial in cell.trials}

    def _read(self, place: int) -> None:
        entry = self.entries[place]
        known = self.known[entry.trial.trial_id]
        with contextlib.suppress(
            OSError, trials.DamagedFile, KeyError
        ):  # it is being written, or will be said otherwise
            known.deaths = attempts.deaths(attempts.read(entry.directory))
            if entry.state.state == "done":
                result = trials.read_result(entry.directory)
                last = result["metrics"][-1]
                known.recall = 100 * last.get(trials.validation_metric(1), last["recall_at_1"])
                known.seconds = result["seconds"]
                known.progress = {}
            else:
                known.progress = trials.read_json(entry.directory / trials.PROGRESS)
                known.seconds = float(known.progress.get("seconds", 0))
