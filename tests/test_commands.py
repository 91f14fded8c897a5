"""Every command but the sweep itself, as a user types it: right and wrong words, exit codes, what is said and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.sweep import commands

COMMANDS = [
    "sweep",
    "plan",
    "train",
    "status",
    "report",
    "compare",
    "data",
    "embed",
    "export",
    "clean",
    "sync",
    "collect",
    "bench",
    "doctor",
]
ONE_EPOCH = ["--set", "epochs=1", "--set", "train_limit=256", "--set", "bank_size=256", "--set", "threads=1"]
SPEC = 'title = "mine"\ndataset = "digits"\n[[cells]]\nmethod = "maskcon"\nweight = 1\n'
WRONG = {
    "swep digits": ["'swep'", "Did you mean 'sweep'"],
    "sweep digit": ["'digit'", "Did you mean 'digits'", "cifartoy-good"],
    "plan nowhere/mine.toml": ["nowhere/mine.toml", "digits"],
    "data cifa100": ["'cifa100'", "Did you mean 'cifar100'", "cifartoy"],
    "train digit maskcon": ["'digit'", "Did you mean 'digits'"],
    "train digits maskon": ["'maskon'", "Did you mean 'maskcon'", "supfine"],
    "train digits maskcon --preset papr": ["'papr'", "Did you mean 'paper'", "released-code"],
    "train digits maskcon --seed -1": ["--seed", "greater than or equal to 0"],
    "sweep digits --set epoch=3": ["'epoch'", "Did you mean 'epochs'", "batch_size"],
    "sweep digits --set epochs=three": ["'three'", "whole number of at least 1"],
    "sweep digits --set epochs=0": ["epochs=0", "at least 1"],
    "sweep digits --set epochs=1.5": ["1.5", "whole number"],
    "sweep digits --set epochs": ["'epochs'", "name=value"],
    "sweep digits --set lr=nan": ["lr=nan", "at least 0"],
    "sweep digits --set weight=2": ["weight=2", "from 0 to 1"],
    "sweep digits --set temperature=-1": ["temperature=-1", "at least 0"],
    "sweep digits --set encoder=smal": ["'smal'", "small", "resnet18"],
    "sweep digits --set grouping=good": ["'good'", "loops"],
    "sweep digits --set bank_size=1": ["bank_size=1", "batch_size=128"],
    "sweep digits --set batch_size=100000": ["batch_size=100000", "1348"],
    "sweep digits --seeds 0": ["--seeds", "greater than or equal to 1"],
    "sweep digits --workers 0": ["--workers", "greater than or equal to 1"],
    "sweep digits --trials-per-gpu nan": ["--trials-per-gpu", "nan"],
    "sweep digits --trials-per-gpu 0.5": ["--trials-per-gpu", "0.5"],
    "export 0123": ["'0123'", "no trial"],
}
WRONG_SPECS = {
    "title": ["not valid TOML"],
    "": ["dataset", "cells"],
    SPEC.replace("digits", "digit"): ["'digit'", "Did you mean 'digits'"],
    SPEC.replace("maskcon", "maskon"): ["'maskon'", "Did you mean 'maskcon'"],
    SPEC.replace("weight", "wieght"): ["'wieght'", "Did you mean 'weight'"],
    SPEC.replace("weight = 1", "weight = [0.5, 2]"): ["weight=2", "from 0 to 1"],
    SPEC.replace("weight = 1", "weight = []"): ["weight=[]"],
    SPEC.replace('title = "mine"', "seed = 3"): ["'seed'", "Did you mean 'seeds'"],
    SPEC.replace('title = "mine"', "seeds = 0"): ["seeds=0", "at least 1"],
    SPEC.replace('title = "mine"', "title = 3"): ["title=3"],
    SPEC.replace('title = "mine"', 'published = "cifar1000"'): ["'cifar1000'", "cifar100"],
    SPEC.replace('title = "mine"', "settings = 3"): ["settings=3"],
    SPEC.replace("[[cells]]", "[settings]\nepoch = 3\n[[cells]]"): ["'epoch'", "Did you mean 'epochs'"],
}


def harness(*words: str, workspace: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command to its end, its workspace by environment. A traceback in what it says is a failure of any test."""
    settings = os.environ | {"HARNESS_WORKSPACE": str(workspace)} | environment
    command = [sys.executable, "-m", "harness", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=settings)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words_are_answered_with_what_was_got_and_what_is_allowed_before_anything_starts(words, tmp_path):
    done = harness(*words.split(), workspace=tmp_path / "workspace")
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stderr.replace("│", " ").split())
    assert [phrase for phrase in WRONG[words] if phrase not in said] == [], said
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("text", WRONG_SPECS)
def test_mistake_in_a_file_of_ones_own_is_named_with_the_file(text, tmp_path):
    (tmp_path / "mine.toml").write_text(text)
    done = harness("plan", str(tmp_path / "mine.toml"), workspace=tmp_path / "workspace")
    assert done.returncode == 2, done.stdout
    assert [phrase for phrase in WRONG_SPECS[text] if phrase not in done.stderr] == [], done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_within_a_narrow_terminal(command, tmp_path):
    done = harness(command, "--help", workspace=tmp_path, COLUMNS="60")
    assert done.returncode == 0
    assert f"harness {command}" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 60


def test_json_of_an_empty_workspace_parses_and_the_exit_code_says_that_it_is_incomplete(tmp_path):
    for command, code in {"plan": 0, "status": 1, "compare": 1}.items():
        done = harness(command, "cifar100", "--seeds", "1", "--json", workspace=tmp_path)
        assert done.returncode == code
        assert isinstance(json.loads(done.stdout), dict), command
    assert json.loads(harness("doctor", "--json", workspace=tmp_path).stdout)["versions"]["torch"]


