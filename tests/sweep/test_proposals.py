"""Where a search looks next, on functions whose best place is known."""

from __future__ import annotations

import dataclasses
import itertools
import statistics

import pytest

from harness.config import TrialConfig
from harness.points import Point
from harness.search import Axis, Search
from harness.sweep import proposals
from harness.trials import TrialState

EPOCHS = 9
TRIAL = TrialConfig(dataset="digits", encoder="small", initialisation="random", image_size=8, epochs=EPOCHS)


def identify(settings, seed):
    """The id of MaskCon with these settings: at w = 0 and at τ = ∞ there are simpler names for it."""
    return dataclasses.replace(TRIAL, seed=seed, **settings).trial_id


def search(sampler="gp", **axes):
    return Search(
        method="maskcon", space=tuple((axes or {"weight": Axis(), "temperature": Axis()}).items()), sampler=sampler
    )


def point(of, places, value=None, state="done", number=0):
    """A point of a search; without a value it is being trained."""
    settings = of.settings(places)
    trial = dataclasses.replace(TRIAL, **dict(settings))
    values = {} if value is None else {EPOCHS: value}
    return Point(trial, settings, tuple(places), None, TrialState(state), number, values, None, 1.0)


def hill(places):
    """Highest, 0.9, at (0.7, 0.3)."""
    return 0.9 - (places[0] - 0.7) ** 2 - (places[1] - 0.3) ** 2


def searched(of, value, trials, seed=0):
    """The points of a search, one after the other."""
    known = []
    for number in range(trials):
        places = proposals.propose(of, known, seed, number, identify)
        known.append(point(of, places, value(places), number=number))
    return known


@pytest.mark.parametrize("sampler", ["gp", "tpe", "random"])
def test_the_next_point_is_a_function_of_what_is_known(sampler):
    of = search(sampler)
    whole = searched(of, hill, 9)
    assert [one.places for one in searched(of, hill, 9)] == [one.places for one in whole]
    assert proposals.propose(of, whole[:7], 0, 7, identify) == whole[7].places  # as after a restart
    assert searched(of, hill, 2, seed=1)[0].places != whole[0].places


def test_the_first_points_are_spread_over_the_cube():
    for seed in range(20):
        first = searched(search(), hill, 4, seed)
        for side in range(2):
            assert {int(2 * one.places[side]) for one in first} == {0, 1}


@pytest.mark.parametrize(("sampler", "apart"), [("gp", 0.03), ("tpe", 0.1)])
def test_a_model_gets_closer_to_the_top_than_chance(sampler, apart):
    """Over five seeds, the median distance of the best of 16 from the top."""

    def missed(name):
        found = [max(searched(search(name), hill, 16, seed), key=lambda one: hill(one.places)) for seed in range(5)]
        return statistics.median(0.9 - hill(one.places) for one in found)

    assert missed(sampler) < missed("random")
    assert missed(sampler) < apart**2


def test_no_point_is_asked_for_twice_and_an_end_comes_where_all_are_tried():
    few = search(weight=Axis(choices=(0.0, 0.5, 1.0)), temperature=Axis(choices=(0.05, 0.1)))
    known = []
    for number in itertools.count():
        places = proposals.propose(few, known, 0, number, identify)
        if places is None:
            break
        known.append(point(few, places, hill(places), number=number))
    asked = [one.trial.trial_id for one in known]
    assert len(asked) == len(set(asked)) == 5  # w = 0 is one training whatever τ is
    assert {one.settings for one in known if one.trial.weight > 0} == {
        (("weight", weight), ("temperature", at)) for weight in (0.5, 1.0) for at in (0.05, 0.1)
    }


def test_a_corner_that_is_one_training_is_asked_for_once():
    """Recall falls in w, and w = 0 is SelfCon whatever τ is: a model that insists on it must look elsewhere."""
    of = search(weight=Axis(), temperature=Axis(low=0.01, high=1.0, log=True, below=0.0, above=float("inf")))
    known = searched(of, lambda places: 0.9 - places[0], 14)
    ids = [one.trial.trial_id for one in known]
    assert len(ids) == len(set(ids)) == 14


def test_settings_that_do_not_go_together_are_not_asked_for():
    of = search(weight=Axis(choices=(0.5, 1.0)), temperature=Axis(choices=(0.05, 0.1)))

    def picky(settings, seed):
        return None if settings["weight"] == 1.0 else identify(settings, seed)

    known = []
    while places := proposals.propose(of, known, 0, len(known), picky):
        known.append(point(of, places, 0.5, number=len(known)))
    assert [one.trial.weight for one in known] == [0.5, 0.5]


def test_what_is_being_trained_is_kept_away_from():
    of = search()
    known = searched(of, hill, 8)
    alone = proposals.propose(of, known, 0, 8, identify)
    beside = proposals.propose(of, [*known, point(of, alone, state="running", number=8)], 0, 9, identify)
    assert sum((one - other) ** 2 for one, other in zip(alone, beside, strict=True)) > 1e-4


def test_a_point_that_failed_counts_as_the_worst():
    """Were it left out, the model would go back to where trainings fail."""
    of = search()

    def fails_beyond(places):
        return None if places[0] > 0.6 else hill(places)

    known = []
    for number in range(14):
        places = proposals.propose(of, known, 0, number, identify)
        value = fails_beyond(places)
        known.append(point(of, places, value, state="failed" if value is None else "done", number=number))
    late = known[-5:]
    assert sum(one.state.state == "failed" for one in late) <= 2
