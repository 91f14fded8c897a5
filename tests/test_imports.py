"""What the commands load: training needs torch and little else, planning and reporting answer without torch and Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import spec as specs
from harness import trials
from harness.training import train

ROOT = Path(__file__).parents[1]
RUNNER = """
import sys
from harness.cli import app
code = 0
try:
    app(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    code = end.code
print("\\nLOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""
SPEC = """
dataset = "digits"
seeds = 1
[settings]
train_limit = 256
test_limit = 128
bank_size = 256
epochs = 1
[[cells]]
method = "selfcon"
[[cells]]
method = "maskcon"
weight = [0.5, 1]
temperature = [0.05]
"""


def modules_loaded_by(*words: object, workspace: Path) -> set[str]:
    """The top-level modules in a process at the end of `harness WORDS`, which must succeed."""
    environment = {**os.environ, "HARNESS_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", RUNNER, *map(str, words)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    loaded = set(ended.stdout.rpartition("\nLOADED ")[2].split())
    assert "harness" in loaded
    return loaded


def finished_sweep(folder: Path) -> Path:
    """The path of a sweep whose three trials are finished in the workspace `folder`."""
    path = folder / "three.toml"
    path.write_text(SPEC)
    for trial in specs.load(path).trials():
        train(trial, trials.directory(folder, trial))
    return path


def test_training_loads_neither_ray_nor_mlflow_nor_optuna_nor_pandas(tmp_path):
    settings = [f"--set={text}" for text in ("epochs=1", "train_limit=256", "test_limit=128", "bank_size=256")]
    loaded = modules_loaded_by("train", "digits", "maskcon", *settings, workspace=tmp_path)
    assert "torch" in loaded
    assert loaded & {"ray", "mlflow", "optuna", "pandas", "matplotlib", "jinja2"} == set()


@pytest.mark.parametrize("command", ["plan", "status", "compare", "report"])
def test_planning_and_reporting_load_neither_torch_nor_ray(tmp_path, command):
    loaded = modules_loaded_by(command, finished_sweep(tmp_path), workspace=tmp_path)
    assert loaded & {"torch", "torchvision", "ray", "optuna"} == set()


def test_commands_are_listed_without_anything_heavy(tmp_path):
    loaded = modules_loaded_by("--help", workspace=tmp_path)
    assert loaded & {"torch", "ray", "mlflow", "optuna", "pandas", "numpy", "matplotlib"} == set()
