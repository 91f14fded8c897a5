"""What the commands print of a search: what it is about to do, what it has found, how to go on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import points, protocol
from harness.plan import Planned, estimate
from harness.points import Point, Study
from harness.search import Search
from harness.settings import plain
from harness.spec import SweepSpec
from harness.terminal import COLOURS, hours, print_json
from harness.trials import TrialState


def head(out: Console, spec: SweepSpec, workspace: Path) -> None:
    """What a search is about to do."""
    search, study = _of(spec), Study(spec, workspace)
    found = study.look()
    out.print(f"[bold]{escape(spec.title)}[/bold]")
    searches = "" if spec.seeds == 1 else f" in each of {spec.seeds} searches"
    out.print(
        f"{search.trials} points{searches}, {_asked(found)} asked for so far, {_over(found)} of them over; "
        f"{_others(found)}"
    )
    for name, axis in search.space:
        out.print(f"  {name}: {axis.words()}")
    out.print(f"Chosen by {objective(search)}; sampler {search.sampler}; {_halving(spec)}.")
    if sentence := protocol.reduced(spec):
        out.print(f"[yellow]{escape(sentence)}[/yellow]")
    _name_damaged(out, study)
    out.print(f"Workspace: {workspace}", soft_wrap=True)


def _name_damaged(out: Console, study: Study) -> None:
    """Points that cannot be told from those of other sweeps any more."""
    for path in sorted(study.damaged):
        words = (
            "is damaged: the search does not know any more that it asked for this point, and may ask for another one"
        )
        out.print(f"[yellow]{escape(str(path))} {words}.[/yellow]", soft_wrap=True)


def outcome(out: Console, spec: SweepSpec, workspace: Path, again: str) -> int:
    """What a search has found, and how to go on. 0 where it is complete."""
    study = Study(spec, workspace)
    found = study.look()
    out.print(_counted(spec, found))
    for seed in range(spec.seeds):
        if point := points.best([point for point in found if point.trial.seed == seed]):
            of = "" if spec.seeds == 1 else f" of search {seed}"
            out.print(f"Best{of}: {escape(in_words(point))}", soft_wrap=True)
    if not study.is_complete(found):
        out.print(
            f"Everything so far is kept; the same command goes on: `harness sweep {escape(again)}`", soft_wrap=True
        )
        return 1
    if failed := [point for point in found if point.state.state == "failed" and point.number is not None]:
        for point in failed:
            out.print(f"[red]failed[/red] {point.trial.trial_id}: {escape(point.state.note)}", soft_wrap=True)
        out.print(f"Train them again with `harness sweep {escape(again)} --retry-failed`.", soft_wrap=True)
    out.print(f"Next: `harness report {escape(again)}`", soft_wrap=True)
    return 1 if failed else 0


def plan(out: Console, spec: SweepSpec, workspace: Path, as_json: bool) -> int:
    """What a search may still take, at the most: as if no point were stopped early."""
    study = Study(spec, workspace)
    found = study.look()
    missing = sum(study.left(found, seed) for seed in range(spec.seeds))
    of_all = [Planned(point.trial, point.directory, point.state, ()) for point in found if not point.is_over]
    of_all += [Planned(spec.middle, workspace, TrialState("missing"), ())] * missing
    guess = estimate(of_all, workspace)
    if as_json:
        known = guess.hours is not None
        print_json(out, to_dict(study, found) | {"device_hours_at_most": guess.hours if known else "unknown"})
        return 0
    out.print(_counted(spec, found))
    out.print(f"Time left on one device, if no point were stopped early: {hours(guess)}")
    return 0


def status(out: Console, spec: SweepSpec, workspace: Path, as_json: bool) -> int:
    """Point by point. 1 while the search is not complete."""
    study = Study(spec, workspace)
    found = study.look()
    if as_json:
        print_json(out, to_dict(study, found))
        return 0 if study.is_complete(found) else 1
    names = [name for name, _ in _of(spec).space]
    table = Table("seed", "point", *names, "state", "held-out Recall@1, %", "epochs")
    for point in found:
        state = f"[{COLOURS[point.state.state]}]{point.state.state}[/]"
        last = max(point.values, default=None)
        value = "" if last is None else f"{100 * point.values[last]:.2f}"
        number = "–" if point.number is None else str(point.number)
        shown = [plain(value) for _, value in point.settings]
        table.add_row(str(point.trial.seed), number, *shown, state, value, str(point.state.epoch))
    out.print(table)
    out.print(_counted(spec, found))
    _name_damaged(out, study)
    return 0 if study.is_complete(found) else 1


def to_dict(study: Study, found: Sequence[Point]) -> dict[str, Any]:
    """A search for `--json`."""
    spec = study.spec
    return {
        "sweep": spec.name,
        "spec": spec.to_dict(),
        "asked": _asked(found),
        "complete": study.is_complete(found),
        "points": [
            {
                "trial_id": point.trial.trial_id,
                "seed": point.trial.seed,
                "number": point.number,
                "settings": {name: "inf" if value == math.inf else value for name, value in point.settings},
                "state": point.state.state,
                "epoch": point.state.epoch,
                "validation": point.value,
                "seconds": point.seconds,
                "directory": str(point.directory),
            }
            for point in found
        ],
    }


def in_words(point: Point) -> str:
    """A finished point in a line."""
    settings = ", ".join(f"{name} = {plain(value)}" for name, value in point.settings)
    return f"{settings}: held-out Recall@1 {100 * (point.value or 0):.2f} % (trial {point.trial.trial_id})"


def objective(search: Search) -> str:
    """What a search chooses by, in words."""
    return f"Recall@1 of held-out training images by their {search.objective} labels"


def _halving(spec: SweepSpec) -> str:
    search = _of(spec)
    epochs = spec.middle.epochs
    rungs = search.rungs(epochs)
    if not rungs:
        return f"every point is trained for {epochs} epochs"
    listed = ", ".join(map(str, rungs))
    return (
        f"after {listed} of {epochs} epochs a point goes on that is among the best 1 in {search.reduction} of those that got "
        "there before it, or the best"
    )


def _counted(spec: SweepSpec, found: Sequence[Point]) -> str:
    own = [point for point in found if point.number is not None]
    ended = {
        state: sum(point.state.state == state for point in own) for state in ("done", "stopped", "failed", "running")
    }
    words = [f"{len(own)} of {_of(spec).trials * spec.seeds} points asked for"]
    words += [f"{ended['done']} trained to the end", f"{ended['stopped']} stopped early"]
    words += [f"{ended[state]} {state}" for state in ("failed", "running") if ended[state]]
    counted = f"{', '.join(words)}; {sum(point.seconds for point in own) / 3600:.2f} h of devices."
    return counted if len(own) == len(found) else f"{counted} {_others(found)}."


def _others(found: Sequence[Point]) -> str:
    known = len(found) - _asked(found)
    return f"known to it of other sweeps, or of this one with another space: {known}"


def _asked(found: Sequence[Point]) -> int:
    return sum(point.number is not None for point in found)


def _over(found: Sequence[Point]) -> int:
    return sum(point.number is not None and point.is_over for point in found)


def _of(spec: SweepSpec) -> Search:
    assert spec.search
    return spec.search
