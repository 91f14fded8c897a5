"""Recall of held-out images over w and τ, as a Gaussian process sees it, with the points that it was taken from."""

from __future__ import annotations

import math
import statistics
import warnings
from typing import Any

import numpy as np

from harness.points import Point
from harness.report.figures import _style
from harness.report.search.found import Found
from harness.search import Axis
from harness.settings import plain

position = 25
heading = "The surface"
FEWEST = 6  # points
STEPS = 60  # of a side
APART = 0.06  # of a side, between two labels
PREFERRED = ("weight", "temperature")
SYMBOLS = {"weight": "weight w", "temperature": "temperature τ"}


def needs(found: Found) -> bool:
    """Two settings, and points enough."""
    return len(found.search.space) > 1 and len(_known(found)) >= FEWEST


def size(found: Found) -> tuple[float, float]:
    """Inches."""
    return 6.0, 4.6


def draw(found: Found, axes: Any) -> None:
    """τ to the right, w upwards; squares at the edges are τ = 0 and τ = ∞ themselves."""
    (across, across_axis), (upward, upward_axis) = _sides(found)
    known = _known(found)
    sides = np.linspace(0, 1, STEPS)
    drawn = axes.contourf(sides, sides, _model(found, sides), levels=12, cmap="cividis")
    axes.figure.colorbar(drawn, ax=axes, label="held-out Recall@1 at the end, %")
    columns = [name for name, _ in found.search.space]
    right, up = columns.index(across), columns.index(upward)
    best = [point for seed in range(found.spec.seeds) if (point := found.best(seed))]
    for shown, marker, label in (
        ([point for point in known if point.state.state == "done"], "o", "trained to the end"),
        ([point for point in known if point.state.state != "done"], "x", "stopped early"),
    ):
        drawn_as = {"facecolors": "white", "edgecolors": "black"} if marker == "o" else {"color": "white"}
        places = [(point.places[right], point.places[up]) for point in shown]
        if places:
            axes.scatter(
                *zip(*places, strict=True), marker=marker, s=26, linewidths=0.9, label=label, zorder=3, **drawn_as
            )
    if best:
        places = [(point.places[right], point.places[up]) for point in best]
        label = "the best" if len(best) == 1 else "the best of each search"
        look: dict[str, Any] = {"color": _style.VERMILLION, "edgecolors": "black", "linewidths": 0.7}
        axes.scatter(*zip(*places, strict=True), marker="*", s=120, label=label, zorder=4, clip_on=False, **look)
    for side, name, set_ticks, set_label in (
        (across_axis, across, axes.set_xticks, axes.set_xlabel),
        (upward_axis, upward, axes.set_yticks, axes.set_ylabel),
    ):
        ticks = _ticks(side)
        set_ticks([place for place, _ in ticks], [label for _, label in ticks])
        for edge in () if side.choices else (side.place(side.low), side.place(side.high)):
            if edge is not None and 0 < edge < 1:  # beyond it a single value
                line = axes.axvline if name == across else axes.axhline
                line(edge, color="white", linewidth=0.8, linestyle=":")
        set_label(SYMBOLS.get(name, name) + (" (log scale)" if side.log else ""))
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=7, frameon=True)
    legend.get_frame().set(facecolor="0.75", edgecolor="none")  # a white cross cannot be seen on white


def caption(found: Found) -> str:
    """What the figure shows."""
    others = [name for name, _ in found.search.space if name not in (_sides(found)[0][0], _sides(found)[1][0])]
    several = " Of several searches, each counts from its own mean." if found.spec.seeds > 1 else ""
    return (
        f"Mean of a Gaussian process through {len(_known(found))} points."
        + several
        + (f" At the best point's {', '.join(others)}." if others else "")
        + " A stopped point counts with what it would have reached: its last recall and the median of what finished ones "
        "gained from that epoch on. Far from points the surface is a guess. " + found.small_print()
    ).strip()


def alternative(found: Found) -> str:
    """For who cannot see it."""
    best = [point for seed in range(found.spec.seeds) if (point := found.best(seed))]
    where = "; ".join(", ".join(f"{name} {plain(value)}" for name, value in point.settings) for point in best[:3])
    return f"A map of recall with the points that were tried; the best at {where or 'no point yet'}."


def _known(found: Found) -> list[Point]:
    return [point for point in found.points if point.trial.trial_id in found.expected]


def _sides(found: Found) -> list[tuple[str, Axis]]:
    """What stands to the right and upwards: τ and w, or else the first two settings."""
    space = dict(found.search.space)
    names = list(PREFERRED) if set(PREFERRED) <= set(space) else list(space)[:2]
    return [(names[1], space[names[1]]), (names[0], space[names[0]])]


def _model(found: Found, sides: np.ndarray) -> np.ndarray:
    """Percent at each place (upwards, across)."""
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels

    known = _known(found)
    seeds = {point.trial.seed for point in known}
    value = {point.trial.trial_id: 100 * found.expected[point.trial.trial_id] for point in known}
    mean = {
        seed: statistics.fmean(value[one.trial.trial_id] for one in known if one.trial.seed == seed) for seed in seeds
    }
    whole = statistics.fmean(mean.values())
    inputs = np.array([point.places for point in known])
    targets = np.array([value[point.trial.trial_id] - mean[point.trial.seed] for point in known])
    length = kernels.Matern([0.3] * inputs.shape[1], (0.05, 10.0), nu=2.5)
    kernel = kernels.ConstantKernel(1.0) * length + kernels.WhiteKernel(0.1, (1e-3, 10.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a length at its bound
        process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=2, random_state=0)
        process.fit(inputs, targets)
    names = [name for name, _ in found.search.space]
    (across, _), (upward, _) = _sides(found)
    best = max(known, key=lambda point: found.expected[point.trial.trial_id])
    grid = np.tile(np.array(best.places), (len(sides) ** 2, 1))
    up, right = np.meshgrid(sides, sides, indexing="ij")
    grid[:, names.index(upward)], grid[:, names.index(across)] = up.ravel(), right.ravel()
    return whole + process.predict(grid).reshape(len(sides), len(sides))


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    """(place, label): the choices, or round values of the range and what is beside it."""
    if axis.choices:
        values = list(axis.choices)
    elif axis.log:
        decades = range(math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high)) + 1)
        values = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    else:
        values = [axis.low + share * (axis.high - axis.low) for share in (0, 0.25, 0.5, 0.75, 1)]
    beside = [value for value in (axis.below, axis.above) if value is not None]
    found: dict[float, str] = {}
    for value in [*beside, *values]:
        place = axis.place(value)
        if place is not None and all(abs(place - other) >= APART for other in found):
            found[place] = _style.number(value) if isinstance(value, int | float) else str(value)
    return sorted(found.items())
