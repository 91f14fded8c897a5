"""Trainings that cannot go on: what is raised, what is recorded, and that nothing looks finished."""

from __future__ import annotations

import pytest

from harness import trials
from harness.errors import UsageError
from harness.training import TrainingFailed, loop, train

from .builders import STEPS, VARIANTS, assert_same_training, run, small, undisturbed, variant_id


def recorded_failure(directory) -> dict:
    """`failure.json` of a trial that has failed and has no result."""
    assert not (directory / trials.RESULT).exists()
    assert trials.state(directory).state == "failed"
    return trials.read_json(directory / trials.FAILURE)


@pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
def test_loss_that_is_not_finite_fails_the_trial(tmp_path, method, options):
    with pytest.raises(TrainingFailed, match="the loss is nan in epoch 1"):
        train(small(method, options=options, lr=1e30), tmp_path)
    failure = recorded_failure(tmp_path)
    assert failure["kind"] == "diverged"
    assert "epoch 1" in failure["message"]
    assert trials.state(tmp_path).note == failure["message"]


def test_features_that_are_not_finite_fail_the_trial_and_name_the_epoch(tmp_path):
    one_step = small("supce", train_limit=64, lr=1e30)  # its loss is finite, what follows is not
    with pytest.raises(TrainingFailed, match="NaN or infinity"):
        train(one_step, tmp_path)
    failure = recorded_failure(tmp_path)
    assert failure["kind"] == "diverged"
    assert "epoch 1" in failure["message"]


def diverging(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    """The learning rate explodes in this epoch, counted from 1."""
    rate = loop.learning_rate

    def exploding_rate(trial, step, steps):
        return 1e30 if step >= (epoch - 1) * STEPS else rate(trial, step, steps)

    monkeypatch.setattr(loop, "learning_rate", exploding_rate)


def test_divergence_names_its_epoch_and_the_last_metrics(monkeypatch, tmp_path):
    diverging(monkeypatch, epoch=3)
    with pytest.raises(TrainingFailed, match="in epoch 3"):
        train(small(epochs=4), tmp_path)
    last = trials.read_metrics(tmp_path / trials.METRICS)[-1]
    assert last["epoch"] == 2
    assert str(last) in recorded_failure(tmp_path)["message"]


def test_failed_trial_goes_on_exactly_once_its_cause_is_gone(monkeypatch, tmp_path):
    with monkeypatch.context() as for_now:
        diverging(for_now, epoch=3)
        with pytest.raises(TrainingFailed):
            train(small(epochs=4), tmp_path)
    assert_same_training(run(small(epochs=4), tmp_path), undisturbed(epochs=4))
    assert not (tmp_path / trials.FAILURE).exists()
    assert trials.state(tmp_path).state == "done"


def test_exception_is_recorded_with_its_traceback(tmp_path):
    def report_to_a_closed_file(epoch, metrics):
        with (tmp_path / "log").open("w") as stream:
            stream.close()
            stream.write("epoch")

    with pytest.raises(TrainingFailed, match=r"ValueError: I/O operation on closed file.*failure\.json"):
        train(small(), tmp_path, report=report_to_a_closed_file)
    failure = recorded_failure(tmp_path)
    assert failure["kind"] == "exception"
    assert failure["message"] == "ValueError: I/O operation on closed file."
    assert "report_to_a_closed_file" in failure["traceback"]


def test_exception_loses_no_finished_epoch(tmp_path):
    def fail_after_the_first(epoch, metrics):
        raise RuntimeError

    with pytest.raises(TrainingFailed):
        train(small(), tmp_path, report=fail_after_the_first)
    began = []
    assert_same_training(run(small(), tmp_path, on_step=lambda *at: began.append(at)), undisturbed())
    assert began[0] == (1, 1, STEPS)


def test_wrong_choice_of_device_is_no_failure_of_the_trial(tmp_path):
    with pytest.raises(UsageError, match="device=cpu"):
        train(small(device="cuda"), tmp_path)
    assert not (tmp_path / trials.FAILURE).exists()
    assert trials.state(tmp_path).state == "missing"


def test_a_graph_on_a_cpu_is_no_failure_of_the_trial(tmp_path):
    with pytest.raises(UsageError, match="cuda_graphs=auto"):
        train(small(cuda_graphs="on"), tmp_path / "trial")
    assert not (tmp_path / "trial").exists()
