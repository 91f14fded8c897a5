"""Trials that ran elsewhere, without MLflow or this workspace: checked, copied in, never changed where they come from.

A trial is taken by its id, computed again from its settings, whatever its folder is called. All that is checked is our own
copy, in a hidden folder beside the trials, which one rename puts in its place: an interrupted run leaves nothing half there,
and the next one goes on. Nothing that comes from elsewhere is unpickled, and no link is followed.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import lease, trials
from harness.errors import UsageError

TAKEN, HERE, DIFFERS, REFUSED = "taken", "already here", "other numbers", "refused"
_SCRATCH = ".collecting"  # in trials/; its lease lets one process collect at a time
_TIMES = ("time", "seconds")  # two runs of one training differ in them


@dataclass(frozen=True)
class Arrival:
    """What became of one folder."""

    source: Path
    outcome: str  # TAKEN, HERE, DIFFERS or REFUSED
    trial_id: str = ""  # where it is known
    note: str = ""


class _Refused(Exception):
    """Why a folder is left alone."""


def collect(sources: Sequence[Path], workspace: Path) -> Iterator[Arrival]:
    """Take in every finished trial in or below these folders, one by one.

    Raises UsageError for a source without any, lease.Held where another process is collecting into this workspace.
    """
    found = {source: list(_candidates(source, workspace)) for source in sources}
    for source, folders in found.items():
        if not folders:
            raise UsageError(f"{source} is no trial directory, and there is none below it.")
    scratch = workspace / "trials" / _SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    with lease.held(scratch):
        _clear(scratch)  # what an interrupted run left
        for folder in dict.fromkeys(folder for folders in found.values() for folder in folders):
            try:
                yield _take(folder, workspace, scratch)
            except (_Refused, trials.DamagedFile, lease.Held, UsageError) as problem:
                yield Arrival(folder, REFUSED, note=str(problem))
            finally:
                _clear(scratch)
    with contextlib.suppress(OSError):  # the next one has begun
        scratch.rmdir()


def _candidates(source: Path, workspace: Path) -> Iterator[Path]:
    """Folders in or below a source that may be trials; links are not followed, and those to trials are among them."""
    if not source.is_dir():
        raise UsageError(f"{source} is no folder.")
    for place, folders, names in os.walk(source.resolve()):
        if trials.CONFIG in names or trials.RESULT in names:
            yield Path(place)
            folders.clear()
            continue
        for name in sorted(folders):
            path = Path(place, name)
            if path.is_symlink() and (path / trials.CONFIG).exists():
                yield path
        own = (workspace / "trials").resolve()
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(place, name) != own)


def _take(source: Path, workspace: Path, scratch: Path) -> Arrival:
    if source.is_symlink():
        raise _Refused("it is a link; name the folder that it leads to")
    copy = scratch / "arriving"
    copy.mkdir()
    for name in trials.SMALL:
        _copy(source / name, copy / name)
    trial_id, lines = _checked(copy, source)
    target = trials.directory(workspace, trial_id)
    state = trials.state(target)
    if state.state == "done":
        if _numbers(lines) == _numbers(trials.read_result(target)["metrics"]):
            return Arrival(source, HERE, trial_id)
        return Arrival(source, DIFFERS, trial_id, f"the same settings trained to other numbers than in {target}")
    for name in trials.LARGE:
        _copy(source / name, copy / name)
        if (copy / name).exists() and not zipfile.is_zipfile(copy / name):
            raise _Refused(f"{name} is damaged: it has no end")
    _put(copy, target, scratch)
    note = f"in place of one that was {state.state}" if state.state != "missing" else ""
    return Arrival(source, TAKEN, trial_id, note)


def _copy(source: Path, target: Path) -> None:
    """A regular file to the disk; nothing where there is none. A link, a pipe or a folder under its name is refused."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as problem:
        why = "is a link" if source.is_symlink() else f"cannot be read: {problem.strerror}"
        raise _Refused(f"{source.name} {why}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _Refused(f"{source.name} is no regular file")
    with open(descriptor, "rb") as opened, target.open("wb") as written:
        shutil.copyfileobj(opened, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())


def _checked(copy: Path, source: Path) -> tuple[str, list[dict[str, Any]]]:
    """The id and the metric lines of a finished trial; raises with the reason for anything else."""
    try:
        if not (copy / trials.RESULT).is_file():
            raise _Refused("it is not finished: it has no result.json")
        trial, result = trials.read_config(copy), trials.read_result(copy)
        recorded = {trials.read_json(copy / trials.CONFIG).get("trial_id"), result["trial_id"]}
        if recorded != {trial.trial_id}:
            names = " and ".join(sorted(map(str, recorded)))
            raise _Refused(f"its settings are those of trial {trial.trial_id}, its files name {names}")
        if (copy / trials.ENVIRONMENT).is_file():
            trials.read_json(copy / trials.ENVIRONMENT)
        if (copy / trials.METRICS).is_file():
            trials.read_metrics(copy / trials.METRICS)
        lines = result["metrics"]
        _check_lines(lines, trial.epochs, result)
    except (trials.DamagedFile, UsageError) as problem:
        raise _Refused(str(problem).replace(f"{copy}/", "").replace(str(copy), str(source))) from None
    except (TypeError, KeyError, AttributeError, ValueError) as problem:
        raise _Refused(f"its files are no trial's: {problem!r}") from None
    return trial.trial_id, lines


def _check_lines(lines: list[dict[str, Any]], epochs: int, result: dict[str, Any]) -> None:
    """A line per epoch to the last one, all of them finite numbers."""
    if [line["epoch"] for line in lines] != list(range(1, epochs + 1)) or result["epochs"] != epochs:
        raise _Refused(f"it is not finished: its result has {len(lines)} of {epochs} epochs")
    if "recall_at_1" not in lines[-1]:
        raise _Refused("it is not finished: its last epoch was not evaluated")
    times = [line["time"] for line in lines]
    for value in (*times, result["seconds"], result["finished"], *(value for line in lines for value in line.values())):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _Refused(f"{trials.RESULT} is damaged: {value!r} stands where a number should")


def _numbers(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in _TIMES} for line in lines]


def _put(copy: Path, target: Path, scratch: Path) -> None:
    """Rename a whole copy into its place; an unfinished trial that nobody trains makes way. Raises lease.Held."""
    try:
        if not target.exists():
            os.rename(copy, target)
            return
        with lease.held(target):
            os.rename(target, scratch / "replaced")
            os.rename(copy, target)
    except OSError as problem:
        if target.exists():
            raise _Refused(f"trial {target.name} was begun here just now: {problem.strerror}") from problem
        raise


def _clear(scratch: Path) -> None:
    """Remove all but the lease."""
    for path in scratch.iterdir():
        if path.name != lease.NAME and not path.name.startswith(f".{lease.NAME}"):
            shutil.rmtree(path)
