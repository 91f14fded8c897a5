"""The report as one HTML page: self-contained, readable on a phone, in light and dark, without a script and on paper."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import resources, tracking
from harness.compare import PRIMARY
from harness.report import document, grid, origins, summary
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.table import Table
from harness.spec import Cell

EXPLORED = "heatmap"  # the figure that the page has as a grid, too


@dataclass(frozen=True)
class Card:
    """A method's Recall@1, beside the published number of the cell that stands for it."""

    title: str
    number: str
    settings: str
    published: float | None


def render(
    content: Content,
    parts: Sequence[Table | Figure],
    known: dict[str, Any],
    folder: Path,
    runs: tracking.Runs | None = None,
) -> str:
    """The page's HTML with figures, style and script inside; `runs` are the trials' in MLflow, to be linked."""
    entries = {entry["trial_id"]: entry for entry in known["trials"]}
    explored = grid.of_content(content, entries, runs or tracking.Runs({}, None, ""))
    shown = [_part(part, folder, explored) for part in parts]
    lines = origins.lines(content, known)
    of_sweep = {"summary": summary.of_comparison(content.comparison), "cards": cards(content), "rule": content.rule}
    return _filled(content, shown, known, folder, lines, **of_sweep)


def render_search(found: document.Shown, parts: Sequence[Table | Figure], known: dict[str, Any], folder: Path) -> str:
    """The page of a search: without verdicts, since nothing is published that it could be held against."""
    return _filled(
        found, [_part(part, folder, None) for part in parts], known, folder, origins.of_spec(found.spec, known)
    )


def _filled(
    shown: document.Shown,
    parts: list[dict[str, Any]],
    known: dict[str, Any],
    folder: Path,
    lines: list[origins.Line],
    **of_sweep: Any,
) -> str:
    import jinja2

    loader = jinja2.FileSystemLoader(resources.folder("reports/templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html.j2").render(
        **({"summary": None} | of_sweep),
        title=shown.spec.title,
        sentences=document.sentences(shown, known),
        warnings=document.warnings(shown, known),
        parts=parts,
        closing=[_part(part, folder, None) for part in document.closing(shown)],
        departures=document.departures(known),
        origins=lines,
        trials=origins.trials_table(known).html(),
        count=len(known["trials"]),
    )


def cards(content: Content) -> list[Card]:
    """Recall@1 of each trained method, as the main table has it."""
    found = []
    for method in content.methods():
        selected = content.chosen.get(method)
        if selected is not None and selected.cell is not None:
            number = content.entry_selected(selected, PRIMARY).plain()
            theirs = content.find(selected.cell, PRIMARY).theirs
            found.append(Card(content.method_titles[method], number, _settings(selected.cell), theirs))
    return found


def _settings(cell: Cell) -> str:
    named = (("w", cell.shown("weight")), ("τ", cell.shown("temperature")))
    return ", ".join(f"{symbol} = {value}" for symbol, value in named if value != "–")


def _part(part: Table | Figure, folder: Path, explored: grid.Grid | None) -> dict[str, Any]:
    """What the template shows of a table (its HTML) or a figure (its picture, and the grid to explore)."""
    if isinstance(part, Table):
        return {"heading": part.heading, "html": part.html()}
    image = base64.b64encode((folder / f"{part.name}.png").read_bytes()).decode()
    return {
        "heading": part.heading,
        "figure": part,
        "image": image,
        "grid": explored if part.name == EXPLORED else None,
    }
