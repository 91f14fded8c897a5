"""report.html: one self-contained page that works offline, in light and dark, on paper and on a phone."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import resources
from harness.compare import Compared
from harness.report import document
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.table import Table


def render(content: Content, parts: Sequence[Table | Figure], known: dict[str, Any], folder: Path) -> str:
    """The page's HTML, figures and style inside."""
    import jinja2

    loader = jinja2.FileSystemLoader(resources.folder("reports/templates"))
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    shown = [(part.heading, part.html() if isinstance(part, Table) else _figure(part, folder)) for part in parts]
    return environment.get_template("report.html.j2").render(
        title=content.spec.title,
        slug=content.spec.slug,
        sentences=document.sentences(content, known),
        warnings=document.warnings(content, known),
        headline=headline(content),
        parts=shown,
        ledger=document.ledger(content).html(),
        departures=document.departures(known),
        known=known,
        trials=known["trials"],
    )


def headline(content: Content) -> list[tuple[str, Compared]]:
    """The first thing a reader sees: Recall@1 of each method at its best."""
    from harness import protocol

    titles = protocol.method_titles(content.spec)
    found = []
    for method in content.methods():
        selected = content.chosen.get(method)
        if selected is not None and selected.cell is not None:
            found.append((titles[method], content.find(selected.cell, "recall_at_1")))
    return found


def _figure(figure: Figure, folder: Path) -> str:
    """The figure inside the page, with its caption and its words."""
    image = base64.b64encode((folder / f"{figure.name}.png").read_bytes()).decode()
    return (
        f"<figure><figcaption>{html.escape(figure.caption)}</figcaption>"
        f'<img src="data:image/png;base64,{image}" alt="{html.escape(figure.alternative)}"></figure>'
    )
