"""How much of the spread of recall over the space each setting explains: fANOVA (Hutter et al., ICML 2014), by Optuna."""

from __future__ import annotations

import statistics
import warnings
from typing import Any

import numpy as np

from harness.report.figures import _style
from harness.report.search.found import Found

position = 30
heading = "Which setting matters"
FEWEST = 8  # points; a forest of fewer says nothing
RESAMPLES, TREES = 20, 32


def needs(found: Found) -> bool:
    """Two settings, and points enough that differ."""
    return len(found.search.space) > 1 and len(_values(found)) >= FEWEST and bool(of(found))


def size(found: Found) -> tuple[float, float]:
    """Inches."""
    return 5.2, 1.2 + 0.4 * len(found.search.space)


def draw(found: Found, axes: Any) -> None:
    """Bars from the most important down, with the standard deviation over resamples."""
    measured = sorted(of(found).items(), key=lambda item: statistics.fmean(item[1]))
    means = [statistics.fmean(values) for _, values in measured]
    spreads = [statistics.stdev(values) for _, values in measured]
    axes.barh([name for name, _ in measured], means, xerr=spreads, color=_style.SKY, ecolor=_style.BLACK, capsize=3)
    axes.set_xlabel("importance (share of the explained variance)")
    axes.set_xlim(0, 1)
    _style.plain([axes])


def caption(found: Found) -> str:
    """What the figure shows."""
    shares = ", ".join(
        f"{name} {statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}"
        for name, values in sorted(of(found).items(), key=lambda item: -statistics.fmean(item[1]))
    )
    return (
        f"Importance by fANOVA over {len(_values(found))} points, mean and standard deviation over {RESAMPLES} resamples of "
        f"them: {shares}. Over the whole space, of which a search sees the good part best; what they do together counts for "
        "neither. " + found.small_print()
    ).strip()


def alternative(found: Found) -> str:
    """For who cannot see it."""
    return "Bars: " + ", ".join(f"{name} {statistics.fmean(values):.2f}" for name, values in of(found).items()) + "."


def of(found: Found) -> dict[str, list[float]]:
    """Importance of each setting in each resample of the points; empty where the points are too much alike to tell."""
    return found.once("importances", lambda: _measured(found))


def _measured(found: Found) -> dict[str, list[float]]:
    import optuna

    names = [name for name, _ in found.search.space]
    values = _values(found)
    axes: dict[str, Any] = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names}
    found_so_far: dict[str, list[float]] = {name: [] for name in names}
    draw = np.random.default_rng(0)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for resample in range(RESAMPLES):
        study = optuna.create_study(direction="maximize")
        for place in draw.integers(len(values), size=len(values)):
            places, value = values[place]
            params = dict(zip(names, places, strict=True))
            study.add_trial(optuna.trial.create_trial(params=params, distributions=axes, value=value))
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=resample)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                measured = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except RuntimeError:  # no two values of this resample differ
            continue
        for name in names:
            found_so_far[name].append(float(measured.get(name, 0.0)))
    return found_so_far if len(found_so_far[names[0]]) >= RESAMPLES // 2 else {}


def _values(found: Found) -> list[tuple[tuple[float, ...], float]]:
    """Place and recall of each point that has one; those of several seeds without what sets the seeds apart."""
    by_seed: dict[int, list[float]] = {}
    for point in found.points:
        if point.trial.trial_id in found.expected:
            by_seed.setdefault(point.trial.seed, []).append(found.expected[point.trial.trial_id])
    means = {seed: statistics.fmean(values) for seed, values in by_seed.items()}
    return [
        (point.places, found.expected[point.trial.trial_id] - means[point.trial.seed])
        for point in found.points
        if point.trial.trial_id in found.expected
    ]
