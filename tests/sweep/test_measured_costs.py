"""What is read off sweeps of sleeping trials, with sweeps that are written down here."""

from __future__ import annotations

import dataclasses

import pytest

from harness.sweep.simulation import Costs, Work, measured, scaling
from harness.sweep.simulation.ray_runs import Slept


def sweep(trials=6, actors=2, start=3.0, leave=0.5, epochs=4, sleep=1.0, held=0.01):
    """One in which nothing varies: a process takes `start`, and its place stands empty for `leave` after the last trial."""
    attempts, free = [], [100.0] * actors
    steps = []
    for index in range(trials):
        place = free.index(min(free))
        process = free[place] + leave
        imported = process + start
        ended = imported + epochs * (sleep + held)
        attempt = {"index": index, "process": process, "begun": process + 1, "imported": imported, "ended": ended}
        attempts.append(attempt | {"held": [held] * epochs})
        free[place] = ended
        steps += [("other", index, 0.004)] * 2 + [("start", index, 0.002), ("nothing", index, 9.0)]
        steps += [("report", index, 0.001)] * epochs + [("end", index, 0.003)]
    return Slept(attempts=attempts, steps=steps, ended=[attempt["ended"] for attempt in attempts])


def test_the_driver_s_time_is_that_of_its_steps_and_none_of_its_idling():
    found = measured.of_driver(sweep())
    assert found["driver_start_seconds"]["median"] == pytest.approx(0.002 + 2 * 0.004)
    assert found["driver_report_seconds"]["median"] == pytest.approx(0.001)
    assert found["driver_end_seconds"]["median"] == pytest.approx(0.003)


def test_starting_and_leaving_are_those_of_trials_that_follow_another_one():
    found = measured.of_actors(sweep(), 2)
    assert found["start_seconds"]["median"] == pytest.approx(3.0)
    assert found["start_seconds"]["repeats"] == 4
    assert found["leave_seconds"]["median"] == pytest.approx(0.5 - 0.010 - 0.003)
    assert found["report_seconds"]["median"] == pytest.approx(0.01 - 0.001)


def test_growth_is_the_slope_of_reports_over_known_trials():
    steps = [("report", known, 0.001 + 2e-6 * known + 1e-5 * (known % 3)) for known in range(1000)]
    steps += [("report", 500, 10.0), ("start", 999, 5.0)]  # one that was disturbed, and what is no report
    assert measured.growth(Slept(steps=steps)) == pytest.approx(2e-6, rel=0.01)


def test_memory_is_a_line_through_the_sweeps():
    quick = {trials: sweep() for trials in (100, 1000, 3000)}
    for trials, slept in quick.items():
        slept.bytes_after = int(3e8 + 5e4 * trials)
        slept.recorded = [0.2]
        slept.ended = [0.0] * trials
        slept.steps = [("report", known, 0.001) for known in range(100)]
    actors = {1: measured.of_actors(sweep(actors=1), 1)}
    found = measured.constants(actors[1], actors, quick, {"noticed_seconds": measured.summary([60.0])})
    assert found["driver_bytes"]["median"] == pytest.approx(3e8)
    assert found["driver_bytes_per_trial"]["median"] == pytest.approx(5e4)
    assert found["detection_seconds"]["median"] == 60


def test_losses_are_counted_from_the_moment_of_the_loss():
    first = Slept(lost=[10.0], recovered=[11.0], attempts=[{"imported": 14.0}])
    second = Slept(lost=[50.0], recovered=[53.0], attempts=[{"imported": 56.0}])
    found = measured.of_lost([first, second])
    assert (found["noticed_seconds"]["lowest"], found["noticed_seconds"]["highest"]) == (1.0, 3.0)
    assert (found["again_seconds"]["lowest"], found["again_seconds"]["highest"]) == (4.0, 6.0)


@pytest.mark.parametrize("actors", [1, 2, 4])
def test_a_sweep_that_goes_as_simulated_has_no_difference(actors):
    slept = sweep(trials=8, actors=actors)
    here = measured.of_actors(slept, actors)
    constants = {field.name: {"median": 0.0} for field in dataclasses.fields(Costs)}
    constants |= {name: here[name] for name in measured.DRIVER}
    slower = here | {"start_seconds": {"median": 13.0}}
    real = measured.real(Work(8, 4 / 3600, spread=0.0, epochs=4), actors, slept)
    rounds = 8 // actors
    assert real["real_seconds"] == pytest.approx(rounds * 4 * 1.01 + (rounds - 1) * 3.5)
    by_actors = {"1": slower} | {str(actors): here}
    (found,) = scaling.compared({"constants": constants, "by_actors": by_actors, "compared": [real]})
    assert found["crowded"] == pytest.approx(real["real_seconds"], rel=0.003)
    if actors > 1:
        assert found["alone"] == pytest.approx(real["real_seconds"] + (rounds - 1) * 10, rel=0.003)


def test_real_trials_sleep_as_long_as_the_simulated_ones_train():
    work = Work(5, 20 / 3600, spread=0.3, epochs=10)
    sleeps = measured.sleeping(work, 2)
    assert sleeps.seconds == pytest.approx(tuple(work.hours(0) * 3600 / 10))
    assert (sleeps.trials, sleeps.actors, sleeps.epochs) == (5, 2, 10)


def test_a_summary_has_median_and_range():
    assert measured.summary([3.0, 1.0, 2.0]) == {"median": 2.0, "lowest": 1.0, "highest": 3.0, "repeats": 3}
