"""A training that was interrupted and went on is, bit for bit, the one that was not."""

from __future__ import annotations

import resource
import signal

import pytest
import torch

from harness import attempts, files, trials
from harness.training import Stopped, TrainingFailed, checkpoint, train

from .builders import STEPS, VARIANTS, Trained, assert_same_training, run, small, undisturbed, variant_id

EPOCHS = 3


def expected(method: str = "maskcon", **changes) -> Trained:
    return undisturbed(method, epochs=EPOCHS, **changes)


def interrupt_after_epoch(directory, epoch: int, method: str = "maskcon", **changes) -> None:
    """Ctrl-C while the epoch is being reported."""

    def report(done, metrics):
        if done == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(method, **{"epochs": EPOCHS, **changes}), directory, report=report)


def interrupt_at_step(directory, epoch: int, step: int) -> None:
    """Ctrl-C right after a step of an epoch, both counted from 0 and 1 as `on_step` does."""

    def on_step(at_epoch, at_step, steps):
        if (at_epoch, at_step) == (epoch, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(epochs=EPOCHS), directory, on_step=on_step)


def saved_epoch(directory) -> int:
    return torch.load(directory / trials.CHECKPOINT, weights_only=True)["epoch"]


@pytest.mark.parametrize("epoch", [1, 2, EPOCHS])
def test_interruption_after_an_epoch_changes_nothing(tmp_path, epoch):
    interrupt_after_epoch(tmp_path, epoch)
    assert saved_epoch(tmp_path) == epoch
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())


@pytest.mark.parametrize(("epoch", "step"), [(0, 1), (0, STEPS), (1, 1), (1, 3), (2, STEPS)])
def test_interruption_inside_an_epoch_loses_that_epoch_alone(tmp_path, epoch, step):
    interrupt_at_step(tmp_path, epoch, step)
    assert trials.state(tmp_path).state == "unfinished"
    assert (tmp_path / trials.CHECKPOINT).exists() == (epoch > 0)
    began = []
    found = run(small(epochs=EPOCHS), tmp_path, on_step=lambda *at: began.append(at))
    assert began[0] == (epoch, 1, STEPS)
    assert_same_training(found, expected())


def test_many_interruptions_change_nothing(tmp_path):
    for epoch, step in ((0, 2), (0, 4), (1, 1), (1, 2), (2, 4)):
        interrupt_at_step(tmp_path, epoch, step)
    interrupt_after_epoch(tmp_path, EPOCHS)
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())


@pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
def test_every_method_goes_on_exactly(tmp_path, method, options):
    interrupt_after_epoch(tmp_path, 1, method, options=options, epochs=2)
    found = run(small(method, options=options), tmp_path)
    assert_same_training(found, run(small(method, options=options), tmp_path / "undisturbed"))


@pytest.mark.parametrize(
    "changes", [{"precision": "bf16"}, {"bank_size": 100}, {"own_keys": "keep"}, {"eval_every": 2}]
)
def test_every_setting_goes_on_exactly(tmp_path, changes):
    interrupt_after_epoch(tmp_path, 1, **changes)
    assert_same_training(run(small(epochs=EPOCHS, **changes), tmp_path), expected(**changes))


@pytest.mark.parametrize("every_seconds", [0, 10**9])
def test_metrics_have_one_line_per_epoch_after_interruptions(monkeypatch, tmp_path, every_seconds):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", every_seconds)
    for epoch in (0, 1, 1, 2):
        interrupt_at_step(tmp_path, epoch, 2)
        lines = trials.read_metrics(tmp_path / trials.METRICS)
        assert [line["epoch"] for line in lines] == list(range(1, epoch + 1))
    assert [line["epoch"] for line in run(small(epochs=EPOCHS), tmp_path).lines] == list(range(1, EPOCHS + 1))


def test_lines_beyond_the_checkpoint_are_trained_again_not_kept(tmp_path):
    interrupt_after_epoch(tmp_path, 1)
    older = (tmp_path / trials.CHECKPOINT).read_bytes()
    interrupt_after_epoch(tmp_path, 2)
    (tmp_path / trials.CHECKPOINT).write_bytes(older)  # as if killed before it was written
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())


