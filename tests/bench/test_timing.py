"""Laps in turn, their summaries, and a stopwatch whose clock the test sets."""

from __future__ import annotations

import time

import pytest
import torch

from harness.bench import timing

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """Sets what the host's clock will say, one reading after the other."""

    def reads(*readings):
        coming = iter(readings)
        monkeypatch.setattr(time, "perf_counter", lambda: next(coming))

    return reads


def test_parts_are_the_time_between_marks_and_add_up(clock):
    clock(100, 101, 103, 107)
    watch = timing.Stopwatch(CPU)
    for part in ("data", "forward", "backward"):
        watch.mark(part)
    assert watch.read() == {"data": 1, "forward": 2, "backward": 4, "total": 7}


def test_a_part_that_is_marked_again_accumulates(clock):
    clock(0, 1, 3, 7, 15)
    watch = timing.Stopwatch(CPU)
    for part in ("data", "step", "data", "step"):
        watch.mark(part)
    assert watch.read() == {"data": 5, "step": 10, "total": 15}


def test_a_stopwatch_can_be_read_while_it_runs_on(clock):
    clock(0, 1, 3)
    watch = timing.Stopwatch(CPU)
    assert watch.read() == {"total": 0}
    watch.mark("data")
    assert watch.read() == {"data": 1, "total": 1}
    watch.mark("data")
    assert watch.read() == {"data": 3, "total": 3}


def counting_laps(order, *names):
    """Laps that note their name; the n-th lap of each takes n seconds, a quarter of them reading."""

    def lap_of(name):
        def lap():
            order.append(name)
            return {"read": order.count(name) / 4, "total": order.count(name)}

        return lap

    return {name: lap_of(name) for name in names}


def test_laps_run_in_turn_and_the_first_are_not_counted():
    order = []
    found = timing.in_turn(counting_laps(order, "ours", "theirs"), repeats=3, warm_up=2)
    assert order == ["ours", "theirs"] * 5
    assert list(found) == ["ours", "theirs"]
    for parts in found.values():
        assert parts == {
            "read": {"median": 1.0, "lowest": 0.75, "highest": 1.25, "repeats": 3},
            "total": {"median": 4, "lowest": 3, "highest": 5, "repeats": 3},
        }


def test_one_lap_warms_up_by_default_and_none_may():
    for given, lowest in (({}, 2), ({"warm_up": 0}, 1)):
        found = timing.in_turn(counting_laps([], "ours"), 4, **given)
        assert found["ours"]["total"]["lowest"] == lowest
        assert found["ours"]["total"]["repeats"] == 4


@pytest.mark.parametrize(
    ("values", "median", "lowest", "highest"),
    [([3.0], 3, 3, 3), ([5, 1, 2], 2, 1, 5), ([4, 1, 2, 9], 3, 1, 9), ([0.12345678], 0.12346, 0.12346, 0.12346)],
)
def test_a_summary_is_median_range_and_number_to_five_digits(values, median, lowest, highest):
    assert timing.summary(values) == {"median": median, "lowest": lowest, "highest": highest, "repeats": len(values)}


def test_a_lap_of_one_part_runs_its_work_once(clock):
    clock(1, 3)
    done = []
    assert timing.once(lambda: done.append(1), CPU)() == {"total": 2}
    assert done == [1]
