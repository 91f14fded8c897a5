"""Recall@1 while training: against epochs, and against the hours that a device was at it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from harness import trials
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.figures import _style

position = 24
heading = "Recall@1 while training"


@dataclass(frozen=True)
class Curve:
    """A method at its chosen cell: means over its runs at each epoch that all of them evaluated."""

    method: str
    label: str  # with the number of runs
    trial_ids: tuple[str, ...]
    epochs: tuple[int, ...]
    mean: tuple[float, ...]  # percent
    deviation: tuple[float, ...]  # points, ddof = 1; empty for a single run
    hours: tuple[float, ...]  # of training until then, without waiting
    devices: frozenset[tuple[str, str]]  # (type, name)


def needs(content: Content) -> bool:
    """A method that was evaluated more than once."""
    return any(len(curve.epochs) > 1 for curve in _curves(content))


def panels(content: Content) -> tuple[int, int]:
    """Epochs and hours."""
    return 1, 2


def size(content: Content) -> tuple[float, float]:
    """Inches, with a line of legend for two methods."""
    return 8.0, 3.3 + 0.2 * ((len(content.methods()) + 1) // 2)


def draw(content: Content, axes: Any) -> None:
    """A line per method in both panels, and a band of one standard deviation."""
    curves, looks = _curves(content), _style.of_methods(content)
    unit, seconds = _unit(curves)
    left, right = axes.ravel()
    lines = []
    for curve in curves:
        look = looks[curve.method] | {
            "markersize": 3.5,
            "linewidth": 1.4,
            "label": curve.label,
            "markevery": max(1, len(curve.epochs) // 12),
        }
        lines += left.plot(curve.epochs, curve.mean, **look)
        passed = [hours * 3600 / seconds for hours in curve.hours]
        right.plot(passed, curve.mean, **look)
        for panel, along in ((left, curve.epochs), (right, passed)):
            if curve.deviation:
                pairs = list(zip(curve.mean, curve.deviation, strict=True))
                low, high = [mean - one for mean, one in pairs], [mean + one for mean, one in pairs]
                panel.fill_between(along, low, high, color=look["color"], alpha=0.12, linewidth=0)
    left.set_xlabel("epoch")
    left.set_ylabel("Recall@1, %")
    right.set_xlabel(f"{_kind(curves)}-{unit} of training")
    right.sharey(left)
    for panel in (left, right):
        panel.set_xlim(left=0)
        panel.locator_params(axis="x", integer=panel is left)
    _style.plain((left, right))
    _style.legend_below(left.figure, lines, columns=2)


def caption(content: Content) -> str:
    """Rules, runs and devices."""
    curves = _curves(content)
    words = [
        f"Recall@1 on {content.spec.title} while training, each method at its cell ({content.rule}): mean over the runs whose "
        "number n stands beside it."
    ]
    if any(curve.deviation for curve in curves):
        words.append("Bands: ± one standard deviation over seeds (ddof = 1).")
    words += [
        f"{one.label} and {other.label} are the same training: one line covers the other."
        for one, other in _same(curves)
    ]
    words.append(
        "Time is that of training, evaluation included, mean over the runs; one that shared its device counts whole."
    )
    names = sorted({name for curve in curves for _, name in curve.devices})
    if len(names) > 1:
        words.append(f"The runs were on different devices ({', '.join(names)}): the right panel mixes their speeds.")
    else:
        words.append(f"All runs on {names[0]}.")
    return " ".join(words)


def alternative(content: Content) -> str:
    """Where each method begins and ends."""
    said = [
        f"{curve.label}: {curve.mean[0]:.1f} % at epoch {curve.epochs[0]}, {curve.mean[-1]:.1f} % at epoch "
        f"{curve.epochs[-1]}"
        for curve in _curves(content)
    ]
    return "Recall@1 against epochs and time. " + "; ".join(said) + "."


def _curves(content: Content) -> list[Curve]:
    return content.once("curves", lambda: _read(content))


def _read(content: Content) -> list[Curve]:
    """One for each method of which something is chosen."""
    import pandas as pd

    recall = content.frame[content.frame["metric"] == PRIMARY]
    curves = []
    for method in content.methods():
        selected = content.chosen.get(method)
        if selected is None or selected.cell is None:
            continue
        ids = content.find(selected.cell, PRIMARY).trial_ids
        table = recall[recall["trial_id"].isin(ids)].pivot(index="epoch", columns="trial_id", values="value").dropna()
        results = [trials.read_result(content.directories[name]) for name in table.columns]
        seconds = pd.DataFrame([{line["epoch"]: line["seconds"] for line in result["metrics"]} for result in results])
        epochs = tuple(int(epoch) for epoch in table.index)
        spread = table.std(axis="columns", ddof=1) if len(ids) > 1 else table.iloc[:0, 0]
        curve = Curve(
            method,
            f"{_style.named(content, selected.cell)} (n = {len(ids)})",
            ids,
            epochs,
            mean=tuple(100 * table.mean(axis="columns")),
            deviation=tuple(100 * spread),
            hours=tuple(seconds[list(epochs)].mean() / 3600),
            devices=frozenset((str(one.get("device_type")), str(one.get("device", "unknown"))) for one in results),
        )
        curves += [curve] if epochs else []
    return curves


def _same(curves: list[Curve]) -> list[tuple[Curve, Curve]]:
    """Pairs of methods whose chosen cells are one training, as SupCon and Grafit at w = 1."""
    pairs = itertools.combinations(curves, 2)
    return [(one, other) for one, other in pairs if one.trial_ids == other.trial_ids]


def _kind(curves: list[Curve]) -> str:
    """What the hours are of: of a GPU where all runs had one."""
    types = {kind for curve in curves for kind, _ in curve.devices}
    return "GPU" if types == {"cuda"} else "CPU" if types == {"cpu"} else "device"


def _unit(curves: list[Curve]) -> tuple[str, float]:
    """A unit in which the longest training is at least 1, and its seconds."""
    longest = 3600 * max((curve.hours[-1] for curve in curves), default=0.0)
    return ("hours", 3600.0) if longest >= 3600 else ("minutes", 60.0) if longest >= 60 else ("seconds", 1.0)
