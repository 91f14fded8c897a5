"""The MLflow record, with a real SQLite store: complete, never doubled, rebuilt after any loss, and never a password in it."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from mlflow import MlflowClient

from harness import lease, report, spec, tracking, trials
from harness import workspace as workspaces
from tests import builders
from tests.sweep import commands

DEAD = "http://someone:hunter2@127.0.0.1:1"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A new database: making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tracking.default_uri(tmp_path)


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")


def finished(tmp_path, seeds=1):
    made = builders.small_spec(tmp_path, seeds=seeds)
    builders.finished_sweep(tmp_path, made)
    return made


def record(tmp_path, sweep, uri, complete=True):
    """Record what is finished and not recorded, as a sweep does; returns the problem, if there was one."""
    done = [
        trial.trial_id for trial in sweep.trials() if trials.state(trials.directory(tmp_path, trial)).state == "done"
    ]
    with tracking.Mirror(tmp_path, sweep, uri) as mirror:
        mirror.add(done)
        mirror.close(complete)
    return mirror.problem


def runs(uri, name="mine"):
    """(the sweep's own runs, the trials' runs by trial id)"""
    client = MlflowClient(tracking_uri=uri)
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    own = [run for run in found if tracking.SWEEP_TAG in run.data.tags]
    of_trials = [run for run in found if tracking.TRIAL_TAG in run.data.tags]
    by_id = {run.data.tags[tracking.TRIAL_TAG]: run for run in of_trials}
    assert len(by_id) == len(of_trials), "a trial was recorded in two runs"
    assert len(found) == len(own) + len(of_trials)
    return own, by_id


def history(uri, run, metric):
    found = MlflowClient(tracking_uri=uri).get_metric_history(run.info.run_id, metric)
    return [(entry.step, entry.value, entry.timestamp) for entry in sorted(found, key=lambda entry: entry.step)]


def notes(tmp_path, sweep):
    return workspaces.sweep_folder(tmp_path, sweep) / "recorded.json"


def test_a_trial_is_recorded_with_its_settings_metrics_times_data_and_environment(tmp_path, uri):
    sweep = finished(tmp_path)
    assert record(tmp_path, sweep, uri) is None
    (own,), by_id = runs(uri)
    trial = next(trial for trial in sweep.trials() if trial.weight == 0.5)
    run = by_id[trial.trial_id]
    assert run.data.params["weight"] == "0.5"
    assert run.data.params["trial_id"] == trial.trial_id
    assert trial.to_dict().keys() - {"options"} <= run.data.params.keys()
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == own.info.run_id
    assert run.data.tags["environment.device"] == "Test CPU"
    lines = trials.read_json(trials.directory(tmp_path, trial) / trials.RESULT)["metrics"]
    for metric in ("loss", "recall_at_1"):
        expected = [(line["epoch"], line[metric], int(1000 * line["time"])) for line in lines if metric in line]
        assert history(uri, run, metric) == expected
    assert run.info.end_time == int(1000 * (builders.STARTED + 2 * builders.EPOCH_SECONDS + 1))
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("digits", "sklearn-digits-1797")
    assert [(tag.key, tag.value) for tag in data.tags] == [("mlflow.data.context", "training")]


def test_the_sweeps_own_run_names_it_its_code_and_its_spec(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    (own,), _ = runs(uri)
    assert own.data.tags[tracking.SWEEP_TAG] == "mine"
    assert "git.commit" in own.data.tags
    assert own.info.status == "FINISHED"
    kept = MlflowClient(tracking_uri=uri).download_artifacts(own.info.run_id, "spec.json", str(tmp_path))
    assert trials.read_json(tmp_path / "spec.json") == json.loads(json.dumps(sweep.to_dict()))
    assert kept


def test_an_option_of_a_method_is_a_parameter(tmp_path, uri):
    lines = ["dataset = 'digits'", "seeds = 1", "[[cells]]", "method = 'supfine'", "supfine_loss = 'supcon'"]
    sweep = spec.load(builders.written_spec(tmp_path, *lines, name="fine"))
    builders.finished_sweep(tmp_path, sweep)
    record(tmp_path, sweep, uri)
    assert [run.data.params["supfine_loss"] for run in runs(uri, "fine")[1].values()] == ["supcon"]


def test_every_epoch_of_a_long_trial_is_recorded(tmp_path, uri):
    builders.small_spec(tmp_path)
    sweep = spec.load(tmp_path / "mine.toml", overrides=["epochs=200", "weight=1"], seeds=1)
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, {epoch: epoch / 400 for epoch in range(1, 201)})
    record(tmp_path, sweep, uri)
    for run in runs(uri)[1].values():
        assert [step for step, _, _ in history(uri, run, "recall_at_100")] == list(range(1, 201))
        assert [step for step, _, _ in history(uri, run, "loss")] == list(range(1, 201))


def test_recording_again_adds_nothing(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    before = runs(uri)
    ids = [trial.trial_id for trial in sweep.trials()]
    assert tracking.record_all(tmp_path, sweep, uri, ids, complete=True) is None  # it does not look at the notes
    own, by_id = runs(uri)
    assert len(own) == 1
    assert {run.info.run_id for run in by_id.values()} == {run.info.run_id for run in before[1].values()}
    for run in by_id.values():
        assert len(history(uri, run, "loss")) == 2
        assert len(run.inputs.dataset_inputs) == 1


def test_a_later_trial_joins_the_same_run_of_the_sweep(tmp_path, uri):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, sweep, keep=lambda trial: trial.method == "supce")
    record(tmp_path, sweep, uri, complete=False)
    (first,), by_id = runs(uri)
    assert (len(by_id), first.info.status) == (1, "KILLED")
    builders.finished_sweep(tmp_path, sweep)
    record(tmp_path, sweep, uri)
    (own,), by_id = runs(uri)
    assert (own.info.run_id, own.info.status, len(by_id)) == (first.info.run_id, "FINISHED", 3)
    assert {run.data.tags["mlflow.parentRunId"] for run in by_id.values()} == {own.info.run_id}


def test_a_reduced_sweep_has_a_run_of_its_own_in_the_same_experiment(tmp_path, uri):
    record(tmp_path, finished(tmp_path, seeds=2), uri)
    reduced = spec.load(tmp_path / "mine.toml", overrides=["epochs=1"], seeds=1)
    builders.finished_sweep(tmp_path, reduced)
    record(tmp_path, reduced, uri)
    assert {run.data.tags[tracking.SWEEP_TAG] for run in runs(uri)[0]} == {"mine", "mine-epochs-1-seeds-1"}


def test_after_the_database_was_deleted_everything_is_recorded_again(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    ids = [trial.trial_id for trial in sweep.trials()]
    assert tracking.unrecorded(tmp_path, sweep, uri, ids) == []
    assert tracking.has_run(tmp_path, sweep, uri)
    (tmp_path / "mlflow.db").unlink()
    assert tracking.unrecorded(tmp_path, sweep, uri, ids) == ids
    assert not tracking.has_run(tmp_path, sweep, uri)
    # a process of its own, as a user's would be: this one's MLflow keeps the deleted file open
    command = ["sync", str(tmp_path / "mine.toml"), "--seeds", "1", "--workspace", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "harness", *command], check=True, capture_output=True)
    shutil.copy(tmp_path / "mlflow.db", tmp_path / "copy.db")
    own, by_id = runs(f"sqlite:///{tmp_path / 'copy.db'}")
    assert (len(own), by_id.keys()) == (1, set(ids))


def test_a_recording_without_its_last_tag_is_completed_without_duplicates(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    run = next(iter(runs(uri)[1].values()))
    trial_id = run.data.tags[tracking.TRIAL_TAG]
    MlflowClient(tracking_uri=uri).delete_tag(run.info.run_id, tracking.WHOLE_TAG)
    builders.edited(notes(tmp_path, sweep), lambda content: content[uri]["trials"].remove(trial_id))
    assert record(tmp_path, sweep, uri) is None
    again = runs(uri)[1][trial_id]
    assert again.info.run_id == run.info.run_id
    assert again.data.tags[tracking.WHOLE_TAG] == "yes"
    assert [step for step, _, _ in history(uri, again, "loss")] == [1, 2]
    assert [step for step, _, _ in history(uri, again, "recall_at_1")] == [1, 2]
    assert len(again.inputs.dataset_inputs) == 1
    assert trial_id in trials.read_json(notes(tmp_path, sweep))[uri]["trials"]


def test_a_trial_with_a_damaged_file_is_recorded_once_it_is_whole_again(tmp_path, uri):
    sweep = finished(tmp_path)
    environment = trials.directory(tmp_path, sweep.trials()[-1]) / trials.ENVIRONMENT
    whole = environment.read_text()
    environment.write_text(whole[:40])
    assert record(tmp_path, sweep, uri) is None
    assert len(runs(uri)[1]) == len(sweep.trials()) - 1
    environment.write_text(whole)
    assert record(tmp_path, sweep, uri) is None
    _, by_id = runs(uri)
    assert by_id.keys() == {trial.trial_id for trial in sweep.trials()}
    for run in by_id.values():
        assert run.data.tags[tracking.WHOLE_TAG] == "yes"
        assert len(history(uri, run, "loss")) == 2


def test_damaged_notes_make_everything_be_recorded_again_without_duplicates(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    notes(tmp_path, sweep).write_text("{")
    assert record(tmp_path, sweep, uri) is None
    assert len(runs(uri)[1]) == 3
    assert tracking.has_run(tmp_path, sweep, uri)


@pytest.mark.parametrize("address", [DEAD, "http://127.0.0.1:1", "http://someone:hun@ter2@127.0.0.1:1"])
def test_a_dead_server_is_a_problem_without_a_password_and_no_exception(tmp_path, address):
    sweep = finished(tmp_path)
    problem = record(tmp_path, sweep, address)
    assert "http://127.0.0.1:1" in problem
    assert [secret for secret in ("someone", "hunter2", "ter2") if secret in problem] == []
    stored = [path for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert stored == []


def test_a_file_that_is_no_database_is_a_problem_and_no_exception(tmp_path):
    sweep = finished(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    assert "not a database" in record(tmp_path, sweep, tracking.default_uri(tmp_path))


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:pw@host:5000/x", "http://host:5000/x"),
        ("postgresql+psycopg://user:pw@host/db", "postgresql+psycopg://host/db"),
        ("http://user:p@w@host", "http://host"),
        ("http://host/a@b", "http://host/a@b"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("postgresql://mlflow:pa/ss@db/mlflow", "postgresql://db/mlflow"),
        ("postgresql://mlflow:pa?ss@db/mlflow", "postgresql://db/mlflow"),
        ("postgresql://db/mlflow?user=u&password=pw", "postgresql://db/mlflow"),
        (
            "no answer from http://u:pw@host:5000/x, tried http://u:pw@host",
            "no answer from http://host:5000/x, tried http://host",
        ),
        ("databricks", "databricks"),
    ],
)
def test_an_address_is_shown_without_user_and_password(address, shown):
    assert tracking.public(address) == shown


@pytest.mark.parametrize(
    ("address", "held"),
    [
        ("http://user:pw@host:5000", True),
        ("postgresql://mlflow:pa/ss@db/mlflow", True),
        ("postgresql://db/mlflow?user=u&password=pw", True),
        ("https://host/?access_token=abc", True),
        ("http://user@host", False),
        ("http://host:5000/a", False),
        ("sqlite:////home/a:b@c/mlflow.db", False),
        ("databricks", False),
    ],
)
def test_an_address_with_a_secret_in_it_is_recognised(address, held):
    assert tracking.holds_password(address) == held


def test_the_report_goes_to_the_sweeps_run(tmp_path, uri):
    sweep = finished(tmp_path)
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.md").write_text("numbers")
    assert report.record(sweep, tmp_path, folder, uri) is None  # nothing was recorded: there is no run to give it to
    record(tmp_path, sweep, uri)
    assert report.record(sweep, tmp_path, folder, uri) is None
    (own,), _ = runs(uri)
    assert [path.path for path in MlflowClient(tracking_uri=uri).list_artifacts(own.info.run_id, "report")] == [
        "report/report.md"
    ]


def test_a_report_for_a_dead_server_is_a_problem_without_a_password(tmp_path):
    sweep = finished(tmp_path)
    path = notes(tmp_path, sweep)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({tracking.public(DEAD): {"trials": [], "parent": "0" * 32}}))
    problem = report.record(sweep, tmp_path, tmp_path, DEAD)
    assert "http://127.0.0.1:1" in problem
    assert "hunter2" not in problem


def test_data_that_is_not_the_published_data_is_not_recorded_as_such(tmp_path, uri):
    builders.small_spec(tmp_path)
    sweep = spec.load(tmp_path / "mine.toml", overrides=["data_digest=0123456789abcdef"], seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    record(tmp_path, sweep, uri)
    for run in runs(uri)[1].values():
        (data,) = run.inputs.dataset_inputs
        assert data.dataset.digest == "0123456789abcdef"
        assert data.dataset.source_type != "published files"


def test_a_trial_that_cannot_be_recorded_keeps_no_other_out(tmp_path, uri):
    sweep = finished(tmp_path)
    first, *others = [trial.trial_id for trial in sweep.trials()]
    (trials.directory(tmp_path, first) / trials.ENVIRONMENT).write_text("{")
    problem = tracking.record_all(tmp_path, sweep, uri, [first, *others], complete=True)
    assert first in problem
    assert "environment.json is damaged" in problem
    (own,), by_id = runs(uri)
    assert by_id.keys() >= set(others)
    assert own.info.status == "KILLED"


def test_a_sweep_whose_driver_was_killed_after_the_last_trial_is_closed_by_the_next_run(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri, complete=None)
    assert runs(uri)[0][0].info.status == "RUNNING"
    assert record(tmp_path, sweep, uri, complete=True) is None
    assert runs(uri)[0][0].info.status == "FINISHED"


def test_a_run_that_says_already_that_it_is_complete_is_left_alone(tmp_path, uri):
    sweep = finished(tmp_path)
    record(tmp_path, sweep, uri)
    with tracking.Mirror(tmp_path, sweep, uri) as mirror:
        mirror.add([trial.trial_id for trial in sweep.trials()])
        mirror.close(True)
    assert not mirror.background.thread.ident  # MLflow was not even imported


def test_a_process_that_slept_through_its_lease_makes_no_run(tmp_path, uri):
    sweep = finished(tmp_path)
    recorder = tracking.Recorder(tmp_path, sweep, uri)
    with lease.held(recorder.recording) as still_ours:
        (recorder.recording / lease.NAME).unlink()
        with pytest.raises(lease.Lost):
            recorder._record(trials.directory(tmp_path, sweep.trials()[0]), still_ours)
    assert runs(uri)[1] == {}


MAKE = """
import sys
from harness import spec, tracking
from pathlib import Path
tracking.Recorder(Path(sys.argv[1]), spec.load("digits"), tracking.default_uri(Path(sys.argv[1])))
"""


def test_a_process_that_is_killed_while_it_makes_the_database_leaves_none(tmp_path):
    """Half of MLflow's tables are worse than none: it can then neither use nor complete them."""
    maker = subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path)])
    commands.wait_for(lambda: [path for path in tmp_path.glob(".mlflow.db.*.new") if path.stat().st_size])
    maker.kill()
    maker.wait()
    assert not (tmp_path / "mlflow.db").exists()
    sweep = finished(tmp_path)
    assert record(tmp_path, sweep, tracking.default_uri(tmp_path)) is None
    assert len(runs(tracking.default_uri(tmp_path))[1]) == 3
    for left in tmp_path.glob(".mlflow.db.*"):
        os.utime(left, (0, 0))
    (tmp_path / "mlflow.db").unlink()
    tracking.Recorder(tmp_path, sweep, tracking.default_uri(tmp_path))
    assert not list(tmp_path.glob(".mlflow.db.*"))
