"""A search's file, the cube that it searches, and the points that a workspace has of it."""

from __future__ import annotations

import math

import pytest

from harness import files, points, spec, trials
from harness.errors import UsageError
from harness.search import Axis
from tests import builders

FILE = """
dataset = "digits"
[settings]
epochs = 9
validation_fraction = 0.3
eval_every = 1
[search]
method = "maskcon"
trials = {trials}
grace_epochs = 1
[search.space]
weight = {{low = 0, high = 1}}
temperature = {{low = 0.01, high = 1, log = true, also = [0, inf]}}
"""


@pytest.fixture
def search(tmp_path):
    """A search of MaskCon's w and τ on digits."""
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(trials=4))
    return spec.load(path)


def loaded(tmp_path, old, new, overrides=()):
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(trials=4).replace(old, new))
    return spec.load(path, overrides=overrides)


AXES = [
    Axis(low=0.0, high=1.0),
    Axis(low=0.01, high=1.0, log=True, below=0.0, above=math.inf),
    Axis(low=0.01, high=1.0, log=True, above=math.inf),
    Axis(choices=(2048, 4096, 8192)),
]


@pytest.mark.parametrize("axis", AXES)
def test_a_value_lies_where_it_came_from(axis):
    for step in range(101):
        value = axis.value(step / 100)
        assert axis.value(axis.place(value)) == value
        if not axis.choices and axis.low < value < axis.high:
            assert axis.place(value) == pytest.approx(step / 100, abs=0.01)  # three digits of it are kept


@pytest.mark.parametrize("axis", AXES[:3])
def test_values_rise_along_an_axis(axis):
    values = [axis.value(step / 200) for step in range(201)]
    assert values == sorted(values)


def test_zero_and_infinity_have_a_tenth_of_the_side_each():
    axis = AXES[1]
    assert axis.value(0.0) == axis.value(0.0999) == 0.0
    assert axis.value(0.1001) == pytest.approx(0.01, rel=0.01)
    assert axis.value(0.5) == pytest.approx(0.1)
    assert axis.value(0.9001) == axis.value(1.0) == math.inf
    assert (axis.place(0.0), axis.place(math.inf)) == (0.05, 0.95)


def test_what_is_not_in_the_space_has_no_place():
    assert AXES[1].place(2.0) is None
    assert AXES[1].place(0.001) is None
    assert AXES[2].place(0.0) is None
    assert AXES[3].place(1024) is None


def test_rungs_grow_by_the_reduction_and_end_before_the_last_epoch(search):
    assert search.search.rungs(9) == [1, 3]
    assert search.search.rungs(10) == [1, 3, 9]
    assert search.search.rungs(1) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[search]", "[search]\ngrace_epoch = 3", "Did you mean 'grace_epochs'"),
        ("trials = 4", "trials = 0", "whole number of at least 1"),
        ("trials = 4", 'sampler = "bayes"', "sampler"),
        ("trials = 4", 'objective = "test"', "objective"),
        ("validation_fraction = 0.3", "", "validation_fraction = 0.1 below"),
        ("eval_every = 1", "eval_every = 2", "try grace_epochs=2"),
        ("low = 0, high = 1", "low = 1, high = 0", "low < high"),
        ("low = 0, high = 1", "low = 0, high = 2", "at most|from 0 to 1"),
        ("also = [0, inf]", "also = [0, 0.5]", "one value below its range and one above"),
        ("low = 0.01, high = 1, log = true", "low = 0, high = 1, log = true", "0 < low < high"),
        ("weight = {low = 0, high = 1}", "wieght = {low = 0, high = 1}", "weight"),
        ("weight = {low = 0, high = 1}", "bank_size = {low = 10, high = 100}", "list its values"),
        ("weight = {low = 0, high = 1}", "weight = 0.5", "neither a list of values nor a range"),
        ("dataset =", "claims = []\ndataset =", "no 'claims'"),
        ("trials = 4", 'grid = "cifar"', "cifar100"),
        ("trials = 4", 'grid = "search-digits"', "is a search itself"),
        ('method = "maskcon"', 'method = ["maskcon"]', "maskcon"),
        ('method = "maskcon"', 'method = "supfine"\nobjective = "coarse"', "coarse labels"),
    ],
)
def test_a_mistake_in_the_file_says_what_is_allowed(tmp_path, old, new, said):
    with pytest.raises(UsageError, match=said):
        loaded(tmp_path, old, new)


def test_set_narrows_the_space_or_the_rest(tmp_path):
    narrowed = loaded(tmp_path, "", "", ["temperature=0,0.1", "weight=0.5", "bank_size=512"])
    space = dict(narrowed.search.space)
    assert (space["temperature"].choices, space["weight"].choices) == ((0.0, 0.1), (0.5,))
    assert narrowed.middle.bank_size == 512
    with pytest.raises(UsageError, match="does not vary lr"):
        loaded(tmp_path, "", "", ["lr=0.1,0.2"])


def test_a_search_is_compared_with_nothing_published(search):
    assert search.holds_out
    assert search.published_name is None
    assert search.cells() == []


