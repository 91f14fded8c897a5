"""Each published Recall@1 beside ours: the difference with its interval, the margin ±δ shaded."""

from __future__ import annotations

from typing import Any

from harness import verdicts
from harness.compare import Compared
from harness.report.content import Content
from harness.report.figures import _style

position = 5
heading = "Reproduced and published, one line per number"

# marker, colour, filled: where no interval can be given the marker is hollow
LOOKS = {
    verdicts.REPRODUCED: ("o", _style.GREEN, True),
    verdicts.LOWER: ("v", _style.VERMILLION, True),
    verdicts.HIGHER: ("^", _style.BLUE, True),
    verdicts.INCONCLUSIVE: ("D", _style.BLACK, True),
    verdicts.INSUFFICIENT: ("o", _style.GREY, False),
    verdicts.NOT_COMPARABLE: ("s", _style.PURPLE, False),
    verdicts.NO_MARGIN: ("D", _style.GREY, False),
}


def needs(content: Content) -> bool:
    """A published number, and a run of its cell."""
    return bool(_rows(content))


def size(content: Content) -> tuple[float, float]:
    """Inches: a line each."""
    return 7.0, 1.7 + 0.21 * len(_rows(content))


def draw(content: Content, axes: Any) -> None:
    """Ours − theirs, in the order of the sweep's file."""
    from matplotlib.lines import Line2D

    rows, seen = _rows(content), dict[str, Any]()
    axes.axvline(0, color="0.3", linewidth=0.8)
    if content.spec.margin is not None:
        axes.axvspan(-content.spec.margin, content.spec.margin, color="0.88", zorder=0)
    for height, entry in enumerate(rows):
        marker, colour, filled = LOOKS[entry.verdict or verdicts.NO_MARGIN]
        if entry.interval is not None:
            axes.plot(entry.interval, (height, height), color=colour, linewidth=1.4, marker="|", markersize=5)
        fill = colour if filled else "white"
        look: dict[str, Any] = {"color": colour, "marker": marker, "markerfacecolor": fill, "linestyle": ""}
        axes.plot([entry.difference], [height], markersize=5.5, **look)
        seen[str(entry.verdict)] = Line2D([], [], label=str(entry.verdict).lower(), **look)
    axes.set_yticks(range(len(rows)), [_style.named(content, entry.cell) for entry in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("Recall@1, reproduced − published, points")
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _style.legend_below(axes.figure, list(seen.values()), columns=3)


def caption(content: Content) -> str:
    """What an interval is of, and what is not in the figure."""
    rows = _rows(content)
    judged = [entry for entry in rows if entry.interval is not None]
    numbers = sorted({entry.runs for entry in rows})
    runs = f"n = {numbers[0]}" + (f"–{numbers[-1]}" if len(numbers) > 1 else "")
    margin = "no margin is declared" if content.spec.margin is None else f"shaded: ±{content.spec.margin:g} points"
    words = [
        f"Recall@1 on {content.spec.title}, ours minus the published number, {runs} runs per line at {content.epoch_rule}; "
        f"{margin}."
    ]
    if judged:
        words.append(
            f"Lines: {100 * verdicts.LEVEL:.0f} % intervals (two one-sided tests at 5 %), in which the published number "
            "counts as one run itself."
        )
    if len(judged) < len(rows):
        words.append("Hollow: no interval, since the protocol differs, runs are too few or no margin is declared.")
    words.append("Cells that are the same training stand once.")
    lacking = len(content.comparison.verdicts) - len(rows)
    if lacking:
        words.append(f"Not shown: {lacking} published numbers whose cells are not trained yet.")
    return " ".join(words)


def alternative(content: Content) -> str:
    """How many numbers got which verdict, and the widest differences."""
    rows = _rows(content)
    counts: dict[str, int] = {}
    for entry in rows:
        counts[str(entry.verdict)] = counts.get(str(entry.verdict), 0) + 1
    ordered = sorted(rows, key=lambda entry: entry.difference or 0.0)
    said = ", ".join(f"{count} {verdict.lower()}" for verdict, count in counts.items())
    ends = [f"{_style.named(content, entry.cell)} {entry.difference:+.2f}" for entry in (ordered[0], ordered[-1])]
    return f"{len(rows)} published numbers of Recall@1: {said}. Differences from {ends[0]} to {ends[1]} points."


def _rows(content: Content) -> list[Compared]:
    return [entry for entry in content.comparison.verdicts if entry.difference is not None]
