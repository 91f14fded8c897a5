"""What a search has found, and what the grid that it was to spare would have: the numbers behind the report of a search."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import plan, points, protocol, results, trials
from harness.points import Point, Study
from harness.search import Search
from harness.spec import Cell, SweepSpec

WITHIN_POINTS = 0.5  # of the grid's best, what a search is to reach


@dataclass(frozen=True)
class Grid:
    """The grid's trainings of one seed, those of the search's method."""

    best: Cell | None  # by recall of held-out images, among those that are finished
    value: float | None  # its recall of held-out images, as a fraction
    test: float | None  # its Recall@1 of the test images
    trial_id: str
    seconds: float  # of all its trainings
    finished: int
    trainings: int

    @property
    def is_measured(self) -> bool:
        """Whether all of its trainings are finished: else its hours are estimated, and its best is not known."""
        return self.finished == self.trainings


@dataclass(frozen=True)
class Found:
    """A search's points, and the grid's by seed."""

    spec: SweepSpec
    points: tuple[Point, ...]
    grid_name: str | None
    grid: Mapping[int, Grid]

    @property
    def search(self) -> Search:
        """What the sweep's file says."""
        assert self.spec.search
        return self.spec.search

    def own(self, seed: int) -> list[Point]:
        """The points that the search with this seed asked for, in its order."""
        return [point for point in self.points if point.trial.seed == seed and point.number is not None]

    def best(self, seed: int) -> Point | None:
        """The best that the search with this seed knows, from its own points and from finished ones that seeded it."""
        return points.best([point for point in self.points if point.trial.seed == seed])

    def seconds(self, seed: int) -> float:
        """Of devices, for all that the search with this seed trained."""
        return sum(point.seconds for point in self.own(seed))

    @functools.cached_property
    def expected(self) -> dict[str, float]:
        """Recall of held-out images at the end by trial id, for a stopped one what it would have reached; by seed."""
        found: dict[str, float] = {}
        for seed in range(self.spec.seeds):
            of_seed = [point for point in self.points if point.trial.seed == seed]
            pairs = zip(of_seed, points.expected(of_seed), strict=True)
            found |= {point.trial.trial_id: value for point, value in pairs if value is not None}
        return found

    def compared(self) -> list[tuple[float, float]]:
        """Per seed with a whole grid: points by which the search's best is above the grid's, and its share of the hours."""
        pairs = []
        for seed, grid in self.grid.items():
            best = points.best(self.own(seed))
            if grid.is_measured and grid.value is not None and best and best.value is not None and grid.seconds:
                pairs.append((100 * (best.value - grid.value), self.seconds(seed) / grid.seconds))
        return pairs

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, made once."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    @functools.cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    def introduction(self) -> str:
        """How far it is, in a sentence."""
        own = [point for point in self.points if point.number is not None]
        done, stopped = (sum(point.state.state == state for point in own) for state in ("done", "stopped"))
        searches = f"{self.spec.seeds} searches" if self.spec.seeds > 1 else "The search"
        known = len(self.points) - len(own)
        return (
            f"{searches} asked for {len(own)} of {self.search.trials * self.spec.seeds} points by the sampler "
            f"“{self.search.sampler}”: {done} were trained to the end, {stopped} stopped early"
            + (f"; {known} trainings of other sweeps are known to it." if known else ".")
        )

    def small_print(self) -> str:
        """What a reader must know who sees nothing but one table or figure."""
        return " ".join(filter(None, (protocol.reduced(self.spec), protocol.other_data(self.spec))))

    def outcome(self) -> str:
        """How the search stands against the grid, in a sentence; empty without a whole grid."""
        pairs = self.compared()
        if not pairs:
            return ""
        apart, shares = zip(*pairs, strict=True)
        spread = f" ± {statistics.stdev(apart):.2f}" if len(apart) > 1 else ""
        mean = f"{statistics.fmean(apart):+.2f}".replace("-", "−")
        knew = sum(point.number is None for point in self.points)
        near = sum(difference >= -WITHIN_POINTS for difference in apart)
        return (
            f"Held-out Recall@1 of the search's best minus that of the grid's best: {mean}{spread} "
            f"points (n = {len(apart)}); {near} of {len(apart)} are within {WITHIN_POINTS:g} points of the grid's best or "
            f"above it, for {100 * statistics.fmean(shares):.0f} % of its device-hours on average "
            f"({100 * min(shares):.0f} to {100 * max(shares):.0f} %)."
            + (f" It knew {knew} trainings of other sweeps: alone, it would have needed more." if knew else "")
        )


def gather(spec: SweepSpec, workspace: Path, also: Sequence[Path]) -> Found:
    """Read the points of a search from its workspace, and its grid from there and the workspaces `also`."""
    assert spec.search
    found = tuple(Study(spec, workspace).look())
    name = spec.search.grid
    if name is None:
        return Found(spec, found, None, {})
    rest = [f"{key}={value}" for key, value in spec.overrides.items() if key not in dict(spec.search.space)]
    grid = plan.load_spec(name, rest, spec.seeds, workspace)
    pace = _seconds_per_epoch(found)
    return Found(
        spec, found, grid.name, {seed: _grid(grid, spec, seed, workspace, also, pace) for seed in range(spec.seeds)}
    )


def _grid(
    grid: SweepSpec, spec: SweepSpec, seed: int, workspace: Path, also: Sequence[Path], pace: float | None
) -> Grid:
    assert spec.search
    metric = points.metric(spec.search)
    cells = {cell.trials[seed].trial_id: cell for cell in grid.cells() if cell.method == spec.search.method}
    planned = [entry for entry in plan.plan(grid, workspace, also, glance=True) if entry.trial.trial_id in cells]
    seconds, finished, best = 0.0, 0, None
    for entry in planned:
        if entry.state.state != "done":
            seconds += (pace or 0.0) * entry.trial.epochs
            continue
        try:
            result = trials.read_result(entry.directory)
        except trials.DamagedFile:
            seconds += (pace or 0.0) * entry.trial.epochs
            continue
        finished, seconds, last = finished + 1, seconds + result["seconds"], result["metrics"][-1]
        value = last.get(metric)
        if value is not None and (best is None or value > best[0]):
            best = (value, last["recall_at_1"], entry.trial.trial_id)
    if best is None:
        return Grid(None, None, None, "", seconds, finished, len(planned))
    return Grid(cells[best[2]], best[0], best[1], best[2], seconds, finished, len(planned))


def _seconds_per_epoch(found: Sequence[Point]) -> float | None:
    """Median over the search's points."""
    rates = [point.seconds / max(point.values) for point in found if point.values and point.seconds]
    return statistics.median(rates) if rates else None


def frame_of(found: Found) -> results.Read:
    """The results frame of the finished points."""
    return results.read([point.directory for point in found.points if point.state.state == "done"], every_epoch=False)
