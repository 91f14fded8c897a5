"""The figures: one file each, found by its name.

A figure's file declares `position` and `heading`, and has `needs(content) -> bool`, `size(content)` in inches,
`draw(content, axes)`, `caption(content)` and `alternative(content)`, the text for who cannot see it. One with several panels
declares `panels(content) -> (rows, columns)` as well; `axes` is then an array of that shape.

`draw` raises NotDrawn where something optional is not there, such as images on disk: the report goes on without the figure,
and says why.
"""

from __future__ import annotations

import importlib
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import processes, resources
from harness.report.content import Content

DPI = 200
LARGEST_PNG = 400_000  # bytes; every figure stands inside one HTML page


class NotDrawn(Exception):
    """A figure cannot be drawn, for the reason that the message says."""


@dataclass(frozen=True)
class Figure:
    """A drawn figure: NAME.pdf and NAME.png in the report's folder."""

    name: str
    heading: str  # above it on the page
    caption: str
    alternative: str


def draw_all(content: Content, folder: Path) -> tuple[dict[int, Figure], list[str]]:
    """Draw every figure that the sweep has the data for: by its position among tables and figures; and which could not be, why.

    A figure of an earlier report that this one does not have is removed.
    """
    names = resources.modules("report/figures")
    worth_it = content.trainings >= processes.FEWEST_TRAININGS
    drawn, notes = {}, []
    made_in_order = processes.mapped(lambda name: _drawn(name, content, folder), names, worth_it)
    for name, made in zip(names, made_in_order, strict=True):
        if isinstance(made, Figure):
            drawn[_module(name).position] = made
            continue
        notes += [made] if made else []
        for suffix in (".pdf", ".png"):
            (folder / name).with_suffix(suffix).unlink(missing_ok=True)
    return drawn, notes


def _drawn(name: str, content: Content, folder: Path) -> Figure | str | None:
    """One figure's files; or why they could not be made; or None for a sweep that does not have the data for it."""
    module = _module(name)
    try:
        if not module.needs(content):
            return None
        save(module, content, folder / name)
    except NotDrawn as reason:
        return f"The figure “{module.heading}” was not drawn: {reason}"
    return Figure(name, module.heading, module.caption(content), module.alternative(content))


def described(content: Content, folder: Path) -> dict[int, Figure]:
    """The figures that a report in this folder has, without drawing them again; by position."""
    found = {}
    for name in resources.modules("report/figures"):
        module = _module(name)
        if (folder / name).with_suffix(".png").is_file():
            found[module.position] = Figure(name, module.heading, module.caption(content), module.alternative(content))
    return found


def _module(name: str) -> Any:
    return importlib.import_module(f"harness.report.figures.{name}")


def save(module, content, path: Path) -> None:  # type: ignore[no-untyped-def]
    """One figure as PDF and PNG; `content` is what its functions take."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    style: Any = {"font.family": "DejaVu Sans", "font.size": 9, "pdf.fonttype": 42, "hatch.linewidth": 0.6}
    with pyplot.rc_context(style):
        figure = pyplot.figure(figsize=module.size(content), layout="constrained")
        try:
            if hasattr(module, "panels"):
                module.draw(content, figure.subplots(*module.panels(content), squeeze=False))
            else:
                module.draw(content, figure.subplots())
            letters = int(14 * figure.get_figwidth())  # of 8 points, on one line
            if content.small_print():
                figure.suptitle("\n".join(textwrap.wrap(content.small_print(), letters)), fontsize=8)
            figure.draw_without_rendering()  # once, or each of the two files below would be laid out anew
            figure.set_layout_engine("none")
            figure.savefig(path.with_suffix(".pdf"), dpi=DPI, metadata={"CreationDate": None})
            figure.savefig(path.with_suffix(".png"), dpi=DPI)
        finally:
            pyplot.close(figure)
    _lighten(path.with_suffix(".png"))


def _lighten(path: Path) -> None:
    """A large PNG, as one with photographs is, in 256 colours of its own, and smaller until it is light enough."""
    from PIL import Image

    if path.stat().st_size <= LARGEST_PNG:
        return
    with Image.open(path) as image:
        whole = image.convert("RGB")
    for scale in (1.0, 0.8, 0.6, 0.4):
        side = (int(scale * whole.width), int(scale * whole.height))
        (whole if scale == 1 else whole.resize(side, Image.Resampling.LANCZOS)).quantize(256).save(path)
        if path.stat().st_size <= LARGEST_PNG:
            return