def test_seconds_are_those_of_all_runs(tmp_path):
    interrupt_after_epoch(tmp_path, 1)
    before = trials.read_metrics(tmp_path / trials.METRICS)[0]["seconds"]
    run(small(epochs=EPOCHS), tmp_path)
    seconds = [line["seconds"] for line in trials.read_metrics(tmp_path / trials.METRICS)]
    assert seconds[0] == before
    assert seconds == sorted(seconds)


def test_finished_trial_returns_its_result_without_training(tmp_path):
    result = train(small(), tmp_path)
    steps = []
    assert train(small(), tmp_path, on_step=lambda *at: steps.append(at)) == result
    assert steps == []


def test_finished_trial_keeps_its_encoder_and_no_checkpoint(tmp_path):
    run(small(), tmp_path)
    kept = {trials.CONFIG, trials.METRICS, trials.RESULT, trials.ENVIRONMENT, trials.ENCODER, trials.FEATURES}
    assert {path.name for path in tmp_path.iterdir()} == kept | {attempts.NAME}
    assert trials.state(tmp_path) == trials.TrialState("done", 2)


def test_a_stop_inside_a_checkpoint_write_has_it_written_again(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0)
    save, calls = checkpoint.save, []

    def stop_once(path, state):
        calls.append(path)
        if len(calls) == 2:
            raise Stopped("stopped by SIGTERM")
        save(path, state)

    monkeypatch.setattr(checkpoint, "save", stop_once)
    with pytest.raises(Stopped):
        train(small(epochs=EPOCHS), tmp_path)
    assert saved_epoch(tmp_path) == 2


def test_interruption_inside_a_checkpoint_write_leaves_the_older_one(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0)
    save = torch.save

    def save_half(state, stream):
        stream.write(b"half")
        if state["epoch"] == 2:
            raise KeyboardInterrupt
        stream.seek(0)
        save(state, stream)

    with monkeypatch.context() as for_now:
        for_now.setattr(torch, "save", save_half)
        with pytest.raises(KeyboardInterrupt):
            train(small(epochs=EPOCHS), tmp_path)
    assert saved_epoch(tmp_path) == 1
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())


class SignalledWhileWriting:
    """A stream to whose writer a signal comes once 300 bytes are written."""

    def __init__(self, stream, number):
        self.stream, self.number, self.sent = stream, number, False

    def write(self, content):
        written = self.stream.write(content)
        if self.stream.tell() >= 300 and not self.sent:
            self.sent = True
            signal.raise_signal(self.number)
        return written

    def __getattr__(self, name):
        return getattr(self.stream, name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("name", [trials.METRICS, trials.CHECKPOINT, trials.FEATURES, trials.ENCODER, trials.RESULT])
def test_signal_inside_a_write_stops_the_trial_and_does_not_fail_it(monkeypatch, tmp_path, name, number):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0)
    replace = files.replace

    def replace_signalled(path, write):
        if path.name == name:
            replace(path, lambda stream: write(SignalledWhileWriting(stream, number)))
        else:
            replace(path, write)

    with monkeypatch.context() as for_now:
        for_now.setattr(files, "replace", replace_signalled)
        with pytest.raises((Stopped, KeyboardInterrupt)):
            train(small(epochs=EPOCHS), tmp_path)
    assert not (tmp_path / trials.FAILURE).exists()
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())


def test_disk_that_takes_no_checkpoint_leaves_the_older_one_and_is_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0)
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    full = (100_000, unlimited[1])  # bytes a file may have: enough for JSON, too few for a checkpoint
    try:
        with pytest.raises(TrainingFailed):
            train(
                small(epochs=EPOCHS),
                tmp_path,
                report=lambda epoch, metrics: resource.setrlimit(resource.RLIMIT_FSIZE, full),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert saved_epoch(tmp_path) == 1
    assert "File too large" in trials.read_json(tmp_path / trials.FAILURE)["traceback"]
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), expected())
