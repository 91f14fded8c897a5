"""The time a sweep should take where `harness bench` has to stand in for finished trials."""

from __future__ import annotations

import pytest

from harness import plan

from . import builders
from .bench.builders import measurement, way, written

IMAGES, EPOCHS = 1348, 2  # of digits, of the small sweep


def sweep(folder, *methods, seeds=1):
    cells = [line for name in methods for line in ("[[cells]]", f'method = "{name}"')]
    return builders.small_spec(folder, *cells, seeds=seeds)


def estimated(of, workspace):
    return plan.estimate(plan.plan(of, workspace), workspace)


def hours(seconds_per_step, batch_size=128):
    return pytest.approx(seconds_per_step / batch_size * IMAGES * EPOCHS / 3600)


def measure(workspace, trial, seconds, **where):
    ways = {"fp32": way(seconds, precision="fp32"), "bf16": way(seconds / 100)}
    written(workspace, f"{trial.method} {where.get('device')}", measurement(trial, ways, **where))


def test_the_steps_of_a_benchmark_are_counted_in_hours(tmp_path):
    of = sweep(tmp_path, "maskcon")
    (trial,) = of.trials()
    assert estimated(of, tmp_path).hours is None
    measure(tmp_path, trial, 36.0)
    guess = estimated(of, tmp_path)
    assert guess.hours == hours(36.0, trial.batch_size)
    assert guess.basis == "1 of 1 trainings by the steps of `harness bench`, without evaluation"
    assert (guess.device, guess.on_gpu) == ("Test CPU", False)


def test_hours_of_a_gpu_are_said_to_be_gpu_hours(tmp_path):
    of = sweep(tmp_path, "maskcon")
    measure(tmp_path, of.trials()[0], 36.0, device="NVIDIA H100", device_type="cuda")
    guess = estimated(of, tmp_path)
    assert (guess.device, guess.on_gpu) == ("NVIDIA H100", True)
    assert plan.to_dict(of, plan.plan(of, tmp_path), guess)["gpu_hours"] == guess.hours


def test_epochs_that_are_done_are_not_counted(tmp_path):
    of = sweep(tmp_path, "maskcon")
    measure(tmp_path, of.trials()[0], 36.0)
    whole = estimated(of, tmp_path).hours
    builders.unfinished_trial(tmp_path, of.trials()[0], epoch=1)
    assert estimated(of, tmp_path).hours == pytest.approx(whole / 2)


def test_finished_trials_come_before_a_benchmark_and_each_kind_is_taken_from_where_it_is_known(tmp_path):
    of = sweep(tmp_path, "maskcon", "supce", seeds=2)
    supce = next(trial for trial in of.trials() if trial.method == "supce")
    maskcon = next(trial for trial in of.trials() if trial.method == "maskcon")
    builders.finished_trial(tmp_path, supce, 0.5, seconds=3600)
    measure(tmp_path, maskcon, 36.0)
    guess = estimated(of, tmp_path)
    by_bench = 36.0 / maskcon.batch_size * IMAGES * EPOCHS / 3600
    assert guess.hours == pytest.approx(1 + 2 * by_bench)  # one SupCE, two MaskCon
    assert guess.basis.startswith("2 of 3 trainings by the steps of `harness bench`")


def test_a_benchmark_of_another_device_than_the_one_that_trains_here_is_no_basis(tmp_path):
    of = sweep(tmp_path, "maskcon", "supce", seeds=2)
    supce = next(trial for trial in of.trials() if trial.method == "supce")
    maskcon = next(trial for trial in of.trials() if trial.method == "maskcon")
    measure(tmp_path, maskcon, 36.0, device="NVIDIA H100", device_type="cuda")
    assert estimated(of, tmp_path).device == "NVIDIA H100"
    builders.finished_trial(tmp_path, supce, 0.5, seconds=3600)
    guess = estimated(of, tmp_path)
    assert (guess.hours, guess.device) == (None, "Test CPU")
    assert "no finished maskcon" in guess.basis


def test_a_kind_that_nothing_is_known_of_leaves_the_time_unknown(tmp_path):
    of = sweep(tmp_path, "maskcon", "supce")
    supce = next(trial for trial in of.trials() if trial.method == "supce")
    measure(tmp_path, supce, 36.0)
    guess = estimated(of, tmp_path)
    assert (guess.hours, guess.device) == (None, "Test CPU")
    assert "maskcon" in guess.basis
