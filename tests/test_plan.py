"""What a sweep still has to do: states from real directories, the estimate, and which data its trials are of."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from harness import config, datasets, files, lease, plan, trials
from harness import spec as specs
from harness import workspace as workspaces
from tests import builders

PUBLISHED_ID = "6e42b9a482739326"  # SupCE on the published CIFAR-100, seed 0

HOLDER = """
import pathlib, sys, time
from harness import lease
with lease.held(pathlib.Path(sys.argv[1])):
    print(flush=True)
    time.sleep(99)
"""


def state_of(directory):
    found = trials.state(directory)
    return found.state, found.epoch


def ids(sweep):
    return [trial.trial_id for trial in sweep.trials()]


def test_every_state_is_read_from_the_directory(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=4)
    done, failed, unfinished, missing = sweep.trials()
    builders.finished_trial(tmp_path, done, 0.5)
    builders.failed_trial(tmp_path, failed, "the loss is nan")
    builders.unfinished_trial(tmp_path, unfinished, epoch=1)
    planned = plan.plan(sweep, tmp_path)
    assert [entry.trial for entry in planned] == [done, failed, unfinished, missing]
    assert [entry.state for entry in planned] == [
        trials.TrialState("done", 2),
        trials.TrialState("failed", 0, "the loss is nan"),
        trials.TrialState("unfinished", 1),
        trials.TrialState("missing"),
    ]
    assert planned[0].directory == tmp_path / "trials" / done.trial_id


def test_a_trial_with_a_live_holder_is_running(tmp_path):
    trial = config.resolve("digits", "supce")
    directory = builders.unfinished_trial(tmp_path, trial, epoch=15)
    with lease.held(directory):
        assert trials.state(directory) == trials.TrialState("running", 15, "75 %")
    assert state_of(directory) == ("unfinished", 15)


def test_a_trial_whose_holder_was_killed_is_unfinished(tmp_path):
    directory = builders.unfinished_trial(tmp_path, config.resolve("digits", "supce"), epoch=3)
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        assert state_of(directory) == ("running", 3)
        os.kill(holder.pid, signal.SIGKILL)
    assert (directory / lease.NAME).is_file()
    assert state_of(directory) == ("unfinished", 3)


@pytest.mark.parametrize("name", [trials.RESULT, trials.PROGRESS, trials.FAILURE])
def test_a_damaged_file_makes_a_trial_unfinished_and_is_named(tmp_path, name):
    directory = builders.unfinished_trial(tmp_path, config.resolve("digits", "supce"), epoch=3)
    (directory / name).write_text('{"epochs": 3')
    found = trials.state(directory)
    assert found.state == "unfinished"
    assert name in found.note


def test_a_folder_that_was_only_created_is_missing(tmp_path):
    trial = config.resolve("digits", "supce")
    trials.prepare(trials.directory(tmp_path, trial), trial)
    assert trials.state(trials.directory(tmp_path, trial)).state == "missing"


def test_each_training_names_the_cells_it_fills(tmp_path):
    planned = plan.plan(specs.load("digits", seeds=1), tmp_path)
    cells = {entry.trial.method: entry.cells for entry in planned if entry.trial.method in ("selfcon", "supcon")}
    assert cells == {
        "selfcon": ("selfcon", *(f"maskcon weight=0 temperature={text}" for text in ("0", "0.05", "0.1", "inf"))),
        "supcon": ("supcon", "grafit weight=1", "maskcon weight=1 temperature=inf"),
    }
    assert [entry.trial.seed for entry in planned] == [0] * len(planned)


def mixed_sweep(folder, seeds=2):
    return builders.small_spec(folder, "[[cells]]", 'method = "supce"', "[[cells]]", 'method = "selfcon"', seeds=seeds)


def estimated(sweep, workspace):
    return plan.estimate(plan.plan(sweep, workspace), workspace)


def test_without_finished_trials_the_time_is_unknown(tmp_path):
    guess = estimated(mixed_sweep(tmp_path), tmp_path)
    assert (guess.hours, guess.basis) == (None, "no finished trial and no `harness bench` to go by")


def test_without_a_finished_trial_of_its_kind_the_time_is_unknown(tmp_path):
    sweep = mixed_sweep(tmp_path)
    builders.finished_trial(tmp_path, sweep.trials()[0], 0.5)
    guess = estimated(sweep, tmp_path)
    assert guess.hours is None
    assert "selfcon" in guess.basis


def test_the_time_left_is_the_rate_of_each_kind_times_its_images(tmp_path):
    sweep = mixed_sweep(tmp_path)
    supce, selfcon, _, selfcon_1 = sweep.trials()
    builders.finished_trial(tmp_path, supce, 0.5, seconds=360)
    builders.finished_trial(tmp_path, selfcon, 0.5, seconds=1080)
    assert estimated(sweep, tmp_path).hours == pytest.approx(0.4)  # 360 s and 1080 s for the second seed
    builders.unfinished_trial(tmp_path, selfcon_1, epoch=1)
    guess = estimated(sweep, tmp_path)
    assert guess.hours == pytest.approx(0.25)  # half of its epochs are done
    assert (guess.device, guess.on_gpu) == ("Test CPU", False)


def test_the_rate_is_per_image_and_epoch_and_the_median_of_its_kind(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=4)
    for trial, seconds in zip(sweep.trials(), (100, 360, 100_000), strict=False):
        builders.finished_trial(tmp_path, trial, 0.5, seconds=seconds)
    assert estimated(sweep, tmp_path).hours == pytest.approx(0.1)
    shorter = specs.load(tmp_path / "mine.toml", overrides=["epochs=1", "train_limit=337"], seeds=1)
    assert estimated(shorter, tmp_path).hours == pytest.approx(0.1 / 2 / 4)  # of 1,348 images and 2 epochs


def test_a_finished_sweep_needs_no_time(tmp_path):
    sweep = mixed_sweep(tmp_path)
    builders.finished_sweep(tmp_path, sweep)
    assert estimated(sweep, tmp_path).hours == 0


def test_the_estimate_is_of_the_device_that_trained_most(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=4)
    gpu = {"device": "NVIDIA H100", "device_type": "cuda"}
    for trial, where in zip(sweep.trials(), ({}, gpu, gpu), strict=False):
        builders.finished_trial(tmp_path, trial, 0.5, seconds=36 if where else 3600, **where)
    guess = estimated(sweep, tmp_path)
    assert (guess.hours, guess.device, guess.on_gpu) == (pytest.approx(0.01), "NVIDIA H100", True)
    assert plan.to_dict(sweep, plan.plan(sweep, tmp_path), guess)["gpu_hours"] == pytest.approx(0.01)


def test_a_damaged_result_is_no_basis(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"')
    for trial, content in zip(sweep.trials(), ('{"seconds": 1', "{}"), strict=True):
        (builders.finished_trial(tmp_path, trial, 0.5) / trials.RESULT).write_text(content)
    assert estimated(sweep, tmp_path).hours is None


def test_the_plan_is_json(tmp_path):
    sweep = specs.load("digits")
    planned = plan.plan(sweep, tmp_path)
    content = json.loads(json.dumps(plan.to_dict(sweep, planned, plan.estimate(planned, tmp_path)), allow_nan=False))
    assert (content["trainings"], content["done"], content["device_hours"]) == (24, 0, "unknown")
    assert content["cells"] == len(sweep.cells())
    assert content["spec"]["cell_lists"][-1]["temperature"] == [0, 0.05, 0.1, "inf"]
    assert {entry["state"] for entry in content["trials"]} == {"missing"}


def test_missing_data_keeps_the_published_ids(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    assert {state.state for state in datasets.states("cifar100")} == {"missing"}
    assert PUBLISHED_ID in ids(plan.load_spec("cifar100", [], 1, tmp_path))


def test_data_that_is_not_the_published_data_gives_other_trials(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(builders.wrong_cifar100(tmp_path)))
    sweep = plan.load_spec("cifar100", [], 1, tmp_path)
    digest = datasets.local_digest("cifar100")
    assert {trial.data_digest for trial in sweep.trials()} == {digest}
    assert not set(ids(sweep)) & set(ids(specs.load("cifar100", seeds=1)))
    (tmp_path / "cifar-100-python" / "meta").write_bytes(b"something else again")
    assert not set(ids(sweep)) & set(ids(plan.load_spec("cifar100", [], 1, tmp_path)))


def test_a_sweep_on_other_data_stays_the_same_where_the_data_is_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(builders.wrong_cifar100(tmp_path / "data")))
    swept = plan.load_spec("cifar100", [], 1, tmp_path)
    workspaces.save_spec(tmp_path, swept)
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "elsewhere"))
    assert ids(plan.load_spec("cifar100", [], 1, tmp_path)) == ids(swept)
    workspaces.remove([tmp_path / "sweeps"])
    assert PUBLISHED_ID in ids(plan.load_spec("cifar100", [], 1, tmp_path))


def test_a_digest_on_the_command_line_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(builders.wrong_cifar100(tmp_path)))
    sweep = plan.load_spec("cifar100", ["data_digest=abc"], 1, tmp_path)
    assert {trial.data_digest for trial in sweep.trials()} == {"abc"}


def test_half_of_the_files_are_no_data(tmp_path, monkeypatch):
    root = builders.wrong_cifar100(tmp_path)
    (root / "cifar-100-python" / "test").unlink()
    monkeypatch.setenv("HARNESS_DATA", str(root))
    assert [state.state for state in datasets.states("cifar100")] == ["differs", "missing", "differs"]
    assert PUBLISHED_ID in ids(plan.load_spec("cifar100", [], 1, tmp_path))


def test_a_look_at_a_trial_that_is_just_ending_never_fails(tmp_path):
    """Its progress goes, and its lease, between two looks of the same call."""
    trial = builders.small_spec(tmp_path).trials()[0]
    directory = builders.unfinished_trial(tmp_path, trial, 1)
    ended = threading.Event()

    def end_again_and_again():
        while not ended.is_set():
            for name in (trials.PROGRESS, trials.STOPPED, trials.FAILURE):
                files.write_json(directory / name, {"epoch": 1, "message": "m"})
            for name in (trials.PROGRESS, trials.STOPPED, trials.FAILURE):
                (directory / name).unlink()

    other = threading.Thread(target=end_again_and_again)
    other.start()
    try:
        states = {trials.state(directory).state for _ in range(3000)}
    finally:
        ended.set()
        other.join()
    assert states <= {"failed", "unfinished"}
