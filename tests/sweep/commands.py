"""Running the real command, and looking at what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import spec
from harness.training import train
from harness.trials import directory

TINY = ["--seeds", "1", "--set", "epochs=1", "--set", "train_limit=256", "--set", "bank_size=256"]


def harness(*words: str, workspace: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command to its end. A traceback in what it says is a failure of any test."""
    done = subprocess.run(
        _command(words, workspace), capture_output=True, text=True, timeout=300, env=os.environ | environment
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


def train_here(sweep: str | Path, workspace: Path, trials: int | None = None) -> dict[str, list[dict]]:
    """The sweep's numbers, trained one after the other in this process: what any run of the command must come to."""
    found = spec.load(sweep).trials()[:trials]
    for trial in found:
        train(trial.replace(threads=1), directory(workspace, trial))
    return numbers(workspace)


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the processes which run tests fills, and all of them read."""
    root = factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / f"once-{name}"
    try:
        folder.mkdir()
    except FileExistsError:
        wait_for((folder / "whole").exists, seconds=300)
        return folder
    make(folder)
    (folder / "whole").touch()
    return folder


def start(*words: str, workspace: Path) -> subprocess.Popen[str]:
    """A command in the background, leader of its own process group."""
    return subprocess.Popen(
        _command(words, workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(found: Callable[[], object], seconds: float = 90, every_seconds: float = 0.05) -> object:
    """Poll until something is there."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if value := found():
            return value
        time.sleep(every_seconds)
    raise AssertionError("it never came")


def leases(workspace: Path) -> list[dict]:
    """Who is training now."""
    found = []
    for path in (workspace / "trials").glob("*/lease.json"):
        try:
            found.append(json.loads(path.read_text()) | {"trial": path.parent.name})
        except (FileNotFoundError, ValueError):
            continue
    return found


def finished(workspace: Path) -> dict[str, dict]:
    """Every result, by trial id."""
    return {path.parent.name: json.loads(path.read_text()) for path in (workspace / "trials").glob("*/result.json")}


def numbers(workspace: Path) -> dict[str, list[dict]]:
    """The metrics of every finished trial, without times."""
    return {
        name: [
            {key: value for key, value in line.items() if key not in ("time", "seconds")} for line in result["metrics"]
        ]
        for name, result in finished(workspace).items()
    }


def _command(words: tuple[str, ...], workspace: Path) -> list[str]:
    return [sys.executable, "-m", "harness", *words, "--workspace", str(workspace)]
