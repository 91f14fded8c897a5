"""Trials of other workspaces: taken whole and once, by their id; what is damaged, foreign or odd is named and left alone."""

import json
import os
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from harness import attempts, collect, lease, results, tracking, trials
from harness import spec as specs
from harness import workspace as workspaces
from harness.collect import DIFFERS, HERE, REFUSED, TAKEN
from harness.errors import UsageError
from tests import builders
from tests.sweep import commands

TINY = ("epochs=1", "train_limit=256", "test_limit=128", "threads=1")


@pytest.fixture
def sweep(tmp_path):
    """A sweep whose three trials are finished in the workspace `far`."""
    made = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path / "far", made)
    return made


def taken(tmp_path, *sources):
    """What becomes of the trials of these folders below tmp_path, in the workspace `near`: (outcome, note) by folder."""
    given = [tmp_path / name for name in sources or ("far",)]
    return {found.source.name: (found.outcome, found.note) for found in collect.collect(given, tmp_path / "near")}


def directories(tmp_path, sweep, workspace="far"):
    return [trials.directory(tmp_path / workspace, trial) for trial in sweep.trials()]


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_finished_trials_are_taken_whole_and_only_once(tmp_path, sweep):
    before = contents(tmp_path / "far")
    assert {outcome for outcome, _ in taken(tmp_path).values()} == {TAKEN}
    assert contents(tmp_path / "near") == contents(tmp_path / "far") == before
    assert {outcome for outcome, _ in taken(tmp_path).values()} == {HERE}
    assert contents(tmp_path / "near") == before
    states = [trials.state(directory).state for directory in directories(tmp_path, sweep, "near")]
    assert states == ["done"] * 3


def test_a_trial_is_taken_by_its_id_from_any_depth_and_folder_name(tmp_path, sweep):
    first, second, third = directories(tmp_path, sweep)
    (tmp_path / "stick" / "deep").mkdir(parents=True)
    first.rename(tmp_path / "stick" / "deep" / "best run ä")
    assert {outcome for outcome, _ in taken(tmp_path, "stick", "far").values()} == {TAKEN}
    assert {path.name for path in trials.find(tmp_path / "near")} == {first.name, second.name, third.name}


def test_only_the_files_of_a_finished_trial_are_taken(tmp_path, sweep):
    directory = directories(tmp_path, sweep)[0]
    for name in (trials.CHECKPOINT, trials.PROGRESS, lease.NAME, "notes.txt", "encoder.pt.exe"):
        (directory / name).write_text("{}")
    taken(tmp_path)
    names = {path.name for path in trials.directory(tmp_path / "near", directory.name).iterdir()}
    known = {trials.CONFIG, trials.RESULT, trials.ENVIRONMENT, trials.METRICS, attempts.NAME}
    assert names == known


def cut(directory):
    (directory / trials.RESULT).write_bytes((directory / trials.RESULT).read_bytes()[:-40])


def foreign(directory):
    builders.edited(directory / trials.CONFIG, lambda content: content["settings"].update(lr=0.5))


def renamed(directory):
    builders.edited(directory / trials.RESULT, lambda content: content.update(trial_id="0" * 16))


def of_another_version(directory):
    builders.edited(directory / trials.CONFIG, lambda content: content["settings"].update(wieght=1))


def short(directory):
    builders.edited(directory / trials.RESULT, lambda content: content["metrics"].pop())


def worded(directory):
    builders.edited(directory / trials.RESULT, lambda content: content["metrics"][0].update(loss="low"))


def unfinished(directory):
    (directory / trials.RESULT).unlink()


def without_settings(directory):
    (directory / trials.CONFIG).unlink()


def half_an_encoder(directory):
    (directory / trials.ENCODER).write_bytes(b"PK\x03\x04 and no more")


def linked(directory):
    outside = directory.parent.parent / "secret"
    outside.write_text("{}")
    (directory / trials.ENVIRONMENT).unlink()
    (directory / trials.ENVIRONMENT).symlink_to(outside)


def piped(directory):
    os.mkfifo(directory / trials.FEATURES)


