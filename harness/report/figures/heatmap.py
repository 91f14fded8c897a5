"""Recall@1 over w and τ (paper Fig. 2): one square per cell, cells not trained yet hatched."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from harness.report.content import Content
from harness.spec import Cell

position = 20
heading = "Recall@1 over w and τ"
METHOD = "maskcon"


def needs(content: Content) -> bool:
    """A sweep that varies w and τ of MaskCon."""
    return len(_grid(content)) > 1


def size(content: Content) -> tuple[float, float]:
    """Inches, so that squares stay squares."""
    weights, temperatures = _axes(content)
    return 1.5 + 0.8 * len(temperatures), 1.2 + 0.55 * len(weights)


def draw(content: Content, axes: Any) -> None:
    """The grid with its numbers. The colour scale spans the trained cells and stays readable in grey."""
    import numpy as np
    from matplotlib.patches import Rectangle

    weights, temperatures = _axes(content)
    values = np.full((len(weights), len(temperatures)), math.nan)
    for (weight, temperature), cell in _grid(content).items():
        found = content.find(cell, "recall_at_1").ours
        values[weights.index(weight), temperatures.index(temperature)] = math.nan if found is None else found
    image = axes.imshow(np.ma.masked_invalid(values), cmap="cividis", aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if math.isnan(value):
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor="0.55", hatch="////"))
        else:
            ink = _readable_on(image.cmap(image.norm(value)))
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=ink)
    axes.set_xticks(range(len(temperatures)), [_text(value) for value in temperatures])
    axes.set_yticks(range(len(weights)), [_text(value) for value in weights])
    axes.set_xlabel("temperature τ")
    axes.set_ylabel("weight w")
    letters = int(14 * axes.figure.get_figwidth())  # of 8 points, on one line
    axes.set_title("\n".join(["Recall@1, %", *textwrap.wrap(content.small_print(), letters)]), fontsize=8)
    axes.tick_params(length=0)
    if np.isfinite(values).any():
        axes.figure.colorbar(image, ax=axes, shrink=0.9).outline.set_visible(False)


def caption(content: Content) -> str:
    """What it shows, and of how many runs."""
    return (
        f"Recall@1 in percent of MaskCon over w and τ on {content.spec.title} ({content.runs()}, mean). The row w = 0 is "
        "SelfCon, the column τ = ∞ Grafit. Hatched: not trained yet."
    )


def alternative(content: Content) -> str:
    """The highest and lowest cell in words."""
    trained = [(content.find(cell, "recall_at_1").ours, _place(cell)) for cell in _grid(content).values()]
    known = sorted((value, place) for value, place in trained if value is not None)
    if not known:
        return "Heat map of Recall@1 over w and τ; no cell is trained yet."
    (lowest, at_lowest), (highest, at_highest) = known[0], known[-1]
    return (
        f"Heat map of Recall@1 over w and τ: highest {highest:.2f} % at {at_highest}, lowest {lowest:.2f} % at "
        f"{at_lowest}; the table of all hyperparameters has every value."
    )


def _grid(content: Content) -> dict[tuple[float, float], Cell]:
    grid = {}
    for cell in content.cells(METHOD):
        varied = dict(cell.settings)
        if "weight" in varied and "temperature" in varied:
            grid[varied["weight"], varied["temperature"]] = cell
    return grid


def _axes(content: Content) -> tuple[list[float], list[float]]:
    grid = _grid(content)
    return sorted({weight for weight, _ in grid}, reverse=True), sorted({temperature for _, temperature in grid})


def _readable_on(colour: Any) -> str:
    """White or black, by the relative luminance of WCAG: the contrast is at least 4.58."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return "white" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179 else "black"


def _text(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:g}"


def _place(cell: Cell) -> str:
    return f"w = {cell.shown('weight')}, τ = {cell.shown('temperature')}"
