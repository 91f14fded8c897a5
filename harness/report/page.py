"""report.html: one self-contained page that works offline, in light and dark, on paper and on a phone."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import resources
from harness.report import document
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.table import Table


def render(
    content: Content, tables: Sequence[Table], figures: Sequence[Figure], known: dict[str, Any], folder: Path
) -> str:
    """The page's HTML, figures and style inside."""
    import jinja2

    loader = jinja2.FileSystemLoader(resources.folder("reports/templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    by_name = {table.name: table.html() for table in tables}
    return environment.get_template("report.html.j2").render(
        title=content.spec.title,
        slug=content.spec.slug,
        sentences=document.sentences(content, known),
        warnings=document.warnings(content, known),
        headline=headline(content),
        tables=by_name,
        figures=[(figure, _embedded(folder / f"{figure.name}.png")) for figure in figures],
        ledger=document.ledger(content).html(),
        departures=document.departures(known),
        known=known,
        trials=known["trials"],
    )


def headline(content: Content) -> list[tuple[str, str, str]]:
    """The first thing a reader sees: (what, number, beside it)."""
    from harness import protocol

    titles = protocol.method_titles(content.spec)
    found = []
    for method in content.methods():
        cells = [content.find(cell, "recall_at_1") for cell in content.cells(method)]
        trained = [entry for entry in cells if entry.ours is not None]
        if method in ("selfcon", "supce", "grafit", "coins", "maskcon", "supfine") and trained:
            best = max(trained, key=lambda entry: entry.ours or 0.0)
            beside = f"published {best.theirs:.2f}" if best.theirs is not None else "nothing published"
            found.append((titles[method], f"{best.ours:.2f}", beside))
    return found


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
