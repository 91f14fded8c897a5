"""Which run of MLflow a trial is: by the sweep's own notes, old ones too, and never with a password."""

import json

import pytest
from mlflow import MlflowClient

from harness import tracking
from harness import workspace as workspaces
from tests import builders

SERVER = "https://someone:hunter2@tracking.example:5000/mlflow/"


def noted(tmp_path, content):
    """A sweep whose notes are these."""
    sweep = builders.small_spec(tmp_path, seeds=1)
    path = workspaces.sweep_folder(tmp_path, sweep) / "recorded.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return sweep


def test_recording_notes_the_run_of_every_trial_as_mlflow_has_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    sweep, uri = builders.small_spec(tmp_path, seeds=1), tracking.default_uri(tmp_path)
    builders.finished_sweep(tmp_path, sweep)
    assert tracking.record_all(tmp_path, sweep, uri, [trial.trial_id for trial in sweep.trials()], True) is None
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("mine").experiment_id
    stored = client.search_runs([experiment])
    by_trial = {
        run.data.tags[tracking.TRIAL_TAG]: run.info.run_id for run in stored if tracking.TRIAL_TAG in run.data.tags
    }
    found = tracking.runs(tmp_path, sweep, uri)
    assert (found.ids, found.experiment) == (by_trial, experiment)
    assert len(by_trial) == 3
    assert [found.address(trial) for trial in by_trial] == [None] * 3  # a file has no address


def test_a_run_on_a_server_has_an_address_without_user_password_and_token(tmp_path):
    notes = {"trials": ["abc"], "runs": {"abc": "r1"}, "experiment": "7", "parent": "p"}
    sweep = noted(tmp_path, {tracking.public(SERVER): notes})
    found = tracking.runs(tmp_path, sweep, SERVER)
    assert found.address("abc") == "https://tracking.example:5000/mlflow/#/experiments/7/runs/r1"
    assert found.address("unknown") is None
    assert "hunter2" not in repr(found)
    assert "secret" not in str(tracking.Runs({"a": "r"}, "1", "http://host/?token=secret").address("a"))


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "databricks", "postgresql://host/db"])
def test_a_store_that_is_no_web_server_has_no_address(uri):
    assert tracking.Runs({"abc": "r1"}, "7", uri).address("abc") is None


@pytest.mark.parametrize("content", [{}, {"http://host": {"trials": ["abc"], "parent": "p"}}])
def test_notes_without_runs_are_read_and_know_no_run(tmp_path, content):
    found = tracking.runs(tmp_path, noted(tmp_path, content), "http://host")
    assert (found.ids, found.experiment, found.address("abc")) == ({}, None, None)