def nested(directory):
    (directory / trials.ENCODER).mkdir()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (cut, "result.json is damaged"),
        (foreign, "its settings are those of trial"),
        (renamed, "0000000000000000"),
        (of_another_version, "wieght"),
        (short, "epoch 1 of 2"),
        (worded, "'low'"),
        (unfinished, "not finished"),
        (without_settings, "config.json"),
        (half_an_encoder, "encoder.pt is damaged"),
        (linked, "environment.json is a link"),
        (piped, "features.npz is no regular file"),
        (nested, "encoder.pt is no regular file"),
    ],
)
def test_what_is_no_whole_trial_is_named_with_the_reason_and_left_alone(tmp_path, sweep, harm, said):
    harmed, *whole = directories(tmp_path, sweep)
    harm(harmed)
    found = taken(tmp_path)
    assert found.pop(harmed.name)[0] == REFUSED
    assert found == {directory.name: (TAKEN, "") for directory in whole}
    note = taken(tmp_path)[harmed.name][1]
    assert said in note
    assert str(tmp_path / "near") not in note
    assert {path.name for path in (tmp_path / "near" / "trials").iterdir()} == {directory.name for directory in whole}


def test_a_link_to_a_trial_is_not_followed(tmp_path, sweep):
    outside, *_ = directories(tmp_path, sweep)
    outside.rename(tmp_path / "outside")
    outside.symlink_to(tmp_path / "outside")
    outcome, note = taken(tmp_path)[outside.name]
    assert (outcome, "it is a link" in note) == (REFUSED, True)
    assert not trials.directory(tmp_path / "near", outside.name).exists()


def test_the_same_id_with_other_numbers_is_said_and_changes_nothing(tmp_path, sweep):
    taken(tmp_path)
    before = contents(tmp_path / "near")
    first, second, _ = directories(tmp_path, sweep)
    builders.edited(first / trials.RESULT, lambda content: content["metrics"][-1].update(recall_at_1=0.9))
    builders.edited(second / trials.RESULT, lambda content: content["metrics"][-1].update(seconds=99.0))
    found = taken(tmp_path)
    assert found[first.name][0] == DIFFERS
    assert found[second.name] == (HERE, "")  # it only took longer
    assert contents(tmp_path / "near") == before


@pytest.mark.parametrize("state", ["unfinished", "failed", "damaged"])
def test_a_trial_that_is_not_finished_here_makes_way(tmp_path, sweep, state):
    trial = sweep.trials()[0]
    if state == "unfinished":
        directory = builders.unfinished_trial(tmp_path / "near", trial, epoch=1)
        (directory / trials.CHECKPOINT).write_bytes(b"old")
    elif state == "failed":
        directory = builders.failed_trial(tmp_path / "near", trial)
    else:
        directory = builders.finished_trial(tmp_path / "near", trial, 0.5)
        (directory / trials.RESULT).write_text("{")
    assert taken(tmp_path)[directory.name][0] == TAKEN
    assert contents(directory) == contents(directories(tmp_path, sweep)[0])


def test_a_trial_that_is_being_trained_here_is_left_to_its_process(tmp_path, sweep):
    directory = builders.unfinished_trial(tmp_path / "near", sweep.trials()[0], epoch=1)
    with lease.held(directory):
        before = contents(directory)
        outcome, note = taken(tmp_path)[directory.name]
        assert contents(directory) == before
    assert outcome == REFUSED
    assert f"process {os.getpid()}" in note


def test_what_an_interrupted_run_left_is_removed_and_the_next_one_goes_on(tmp_path, sweep):
    found = collect.collect([tmp_path / "far"], tmp_path / "near")
    next(found)  # one is taken; then the process ends, as a killed one would, with a copy half made
    left = tmp_path / "near" / "trials" / ".collecting"
    found.close()
    (left / "arriving").mkdir(parents=True)
    (left / "arriving" / trials.CONFIG).write_text("{")
    (left / lease.NAME).write_text(json.dumps({"host": "gone", "pid": 1, "started": "1"}))
    os.utime(left / lease.NAME, (0, 0))
    assert sorted(outcome for outcome, _ in taken(tmp_path).values()) == [HERE, TAKEN, TAKEN]
    assert not left.exists()


