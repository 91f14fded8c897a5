"""`harness status` and `harness report` of a large sweep, each in a process of its own, as a user would type them.

The trials are written, not trained: finished directories with every file that the two commands read, in a folder that is
removed at the end. No dataset is looked for.
"""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import datasets, spec, trials
from harness.bench.timing import summary
from harness.config import TrialConfig
from harness.spec import SweepSpec
from harness.workspace import usage

COMMANDS = ("status", "report")
EPOCHS, EVAL_EVERY, SEEDS = 200, 10, 10
MOST_TEMPERATURES = 25  # columns of the grid; as many rows as it takes
STARTED = 1_790_000_000.0
EPOCH_SECONDS = 30.0
RECALL_AT = (1, 2, 5, 10, 50, 100)


def measure(trainings: int, repeats: int) -> dict[str, Any]:
    """Seconds of each command over a sweep of about `trainings` finished trainings, in turn, and the sweep's size on disk."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = written_spec(Path(folder), trainings)
        workspace = Path(folder) / "workspace"
        begun = time.perf_counter()
        for trial in sweep.trials():
            write_finished(workspace, trial)
        written = time.perf_counter() - begun
        size = usage(workspace / "trials")
        taken: dict[str, list[float]] = {command: [] for command in COMMANDS}
        for _ in range(repeats):
            for command in COMMANDS:
                taken[command].append(_seconds([command, str(Path(folder) / "large.toml")], workspace))
    return {
        "trainings": len(sweep.trials()),
        "cells": len(sweep.cells()),
        "seeds": sweep.seeds,
        "epochs": EPOCHS,
        "evaluations": EPOCHS // EVAL_EVERY,
        "bytes": size,
        "write_seconds": round(written, 1),
        "seconds": {command: summary(seconds) for command, seconds in taken.items()},
    }


def written_spec(folder: Path, trainings: int) -> SweepSpec:
    """A grid over w and τ with the paper's best cell in it, `SEEDS` seeds each; as `large.toml` in the folder."""
    cells = max(1, math.ceil(trainings / SEEDS))
    rows = math.ceil(cells / MOST_TEMPERATURES)
    columns = math.ceil(cells / rows)
    weights = [round(1 - number / (rows + 1), 6) for number in range(rows)]
    temperatures = [round(0.05 + 0.01 * number, 6) for number in range(columns)]
    path = folder / "large.toml"
    path.write_text(
        f'title = "{rows * columns} cells"\ndataset = "cifar100"\nseeds = {SEEDS}\nmargin = 1.0\n'
        f'[settings]\nepochs = {EPOCHS}\n[[cells]]\nmethod = "maskcon"\nweight = {weights}\n'
        f"temperature = {temperatures}\n"
    )
    return spec.load(path)


def write_finished(workspace: Path, trial: TrialConfig) -> Path:
    """A finished trial directory without its encoder, with numbers that the trial alone decides. Returns it."""
    directory = trials.directory(workspace, trial)
    directory.mkdir(parents=True)
    lines = _lines(trial, random.Random(trial.trial_id))
    module = datasets.load(trial.dataset)
    contents: dict[str, Any] = {
        trials.CONFIG: {"trial_id": trial.trial_id, "created": STARTED, "settings": trial.to_dict()},
        trials.ENVIRONMENT: _environment(),
        trials.RESULT: {
            "trial_id": trial.trial_id,
            "epochs": trial.epochs,
            "seconds": EPOCH_SECONDS * trial.epochs,
            "train_images": module.train_size,
            "validation_images": 0,
            "test_images": module.test_size,
            "fine_per_coarse": {"all": module.classes[1]},
            "parameters": 11_168_832,
            "device": "written, not trained",
            "device_type": "cpu",
            "precision": trial.precision,
            "speed": {"compile": False, "cuda_graphs": False, "why": "not measured on this device"},
            "first_step": STARTED + 1,
            "finished": STARTED + EPOCH_SECONDS * trial.epochs + 1,
            "notes": [],
            "attempts": 1,
            "deaths": 0,
            "metrics": lines,
        },
    }
    for name, content in contents.items():  # a scratch folder needs no forcing to disk
        (directory / name).write_text(json.dumps(content, indent=1) + "\n")
    (directory / trials.METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory


def _lines(trial: TrialConfig, drawn: random.Random) -> list[dict[str, Any]]:
    """One per epoch, evaluated every `EVAL_EVERY`."""
    group = datasets.group_name(trial)
    best = 0.45 + 0.15 * trial.weight - 0.1 * min(trial.temperature, 1) + drawn.uniform(-0.005, 0.005)
    lines = []
    for epoch in range(1, trial.epochs + 1):
        line: dict[str, Any] = {"epoch": epoch, "loss": 8 / epoch**0.5 + drawn.random() / 100}
        line["lr"] = trial.lr * (1 + math.cos(math.pi * epoch / trial.epochs)) / 2
        line |= {"relation_error": drawn.random() / 10, "fine_mass": drawn.random()}
        if epoch % EVAL_EVERY == 0 or epoch == trial.epochs:
            recall = best * (1 - 0.5 / epoch**0.5)
            known = {k: round(1 - (1 - recall) / k**0.5, 4) for k in RECALL_AT}
            line |= {f"recall_at_{k}": value for k, value in known.items()}
            line |= {trials.within_metric(k, group): known[k] for k in (1, 2, 5, 10)}
        passed = EPOCH_SECONDS * epoch
        lines.append(line | {"seconds": round(passed, 3), "time": STARTED + passed + drawn.random()})
    return lines


def _environment() -> dict[str, Any]:
    return {
        "host": "none",
        "platform": "none",
        "python": "3.12",
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.1.0",
        "harness": "0.1.0",
        "commit": "0" * 40,
        "dirty": False,
        "device": "written, not trained",
        "cpus": 2,
        "threads": 2,
        "command": "harness bench --part report",
        "started": "2026-09-21T14:13:20+00:00",
    }


def _seconds(words: Sequence[str], workspace: Path) -> float:
    """Of one command in a new process, its start among them."""
    settings = os.environ | {"HARNESS_DATA": str(workspace / "none"), "HARNESS_WORKSPACE": str(workspace)}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "harness", *words], check=True, capture_output=True, env=settings)
    return time.perf_counter() - begun
