"""Does Theorem 1 explain it? The paper's argument is that soft relations nearer to the ideal ones learn better features.

`relation_error` is d_z of Eq. 18: the mean Euclidean distance of a method's relations Z to those by fine labels; `fine_mass`
is the share of Z that lies on the right fine class. Trainers log both; fine labels serve this diagnosis alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness import results
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.figures import _style
from harness.spec import Cell

position = 26
heading = "Does Theorem 1 explain it?"
METRICS = {
    "relation_error": "distance to the ideal relations, d_z",
    "fine_mass": "share on the right fine class, %",
}


@dataclass(frozen=True)
class Point:
    """A training in the lower panels: both numbers at the same epoch, means over its runs."""

    cell: Cell
    relation: float  # fine_mass in percent
    recall: float  # percent


def needs(content: Content) -> bool:
    """Two different trainings that logged the metrics."""
    return bool(_metrics(content))


def panels(content: Content) -> tuple[int, int]:
    """Over epochs above, against Recall@1 below; a column per metric."""
    return 2, len(_metrics(content))


def size(content: Content) -> tuple[float, float]:
    """Inches, with a line of legend for three methods."""
    return 0.4 + 3.8 * len(_metrics(content)), 6.0 + 0.2 * ((len(_methods(content)) + 2) // 3)


def draw(content: Content, axes: Any) -> None:
    """Lines over epochs at the chosen cells, and a point for each training."""
    from matplotlib.lines import Line2D

    looks = _style.of_methods(content)
    for column, metric in enumerate(_metrics(content)):
        upper, lower = axes[0, column], axes[1, column]
        for method, (epochs, mean) in _over_epochs(content, metric).items():
            every = max(1, len(epochs) // 8)
            upper.plot(epochs, mean, **looks[method] | {"markersize": 4, "linewidth": 1.4, "markevery": every})
        upper.set_xlabel("epoch")
        upper.set_ylabel(METRICS[metric])
        upper.locator_params(axis="x", integer=True)
        for method in _methods(content):
            of_it = [point for point in _points(content, metric) if point.cell.method == method]
            look = {**looks[method], "linestyle": "", "markersize": 5, "alpha": 0.85}
            lower.plot([point.relation for point in of_it], [point.recall for point in of_it], **look)
        lower.set_xlabel(
            f"{METRICS[metric]}, at {'the end' if content.comparison.epoch_rule == 'final' else 'that epoch'}"
        )
        lower.set_ylabel("Recall@1, %")
        lower.locator_params(axis="x", nbins=6)
        lower.set_title(_said(content, metric), fontsize=9)
    _style.plain(axes.ravel())
    handles = [Line2D([], [], label=content.method_titles[method], **looks[method]) for method in _methods(content)]
    _style.legend_below(axes.flat[0].figure, handles, columns=3)


def caption(content: Content) -> str:
    """What is seen, by which rules; not what was hoped."""
    seen = [f"{METRICS[metric].partition(',')[0]}: {_said(content, metric)}" for metric in _metrics(content)]
    return (
        f"Relations between images on {content.spec.title} ({content.runs()}). Above: over training, each method at its cell "
        f"({content.rule}), mean over seeds. Below: a point per training, mean over seeds at {content.epoch_rule}, against its "
        "Recall@1; cells that are the same training count once. "
        f"Rank correlation with Recall@1 as seen here: {'; '.join(seen)}. "
        "It is an association over the cells of this sweep and shows no cause; methods that train on fine labels are shown, "
        "not counted. For all others fine labels serve this diagnosis only."
    )


def alternative(content: Content) -> str:
    """The correlations and the extreme points, in words."""
    said = []
    for metric in _metrics(content):
        points = sorted(_points(content, metric), key=lambda point: point.relation)
        ends = [
            f"{_style.named(content, point.cell)} ({point.relation:.2f}; Recall@1 {point.recall:.1f} %)"
            for point in (points[0], points[-1])
        ]
        said.append(f"{METRICS[metric]}: {_said(content, metric)}, lowest for {ends[0]}, highest for {ends[1]}")
    return "Relations over epochs and against Recall@1. " + ". ".join(said) + "."


def rank_correlation(points: list[Point]) -> float | None:
    """Spearman's; None for fewer than three points, or where all are equal in one of the two."""
    from scipy import stats

    relation, recall = [point.relation for point in points], [point.recall for point in points]
    if len(points) < 3 or len(set(relation)) == 1 or len(set(recall)) == 1:
        return None
    return float(stats.spearmanr(relation, recall).statistic)


def _said(content: Content, metric: str) -> str:
    points = _points(content, metric)
    counted = [point for point in points if point.cell.trials[0].label_source != "fine"]
    found = rank_correlation(counted)
    if found is None:
        return f"no correlation can be given ({len(counted)} trainings)"
    return f"Spearman's rank correlation {found:+.2f}, {len(counted)} trainings".replace("-", "−")


def _metrics(content: Content) -> list[str]:
    """Those that at least two trainings have."""
    return [metric for metric in METRICS if len(_points(content, metric)) > 1]


def _methods(content: Content) -> list[str]:
    shown = {point.cell.method for metric in METRICS for point in _points(content, metric)}
    return [method for method in content.methods() if method in shown]


def _points(content: Content, metric: str) -> list[Point]:
    return content.once(f"relations {metric}", lambda: _read(content, metric))


def _read(content: Content, metric: str) -> list[Point]:
    """Each training once, as the first cell that is one."""
    found, seen = [], set()
    for summary in results.summaries(content.frame, content.spec, (metric,), content.comparison.epoch_rule):
        recall = content.find(summary.cell, PRIMARY).ours
        if summary.mean is None or recall is None or not math.isfinite(summary.mean) or summary.trial_ids in seen:
            continue
        seen.add(summary.trial_ids)
        found.append(Point(summary.cell, _shown(metric, summary.mean), recall))
    return found


def _over_epochs(content: Content, metric: str) -> dict[str, tuple[list[int], list[float]]]:
    """By method: epochs and means over the runs of its chosen cell."""
    rows, found = content.frame[content.frame["metric"] == metric], {}
    for method in content.methods():
        selected = content.chosen.get(method)
        if selected is not None and selected.cell is not None:
            ids = content.find(selected.cell, PRIMARY).trial_ids
            mean = rows[rows["trial_id"].isin(ids)].groupby("epoch")["value"].mean()
            if len(mean):
                found[method] = ([int(epoch) for epoch in mean.index], [_shown(metric, value) for value in mean])
    return found


def _shown(metric: str, value: float) -> float:
    return 100 * value if metric == "fine_mass" else value
