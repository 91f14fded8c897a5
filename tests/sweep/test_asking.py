"""What a search hands to its workers, without Ray: its budget, its rungs, several drivers at once."""

from __future__ import annotations

import json

import pytest

from harness import lease, spec, trials
from harness.errors import DiskFull
from harness.points import Study
from harness.sweep.asking import Asking
from tests import builders, disks

FILE = """
dataset = "digits"
[settings]
epochs = 9
validation_fraction = 0.3
eval_every = 1
[search]
method = "maskcon"
trials = 4
sampler = "random"
grace_epochs = 1
[search.space]
weight = {weight}
temperature = [0.05, 0.1]
"""
REST = {"weight": 0.5, "temperature": 0.1}


@pytest.fixture
def load(tmp_path):
    """Study of a search with these weights, in a workspace of its own."""

    def make(weight="{low = 0.1, high = 1}", **options):
        path = tmp_path / "s.toml"
        path.write_text(FILE.format(weight=weight))
        return Study(spec.load(path, **options), tmp_path)

    return make


def test_as_many_points_as_the_search_may_ask_for(load):
    work = Asking(load())
    assert work.most == 4
    taken = [work.take() for _ in range(5)]
    assert taken[4] is None
    assert len({entry.trial.trial_id for entry in taken[:4]}) == len(work.handed) == 4
    assert all((entry.directory / trials.ASKED).is_file() for entry in taken[:4])


def test_two_drivers_of_one_search_stay_within_its_budget(load):
    drivers = [Asking(load()), Asking(load())]
    taken = [entry for _ in range(4) for driver in drivers if (entry := driver.take())]
    assert len(taken) == 4
    assert len({entry.trial.trial_id for entry in taken}) == 4
    numbers = [json.loads((entry.directory / trials.ASKED).read_text())["number"] for entry in taken]
    assert numbers == [0, 1, 2, 3]


def test_each_of_several_searches_has_its_own_budget(load):
    work = Asking(load(seeds=2))
    assert work.most == 8
    taken = [work.take() for _ in range(8)]
    assert [entry.trial.seed for entry in taken] == [0] * 4 + [1] * 4
    assert work.take() is None


def test_a_space_of_choices_ends_when_all_is_tried(load):
    work = Asking(load("[0.5]"))
    assert work.most == 2
    assert {work.take().trial.temperature for _ in range(2)} == {0.05, 0.1}
    assert work.take() is None


def test_points_that_wait_come_first_and_those_tried_in_this_run_not_again(load):
    first = Asking(load())
    one, other = first.take(), first.take()
    again = Asking(load(), tried={one.trial.trial_id})
    assert again.most == 3
    assert again.take().trial == other.trial
    assert again.take().trial not in (one.trial, other.trial)


def reached(study, place, recalls):
    """An asked point with these recalls of the test images after its first epochs, a little less of held-out ones."""
    point = study.ask(0, place, (place / 10, 0.75))
    trials.prepare(point.directory, point.trial)
    lines = builders.metric_lines(point.trial, dict(enumerate(recalls, 1)), 9.0)[: len(recalls)]
    trials.write_metrics(point.directory / trials.METRICS, lines)
    return point


def test_a_point_that_was_cut_off_at_a_rung_is_judged_before_it_goes_on(load):
    study = load()
    builders.finished_trial(study.workspace, study.spec.sought(REST, 0), dict.fromkeys(range(1, 10), 0.8))
    behind = reached(study, 1, [0.5])
    between = reached(study, 2, [0.5, 0.5])  # not at a rung: 1 and 3 are
    work = Asking(load())
    assert work.take().trial == between.trial
    stop = json.loads((behind.directory / trials.STOPPED).read_text())
    assert stop["kind"] == trials.SEARCH
    assert stop["reason"] == "number 2 of 3 after epoch 1: held-out Recall@1 45.00 %, the best has 72.00 %"
    assert [point.trial for point in Asking(load()).waiting] == [between.trial]  # it is not woken


def test_a_trial_is_ended_at_a_rung_only(load):
    study = load()
    builders.finished_trial(study.workspace, study.spec.sought(REST, 0), dict.fromkeys(range(1, 10), 0.8))
    work = Asking(study)
    entry = work.take()
    low, high = ({trials.validation_metric(1): value} for value in (0.1, 0.9))
    assert work.heard(entry, {"epoch": 2} | low) is None
    assert work.heard(entry, {"epoch": 3}) is None
    assert work.heard(entry, {"epoch": 3} | high) is None
    assert work.heard(entry, {"epoch": 3} | low).startswith("number 2 of 2 after epoch 3")


def test_some_trials_alone_and_nothing_new(load):
    first = Asking(load())
    one = first.take()
    first.take()
    again = Asking(load(), only={one.trial.trial_id})
    assert again.most == 1
    assert again.take().trial == one.trial
    assert again.take() is None


def test_a_full_disk_while_a_point_is_written_down_leaves_none(load, tmp_path):
    with disks.mounted(tmp_path / "disk", 1) as disk:
        study = Study(load().spec, disk)
        disks.fill(disk)
        with pytest.raises(DiskFull):
            Asking(study).take()
        (disk / "filler").unlink()
        assert study.look() == []
        assert Asking(study).most == 4
        assert Asking(study).take()


def test_a_point_that_another_driver_has_taken_meanwhile_is_left_to_it(load):
    study = load()
    builders.finished_trial(study.workspace, study.spec.sought(REST, 0), dict.fromkeys(range(1, 10), 0.8))
    behind = reached(study, 1, [0.5])
    work = Asking(study)
    with lease.held(behind.directory):
        entry = work.take()
    assert entry.trial != behind.trial
    assert not (behind.directory / trials.STOPPED).exists()