def test_trainings_of_a_grid_are_points_whatever_their_canonical_name(tmp_path, search):
    """MaskCon at w = 0 is kept as SelfCon, at τ = ∞ as Grafit, there at w = 1 as SupCon."""
    wanted = {(0.5, 0.1): "maskcon", (0.5, math.inf): "grafit", (1.0, math.inf): "supcon", (0.0, 0.1): "selfcon"}
    for (weight, temperature), method in wanted.items():
        trial = search.sought({"weight": weight, "temperature": temperature}, 0)
        assert trial.method == method
        builders.finished_trial(tmp_path, trial, 0.5)
    found = {tuple(value for _, value in point.settings) for point in points.Study(search, tmp_path).look()}
    assert {(0.5, 0.1), (0.5, math.inf), (1.0, math.inf)} <= found
    assert len(found) == 4
    assert any(weight == 0.0 for weight, _ in found)


def test_trainings_that_differ_in_anything_else_are_no_points(tmp_path, search):
    one = search.sought({"weight": 0.5, "temperature": 0.1}, 0)
    others = [
        one.replace(validation_fraction=0.1),
        one.replace(epochs=8),
        one.replace(seed=1),
        one.replace(bank_size=4096),
        one.replace(temperature=2.0),
        one.replace(temperature=0.001),
    ]
    for trial in others:
        builders.finished_trial(tmp_path, trial.canonical(), 0.5)
    assert points.Study(search, tmp_path).look() == []
    builders.finished_trial(tmp_path, one, 0.5)
    assert [point.trial.trial_id for point in points.Study(search, tmp_path).look()] == [one.trial_id]


def test_each_search_of_several_has_the_trainings_of_its_seed(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(trials=4))
    both = spec.load(path, seeds=2)
    for seed in (0, 1, 2):
        builders.finished_trial(tmp_path, both.sought({"weight": 0.5, "temperature": 0.1}, seed), 0.5)
    assert [point.trial.seed for point in points.Study(both, tmp_path).look()] == [0, 1]


def test_an_asked_point_is_there_before_anything_trains_it(tmp_path, search):
    study = points.Study(search, tmp_path)
    asked = study.ask(0, 3, (0.25, 0.5))
    assert dict(asked.settings) == {"weight": 0.25, "temperature": 0.1}
    (again,) = points.Study(search, tmp_path).look()
    assert (again.trial.trial_id, again.number, again.state.state) == (asked.trial.trial_id, 3, "missing")
    assert points.located(search, tmp_path).trials() == [asked.trial]


def test_points_of_another_search_are_known_but_not_its_own(tmp_path, search):
    study = points.Study(search, tmp_path)
    asked = study.ask(0, 0, (0.25, 0.5))
    builders.finished_trial(tmp_path, asked.trial, 0.5)
    files.write_json(asked.directory / trials.ASKED, {"search": "another", "number": 5})
    (point,) = points.Study(search, tmp_path).look()
    assert point.number is None


def test_what_others_left_unfinished_may_be_asked_for(tmp_path, search):
    builders.unfinished_trial(tmp_path, search.middle, epoch=1)
    study = points.Study(search, tmp_path)
    assert study.look() == []
    asked = study.ask(0, 0, (0.5, 0.5))
    assert asked.trial == search.middle
    assert [point.state.state for point in study.look()] == ["unfinished"]


def test_a_narrowed_search_is_another_one_that_knows_the_same_trainings(tmp_path, search):
    narrow = loaded(tmp_path, "", "", ["temperature=0.1"])
    asked = points.Study(narrow, tmp_path).ask(0, 0, (0.25, 0.5))
    builders.finished_trial(tmp_path, asked.trial, 0.5)
    study = points.Study(search, tmp_path)
    (known,) = study.look()
    assert known.number is None
    assert study.left([known], 0) == 4
    own = points.Study(narrow, tmp_path)
    assert own.left(own.look(), 0) == 3


def test_a_space_of_choices_ends_with_its_trainings(tmp_path):
    few = loaded(tmp_path, "trials = 4", "trials = 40", ["temperature=0.05,0.1,inf", "weight=0,0.5"])
    study = points.Study(few, tmp_path)
    assert study.trainings == 4  # w = 0 is one whatever τ is
    assert study.left([], 0) == 4


def test_a_setting_that_does_not_matter_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"temperature of .* does not matter to grafit"):
        loaded(tmp_path, 'method = "maskcon"', 'method = "grafit"')


def test_a_point_is_where_it_was_asked_for_though_its_training_has_a_simpler_name(tmp_path, search):
    study = points.Study(search, tmp_path)
    asked = study.ask(0, 0, (0.0, 0.7))
    assert asked.trial.method == "selfcon"
    (again,) = points.Study(search, tmp_path).look()
    assert (again.places, again.settings) == (asked.places, asked.settings)


def test_a_range_close_to_one_has_values_enough():
    axis = Axis(low=0.99, high=0.9999)
    assert len({axis.value(step / 500) for step in range(501)}) > 400


def test_a_damaged_directory_is_no_point_and_no_traceback(tmp_path, search):
    directory = builders.finished_trial(tmp_path, search.middle, 0.5)
    (directory / trials.CONFIG).write_text("{")
    assert points.Study(search, tmp_path).look() == []
    (directory / trials.CONFIG).write_text('{"settings": {"dataset": "digits", "seed": 0}}')
    assert points.Study(search, tmp_path).look() == []


def test_the_best_is_of_those_trained_to_the_end(tmp_path, search):
    for weight, recall in ((0.2, 0.6), (0.4, 0.8), (0.6, 0.7)):
        builders.finished_trial(tmp_path, search.sought({"weight": weight, "temperature": 0.1}, 0), recall)
    found = points.Study(search, tmp_path).look()
    assert dict(points.best(found).settings)["weight"] == 0.4
    assert points.best([]) is None
