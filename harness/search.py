"""A search in place of a grid: `[search]` of a sweep's file, and the space that it searches.

    [search]
    method = "maskcon"
    trials = 30                # trainings, of which halving stops many early
    sampler = "gp"             # gp, tpe, random; without it: gp up to 200 trials, tpe beyond
    objective = "fine"         # recall of held-out training images by their fine labels, or by "coarse" ones
    grace_epochs = 20          # no training is stopped before; without it none is stopped at all
    reduction = 3              # η: of those that get to 20, 60, 180 epochs, the best third goes on
    grid = "cifar100-validation"   # the sweep that this search is to spare; its report compares the hours

    [search.space]
    weight = {low = 0, high = 1}
    temperature = {low = 0.005, high = 1, log = true, also = [0, inf]}
    bank_size = [2048, 4096, 8192]

Every setting is one axis of a cube with sides from 0 to 1. Values beside a range (`also`) have a tenth of the side at its end:
τ → 0 and τ → ∞ are limits of the finite ones, so that a model that sees them side by side learns from both.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import itertools
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import config, declared, errors, methods, resources
from harness.errors import UsageError

SAMPLERS = ("gp", "tpe", "random")
MOST_FOR_GP = 200  # trials; a Gaussian process takes the cube of their number
OBJECTIVES = ("fine", "coarse")
END = 0.1  # of an axis, for a value beside its range
_KEYS = {"method", "trials", "sampler", "objective", "grace_epochs", "reduction", "grid", "space"}
_AXIS_KEYS = {"low", "high", "log", "also"}


@dataclass(frozen=True)
class Axis:
    """One setting's values along a side of the cube: a list of choices, or a range with single values beside it."""

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    below: float | None = None  # a single value under the range, as τ = 0
    above: float | None = None  # one over it, as τ = ∞

    def value(self, place: float) -> Any:
        """The value at a place from 0 to 1; of a thousand or more, with as few digits, so that people can write it again."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        start, end = self._range()
        if self.below is not None and place < start:
            return self.below
        if self.above is not None and place > end:
            return self.above
        share = min(1.0, max(0.0, (place - start) / (end - start)))
        if self.log:
            found = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            found = self.low + share * (self.high - self.low)
        return min(self.high, max(self.low, self._short(found)))

    def place(self, value: Any) -> float | None:
        """Where a value is, in the middle of its part of the side; None for one that is not in the space."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices) if value in self.choices else None
        start, end = self._range()
        if value == self.below:
            return start / 2
        if value == self.above:
            return (1 + end) / 2
        if not self.low <= value <= self.high:
            return None
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return start + share * (end - start)

    def limits(self) -> list[Any]:
        """The middle and the ends: values that a training that does not use the setting may stand for."""
        if self.choices:
            return list(self.choices)
        ends = [self.below, self.low, self.high, self.above]
        return [self.value(0.5), *(end for end in ends if end is not None)]

    def words(self) -> str:
        """In a line: "0, 0.005 to 1 on a log scale, inf"."""
        if self.choices:
            return ", ".join(f"{choice:g}" if isinstance(choice, float) else str(choice) for choice in self.choices)
        scale = " on a log scale" if self.log else ""
        parts = [self.below, f"{self.low:g} to {self.high:g}{scale}", self.above]
        return ", ".join(part if isinstance(part, str) else f"{part:g}" for part in parts if part is not None)

    def _short(self, value: float) -> float:
        """To a thousandth of the range or finer; of a range over decades to three digits."""
        if self.log and self.high >= 2 * self.low:
            return float(f"{value:.3g}")
        return round(value, 3 - math.floor(math.log10(self.high - self.low)))

    def _range(self) -> tuple[float, float]:
        """Where the range begins and ends on the side."""
        return END if self.below is not None else 0.0, 1 - END if self.above is not None else 1.0


@dataclass(frozen=True)
class Search:
    """What a sweep's file says of its search, validated."""

    method: str
    space: tuple[tuple[str, Axis], ...]
    trials: int = 30  # per search; `seeds` of the file is the number of searches
    sampler: str = "gp"
    objective: str = "fine"
    grace_epochs: int | None = None
    reduction: int = 3  # η
    grid: str | None = None  # a sweep's name, or a path

    def rungs(self, epochs: int) -> list[int]:
        """The epochs after which a training may be stopped."""
        found: list[int] = []
        rung = self.grace_epochs or epochs
        while rung < epochs:
            found.append(rung)
            rung *= self.reduction
        return found

    @property
    def digest(self) -> str:
        """Of what is searched, by what: a search of the same is this one, however many points it asks for."""
        known = json.dumps([self.method, self.objective, [(name, repr(axis)) for name, axis in self.space]])
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def corners(self) -> Iterator[dict[str, Any]]:
        """Settings at the ends and middles of all axes; of a space of choices alone, all there are."""
        for values in itertools.product(*(axis.limits() for _, axis in self.space)):
            yield dict(zip((name for name, _ in self.space), values, strict=True))

    @property
    def is_finite(self) -> bool:
        """Whether the space is of choices alone."""
        return all(axis.choices for _, axis in self.space)

    def settings(self, places: Sequence[float]) -> tuple[tuple[str, Any], ...]:
        """The settings at a point of the cube."""
        return tuple((name, axis.value(place)) for (name, axis), place in zip(self.space, places, strict=True))

    def places(self, settings: Mapping[str, Any]) -> tuple[float, ...] | None:
        """The point of the cube that these settings are; None where they are not in the space."""
        found = [axis.place(settings[name]) for name, axis in self.space]
        return None if None in found else tuple(place for place in found if place is not None)


