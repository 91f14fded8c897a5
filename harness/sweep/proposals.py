"""Where a search looks next: Optuna, asked anew each time with all that is known.

The answer is a function of the points and of the number of the question, so that a search which was killed goes on as it would
have gone, and a study needs no file of its own.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from scipy.stats import qmc

from harness import points, seeds
from harness.points import Point
from harness.search import Search

SPREAD = 5  # the first points lie evenly in the cube: a model of fewer values guides nowhere
TRIES = 30  # to find a point that was not tried before
ASIDE = 0.02  # of a side, times the number of tries, from a point that a model insists on


Identify = Callable[[Mapping[str, Any], int], str | None]  # settings and seed → the training's id, if they go together


def propose(
    search: Search, known: Sequence[Point], seed: int, number: int, identify: Identify
) -> tuple[float, ...] | None:
    """The place of a new point in the cube, for the search with this seed; None where no training is left, or none was found.

    `known` are all points of this seed. Those that are being trained count as such; those that failed count as the worst.
    Different settings can be the same training: what is new is decided by `identify`.
    """
    tried = {point.trial.trial_id for point in known}

    def is_new(places: tuple[float, ...]) -> bool:
        found = identify(dict(search.settings(places)), seed)
        return found is not None and found not in tried

    for attempt in range(TRIES):
        draw = np.random.default_rng(seeds.stream_seed(seed, f"search {number}", attempt))
        place = _place(search, known, seed, number, draw)
        if attempt and search.sampler != "random":
            place = np.clip(place + draw.normal(0.0, ASIDE * attempt, len(place)), 0.0, 1.0)
        found = tuple(float(side) for side in place)
        if is_new(found):
            return found
    for settings in search.corners() if search.is_finite else ():
        places = search.places(settings)
        if places and is_new(places):
            return places
    return None


def _place(search: Search, known: Sequence[Point], seed: int, number: int, draw: np.random.Generator) -> np.ndarray:
    dimensions = len(search.space)
    if search.sampler == "random":
        return draw.random(dimensions)
    if sum(value is not None for value in points.expected(known)) < SPREAD:
        spread = qmc.Sobol(dimensions, seed=seeds.stream_seed(seed, "search spread") % 2**32)
        return spread.random_base2(math.ceil(math.log2(number + 2)))[number]
    return _by_model(search, known, int(draw.integers(2**32)))


def _by_model(search: Search, known: Sequence[Point], draw: int) -> np.ndarray:
    names = [name for name, _ in search.space]
    axes: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names
    }
    values = points.expected(known)
    worst = min(value for value in values if value is not None)
    with _quiet():
        study = optuna.create_study(direction="maximize", sampler=_sampler(search.sampler, draw))
        for point, value in zip(known, values, strict=True):
            params = dict(zip(names, point.places, strict=True))
            value = worst if point.state.state == "failed" or value is None else value
            study.add_trial(_optuna_trial(params, axes, value if point.is_over else None))
        asked = study.ask(axes)
    return np.array([asked.params[name] for name in names])


def _optuna_trial(params: dict[str, float], axes: dict[str, Any], value: float | None) -> optuna.trial.FrozenTrial:
    """One that is over with its value, or one that is being trained."""
    state = optuna.trial.TrialState.RUNNING if value is None else optuna.trial.TrialState.COMPLETE
    return optuna.trial.create_trial(state=state, params=params, distributions=axes, value=value)


def _sampler(name: str, draw: int) -> optuna.samplers.BaseSampler:
    if name == "gp":
        return optuna.samplers.GPSampler(seed=draw, n_startup_trials=1)
    return optuna.samplers.TPESampler(seed=draw, n_startup_trials=1, multivariate=True, constant_liar=True)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Optuna prints each step, and warns of what it calls experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
