"""A sweep as a user runs it: real Ray, real MLflow, real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness import attempts, trials
from tests.datasets import genuine
from tests.sweep import commands
from tests.sweep.commands import TINY, harness

SPEC = """
title = "three cells"
dataset = "digits"
seeds = 1
[settings]
epochs = 1
train_limit = 256
bank_size = 256
[[cells]]
method = "maskcon"
weight = [0.5, 1]
temperature = [{temperatures}]
[[cells]]
method = "selfcon"
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """One finished sweep that several tests look at."""
    workspace = tmp_path_factory.mktemp("workspace")
    # a sweep starts a Ray of its own, whatever cluster the environment names
    done = harness("sweep", "digits", *TINY, workspace=workspace, RAY_ADDRESS="127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    return workspace


def test_second_run_trains_nothing_and_starts_no_ray(swept):
    before = {path: path.stat().st_mtime_ns for path in swept.rglob("result.json")}
    done = harness("sweep", "digits", *TINY, workspace=swept, RAY_TMPDIR="/proc/nowhere")  # Ray could not start
    assert done.returncode == 0
    assert "nothing was started" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in swept.rglob("result.json")}


def test_nothing_of_ray_is_left_in_the_workspace(swept):
    assert sorted(path.name for path in swept.iterdir()) == ["mlflow.db", "mlruns", "sweeps", "trials"]


def test_status_plan_compare_report_and_clean_know_the_finished_sweep(swept):
    assert harness("status", "digits", *TINY, workspace=swept).returncode == 0
    plan = json.loads(harness("plan", "digits", *TINY, "--json", workspace=swept).stdout)
    assert (plan["done"], plan["trainings"], plan["device_hours"]) == (12, 12, 0.0)
    compared = json.loads(harness("compare", "digits", *TINY, "--json", workspace=swept).stdout)
    assert len(compared["cells"]) == 4 * 20
    report = harness("report", "digits", *TINY, workspace=swept)
    assert report.returncode == 0
    page = report.stdout.strip().splitlines()[-1].removeprefix("Report: ")
    assert "A reduced run" in Path(page).read_text()
    assert "Nothing to remove" in harness("clean", "digits", *TINY, "--yes", workspace=swept).stdout


def test_mlflow_has_every_trial_and_the_report(swept):
    from mlflow import MlflowClient

    harness("report", "digits", *TINY, workspace=swept)
    client = MlflowClient(f"sqlite:///{swept / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = client.search_runs([experiment])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert {run.data.tags["harness.trial_id"] for run in children} == set(commands.finished(swept))
    (parent,) = (run for run in runs if run not in children)
    assert parent.info.status == "FINISHED"
    assert "report/report.html" in [entry.path for entry in client.list_artifacts(parent.info.run_id, "report")]


def test_the_full_sweep_is_missing_where_only_the_reduced_one_ran(swept):
    done = harness("status", "digits", workspace=swept)
    assert done.returncode == 1
    assert "24 missing" in done.stdout


def test_a_value_added_to_the_grid_trains_only_the_new_cells(tmp_path):
    spec = tmp_path / "mine.toml"
    spec.write_text(SPEC.format(temperatures="0.1"))
    commands.train_here(spec, tmp_path / "ws")
    before = {name: result["finished"] for name, result in commands.finished(tmp_path / "ws").items()}
    spec.write_text(SPEC.format(temperatures="0.1, inf, 0.5"))
    assert harness("sweep", str(spec), workspace=tmp_path / "ws").returncode == 0
    after = {name: result["finished"] for name, result in commands.finished(tmp_path / "ws").items()}
    assert (len(before), len(after)) == (3, 7)
    assert before.items() <= after.items()


def test_sweep_killed_with_all_its_processes_goes_on_and_ends_as_if_undisturbed(swept, tmp_path):
    running = commands.start("sweep", "digits", *TINY, workspace=tmp_path)
    commands.wait_for(lambda: len(commands.finished(tmp_path)) >= 3)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    kept = commands.finished(tmp_path)
    done = harness("sweep", "digits", *TINY, workspace=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    after = commands.finished(tmp_path)
    assert {name: after[name]["finished"] for name in kept} == {name: kept[name]["finished"] for name in kept}
    assert commands.numbers(tmp_path) == commands.numbers(swept)


def test_trials_that_diverge_fail_alone_and_they_alone_are_tried_again_where_that_is_asked(tmp_path):
    spec, workspace = tmp_path / "mine.toml", tmp_path / "ws"
    cells = '\n[[cells]]\nmethod = "supce"\nlr = [0.1, 1e30]\n'
    spec.write_text(SPEC.format(temperatures="0.1").replace("weight = [0.5, 1]", "weight = [1]") + cells)
    done = harness("sweep", str(spec), workspace=workspace)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "--retry-failed" in done.stdout
    assert len(commands.finished(workspace)) == 3
    (failed,) = (path.parent for path in workspace.glob("trials/*/failure.json"))
    failure = json.loads((failed / trials.FAILURE).read_text())
    assert (failure["kind"], failure["epoch"], failure["last_metrics"]) == ("diverged", 1, None)
    again = harness("sweep", str(spec), workspace=workspace)
    assert again.returncode == 1
    assert "[1/1]" not in again.stderr
    missing = workspace / "trials" / min(commands.finished(workspace))
    shutil.rmtree(missing)
    retried = harness("sweep", str(spec), "--retry-failed", workspace=workspace)
    assert "[1/1]" in retried.stderr
    assert not missing.exists()
    assert len(attempts.read(failed)) == 2
    assert "failed" in harness("status", str(spec), workspace=workspace).stdout


def test_damaged_files_are_set_aside_and_the_sweep_completes(tmp_path, swept):
    workspace = tmp_path / "ws"
    shutil.copytree(swept, workspace)
    folders = sorted((workspace / "trials").iterdir())
    (folders[0] / "result.json").write_text("{")
    (folders[1] / "metrics.jsonl").write_text('{"epoch": 1}\ngarbage\n')
    (folders[2] / "config.json").write_text("[]")
    done = harness("sweep", "digits", *TINY, workspace=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folders[0] / "result.json").is_file()
    assert list(folders[0].glob("result.json.damaged-*"))
    assert commands.numbers(workspace) == commands.numbers(swept)


def test_reduced_cifar100_sweep_runs_all_30_trainings_on_real_images_and_compiles_its_report(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.real_data("cifar-100-python")))
    small = ["epochs=1", "train_limit=256", "test_limit=200", "encoder=small", "initialisation=random", "bank_size=256"]
    words = ["cifar100", "--seeds", "1", *(word for text in small for word in ("--set", text))]
    done = harness("sweep", *words, workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(commands.finished(tmp_path)) == 30
    assert harness("report", *words, workspace=tmp_path).returncode == 0
    (folder,) = (tmp_path / "reports").iterdir()
    text = subprocess.run(["pdftotext", folder / "report.pdf", "-"], check=True, capture_output=True, text=True).stdout
    assert "65.52" in text
    assert "A reduced run" in text
    compared = harness("compare", *words, workspace=tmp_path)
    assert compared.returncode == 1
    assert "NOT COMPARABLE" in compared.stdout
    assert "epochs 1 (maskcon: 200)" in compared.stdout
    assert "65.52" in compared.stdout