def test_two_at_once_do_not_meet(tmp_path, sweep):
    scratch = tmp_path / "near" / "trials" / ".collecting"
    scratch.mkdir(parents=True)
    with lease.held(scratch), pytest.raises(lease.Held):
        taken(tmp_path)


def test_the_workspace_itself_below_a_source_is_no_source(tmp_path, sweep):
    taken(tmp_path)
    found = list(collect.collect([tmp_path], tmp_path / "near"))
    assert {arrival.outcome for arrival in found} == {HERE}
    assert {arrival.source.parent.parent.name for arrival in found} == {"far"}


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_trials_is_a_mistake_that_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=name):
        taken(tmp_path, name)
    assert not (tmp_path / "near").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace in which `harness train` has trained one tiny trial, with its encoder and its features."""
    workspace = tmp_path_factory.mktemp("far")
    words = [word for text in TINY for word in ("--set", text)]
    done = commands.harness("train", "digits", "supce", *words, workspace=workspace)
    assert done.returncode == 0, done.stderr
    return workspace


def runs(workspace: Path, experiment: str) -> dict[str, dict[str, float]]:
    """Metrics by trial id, of a copy of the database: this process's MLflow would keep the file open."""
    shutil.copy(workspace / "mlflow.db", workspace / "copy.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{workspace / 'copy.db'}")
    known = client.get_experiment_by_name(experiment)
    found = client.search_runs([known.experiment_id]) if known else []
    assert len({run.data.tags.get(tracking.TRIAL_TAG) for run in found}) == len(found)
    return {run.data.tags.get(tracking.TRIAL_TAG, "the sweep's"): run.data.metrics for run in found}


def test_a_trained_trial_joins_its_sweep_and_a_foreign_one_its_own_experiment(tmp_path, trained, sweep):
    (real,) = trials.find(trained)
    lines = [f"{name} = {value}" for name, value in (text.split("=") for text in TINY)]
    path = builders.written_spec(
        tmp_path, 'dataset = "digits"', "seeds = 1", "[settings]", *lines, "[[cells]]", 'method = "supce"', name="tiny"
    )
    near = tmp_path / "near"
    workspaces.save_spec(near, specs.load(path))
    done = commands.harness("collect", str(trained), str(tmp_path / "far"), workspace=near)
    assert done.returncode == 0, done.stderr
    assert "4 taken of 4 trials" in done.stdout
    for name in (trials.ENCODER, trials.FEATURES, trials.RESULT):
        assert (near / "trials" / real.name / name).read_bytes() == (real / name).read_bytes()
    recall = results.load([real]).query("metric == 'recall_at_1'")["value"].item()
    assert runs(near, "tiny")[real.name]["recall_at_1"] == pytest.approx(recall)
    foreign_ids = {trial.trial_id for trial in sweep.trials()}
    assert runs(near, "collected").keys() == foreign_ids | {"the sweep's"}
    assert commands.harness("status", str(path), workspace=near).returncode == 0
    again = commands.harness("collect", str(trained), str(tmp_path / "far"), workspace=near)
    assert (again.returncode, "4 already here of 4 trials" in again.stdout) == (0, True)
    assert len(runs(near, "tiny")) == 2


def test_a_store_that_is_down_is_a_note_and_a_refused_trial_the_exit_code(tmp_path, sweep):
    dead = {"MLFLOW_TRACKING_URI": "http://someone:hunter2@127.0.0.1:1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = commands.harness("collect", str(tmp_path / "far"), workspace=tmp_path / "near", **dead)
    assert (done.returncode, "3 taken" in done.stdout) == (0, True)
    assert "MLflow could not be written" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    foreign(directories(tmp_path, sweep)[0])
    refused = commands.harness("collect", str(tmp_path / "far"), workspace=tmp_path / "near", **dead)
    assert refused.returncode == 1
    assert "its settings are those of trial" in refused.stderr
