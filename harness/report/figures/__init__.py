"""The figures: one file each, found by its name. Each declares `position` and `heading`, and has `needs(content) -> bool`,
`draw(content, axes)`, `size(content)`, `caption(content)` and `alternative(content)`, the text for who cannot see it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import resources
from harness.report.content import Content


@dataclass(frozen=True)
class Figure:
    """A drawn figure: NAME.pdf and NAME.png in the report's folder."""

    name: str
    heading: str  # above it on the page
    caption: str
    alternative: str


def draw_all(content: Content, folder: Path) -> dict[int, Figure]:
    """Draw every figure that the sweep has the data for; by its position among tables and figures."""
    drawn = {}
    for name in resources.modules("report/figures"):
        module = importlib.import_module(f"harness.report.figures.{name}")
        if module.needs(content):
            _save(module, content, folder / name)
            about = (module.heading, module.caption(content), module.alternative(content))
            drawn[module.position] = Figure(name, *about)
    return drawn


def _save(module, content: Content, path: Path) -> None:  # type: ignore[no-untyped-def]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style: Any = {"font.family": "DejaVu Sans", "font.size": 9, "pdf.fonttype": 42, "hatch.linewidth": 0.6}
    with pyplot.rc_context(style):
        figure, axes = pyplot.subplots(figsize=module.size(content), layout="constrained")
        module.draw(content, axes)
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
        figure.savefig(path.with_suffix(".png"), dpi=200)
        pyplot.close(figure)
