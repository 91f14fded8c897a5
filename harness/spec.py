"""A sweep as a file: `experiments/NAME.toml` → cells → trials.

    title, dataset, preset, seeds, [settings] for every trial, and [[cells]], each a method with lists of values:
    every combination is a cell. Cells that are the same training share a trial.

What a comparison needs is declared before the runs, in the same file:

    margin          δ in points: a mean within ±δ of a published number reproduces it
    claims          [better, than] pairs of methods
    validation      the sweep that holds images out and selects w and τ for this one
    not_candidates  per method, values whose cells cannot stand for it: baselines inside its grid

A file may have [search] in place of [[cells]]: `harness.search`. Its cells are the points that were tried so far, each of one
seed; `seeds` is then the number of searches, each with its own.

`--set` puts a value over all of them; for a setting that a [[cells]] lists, it replaces that list ("0.5" or "0,0.5,1").
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import config, datasets, declared, errors, methods, presets, published, resources, search
from harness.config import TrialConfig
from harness.errors import UsageError
from harness.search import Search

_KEYS = {
    "title", "dataset", "preset", "seeds", "settings", "cells", "published", "margin", "claims", "validation",
    "not_candidates", "search",
}  # fmt: skip
_KEYS_OF_A_SEARCH = {"title", "dataset", "preset", "seeds", "settings", "search"}
NOT_CANDIDATES: Mapping[str, Sequence[Any]] = {"weight": (0,), "temperature": (math.inf,)}  # where a sweep states none


@dataclass(frozen=True)
class Cell:
    """One place of a table or figure: a method with its settings as they are written there."""

    method: str
    settings: tuple[tuple[str, Any], ...]  # what the spec varies, e.g. (("weight", 0.5), ("temperature", inf))
    trials: tuple[TrialConfig, ...]  # canonical, one per seed

    @property
    def label(self) -> str:
        """The cell in a line, e.g. "maskcon weight=0.5 temperature=inf"."""
        return " ".join([self.method, *(f"{name}={_text(value)}" for name, value in self.settings)])

    def shown(self, name: str) -> str:
        """One of the varied settings as tables print it: "0.5", "∞", or "–" where the cell does not vary it."""
        value = dict(self.settings).get(name)
        return "–" if value is None else "∞" if value == math.inf else _text(value)


@dataclass(frozen=True)
class SweepSpec:
    """One sweep, validated. `seeds` are 0 … seeds − 1; `overrides` are the `--set` of the command line."""

    name: str
    dataset: str
    cell_lists: tuple[Mapping[str, Any], ...]
    title: str = ""
    preset: str = "paper"
    seeds: int = 3
    settings: Mapping[str, Any] = field(default_factory=dict)
    published: str | None = None  # the dataset's name in reports/published, where it differs
    overrides: Mapping[str, str] = field(default_factory=dict)
    default_seeds: int = 3
    margin: float | None = None  # δ, percentage points
    claims: tuple[tuple[str, str], ...] = ()  # (better, than)
    validation: str | None = None  # a sweep's name, or a path beside this file
    not_candidates: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    search: Search | None = None
    tried: tuple[Cell, ...] = ()  # of a search: the points in a workspace, by `harness.points`

    def is_candidate(self, cell: Cell) -> bool:
        """Whether a cell may stand for its method: at w = 0 or τ = ∞ nothing of MaskCon is left but a baseline.

        Grafit and CoIns at w = 1 may, as in the paper's Table 6, though they are SupCon and SupCE.
        """
        never = self.not_candidates.get(cell.method, NOT_CANDIDATES)
        return not any(value in never.get(name, ()) for name, value in cell.settings)

    def cells(self) -> list[Cell]:
        """All cells in the order of the file."""
        return list(self._cells)

    @functools.cached_property
    def _cells(self) -> tuple[Cell, ...]:
        if self.search:
            return self.tried
        found = []
        known = config.known_settings()
        for entry in self.cell_lists:
            axes = {
                name: declared.listed(self.overrides.get(name, value))
                for name, value in entry.items()
                if name != "method"
            }
            # a list of values is for the cells that vary this setting
            rest = {name: value for name, value in self.overrides.items() if name not in axes and "," not in value}
            for values in itertools.product(*axes.values()):
                varied = {name: known[name].check(name, value) for name, value in zip(axes, values, strict=True)}
                first = self._trial(entry["method"], varied, rest)
                trials = tuple(first.with_seed(seed) for seed in range(self.seeds))
                found.append(Cell(entry["method"], tuple(varied.items()), trials))
        return tuple(found)

    def trials(self) -> list[TrialConfig]:
        """The distinct trainings, canonical; all cells of one seed before the next."""
        return list(self._trials)

    @functools.cached_property
    def _trials(self) -> tuple[TrialConfig, ...]:
        by_seed = range(1 if self.search else self.seeds)
        ordered = [cell.trials[seed] for seed in by_seed for cell in self._cells]
        return tuple({trial.trial_id: trial for trial in ordered}.values())

    @property
    def published_name(self) -> str | None:
        """What reports/published calls this sweep's data; None where nothing published is comparable.

        That is so where `--set grouping` made it another, and where training images are held out: no source did that.
        """
        own = self.settings.get("grouping")
        other = self.overrides.get("grouping", own) != own
        return None if other or self.holds_out else self.published or self.dataset

    @functools.cached_property
    def holds_out(self) -> bool:
        """Whether any of its trials holds training images out for validation."""
        if self.search:
            return True
        return any(trial.validation_fraction > 0 for cell in self.cells() for trial in cell.trials[:1])

    @property
    def slug(self) -> str:
        """The name of this sweep's own folder: a reduced sweep has another than the full one."""
        changes = [f"{name}-{value}" for name, value in sorted(self.overrides.items())]
        if self.seeds != self.default_seeds:
            changes.append(f"seeds-{self.seeds}")
        whole = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join([self.name, *changes]))
        if len(whole) <= 120:
            return whole
        return f"{whole[:107]}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"

    def to_dict(self) -> dict[str, Any]:
        """The resolved spec, ready for JSON."""
        plain = dataclasses.asdict(dataclasses.replace(self, tried=()))
        return _jsonable(plain)

    def sought(self, settings: Mapping[str, Any], seed: int) -> TrialConfig:
        """The training that a search means by values of its space."""
        assert self.search
        rest = {name: value for name, value in self.overrides.items() if name not in settings}
        return self._trial(self.search.method, settings, rest).with_seed(seed)

    @functools.cached_property
    def middle(self) -> TrialConfig:
        """The training in the middle of a search's space: what all of them have in common."""
        assert self.search
        return self.sought({name: axis.value(0.5) for name, axis in self.search.space}, 0)

    def _trial(self, method: str, varied: Mapping[str, Any], rest: Mapping[str, str]) -> TrialConfig:
        """A cell's training with seed 0."""
        spec = {**self.settings, **varied}
        return config.resolve(self.dataset, method, preset=self.preset, spec=spec, overrides=rest).canonical()


