"""The best recall of held-out images so far, over the hours that devices have worked: one line per search, and the grid."""

from __future__ import annotations

import statistics
from typing import Any

from harness.points import Point
from harness.report.figures import _style
from harness.report.search.found import Found

position = 20
heading = "Best so far"


def needs(found: Found) -> bool:
    """A point that was trained to its end."""
    return any(lines for lines in _lines(found).values())


def size(found: Found) -> tuple[float, float]:
    """Inches."""
    return 6.4, 3.8


def draw(found: Found, axes: Any) -> None:
    """Steps: a point counts from the moment that its training ended."""
    unit, name = _unit(found)
    lines = _lines(found)
    thin = len(lines) > 1
    for line in lines.values():
        if line:
            used, best = zip(*line, strict=True)
            look = {"color": _style.SKY, "linewidth": 0.8} if thin else {"color": _style.BLUE, "linewidth": 1.6}
            axes.step([second / unit for second in used], best, where="post", **look)
    if thin:
        seconds, means = _mean(found, lines)
        number = sum(bool(line) for line in lines.values())
        label = f"mean of {number} searches, from where all have a point"
        axes.step([one / unit for one in seconds], means, where="post", color=_style.BLUE, linewidth=1.8, label=label)
    measured = [grid for grid in found.grid.values() if grid.is_measured and grid.value is not None]
    hours = [grid.seconds / unit for grid in found.grid.values() if grid.seconds]
    if measured:
        level = statistics.fmean(100 * (grid.value or 0.0) for grid in measured)
        axes.axhline(level, color=_style.BLACK, linestyle="--", linewidth=1.1, label="the grid's best")
    if hours:
        word = "" if len(measured) == len(found.grid) else " (estimated)"
        axes.axvline(
            statistics.fmean(hours), color=_style.GREY, linestyle=":", linewidth=1.4, label=f"the whole grid{word}"
        )
    axes.set_xlabel(f"{name} of devices")
    axes.set_ylabel("best held-out Recall@1 so far, %")
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8, loc="best")
    _style.plain([axes])


def caption(found: Found) -> str:
    """What the figure shows."""
    return " ".join(
        part
        for part in (
            "The best Recall@1 of held-out images among the points trained to their end, over the time of devices that the "
            "search had used by then, stopped points included.",
            found.outcome(),
            found.small_print(),
        )
        if part
    )


def alternative(found: Found) -> str:
    """For who cannot see it."""
    ends = [line[-1][1] for line in _lines(found).values() if line]
    return f"Step lines that rise to {min(ends):.1f} to {max(ends):.1f} percent." if ends else "No point yet."


def _lines(found: Found) -> dict[int, list[tuple[float, float]]]:
    """By seed: (seconds of devices until then, best held-out recall in percent)."""
    return {seed: _line(found.own(seed)) for seed in range(found.spec.seeds)}


def _line(own: list[Point]) -> list[tuple[float, float]]:
    """In the order in which the points were asked for, as if one after the other."""
    seconds, best, line = 0.0, 0.0, []
    for point in own:
        seconds += point.seconds
        if point.value is not None and 100 * point.value > best:
            best = 100 * point.value
            line.append((seconds, best))
    if line:
        line.append((seconds, best))
    return line


def _mean(found: Found, lines: dict[int, list[tuple[float, float]]]) -> tuple[list[float], list[float]]:
    """Of all searches that have a point, at each moment at which one of them changes."""
    whole = [line for line in lines.values() if line]
    start = max(line[0][0] for line in whole)
    moments = sorted({second for line in whole for second, _ in line if second >= start})
    means = [
        statistics.fmean([best for second, best in line if second <= now][-1] for line in whole) for now in moments
    ]
    return moments, means


def _unit(found: Found) -> tuple[float, str]:
    """Seconds in a unit of the axis, and its name."""
    longest = max(
        [found.seconds(seed) for seed in range(found.spec.seeds)] + [grid.seconds for grid in found.grid.values()]
    )
    return (3600.0, "hours") if longest >= 3600 else (60.0, "minutes")
