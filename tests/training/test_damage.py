"""Damaged files of a trial are named and set aside, and its result is the undisturbed one all the same."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from harness import trials
from harness.training import TrainingFailed, train

from .builders import Trained, assert_same_training, finished, run, small, undisturbed

EPOCHS = 2
NOISE = random.Random(0).randbytes(5000)


def cut(content: bytes) -> bytes:
    return content[:-20]  # inside the last line, where there are lines


def scratched(content: bytes) -> bytes:
    """64 bytes in the middle are others: in a checkpoint, weights or momenta."""
    middle = len(content) // 2
    return content[:middle] + NOISE[:64] + content[middle + 64 :]


BYTES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "cut": cut,
    "noise": lambda content: NOISE,
    "zeros": lambda content: bytes(1000),
}
JSON = {**BYTES, "no object": lambda content: b"[1, 2]\n"}
LINES = {
    "cut": cut,
    "noise": lambda content: content + NOISE,
    "zeros": lambda content: content + bytes(100),
    "no object": lambda content: content + b"3\n",
    "no epoch": lambda content: content + b'{"loss": 0.5}\n',
}


def interrupted_trial(directory: Path, **changes) -> None:
    """One of two epochs done."""

    def report(epoch, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small(epochs=EPOCHS, **changes), directory, report=report)


def damage(path: Path, how: Callable[[bytes], bytes]) -> bytes:
    """Returns what the file holds from now on."""
    content = how(path.read_bytes())
    path.write_bytes(content)
    return content


def assert_set_aside_and_told(directory: Path, name: str, content: bytes) -> None:
    """The damaged file is kept under another name, and the notes name both."""
    (kept,) = directory.glob(f"{name}.damaged-*")
    assert kept.read_bytes() == content
    (note,) = trials.read_json(directory / trials.RESULT)["notes"]
    assert str(directory / name) in note
    assert kept.name in note


def assert_ends_right(directory: Path, name: str, content: bytes) -> None:
    assert_same_training(run(small(epochs=EPOCHS), directory), undisturbed(epochs=EPOCHS))
    assert_set_aside_and_told(directory, name, content)


def changed_checkpoint(directory: Path, change: Callable[[dict], object]) -> bytes:
    """A checkpoint that is whole as a file, but holds something else."""
    path = directory / trials.CHECKPOINT
    state = torch.load(path, weights_only=True)
    state = change(state) or state
    torch.save(state, path)
    return path.read_bytes()


@pytest.mark.parametrize("how", [*BYTES.values(), scratched], ids=[*BYTES, "scratched"])
def test_damaged_checkpoint_is_set_aside(tmp_path, how):
    interrupted_trial(tmp_path)
    content = damage(tmp_path / trials.CHECKPOINT, how)
    assert_ends_right(tmp_path, trials.CHECKPOINT, content)


@pytest.mark.parametrize("part", ["trial_id", "epoch", "seconds", "lines", "learner", "optimiser"])
def test_checkpoint_that_lacks_a_part_is_set_aside_and_nothing_of_it_used(tmp_path, part):
    interrupted_trial(tmp_path)
    content = changed_checkpoint(tmp_path, lambda state: state.pop(part) and None)
    assert_ends_right(tmp_path, trials.CHECKPOINT, content)


def test_checkpoint_with_a_tensor_of_another_shape_is_set_aside_and_nothing_of_it_used(tmp_path):
    interrupted_trial(tmp_path)
    content = changed_checkpoint(tmp_path, lambda state: state["learner"].update({"projector.2.bias": torch.zeros(3)}))
    assert_ends_right(tmp_path, trials.CHECKPOINT, content)


def test_checkpoint_that_is_no_dictionary_is_set_aside(tmp_path):
    interrupted_trial(tmp_path)
    content = changed_checkpoint(tmp_path, lambda state: [1, 2])
    assert_ends_right(tmp_path, trials.CHECKPOINT, content)


def test_checkpoint_of_another_trial_is_set_aside(tmp_path):
    interrupted_trial(tmp_path / "other", seed=1)
    interrupted_trial(tmp_path / "mine")
    content = (tmp_path / "other" / trials.CHECKPOINT).read_bytes()
    (tmp_path / "mine" / trials.CHECKPOINT).write_bytes(content)
    assert_ends_right(tmp_path / "mine", trials.CHECKPOINT, content)
    (note,) = trials.read_json(tmp_path / "mine" / trials.RESULT)["notes"]
    assert small(epochs=EPOCHS, seed=1).trial_id in note


class Bomb:
    """Unpickled, it makes a folder: stands for any command."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))], ids=["zip", "raw"]
)
def test_checkpoint_with_code_in_it_is_not_executed(tmp_path, save):
    interrupted_trial(tmp_path / "trial")
    checkpoint, target = tmp_path / "trial" / trials.CHECKPOINT, tmp_path / "executed"
    save(Bomb(target), checkpoint)
    with checkpoint.open("rb") as stream:
        content = stream.read()
    assert_ends_right(tmp_path / "trial", trials.CHECKPOINT, content)
    assert not target.exists()