def names() -> list[str]:
    """The sweeps that come with the project."""
    return sorted(path.stem for path in resources.folder("experiments").glob("*.toml"))


def load(name_or_path: str | Path, *, overrides: Sequence[str] = (), seeds: int | None = None) -> SweepSpec:
    """A sweep by its name in `experiments/` or by a path. `overrides` are "key=value" texts."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = resources.folder("experiments") / f"{name_or_path}.toml"
        if str(name_or_path) not in names():
            raise errors.unknown("sweep", str(name_or_path), names())
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}. Known sweeps: {', '.join(names())}; or give the path of a .toml file."
        )
    try:
        content = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    return _build(path, content, parse_overrides(overrides), seeds)


def parse_overrides(texts: Sequence[str]) -> dict[str, str]:
    """`--set` texts as {name: value}. Names are checked here, values with the trial that they are for."""
    known = config.known_settings()
    found = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise UsageError(f"--set {text!r} is not of the form name=value, for example --set epochs=1.")
        if name not in known:
            raise errors.unknown("setting", name, known)
        found[name] = value
    return found


def _build(path: Path, content: dict[str, Any], overrides: dict[str, str], seeds: int | None) -> SweepSpec:
    """The validated spec. Every mistake names the file."""
    for key in content:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"{path}: unknown key {key!r}.{hint} Allowed: {', '.join(sorted(_KEYS))}.")
    if "search" in content:
        for key in content.keys() - _KEYS_OF_A_SEARCH:
            raise UsageError(f"{path}: a [search] has no {key!r}; with it go {', '.join(sorted(_KEYS_OF_A_SEARCH))}.")
        content = content | {"cells": []}
    elif not content.get("cells"):
        raise UsageError(f"{path}: a sweep needs `dataset` and at least one [[cells]] with a `method`, or a [search].")
    if "dataset" not in content:
        raise UsageError(f"{path}: a sweep needs `dataset`; known: {', '.join(datasets.names())}.")
    if not isinstance(content["cells"], list) or not all(isinstance(entry, dict) for entry in content["cells"]):
        raise UsageError(f"{path}: cells={content['cells']!r} is not allowed: write each as [[cells]] with a `method`.")
    if not isinstance(content.get("settings", {}), dict):
        raise UsageError(f"{path}: settings={content['settings']!r} is not allowed: write them below [settings].")
    if not isinstance(content.get("title", ""), str):
        raise UsageError(f"{path}: title={content['title']!r} is not allowed: it is a text.")
    if "published" in content and not published.for_dataset(content["published"]):
        raise errors.unknown(f"published dataset in {path.name}", content["published"], published.datasets())
    default_seeds = content.get("seeds", 1 if "search" in content else 3)
    wanted = default_seeds if seeds is None else seeds
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise UsageError(f"{path}: seeds={wanted!r} must be a whole number of at least 1.")
    for entry in content["cells"]:
        if "method" not in entry:
            raise UsageError(f"{path}: each [[cells]] needs a `method`; known: {', '.join(methods.names())}.")
        methods.load(entry["method"])
        for name, value in entry.items():
            if name != "method" and name not in config.known_settings():
                raise errors.unknown(f"setting in {path.name}", name, config.known_settings())
            if value == []:
                raise UsageError(f"{path}: {name}=[] of {entry['method']} has no value: the cell would vanish.")
    sought = search.of_file(path, content["search"], overrides, names()) if "search" in content else None
    varied = {name for entry in content["cells"] for name in entry} | (set(dict(sought.space)) if sought else set())
    for name, value in overrides.items():
        if "," in value and name not in varied:
            what = "the [search]" if sought else "no [[cells]]"
            raise UsageError(
                f"--set {name}={value}: {what} of {path.name} {'does not vary' if sought else 'varies'} {name}; "
                "give one value."
            )
    datasets.load(content["dataset"])
    comparison = declared.of_file(path, content, names())
    settings = {name: _below(path, name, value) for name, value in content.get("settings", {}).items()}
    presets.overrides(content.get("preset", "paper"), content["dataset"])
    spec = SweepSpec(
        name=path.stem,
        dataset=content["dataset"],
        cell_lists=tuple(content["cells"]),
        title=content.get("title", path.stem),
        preset=content.get("preset", "paper"),
        seeds=wanted,
        settings=settings,
        published=content.get("published"),
        overrides=overrides,
        default_seeds=default_seeds,
        search=sought,
        **comparison,
    )
    try:
        spec.cells()
        if sought:
            _check_search(spec, sought)
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from None
    return spec


def _check_search(spec: SweepSpec, sought: Search) -> None:
    """Raises UsageError for a search whose trainings could not be made, or could not be compared."""
    trial = spec.middle
    if not trial.validation_fraction > 0:
        raise UsageError(
            "a search chooses by training images that are held out, never by the test images: "
            "write validation_fraction = 0.1 below [settings]."
        )
    if sought.objective == "coarse" and methods.load(sought.method).label_source != "coarse":
        raise UsageError(f"objective='coarse' needs a method that trains on coarse labels; {sought.method} does not.")
    middle = {name: axis.value(0.5) for name, axis in sought.space}
    for name, axis in sought.space:
        ids = {spec.sought(middle | {name: value}, 0).trial_id for value in axis.limits()}
        if len(ids) == 1 < len(set(axis.limits())):
            raise UsageError(f"{name} of [search.space] does not matter to {sought.method} here: leave it out.")
    for rung in sought.rungs(trial.epochs):
        if rung % trial.eval_every:
            raise UsageError(
                f"halving looks at recall after epoch {rung}, and it is taken every eval_every={trial.eval_every}: "
                f"try grace_epochs={max(1, round(rung / trial.eval_every)) * trial.eval_every}."
            )


def _below(path: Path, name: str, value: Any) -> Any:
    """The value of a setting of a sweep's file; a file or folder that it names lies beside that file."""
    setting = config.known_settings().get(name)
    if setting is None or not setting.path or not isinstance(value, str):
        return value
    return str((path.resolve().parent / Path(value).expanduser()).resolve())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    if isinstance(value, Mapping):
        return {name: _jsonable(part) for name, part in value.items()}
    return [_jsonable(part) for part in value] if isinstance(value, list | tuple) else value
