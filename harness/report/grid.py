"""The heat map of w and τ as a grid that a reader explores: each cell with the trials behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import tracking
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.tables.verdicts import verdict_text
from harness.spec import Cell

METHOD = "maskcon"


@dataclass(frozen=True)
class Run:
    """One trial of a cell."""

    trial_id: str
    seed: int
    value: float | None  # Recall@1 in percent; None where it is not finished
    state: str
    seconds: float | None
    run_id: str | None  # in MLflow, where it was recorded
    address: str | None  # of that run, where the store is a server


@dataclass(frozen=True)
class Square:
    """One cell of the grid."""

    weight: str
    temperature: str
    value: float | None  # mean, percent
    deviation: float | None
    share: float  # 0 at the lowest trained cell, 1 at the highest
    published: float | None
    verdict: str
    runs: tuple[Run, ...]

    @property
    def words(self) -> str:
        """What a screen reader says of it."""
        spread = f" ± {self.deviation:.2f}" if self.deviation is not None else ""
        number = "not trained" if self.value is None else f"{self.value:.2f}{spread} %"
        return f"w = {self.weight}, τ = {self.temperature}: {number}"


@dataclass(frozen=True)
class Grid:
    """Rows from the highest weight down; None where the sweep has no such cell."""

    temperatures: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Square | None, ...]], ...]


def of_content(content: Content, entries: Mapping[str, Mapping[str, Any]], runs: tracking.Runs) -> Grid | None:
    """The grid of MaskCon's w and τ; `entries` holds what is known of each trial. None without such cells."""
    cells = _cells(content)
    means = [found for cell in cells.values() if (found := content.find(cell, PRIMARY).ours) is not None]
    low, high = (min(means), max(means)) if means else (0.0, 0.0)
    weights = sorted({weight for weight, _ in cells}, reverse=True)
    temperatures = sorted({temperature for _, temperature in cells})
    shown = {place: _square(content, cell, (low, high), entries, runs) for place, cell in cells.items()}
    labels = {place[0]: square.weight for place, square in shown.items()}
    heads = {place[1]: square.temperature for place, square in shown.items()}
    rows = [(labels[weight], tuple(shown.get((weight, at)) for at in temperatures)) for weight in weights]
    return Grid(tuple(heads[at] for at in temperatures), tuple(rows)) if cells else None


def _cells(content: Content) -> dict[tuple[float, float], Cell]:
    """By (w, τ), of the cells that vary both."""
    varied = [(dict(cell.settings), cell) for cell in content.cells(METHOD)]
    return {
        (settings["weight"], settings["temperature"]): cell
        for settings, cell in varied
        if {"weight", "temperature"} <= settings.keys()
    }


def _square(
    content: Content,
    cell: Cell,
    scale: tuple[float, float],
    entries: Mapping[str, Mapping[str, Any]],
    runs: tracking.Runs,
) -> Square:
    found, (low, high) = content.find(cell, PRIMARY), scale
    values = dict(zip(found.trial_ids, found.values, strict=True))
    return Square(
        weight=cell.shown("weight"),
        temperature=cell.shown("temperature"),
        value=found.ours,
        deviation=found.deviation,
        share=0.0 if found.ours is None or high == low else (found.ours - low) / (high - low),
        published=found.theirs,
        verdict="" if found.verdict is None or not found.runs else verdict_text(found),
        runs=tuple(
            Run(
                trial_id=trial.trial_id,
                seed=trial.seed,
                value=values.get(trial.trial_id),
                state=entries[trial.trial_id]["state"],
                seconds=entries[trial.trial_id]["seconds"],
                run_id=runs.ids.get(trial.trial_id),
                address=runs.address(trial.trial_id),
            )
            for trial in cell.trials
        ),
    )