@pytest.mark.parametrize("how", LINES.values(), ids=LINES)
def test_damaged_metrics_are_set_aside(tmp_path, how):
    interrupted_trial(tmp_path)
    content = damage(tmp_path / trials.METRICS, how)
    assert_ends_right(tmp_path, trials.METRICS, content)


def test_damaged_metrics_are_named_with_their_line(tmp_path):
    interrupted_trial(tmp_path)
    damage(tmp_path / trials.METRICS, LINES["no object"])
    with pytest.raises(trials.DamagedFile, match=r"metrics\.jsonl, line 2 is damaged"):
        trials.read_metrics(tmp_path / trials.METRICS)


@pytest.mark.parametrize("how", JSON.values(), ids=JSON)
def test_damaged_config_is_set_aside_and_written_anew(tmp_path, how):
    interrupted_trial(tmp_path)
    content = damage(tmp_path / trials.CONFIG, how)
    assert_ends_right(tmp_path, trials.CONFIG, content)
    assert trials.read_config(tmp_path) == small(epochs=EPOCHS)


@pytest.mark.parametrize("name", [trials.RESULT, trials.PROGRESS, trials.FAILURE])
def test_damaged_passing_record_of_an_unfinished_trial_is_set_aside(tmp_path, name):
    interrupted_trial(tmp_path)
    (tmp_path / name).write_bytes(NOISE)
    assert trials.state(tmp_path).state == "unfinished"
    assert_ends_right(tmp_path, name, NOISE)


@pytest.mark.parametrize("how", JSON.values(), ids=JSON)
def test_trial_with_a_damaged_result_is_unfinished_and_trained_again(tmp_path, how):
    run(small(epochs=EPOCHS), tmp_path)
    content = damage(tmp_path / trials.RESULT, how)
    assert trials.state(tmp_path).state == "unfinished"
    assert trials.RESULT in trials.state(tmp_path).note
    assert_ends_right(tmp_path, trials.RESULT, content)


def test_damaged_metrics_of_a_finished_trial_are_mended_from_its_result(tmp_path):
    result = train(small(epochs=EPOCHS), tmp_path)
    damage(tmp_path / trials.METRICS, LINES["cut"])
    assert train(small(epochs=EPOCHS), tmp_path)["metrics"] == result["metrics"]
    assert_same_training(finished(tmp_path), undisturbed(epochs=EPOCHS))


def test_missing_metrics_of_a_finished_trial_are_mended_from_its_result(tmp_path):
    run(small(epochs=EPOCHS), tmp_path)
    (tmp_path / trials.METRICS).unlink()
    train(small(epochs=EPOCHS), tmp_path)
    assert_same_training(finished(tmp_path), undisturbed(epochs=EPOCHS))


@pytest.mark.parametrize("name", [trials.METRICS, trials.CONFIG])
def test_result_of_a_finished_trial_tells_of_damage_found_now(tmp_path, name):
    run(small(epochs=EPOCHS), tmp_path)
    damage(tmp_path / name, cut)
    (note,) = train(small(epochs=EPOCHS), tmp_path)["notes"]
    assert str(tmp_path / name) in note


def test_everything_damaged_at_once_is_told_file_by_file(tmp_path):
    interrupted_trial(tmp_path)
    names = (trials.CONFIG, trials.METRICS, trials.ENVIRONMENT, trials.CHECKPOINT)
    for name in names:
        damage(tmp_path / name, cut)
    found: Trained = run(small(epochs=EPOCHS), tmp_path)
    assert_same_training(found, undisturbed(epochs=EPOCHS))
    notes = trials.read_json(tmp_path / trials.RESULT)["notes"]
    assert len(notes) == len(names)
    assert trials.read_json(tmp_path / trials.ENVIRONMENT)["torch"] == torch.__version__
    assert all(any(name in note for note in notes) for name in names)


def test_a_checkpoint_that_cannot_be_read_at_the_moment_is_left_alone(tmp_path):
    """As where a network file system does not answer: /proc/self/mem is a file whose beginning cannot be read (EIO)."""
    interrupted_trial(tmp_path)
    (tmp_path / trials.CHECKPOINT).rename(tmp_path / "away")
    (tmp_path / trials.CHECKPOINT).symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error"):
        train(small(epochs=EPOCHS), tmp_path)
    assert trials.state(tmp_path).state == "unfinished"
    (tmp_path / "away").rename(tmp_path / trials.CHECKPOINT)
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), undisturbed(epochs=EPOCHS))
    assert trials.read_json(tmp_path / trials.RESULT)["notes"] == []


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_a_checkpoint_for_which_there_is_no_room_is_left_alone(tmp_path, monkeypatch, error):
    interrupted_trial(tmp_path)
    content = (tmp_path / trials.CHECKPOINT).read_bytes()

    def full(optimiser, state):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(torch.optim.Optimizer, "load_state_dict", full)
        with pytest.raises(TrainingFailed):
            train(small(epochs=EPOCHS), tmp_path)
    assert (tmp_path / trials.CHECKPOINT).read_bytes() == content
    assert_same_training(run(small(epochs=EPOCHS), tmp_path), undisturbed(epochs=EPOCHS))