def of_file(path: Path, content: Any, overrides: Mapping[str, str], sweeps: Sequence[str]) -> Search:
    """`[search]` of a sweep's file. `--set` of a searched setting puts its values in place of the range."""
    if not isinstance(content, dict):
        raise UsageError(f"{path}: search={content!r} is not allowed: write it below [search].")
    _known(path, "search", content, _KEYS)
    if "method" not in content or not isinstance(content.get("space"), dict) or not content["space"]:
        raise UsageError(f"{path}: [search] needs a `method` and [search.space] with a setting at the least.")
    methods.load(str(content["method"]))
    space = []
    for name, stated in content["space"].items():
        if name not in config.known_settings():
            raise errors.unknown(f"setting in [search.space] of {path.name}", name, config.known_settings())
        given = declared.listed(overrides[name]) if name in overrides else stated
        space.append((name, _axis(path, name, given)))
    trials = _whole(path, content, "trials", 30, 1)
    return Search(
        method=content["method"],
        space=tuple(space),
        trials=trials,
        sampler=_one_of(path, content, "sampler", "gp" if trials <= MOST_FOR_GP else "tpe", SAMPLERS),
        objective=_one_of(path, content, "objective", "fine", OBJECTIVES),
        grace_epochs=_whole(path, content, "grace_epochs", None, 1),
        reduction=_whole(path, content, "reduction", 3, 2),
        grid=_grid(path, content.get("grid"), sweeps),
    )


def _axis(path: Path, name: str, stated: Any) -> Axis:
    """One line of [search.space]."""
    setting = config.known_settings()[name]
    if isinstance(stated, list):
        if not stated:
            raise UsageError(f"{path}: {name}=[] of [search.space] has no value.")
        return Axis(choices=tuple(dict.fromkeys(setting.check(name, value) for value in stated)))
    if not isinstance(stated, dict) or not {"low", "high"} <= stated.keys():
        raise UsageError(
            f"{path}: {name}={stated!r} of [search.space] is neither a list of values nor a range, such as "
            "{low = 0.005, high = 1, log = true, also = [0, inf]}."
        )
    _known(path, f"search.space.{name}", stated, _AXIS_KEYS)
    if (setting.kind or type(setting.default)) is not float:
        raise UsageError(f"{path}: {name} of [search.space] is no number with a fraction: list its values instead.")
    low, high = (float(setting.check(name, stated[end])) for end in ("low", "high"))
    log, also = stated.get("log", False), stated.get("also", [])
    if not low < high or math.isinf(high) or (log and low <= 0):
        needed = "0 < low < high" if log else "low < high"
        raise UsageError(
            f"{path}: {name} of [search.space] needs {needed} and a finite high; got {low:g} and {high:g}."
        )
    beside = [setting.check(name, value) for value in (also if isinstance(also, list) else [also])]
    below, above = [value for value in beside if value < low], [value for value in beside if value > high]
    if len(below) > 1 or len(above) > 1 or len(below) + len(above) < len(beside):
        raise UsageError(f"{path}: also={also!r} of {name}: one value below its range and one above it, at the most.")
    return Axis((), low, high, bool(log), *(side[0] if side else None for side in (below, above)))


def _grid(path: Path, grid: Any, sweeps: Sequence[str]) -> str | None:
    """The sweep that a search is to spare: a name, or the path of a file beside this one."""
    if grid is None:
        return None
    if isinstance(grid, str) and grid.endswith(".toml"):
        beside = path.resolve().parent / grid
        if not beside.is_file():
            raise UsageError(f"{path}: grid={grid!r}: there is no such file beside this one.")
        found: Path = beside
    elif grid not in sweeps:
        raise errors.unknown(f"grid in [search] of {path.name}", str(grid), sweeps)
    else:
        found = resources.folder("experiments") / f"{grid}.toml"
    with contextlib.suppress(tomllib.TOMLDecodeError):  # said where it is loaded
        if "search" in tomllib.loads(found.read_text()):
            raise UsageError(f"{path}: grid={grid!r} is a search itself; name a sweep with [[cells]].")
    return str(found) if grid.endswith(".toml") else str(grid)


def _whole(path: Path, content: Mapping[str, Any], name: str, default: Any, least: int) -> Any:
    value = content.get(name, default)
    if name in content and (not isinstance(value, int) or isinstance(value, bool) or value < least):
        raise UsageError(f"{path}: {name}={value!r} of [search] must be a whole number of at least {least}.")
    return value


def _one_of(path: Path, content: Mapping[str, Any], name: str, default: str, allowed: Sequence[str]) -> str:
    value = content.get(name, default)
    if value not in allowed:
        raise errors.unknown(f"{name} in [search] of {path.name}", str(value), allowed)
    return str(value)


def _known(path: Path, where: str, content: Mapping[str, Any], allowed: set[str]) -> None:
    for key in content:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{path}: unknown key {key!r} in [{where}].{hint} Allowed: {', '.join(sorted(allowed))}.")
