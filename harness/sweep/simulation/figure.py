"""`scaling.png`: efficiency against GPUs, GPU time lost by cause, the driver's memory. Nothing is told by colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.sweep.simulation import scaling

LOOKS = (  # colours of Okabe and Ito, markers, lines
    ("#0072B2", "o", "-"),
    ("#E69F00", "s", "--"),
    ("#D55E00", "^", "-."),
)
LOST = {  # the causes worth a bar: their words, colour and hatching
    "starting": ("starting and leaving", "#0072B2", ""),
    "checkpoints": ("checkpoints", "#56B4E9", "//"),
    "driver": ("waiting for the driver", "#000000", ""),
    "repeated": ("repeated after failures", "#D55E00", "xx"),
    "down": ("nodes down", "#BBBBBB", ""),
    "idle": ("idle tail", "#FFFFFF", ".."),
}


def draw(content: Mapping[str, Any], path: Path) -> None:
    """The four panels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.family": "DejaVu Sans", "font.size": 9, "hatch.linewidth": 0.6}):
        figure, axes = pyplot.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
        rows = content["tables"]["grid"]
        _by_failures(rows, axes[0, 0])
        _by_trials(rows, axes[0, 1])
        _lost(rows, axes[1, 0])
        _memory(content["costs"], axes[1, 1])
        for one in axes.flat:
            one.spines[["top", "right"]].set_visible(False)
            one.grid(axis="y", color="0.92", linewidth=0.6)
            one.set_axisbelow(True)
        figure.savefig(path, dpi=150, metadata={"Software": None})
        pyplot.close(figure)


def _by_failures(rows: list[dict[str, Any]], axes: Any) -> None:
    for between, (colour, marker, line) in zip(scaling.HOURS_BETWEEN_FAILURES, LOOKS, strict=True):
        found = _where(rows, trials=scaling.TRIALS[-1], hours_between_failures=between)
        values = [100 * row["efficiency"]["queue"]["mean"] for row in found]
        words = "never" if between is None else f"every {between:g} h"
        axes.plot([row["gpus"] for row in found], values, color=colour, marker=marker, linestyle=line, label=words)
    axes.axhline(100 * scaling.GOAL, color="0.4", linewidth=1, linestyle=":")
    axes.annotate("goal", (scaling.GPUS[0], 100 * scaling.GOAL), (0, 3), textcoords="offset points", color="0.3")
    axes.set_title(f"While work is left, {scaling.TRIALS[-1]:,} trials", loc="left")
    axes.set_ylabel("efficiency, % of GPUs that are up")
    axes.set_ylim(bottom=min(96.0, axes.get_ylim()[0]), top=100)
    axes.legend(title="a node fails", frameon=False)
    _gpus(axes)


def _by_trials(rows: list[dict[str, Any]], axes: Any) -> None:
    from matplotlib import colormaps

    for place, trials in enumerate(scaling.TRIALS):
        found = _where(rows, trials=trials, hours_between_failures=scaling.AT_HOURS)
        values = [100 * row["efficiency"]["whole"]["mean"] for row in found]
        shade = colormaps["cividis"](0.8 * place / (len(scaling.TRIALS) - 1))
        axes.plot([row["gpus"] for row in found], values, color=shade, marker="os^Dv*"[place], label=f"{trials:,}")
    axes.set_title(f"Until the end, a node fails every {scaling.AT_HOURS:g} h", loc="left")
    axes.set_ylabel("efficiency, % of GPUs that are up")
    axes.set_ylim(0, 100)
    axes.legend(title="trials", frameon=False, loc="lower left")
    _gpus(axes)


def _lost(rows: list[dict[str, Any]], axes: Any) -> None:
    found = _where(rows, trials=scaling.TRIALS[-1], hours_between_failures=scaling.AT_HOURS)
    bottom = [0.0] * len(found)
    for cause, (words, colour, hatch) in LOST.items():
        values = [100 * row["shares"]["whole"][cause] for row in found]
        axes.bar(
            range(len(found)),
            values,
            0.7,
            bottom,
            label=words,
            color=colour,
            hatch=hatch,
            edgecolor="0.25",
            linewidth=0.5,
        )
        bottom = [below + value for below, value in zip(bottom, values, strict=True)]
    axes.set_xticks(range(len(found)), [row["gpus"] for row in found])
    axes.set_xlabel("GPUs")
    axes.set_ylabel("GPU time lost, % of all")
    axes.set_ylim(0, 1.45 * max(bottom))
    axes.set_title(
        f"Until the end, {scaling.TRIALS[-1]:,} trials, a node fails every {scaling.AT_HOURS:g} h", loc="left"
    )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, ncols=2, loc="upper left")


def _memory(measured: Mapping[str, Any], axes: Any) -> None:
    base, each = (measured["constants"][name]["median"] for name in ("driver_bytes", "driver_bytes_per_trial"))
    trials = np.geomspace(scaling.TRIALS[0], scaling.TRIALS[-1], 100)
    axes.plot(trials, (base + each * trials) / 1e6, color=LOOKS[0][0], label="the line through these")
    seen = {int(count): entry["bytes"] / 1e6 for count, entry in measured["by_trials"].items()}
    look = {"color": LOOKS[2][0], "marker": "x", "markersize": 9, "markeredgewidth": 2, "linestyle": ""}
    axes.plot(list(seen), list(seen.values()), label="measured", **look)
    axes.set_xscale("log")
    axes.set_xticks(scaling.TRIALS, [f"{count:,}" for count in scaling.TRIALS])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("trials")
    axes.set_ylabel("memory of the driver, MB")
    axes.set_title("The driver's memory", loc="left")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], frameon=False, loc="upper left")


def _gpus(axes: Any) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(scaling.GPUS, scaling.GPUS)
    axes.minorticks_off()
    axes.set_xlabel("GPUs")


def _where(rows: list[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]
