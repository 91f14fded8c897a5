"""The points that a search has tried: read from the trial directories of a workspace, which are all that a search remembers.

A training is known to a search, whoever made it, if its settings are the search's at some point of its space: same data,
epochs, share of held-out images, seed. So a finished grid seeds a search, and a search that is run again goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import config, files, halving, trials
from harness.config import TrialConfig
from harness.errors import UsageError
from harness.search import Search
from harness.spec import Cell, SweepSpec
from harness.trials import TrialState

_Place = tuple[TrialConfig, tuple[tuple[str, Any], ...], tuple[float, ...]]  # a training, its settings, its place


@dataclass(frozen=True)
class Point:
    """One training of a search."""

    trial: TrialConfig
    settings: tuple[tuple[str, Any], ...]
    places: tuple[float, ...]  # in the cube
    directory: Path
    state: TrialState
    number: int | None  # in the order in which the search asked for it; None: it is another sweep's
    values: Mapping[int, float]  # recall of held-out images after each evaluated epoch, as fractions
    test: float | None  # Recall@1 of the test images at the end, which nothing is chosen by
    seconds: float  # of its device

    @property
    def value(self) -> float | None:
        """Recall of held-out images after the last epoch; None where it was not trained to it."""
        return self.values.get(self.trial.epochs)

    @property
    def is_over(self) -> bool:
        """Whether the search has heard all that it will hear of it."""
        return self.state.state in ("done", "stopped", "failed")


class Study:
    """The points of a search in a workspace, looked at again and again; whom a directory belongs to is asked once."""

    def __init__(self, spec: SweepSpec, workspace: Path):
        assert spec.search
        self.spec, self.search, self.workspace = spec, spec.search, workspace
        self.metric = metric(spec.search)
        self.places: dict[str, _Place | None] = {}  # by trial id
        self.over: dict[str, Point] = {}
        self.damaged: set[Path] = set()  # files that say which points were asked for, and cannot be read

    def look(self) -> list[Point]:
        """All points, by seed, in the order in which they were asked for; first those that the search did not ask for.

        What others left unfinished is no point: the search may ask for it, and goes on with it then.
        """
        found = []
        for directory in trials.find(self.workspace):
            name = directory.name
            if name in self.over:
                found.append(self.over[name])
            elif (place := self._place(directory)) is not None:
                point = self._read(directory, place)
                if point.state.state == "done":
                    self.over[name] = point
                if point.number is not None or point.is_over or point.state.state == "running":
                    found.append(point)
        return sorted(found, key=lambda point: (point.trial.seed, -1 if point.number is None else point.number))

    def again(self, point: Point) -> Point:
        """The same point as its directory has it now."""
        return self._read(point.directory, (point.trial, point.settings, point.places))

    def left(self, found: Sequence[Point], seed: int) -> int:
        """How many points the search with this seed may still ask for; of `found`, which is what `look` returned."""
        known = [point for point in found if point.trial.seed == seed]
        left = self.search.trials - sum(point.number is not None for point in known)
        if self.trainings is not None:
            left = min(left, self.trainings - len(known))
        return max(0, left)

    def is_complete(self, found: Sequence[Point]) -> bool:
        """Whether nothing is left to ask for, and all that was asked for is over."""
        asked = [point for point in found if point.number is not None]
        return all(point.is_over for point in asked) and not self.may_ask(found)

    def may_ask(self, found: Sequence[Point]) -> bool:
        """Whether the search of any seed may still ask for a point."""
        return any(self.left(found, seed) for seed in range(self.spec.seeds))

    @functools.cached_property
    def trainings(self) -> int | None:
        """Distinct trainings of a space of choices alone; None for a space with a range."""
        if not self.search.is_finite:
            return None
        return len({found for settings in self.search.corners() if (found := self.identify(settings, 0)) is not None})

    def identify(self, settings: Mapping[str, Any], seed: int) -> str | None:
        """The id of the training that these settings are; None where they do not go together."""
        try:
            return self.spec.sought(settings, seed).trial_id
        except UsageError:
            return None

    @functools.cached_property
    def _methods(self) -> set[str]:
        """Under which canonical names its trainings are kept."""
        names = {self.search.method}
        for settings in itertools.islice(self.search.corners(), 1000):
            with contextlib.suppress(UsageError):
                names.add(self.spec.sought(settings, 0).method)
        return names

    def in_cells(self, points: Sequence[Point]) -> SweepSpec:
        """The sweep with these points as its cells."""
        cells = tuple(Cell(self.search.method, point.settings, (point.trial,)) for point in points)
        return dataclasses.replace(self.spec, tried=cells)

    def ask(self, seed: int, number: int, places: Sequence[float]) -> Point:
        """A new point, written down before anything trains it."""
        settings = self.search.settings(places)
        trial = self.spec.sought(dict(settings), seed)
        directory = trials.directory(self.workspace, trial)
        directory.mkdir(parents=True, exist_ok=True)
        asked = {"search": self.spec.name, "of": self.search.digest, "number": number, "places": list(places)}
        files.write_json(directory / trials.ASKED, asked)
        trials.write_config(directory, trial)
        place = (trial, settings, tuple(places))
        self.places[trial.trial_id] = place
        return self._read(directory, place)

    def _place(self, directory: Path) -> _Place | None:
        """Which point a directory's training is; None for one that is not of this search."""
        name = directory.name
        if name not in self.places:
            try:
                settings = trials.read_json(directory / trials.CONFIG)["settings"]
                self.places[name] = self._matching(settings, directory)
            except (trials.DamagedFile, OSError):
                return None
            except (KeyError, TypeError, UsageError):  # of another version, or none of ours
                self.places[name] = None
        return self.places[name]

    def _asked(self, directory: Path) -> dict[str, Any]:
        """What this search wrote when it asked for the training; empty where it did not."""
        path = directory / trials.ASKED
        try:
            asked = trials.read_if_there(path) or {}
        except (OSError, trials.DamagedFile):
            self.damaged.add(path)
            return {}
        is_ours = (asked.get("search"), asked.get("of")) == (self.spec.name, self.search.digest)
        return asked if is_ours else {}

    def _matching(self, known: Mapping[str, Any], directory: Path) -> _Place | None:
        axes = dict(self.search.space)
        same = ("dataset", "epochs", "batch_size", "validation_fraction", "encoder", "image_size", "data_digest")
        if any(known.get(name) != getattr(self.spec.middle, name) for name in same if name not in axes):
            return None
        if known.get("seed") not in range(self.spec.seeds) or known.get("method") not in self._methods:
            return None
        if asked := self._asked(directory):
            with contextlib.suppress(KeyError, TypeError, ValueError, UsageError):
                places = tuple(map(float, asked["places"]))
                settings = self.search.settings(places)
                if (trial := self.spec.sought(dict(settings), known["seed"])).trial_id == directory.name:
                    return trial, settings, places
        trial = config.from_dict(known)
        candidates = []
        for name, axis in self.search.space:
            own = trial.options.get(name, getattr(trial, name, None))
            hidden = trial.method != self.search.method and config.known_settings()[name].group is not None
            # MaskCon at w = 0 or τ = ∞ is kept under a simpler name, without the setting
            candidates.append(dict.fromkeys([own, *axis.limits()] if hidden else [own]))
        for values in itertools.product(*candidates):
            by_name = dict(zip(axes, values, strict=True))
            found = self.search.places(by_name)
            if found and self.identify(by_name, trial.seed) == directory.name:
                return self.spec.sought(by_name, trial.seed), tuple(by_name.items()), found
        return None

    def _read(self, directory: Path, place: _Place) -> Point:
        trial, settings, places = place
        state = trials.state(directory, glance=True)
        lines: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, trials.DamagedFile, ValueError):
            lines = trials.read_metrics(directory / trials.METRICS)
        if state.state == "done" and (not lines or lines[-1]["epoch"] < trial.epochs):
            with contextlib.suppress(OSError, trials.DamagedFile):
                lines = trials.read_result(directory)["metrics"]
        number = self._asked(directory).get("number")
        values = {line["epoch"]: float(line[self.metric]) for line in lines if self.metric in line}
        test = lines[-1].get("recall_at_1") if lines and state.state == "done" else None
        seconds = float(lines[-1].get("seconds", 0.0)) if lines else 0.0
        asked = number if isinstance(number, int) else None
        return Point(trial, settings, places, directory, state, asked, values, test, seconds)


def metric(search: Search) -> str:
    """The name of the recall that a search chooses by."""
    return trials.validation_metric(1) if search.objective == "fine" else trials.validation_coarse_metric(1)


def located(spec: SweepSpec, workspace: Path) -> SweepSpec:
    """A search with the points that its workspace has as its cells; another sweep as it is."""
    if spec.search is None:
        return spec
    study = Study(spec, workspace)
    return study.in_cells(study.look())


def expected(points: Sequence[Point]) -> list[float | None]:
    """Recall of held-out images at the end, for each point; of those that were stopped, what they would have reached."""
    finished = [point.values for point in points if point.value is not None]
    return [halving.at_the_end(point.values, finished, point.trial.epochs) for point in points]


def best(points: Sequence[Point]) -> Point | None:
    """The finished point with the highest recall of held-out images, the first of equals."""
    whole = [point for point in points if point.state.state == "done" and point.value is not None]
    return max(whole, key=lambda point: point.value or 0.0, default=None)