def test_nothing_is_cut_off_in_eighty_columns(tmp_path):
    for command in ("plan", "status", "compare"):
        assert "…" not in harness(command, "cifar100", "--seeds", "1", workspace=tmp_path, COLUMNS="80").stdout, command


def test_dry_run_and_plan_start_nothing_and_leave_nothing(tmp_path):
    assert harness("sweep", "digits", "--dry-run", workspace=tmp_path / "workspace").returncode == 0
    assert harness("plan", "digits", workspace=tmp_path / "workspace").returncode == 0
    assert not (tmp_path / "workspace").exists()


def test_report_of_nothing_marks_every_cell_as_not_trained(tmp_path):
    assert harness("report", "digits", "--seeds", "1", workspace=tmp_path).returncode == 0
    (page,) = tmp_path.glob("reports/*/main.md")
    assert "not trained" in page.read_text()


def test_missing_data_names_file_folder_and_command_and_a_failed_download_what_to_do(tmp_path):
    empty = {"HARNESS_DATA": str(tmp_path / "none"), "https_proxy": "http://127.0.0.1:1"}
    small = ["--set", "encoder=small", "--set", "initialisation=random"]
    for words in (["train", "cifar100", "selfcon"], ["sweep", "cifar100"]):
        done = harness(*words, *small, workspace=tmp_path / "workspace", **empty)
        assert done.returncode == 2
        for phrase in ("cifar-100-python/train", str(tmp_path / "none"), "harness data cifar100 --download"):
            assert phrase in done.stderr, done.stderr
    there = harness("data", "cifar100", workspace=tmp_path, **empty)
    assert there.returncode == 1
    assert f"missing  {tmp_path / 'none' / 'cifar-100-python' / 'train'}" in there.stdout
    fetched = harness("data", "cifar100", "--download", workspace=tmp_path, **empty)
    assert fetched.returncode != 0
    assert "download failed" in fetched.stderr


def test_workspace_or_output_that_cannot_be_written_is_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    for words in (["sweep", "digits"], ["train", "digits", "supce", *ONE_EPOCH], ["report", "digits"]):
        done = harness(*words, workspace=file)
        assert done.returncode == 2, done.stdout + done.stderr
        assert str(file) in done.stderr
    done = harness("report", "digits", "--output", str(file), workspace=tmp_path)
    assert done.returncode == 2
    assert str(file) in done.stderr


def test_a_trained_encoder_embeds_a_folder_and_is_exported(tmp_path):
    train = ["train", "digits", "supce", *ONE_EPOCH]
    assert harness(*train, workspace=tmp_path).returncode == 0
    (directory,) = (tmp_path / "trials").iterdir()
    before = (directory / "result.json").stat().st_mtime_ns
    assert harness(*train, workspace=tmp_path).returncode == 0
    assert (directory / "result.json").stat().st_mtime_ns == before, "a finished trial was trained again"
    images = tmp_path / "images ä"
    images.mkdir()
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{number}.png")
    for name in ("f.parquet", "f.npz"):
        output = ["--output", str(tmp_path / name)]
        assert harness("embed", directory.name[:6], str(images), *output, workspace=tmp_path).returncode == 0
    assert len(pd.read_parquet(tmp_path / "f.parquet")) == 3
    (images / "bad.png").write_text("no image")
    wrong = [(images, "f.npz", "bad.png"), (tmp_path / "trials", "f.npz", "no images"), (images, "f.csv", ".parquet")]
    for folder, output, phrase in wrong:
        done = harness("embed", directory.name, str(folder), "--output", str(tmp_path / output), workspace=tmp_path)
        assert done.returncode == 2
        assert phrase in done.stderr
    assert harness("export", directory.name, "--output", str(tmp_path / "out"), workspace=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"encoder.safetensors", "README.md"}
    assert harness("export", directory.name, "--output", str(tmp_path / "f.npz"), workspace=tmp_path).returncode == 2


def test_stopped_training_says_how_to_go_on_and_does_not_begin_anew(tmp_path):
    words = ["train", "digits", "supce", "--set", "epochs=9999", "--set", "threads=1", "--set", "eval_every=9999"]
    running = commands.start(*words, workspace=tmp_path)
    commands.wait_for(lambda: [path for path in _metrics(tmp_path) if len(path.read_text().splitlines()) >= 2])
    second = harness(*words, workspace=tmp_path)
    assert second.returncode == 1
    assert f"is held by process {running.pid}" in second.stdout + second.stderr
    running.send_signal(signal.SIGINT)
    assert_says_how_to_go_on(running)
    (metrics,) = _metrics(tmp_path)
    first = metrics.read_text().splitlines()
    assert len(first) >= 2
    again = commands.start(*words, workspace=tmp_path)
    commands.wait_for(lambda: len(metrics.read_text().splitlines()) > len(first))
    again.send_signal(signal.SIGTERM)
    assert_says_how_to_go_on(again)
    assert metrics.read_text().splitlines()[: len(first)] == first


def assert_says_how_to_go_on(running):
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "the same command goes on" in said


def test_diverged_training_fails_with_its_reason(tmp_path):
    done = harness("train", "digits", "supce", *ONE_EPOCH, "--set", "lr=1e30", workspace=tmp_path)
    assert done.returncode == 1
    assert "the loss is nan in epoch 1" in done.stderr


def _metrics(workspace: Path) -> list[Path]:
    return [path for path in workspace.glob("trials/*/metrics.jsonl") if os.path.getsize(path)]
