"""The folders of a workspace, and what is kept of a sweep as a whole.

WORKSPACE/trials/ID/       trial directories            WORKSPACE/mlflow.db, mlruns/   MLflow's record
WORKSPACE/sweeps/SLUG/     sweep.json, recorded.json    WORKSPACE/reports/SLUG/        reports
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness import files, trials
from harness.spec import SweepSpec


class Named(Protocol):
    """What a folder and a record in MLflow are of: a SweepSpec, or what is known of one."""

    @property
    def name(self) -> str: ...
    @property
    def slug(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class SavedSweep:
    """A sweep as its workspace remembers it."""

    name: str
    slug: str
    spec: dict[str, Any]
    trials: tuple[str, ...]  # ids

    def to_dict(self) -> dict[str, Any]:
        """The resolved spec, as it was saved."""
        return self.spec


def locate(given: Path | None) -> Path:
    """The workspace: as given, or $HARNESS_WORKSPACE, or `workspace` below the current folder."""
    return (given or Path(os.environ.get("HARNESS_WORKSPACE", "workspace"))).resolve()


def sweep_folder(workspace: Path, spec: Named) -> Path:
    """What is kept of this sweep beside its trials."""
    return workspace / "sweeps" / spec.slug


def report_folder(workspace: Path, spec: SweepSpec) -> Path:
    """Where this sweep's report goes."""
    return workspace / "reports" / spec.slug


def save_spec(workspace: Path, spec: SweepSpec) -> None:
    """Keep the resolved spec with the sweep."""
    content = {"saved": time.time(), "spec": spec.to_dict(), "trials": [trial.trial_id for trial in spec.trials()]}
    files.write_json(sweep_folder(workspace, spec) / "sweep.json", content)


def saved_sweeps(workspace: Path) -> list[SavedSweep]:
    """Every sweep that ran in this workspace and whose trials are known."""
    found = []
    for path in sorted((workspace / "sweeps").glob("*/sweep.json")):
        try:
            content = trials.read_json(path)
            spec, ids = content["spec"], tuple(content["trials"])
            found.append(SavedSweep(spec["name"], path.parent.name, spec, ids))
        except (trials.DamagedFile, KeyError, TypeError):
            continue  # the sweep writes it again when it runs
    return found


def saved_digest(workspace: Path, spec: SweepSpec) -> str | None:
    """The digest of the data that this sweep ran on, where it was not the published data."""
    path = sweep_folder(workspace, spec) / "sweep.json"
    try:
        return trials.read_json(path)["spec"]["settings"].get("data_digest") if path.is_file() else None
    except (trials.DamagedFile, KeyError):
        return None


def usage(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def free_bytes(folder: Path) -> int:
    """Free space on the disk that holds a folder, or will hold it."""
    while not folder.is_dir():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def removable(workspace: Path, ids: set[str]) -> list[tuple[Path, str]]:
    """What no finished trial needs, each with why: leftovers of finished trials, damaged files, scratch files."""
    found: list[tuple[Path, str]] = []
    for directory in trials.find(workspace):
        if directory.name not in ids:
            continue
        state = trials.state(directory).state
        if state == "running":
            continue
        if state == "done":
            leftovers = (trials.CHECKPOINT, trials.PROGRESS, trials.FAILURE)
            found += [(directory / name, "its trial is finished") for name in leftovers if (directory / name).exists()]
        found += [(path, "damaged, was set aside") for path in sorted(directory.glob("*.damaged-*"))]
        found += [(path, "left by an interrupted write") for path in sorted(directory.glob(".*.new"))]
    idle = all(trials.state(directory).state != "running" for directory in trials.find(workspace))
    if (workspace / ".ray").is_dir() and idle:
        found.append((workspace / ".ray", "Ray's scratch files of an interrupted sweep"))
    return found


def remove(paths: Iterable[Path]) -> None:
    """Delete files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def describe(size: float) -> str:
    """Bytes in words: "12.3 MiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
