"""Recall@1 over w and τ (paper Fig. 2): one square per cell, cells not trained yet hatched, those that cannot be told from the
best one outlined. Below it, where numbers are published, reproduced − published."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from harness import statistics
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.figures import _style
from harness.spec import Cell

position = 20
heading = "Recall@1 over w and τ"
METHOD = "maskcon"
LEVEL = 0.95
MOST_NUMBERS = 400  # cells with a number in each; more are small squares of colour alone
Place = tuple[float, float]  # w, τ


def needs(content: Content) -> bool:
    """A sweep that varies w and τ of MaskCon."""
    return len(_grid(content)) > 1


def panels(content: Content) -> tuple[int, int]:
    """The second one only where a number is published."""
    return (2, 1) if _published(content) else (1, 1)


def size(content: Content) -> tuple[float, float]:
    """Inches, so that squares stay squares."""
    weights, temperatures = _sides(content)
    wide, high = (0.8, 0.55) if _numbered(content) else (0.25, 0.25)
    return 1.6 + wide * len(temperatures), (1.2 + high * len(weights)) * panels(content)[0]


def draw(content: Content, axes: Any) -> None:
    """The grid with its numbers on each of the axes given: Recall@1 first, then the differences."""
    import numpy as np

    first, *others = np.atleast_1d(axes).ravel()
    _recall(content, first)
    for other in others:
        _differences(content, other)


def _recall(content: Content, axes: Any) -> None:
    """The colour scale spans the trained cells and stays readable in grey."""
    values = {place: content.find(cell, PRIMARY).ours for place, cell in _grid(content).items()}
    known = [value for value in values.values() if value is not None]
    _squares(content, axes, values, {value: f"{value:.1f}" for value in known}, cmap="cividis")
    axes.set_title("Recall@1, %", fontsize=9)
    for place in _like_the_best(content):
        _outline(axes, *_position(content, place))


def _differences(content: Content, axes: Any) -> None:
    """The colour scale is centred at 0; in grey the sign is that of the number."""
    values = {place: content.find(cell, PRIMARY).difference for place, cell in _grid(content).items()}
    known = [value for value in values.values() if value is not None]
    widest = max((abs(value) for value in known), default=1.0) or 1.0
    texts = {value: _style.signed(value) for value in known}
    _squares(
        content, axes, values, texts, "PuOr", (-widest, widest), _grid(content).keys() - _published(content).keys()
    )
    axes.set_title("reproduced − published, points", fontsize=9)


def _squares(
    content: Content,
    axes: Any,
    values: dict[Place, float | None],
    texts: dict[float, str],
    cmap: str,
    limits: tuple[float | None, float | None] = (None, None),
    dotted: Collection[Place] = (),
) -> None:
    """Coloured squares with their texts. One without a value is hatched; those in `dotted` are dotted."""
    import numpy as np
    from matplotlib.patches import Rectangle

    weights, temperatures = _sides(content)
    shown = np.full((len(weights), len(temperatures)), math.nan)
    for place, value in values.items():
        column, row = _position(content, place)
        shown[row, column] = math.nan if value is None else value
    image = axes.imshow(np.ma.masked_invalid(shown), cmap=cmap, aspect="auto", vmin=limits[0], vmax=limits[1])
    for row, column in np.ndindex(shown.shape):
        known = float(shown[row, column])
        if math.isnan(known):
            edge, hatch = ("0.8", "..") if (weights[row], temperatures[column]) in dotted else ("0.55", "////")
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=edge, hatch=hatch))
        elif _numbered(content):
            ink = _style.readable_on(image.cmap(image.norm(known)))
            axes.text(column, row, texts[known], ha="center", va="center", color=ink)
    every = 1 if _numbered(content) else 4  # ticks that have room
    axes.set_xticks(*_ticks(temperatures, every))
    axes.set_yticks(*_ticks(weights, every))
    axes.set_xlabel("temperature τ")
    axes.set_ylabel("weight w")
    axes.tick_params(length=0)
    if np.isfinite(shown).any():
        axes.figure.colorbar(image, ax=axes, shrink=0.9).outline.set_visible(False)


def _numbered(content: Content) -> bool:
    return len(_grid(content)) <= MOST_NUMBERS


def _ticks(values: list[float], every: int) -> tuple[list[int], list[str]]:
    places = list(range(0, len(values), every))
    return places, [_style.number(values[place]) for place in places]


def _outline(axes: Any, column: int, row: int) -> None:
    """Black inside of white: seen on every colour."""
    from matplotlib.patches import Rectangle

    for inset, colour in ((0.04, "white"), (0.08, "black")):
        corner, side = (column - 0.5 + inset, row - 0.5 + inset), 1 - 2 * inset
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=1.6))


def caption(content: Content) -> str:
    """What it shows, by which rule, and of how many runs."""
    deviation, degrees = content.comparison.spread.get(PRIMARY, (math.nan, 0))
    if degrees:
        outline = (
            f"Outlined: cells that cannot be told from the best one: the {100 * LEVEL:.0f} % interval of best − cell contains "
            f"0 (spread {deviation:.2f} points, pooled over the sweep with {degrees} degrees of freedom; each cell by itself, "
            "without a correction for having looked for the best)."
        )
    else:
        outline = "No cell is outlined as like the best: no cell has two runs, so nothing is known of their spread."
    found = (
        f"Recall@1 in percent of MaskCon over w and τ on {content.spec.title} ({content.runs()}, mean, at "
        f"{content.epoch_rule}). The row w = 0 is SelfCon, the column τ = ∞ Grafit. Hatched: not trained yet. {outline}"
    )
    if not _published(content):
        return found
    compared = f"{len(_published(content))} of {len(_grid(content))} cells"
    return (
        f"{found} Below: reproduced − published, for the {compared} with a published number; dotted: none is published."
    )


def alternative(content: Content) -> str:
    """The highest and lowest cell in words."""
    grid = _grid(content)
    trained = [(content.find(cell, PRIMARY).ours, _style.place(cell)) for cell in grid.values()]
    known = sorted((value, place) for value, place in trained if value is not None)
    if not known:
        return "Heat map of Recall@1 over w and τ; no cell is trained yet."
    (lowest, at_lowest), (highest, at_highest) = known[0], known[-1]
    words = [
        f"Heat map of Recall@1 over w and τ: highest {highest:.2f} % at {at_highest}, lowest {lowest:.2f} % at {at_lowest}"
    ]
    alike = [_style.place(grid[place]) for place in _like_the_best(content) if _style.place(grid[place]) != at_highest]
    if alike:
        which = " and ".join(alike) if len(alike) <= 3 else f"{len(alike)} other cells"
        words.append(f"outlined as not to be told from the highest: {which}")
    differences = [content.find(cell, PRIMARY).difference for cell in _published(content).values()]
    apart = [value for value in differences if value is not None]
    if apart:
        words.append(f"reproduced − published between {min(apart):+.2f} and {max(apart):+.2f} points")
    return "; ".join([*words, "the table of all hyperparameters has every value."])


def _like_the_best(content: Content) -> list[Place]:
    """Cells whose difference from the best has an interval with 0 in it, the best one included; none without a spread."""
    deviation, degrees = content.comparison.spread.get(PRIMARY, (math.nan, 0))
    found = {place: content.find(cell, PRIMARY) for place, cell in _grid(content).items()}
    trained = {place: entry for place, entry in found.items() if entry.ours is not None}
    if not degrees or not trained:
        return []
    best = max(trained.values(), key=lambda entry: entry.ours or 0.0)
    alike = []
    for place, entry in trained.items():
        difference = (best.ours or 0.0) - (entry.ours or 0.0)
        if statistics.between(difference, deviation, degrees, (best.runs, entry.runs), LEVEL)[0] <= 0:
            alike.append(place)
    return alike


def _grid(content: Content) -> dict[Place, Cell]:
    return content.once("heat map: cells", lambda: _cells_by_place(content))


def _cells_by_place(content: Content) -> dict[Place, Cell]:
    grid = {}
    for cell in content.cells(METHOD):
        varied = dict(cell.settings)
        if "weight" in varied and "temperature" in varied:
            grid[varied["weight"], varied["temperature"]] = cell
    return grid


def _published(content: Content) -> dict[Place, Cell]:
    return {place: cell for place, cell in _grid(content).items() if content.find(cell, PRIMARY).theirs is not None}


def _sides(content: Content) -> tuple[list[float], list[float]]:
    """w from above, τ from the left."""

    def sides() -> tuple[list[float], list[float]]:
        grid = _grid(content)
        return sorted({weight for weight, _ in grid}, reverse=True), sorted({temperature for _, temperature in grid})

    return content.once("heat map: sides", sides)


def _position(content: Content, place: Place) -> tuple[int, int]:
    """(column, row)"""
    weights, temperatures = _sides(content)
    return temperatures.index(place[1]), weights.index(place[0])
