"""Trainings in processes of their own that are stopped or killed; what goes on is, bit for bit, what was never stopped."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest
import torch

from harness import trials

from . import processes
from .builders import STEPS, assert_same_training, run, small, undisturbed

EPOCHS = 4
FILES = (trials.CONFIG, trials.ENVIRONMENT, trials.METRICS, trials.CHECKPOINT, trials.FEATURES, trials.ENCODER)


def assert_goes_on_exactly(directory) -> None:
    """What the dead process left can be read, is not taken for running, and leads to the undisturbed result."""
    assert trials.state(directory).state in ("unfinished", "missing", "done")
    if (directory / trials.METRICS).exists():
        epochs = [line["epoch"] for line in trials.read_metrics(directory / trials.METRICS)]
        assert epochs == list(range(1, len(epochs) + 1))
    found = run(small(epochs=EPOCHS), directory)
    assert [line["epoch"] for line in found.lines] == list(range(1, EPOCHS + 1))
    assert trials.read_json(directory / trials.RESULT)["notes"] == []
    assert_same_training(found, undisturbed(epochs=EPOCHS))


def saved_epoch(directory) -> int:
    return torch.load(directory / trials.CHECKPOINT, weights_only=True)["epoch"]


def receive_until(process: processes.Process, message: tuple) -> None:
    while (said := process.receive()) != message:
        assert said is not None, "it ended early"


def test_training_in_another_process_is_the_same(tmp_path):
    process = processes.training(small(epochs=EPOCHS), tmp_path)
    receive_until(process, ("epoch", EPOCHS))
    assert process.ended() == 0
    assert_goes_on_exactly(tmp_path)


def test_training_in_another_thread_is_the_same(tmp_path):
    thread = threading.Thread(target=run, args=(small(epochs=EPOCHS), tmp_path))
    thread.start()
    thread.join()
    assert_goes_on_exactly(tmp_path)


def test_sigterm_means_after_a_training_what_it_meant_before(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    during = []
    run(small(), tmp_path, on_step=lambda *at: during.append(signal.getsignal(signal.SIGTERM)))
    assert before not in during
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("message", [("step", 0, 1), ("epoch", 1), ("step", 2, 3)], ids=str)
def test_sigterm_keeps_every_finished_epoch(tmp_path, message):
    process = processes.training(small(epochs=EPOCHS), tmp_path)
    receive_until(process, message)
    assert process.kill(signal.SIGTERM) == processes.SAYS_STOPPED
    finished = len(trials.read_metrics(tmp_path / trials.METRICS))
    assert finished >= message[1]
    assert (saved_epoch(tmp_path) if (tmp_path / trials.CHECKPOINT).exists() else 0) == finished
    assert not (tmp_path / trials.RESULT).exists()
    assert not (tmp_path / trials.FAILURE).exists()
    assert_goes_on_exactly(tmp_path)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sigkill_at_random_moments_changes_nothing(tmp_path, seed):
    moments = random.Random(seed)
    for _ in range(3):
        process = processes.training(small(epochs=EPOCHS), tmp_path, every_seconds=0)
        for _ in range(moments.randrange(2 * STEPS)):
            process.receive()
        time.sleep(moments.uniform(0, 0.03))  # somewhere between two things that it says
        assert process.kill() in (-signal.SIGKILL, 0)
    assert_goes_on_exactly(tmp_path)


def test_sigkill_inside_a_checkpoint_write_leaves_the_older_one(tmp_path):
    process = processes.training(small(epochs=EPOCHS), tmp_path, every_seconds=0, half_write=3)
    receive_until(process, ("half",))
    assert process.kill() == -signal.SIGKILL
    (half_written,) = tmp_path.glob(".*.new")
    assert half_written.stat().st_size > 0
    assert saved_epoch(tmp_path) == 2
    assert_goes_on_exactly(tmp_path)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("name", FILES)
def test_death_around_any_files_replacement_changes_nothing(tmp_path, name, before):
    nth = 3 if name in (trials.METRICS, trials.CHECKPOINT) else 1
    process = processes.training(small(epochs=EPOCHS), tmp_path, every_seconds=0, die_at=(name, nth, before))
    assert process.ended() == -signal.SIGKILL
    assert_goes_on_exactly(tmp_path)


def test_death_between_the_last_epoch_and_the_result_trains_nothing_again(tmp_path):
    process = processes.training(small(epochs=EPOCHS), tmp_path, die_at=(trials.RESULT, 1, True))
    assert process.ended() == -signal.SIGKILL
    assert saved_epoch(tmp_path) == EPOCHS
    assert not (tmp_path / trials.RESULT).exists()
    steps = []
    run(small(epochs=EPOCHS), tmp_path, on_step=lambda *at: steps.append(at))
    assert steps == []
    assert_goes_on_exactly(tmp_path)


def test_death_right_after_the_result_leaves_a_finished_trial(tmp_path):
    process = processes.training(small(epochs=EPOCHS), tmp_path, die_at=(trials.RESULT, 1, False))
    assert process.ended() == -signal.SIGKILL
    assert trials.state(tmp_path) == trials.TrialState("done", EPOCHS)
    assert_goes_on_exactly(tmp_path)


def test_killed_training_is_no_longer_running(tmp_path):
    process = processes.training(small(epochs=EPOCHS), tmp_path)
    process.receive()
    assert trials.state(tmp_path).state == "running"
    process.kill()
    assert trials.state(tmp_path).state == "unfinished"
