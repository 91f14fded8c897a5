"""How Recall@1 depends on w, one line for each τ, and on τ, one line for each w."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.compare import PRIMARY, Compared
from harness.report.content import Content
from harness.report.figures import _style

position = 22
heading = "How much w and τ matter"
OTHERS = ("grafit", "coins")  # methods with a weight and no temperature


MOST_LINES = 8  # of MaskCon in a panel; of more values these many, spread evenly, are drawn


@dataclass(frozen=True)
class Line:
    """Trained cells along one setting."""

    label: str
    points: tuple[tuple[float, Compared], ...]  # (w or τ, the cell's Recall@1), ascending
    dark: bool = False  # another method than MaskCon


def needs(content: Content) -> bool:
    """Two trained values of w, or of τ."""
    return bool(_panels(content))


def panels(content: Content) -> tuple[int, int]:
    """w, τ or both, where the sweep varies them."""
    return 1, len(_panels(content))


def size(content: Content) -> tuple[float, float]:
    """Inches, the legend of each panel below it."""
    found = _panels(content)
    return 0.4 + 3.8 * len(found), 3.2 + 0.18 * max((len(lines) for lines in found.values()), default=0)


def draw(content: Content, axes: Any) -> None:
    """Means over seeds with one standard deviation either way."""
    found = _panels(content)
    for panel, (name, lines) in zip(axes.ravel(), found.items(), strict=True):
        where = _positions([value for line in lines for value, _ in line.points], name)
        shades = iter(_style.in_order(sum(not line.dark for line in lines)))
        darks = iter([{"color": "black", "marker": marker, "linestyle": "--", "mfc": "white"} for marker in "^v"])
        span = max(where.values()) - min(where.values())
        for number, line in enumerate(lines):
            aside = 0.012 * span * (number - (len(lines) - 1) / 2)
            moved = {value: place + aside for value, place in where.items()}
            _line(panel, line, moved, next(darks) if line.dark else next(shades), apart=name == "temperature")
        ticked = list(where)[:: 1 + len(where) // 13]  # as many as have room
        panel.set_xticks([where[value] for value in ticked], [_style.number(value) for value in ticked])
        panel.set_xlabel("weight w" if name == "weight" else "temperature τ (log scale; 0 and ∞ apart)")
        panel.set_ylabel("Recall@1, %")
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=8)
    for other in axes.ravel()[1:]:
        other.sharey(axes.ravel()[0])
    _style.plain(axes.ravel())


def _line(panel: Any, line: Line, where: Mapping[float, float], look: dict[str, Any], apart: bool) -> None:
    """Dotted towards τ = 0 and ∞ where these stand apart: they lie on no log scale."""
    shown = [(where[value], float(entry.ours or 0.0), apart and value in (0, math.inf)) for value, entry in line.points]
    places, means = [place for place, _, _ in shown], [mean for _, mean, _ in shown]
    spread = [math.nan if entry.deviation is None else entry.deviation for _, entry in line.points]
    dots = look | {"linestyle": "", "markersize": 4.5}
    panel.errorbar(places, means, yerr=spread, capsize=2.5, elinewidth=1.0, **dots)
    on_scale = [(place, mean) for place, mean, end in shown if not end]
    if on_scale:
        panel.plot(*zip(*on_scale, strict=True), color=look["color"], linestyle=look["linestyle"], linewidth=1.3)
    for first, second in itertools.pairwise(shown):
        if first[2] or second[2]:
            panel.plot(*zip(first[:2], second[:2], strict=True), color=look["color"], linestyle=":", linewidth=0.8)
    panel.plot([], [], label=line.label, **look | {"markersize": 4.5, "linewidth": 1.3})


def _positions(values: Sequence[float], name: str) -> dict[float, float]:
    """Where each value stands: w as it is, τ by its logarithm with 0 and ∞ beyond the ends."""
    distinct = sorted(set(values))
    if name == "weight":
        return {value: value for value in distinct}
    logs = {value: math.log10(value) for value in distinct if 0 < value < math.inf}
    low, high = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
    gap = max(0.4, 0.25 * (high - low))
    return {value: low - gap if value == 0 else high + gap if math.isinf(value) else logs[value] for value in distinct}


def caption(content: Content) -> str:
    """Rules and runs."""
    several = any(
        entry.deviation is not None for lines in _panels(content).values() for line in lines for _, entry in line.points
    )
    varied = [dict(cell.settings) for cell in content.cells("maskcon")]
    most = max(len({settings.get(name) for settings in varied}) for name in ("weight", "temperature"))
    few = f" Lines for {MOST_LINES} of {most} values, spread evenly." if most > MOST_LINES else ""
    bars = " Error bars: one standard deviation over seeds (ddof = 1) either way." if several else ""
    return (
        f"Recall@1 of MaskCon on {content.spec.title} over w for each τ, and over τ for each w ({content.runs()}, mean, at "
        f"{content.epoch_rule}).{bars} Points of one w or τ stand a little beside each other.{few}"
    )


def alternative(content: Content) -> str:
    """The best value of each line, in words."""
    said = []
    for name, lines in _panels(content).items():
        symbol = "w" if name == "weight" else "τ"
        for line in lines:
            value, best = max(line.points, key=lambda point: point[1].ours or 0.0)
            said.append(f"{line.label}: best at {symbol} = {_style.number(value)} with {best.ours:.1f} %")
    return "Recall@1 over w and over τ. " + "; ".join(said) + "."


def _panels(content: Content) -> dict[str, list[Line]]:
    return content.once("sensitivity", lambda: _found(content))


def _found(content: Content) -> dict[str, list[Line]]:
    """The lines over each setting that is varied."""
    over_weight = _lines(content, "maskcon", along="weight", by="temperature")
    drawn = {ids for line in over_weight for ids in _trainings(line)}
    for method in OTHERS:
        lines = _lines(content, method, along="weight", by=None)
        over_weight += [line for line in lines if not set(_trainings(line)) <= drawn]
    found = {
        "weight": over_weight,
        "temperature": _lines(content, "maskcon", along="temperature", by="weight"),
    }
    return {name: lines for name, lines in found.items() if any(len(line.points) > 1 for line in lines)}


def _lines(content: Content, method: str, along: str, by: str | None) -> list[Line]:
    """A method's trained cells along one setting, a line for each value of the other."""
    lines: dict[Any, dict[float, Compared]] = {}
    for cell in content.cells(method):
        varied, entry = dict(cell.settings), content.find(cell, PRIMARY)
        if along in varied and entry.ours is not None:
            lines.setdefault(varied.get(by or ""), {})[varied[along]] = entry
    title = content.method_titles.get(method, method)
    ordered = sorted(lines.items(), key=lambda item: -1 if item[0] is None else item[0])
    return [
        Line(
            _label(by, value) if by is not None and value is not None else title,
            tuple(sorted(points.items())),
            dark=method != "maskcon",
        )
        for value, points in _spread(ordered)
    ]


def _spread(values: list[Any]) -> list[Any]:
    """All of them or, of too many to tell apart, some from the first to the last."""
    if len(values) <= MOST_LINES:
        return values
    return [values[round(place * (len(values) - 1) / (MOST_LINES - 1))] for place in range(MOST_LINES)]


def _label(by: str, value: float) -> str:
    """What a line of MaskCon is of; at the ends of the grid it is another method."""
    if by == "temperature":
        return f"τ = {_style.number(value)}" + (", Grafit" if math.isinf(value) else "")
    return f"w = {_style.number(value)}" + (", SelfCon" if value == 0 else "")


def _trainings(line: Line) -> list[tuple[str, ...]]:
    return [entry.trial_ids for _, entry in line.points]
