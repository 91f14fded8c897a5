"""Trial directories: the source of truth. This file knows their layout; it needs no torch.

config.json       the settings                     environment.json  where it ran, with which versions
metrics.jsonl     one line per epoch               checkpoint.pt     the state at an epoch's end (unfinished trials)
result.json       written last: present means finished; holds the metric lines again
encoder.pt        the trained encoder              features.npz      test features (fp16) and labels
failure.json      why the trial cannot go on       progress.json     how far a running trial is
stopped.json      why it was stopped; it can go on  attempts.jsonl    the processes that trained it
lease.json        who is training it now           asked.json        which search asked for it, as its how many-th
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import attempts, files, lease
from harness.config import TrialConfig, from_dict
from harness.errors import UsageError

CONFIG, METRICS, RESULT, FAILURE = "config.json", "metrics.jsonl", "result.json", "failure.json"
CHECKPOINT, ENCODER, FEATURES = "checkpoint.pt", "encoder.pt", "features.npz"
ENVIRONMENT, PROGRESS, STOPPED = "environment.json", "progress.json", "stopped.json"
ASKED = "asked.json"
SMALL = (CONFIG, RESULT, ENVIRONMENT, METRICS, attempts.NAME, ASKED)  # what a finished trial is
LARGE = (ENCODER, FEATURES)  # and its zip archives
SIGNAL, BUDGET, STALLED, DISK_FULL, SEARCH = "signal", "budget", "stalled", "disk full", "search"  # kinds of stops
RESULT_PARTS = dict.fromkeys(("trial_id", "epochs", "seconds", "train_images", "metrics")).keys()  # that it must have
_BEGINNING = re.compile(  # of a result.json as `harness.training` writes it
    rb'\A\{\s*"trial_id": "[^"\\\x00]+",\s*"epochs": (\d+),\s*"seconds": [0-9.e+-]+,\s*"train_images": \d+,'
)
_END = b"\n ]\n}\n"  # of its metric lines, which come last
OUT_OF_MEMORY = "out of GPU memory"  # the kind of a failure that a larger share of a GPU can mend


class DamagedFile(Exception):
    """A file of a trial directory that cannot be read; the message names it."""


def directory(workspace: Path, trial: TrialConfig | str) -> Path:
    """Where a trial's files lie in a workspace."""
    return workspace / "trials" / (trial if isinstance(trial, str) else trial.trial_id)


def workspace_of(trial_directory: Path) -> Path:
    """The workspace that a trial directory lies in."""
    return trial_directory.parent.parent


def read_json(path: Path) -> dict[str, Any]:
    """One of the JSON files. Raises DamagedFile naming it where it is not one JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedFile(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise DamagedFile(f"{path} is damaged: it holds no JSON object")
    return content


def read_if_there(path: Path) -> dict[str, Any] | None:
    """The same; None where there is no such file, a moment ago removed by a trial that ended, say."""
    try:
        return read_json(path) if path.is_file() else None
    except FileNotFoundError:
        return None


def failure_kind(directory: Path) -> str | None:
    """Why a failed trial failed, in a word or two; None where its file is missing or damaged."""
    try:
        return read_json(directory / FAILURE).get("kind")
    except (OSError, DamagedFile):
        return None


def record_stop(directory: Path, kind: str, reason: str, run: str | None) -> None:
    """Say that a trial was stopped from outside, by which run of a sweep; it can go on."""
    epochs = len(read_metrics(directory / METRICS)) if (directory / METRICS).is_file() else 0
    content = {"kind": kind, "reason": reason, "epoch": epochs, "run": run, "time": time.time()}
    files.write_json(directory / STOPPED, content)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The metric lines of a trial directory, by epoch. Raises DamagedFile naming the file and the line."""
    lines = []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            line = json.loads(text)
            lines.append(line | {"epoch": int(line["epoch"])})
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFile(f"{path}, line {number} is damaged: {error!r}") from error
    return lines


def write_metrics(path: Path, lines: list[dict[str, Any]]) -> None:
    """Replace the metric lines at once."""
    files.write_text(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))


@dataclass(frozen=True)
class TrialState:
    """What a trial directory says of a trial."""

    state: str  # "done", "running", "failed", "stopped" (by a search), "unfinished" or "missing"
    epoch: int = 0  # trained so far
    note: str = ""


def state(path: Path, *, glance: bool = False) -> TrialState:
    """How far the trial in this directory is. A damaged file makes it "unfinished"; the next run sets the file aside.

    At a `glance` only a result's beginning and end are looked at, which is blind to damage between them: for commands that
    change nothing, or that parse the result afterwards. A tenth of the time for 200 epochs.
    """
    if not os.path.isdir(path):
        return TrialState("missing")
    try:
        epochs = _finished_epochs(path, glance)
        if epochs is not None:
            for name in (CONFIG, ENVIRONMENT):  # a report needs them; the next run sets a damaged one aside
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    read_json(path / name)
            return TrialState("done", epochs)
        progress = read_if_there(path / PROGRESS) or {}
        epoch = int(progress.get("epoch", 0))
        if lease.holder(path):
            return TrialState("running", epoch, f"{100 * progress.get('fraction', 0):.0f} %")
        if (epochs := _finished_epochs(path, glance)) is not None:  # it ended between two looks
            return TrialState("done", epochs)
        if failure := read_if_there(path / FAILURE):
            return TrialState("failed", epoch, str(failure.get("message", "")))
        stop = read_if_there(path / STOPPED) or {}
        epoch = int(stop.get("epoch", epoch))
    except (DamagedFile, OSError, KeyError, ValueError) as error:
        return TrialState("unfinished", 0, str(error).replace(f"{path}/", ""))
    if stop.get("kind") == SEARCH:
        return TrialState("stopped", epoch, str(stop.get("reason", "")))
    started = (path / CHECKPOINT).is_file() or (path / METRICS).is_file()
    return TrialState("unfinished", epoch, str(stop.get("reason", ""))) if started or stop else TrialState("missing")


def _finished_epochs(path: Path, glance: bool) -> int | None:
    """Epochs of a finished trial; None for one that is not. Raises DamagedFile."""
    try:
        with open(path / RESULT, "rb") as stream:
            if glance:
                beginning = _BEGINNING.match(stream.read(256))
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - len(_END)))
                if beginning and stream.read() == _END:
                    return int(beginning[1])
    except (FileNotFoundError, IsADirectoryError):
        return None
    return int(read_result(path)["epochs"])


def prepare(path: Path, trial: TrialConfig) -> list[str]:
    """Make the directory ready to train in: settings written, damaged files set aside. Returns what was found damaged.

    Raises UsageError for a directory that holds another trial.
    """
    path.mkdir(parents=True, exist_ok=True)
    damaged = []
    for name in (CONFIG, RESULT, ENVIRONMENT, PROGRESS, FAILURE, STOPPED):
        if (path / name).is_file():
            try:
                read_result(path) if name == RESULT else read_json(path / name)
            except DamagedFile as error:
                damaged.append(f"{error}; kept as {files.set_aside(path / name).name}")
    if (path / METRICS).is_file():
        try:
            read_metrics(path / METRICS)
        except DamagedFile as error:
            damaged.append(f"{error}; kept as {files.set_aside(path / METRICS).name}")
    if (path / RESULT).is_file() and not (path / METRICS).is_file():
        write_metrics(path / METRICS, read_result(path)["metrics"])
    if (path / CONFIG).is_file():
        other = read_json(path / CONFIG).get("trial_id")
        if other != trial.trial_id:
            raise UsageError(f"{path} holds trial {other}, not {trial.trial_id}: give each trial its own directory.")
    else:
        write_config(path, trial)
    return damaged


def write_config(path: Path, trial: TrialConfig) -> None:
    """Say which trial a directory holds, where that is not said yet."""
    if not (path / CONFIG).is_file():
        content = {"trial_id": trial.trial_id, "created": time.time(), "settings": trial.to_dict()}
        files.write_json(path / CONFIG, content)


def read_config(path: Path) -> TrialConfig:
    """The trial that a directory holds. Raises UsageError for a folder that is none, or of another version."""
    if not (path / CONFIG).is_file():
        raise UsageError(f"{path} is no trial directory: it has no {CONFIG}.")
    content = read_json(path / CONFIG)
    if not isinstance(content.get("settings"), dict):
        raise DamagedFile(f"{path / CONFIG} is damaged: it has no settings")
    try:
        return from_dict(content["settings"])
    except UsageError as error:
        raise UsageError(f"{path / CONFIG}: {error}") from None


def read_result(path: Path) -> dict[str, Any]:
    """`result.json` of a finished trial. Raises DamagedFile naming it where a part is missing or is none."""
    content = read_json(path / RESULT)
    for name in RESULT_PARTS:
        if name not in content:
            raise DamagedFile(f"{path / RESULT} is damaged: it has no {name}")
    check_result(path, content, content["metrics"])
    return content


def check_result(path: Path, content: Mapping[str, Any], lines: Any) -> None:
    """Raises DamagedFile where the parts of a result do not fit together; `lines` are its metrics."""
    kinds = {
        "trial_id": str,
        "epochs": int,
        "seconds": int | float,
        "train_images": int,
        "device": str,
        "device_type": str,
    }
    for name, kind in kinds.items():
        if name in content and (not isinstance(content[name], kind) or isinstance(content[name], bool)):
            raise DamagedFile(f"{path / RESULT} is damaged: its {name} is {content[name]!r}")
    if not isinstance(content.get("notes", []), list):
        raise DamagedFile(f"{path / RESULT} is damaged: its notes are {content['notes']!r}")
    last = lines[-1] if isinstance(lines, list) and lines and isinstance(lines[-1], dict) else {}
    if last.get("epoch") != content["epochs"]:
        raise DamagedFile(
            f"{path / RESULT} is damaged: its metrics end at epoch {last.get('epoch', 'none')} of {content['epochs']}"
        )


def recalls(line: Mapping[str, Any]) -> dict[int, float]:
    """Recall@K of an evaluation's line, by K."""
    names = [name for name in line if name.removeprefix("recall_at_").isdigit()]
    return {int(name.removeprefix("recall_at_")): line[name] for name in names}


def within_metric(k: int, grouping: str) -> str:
    """The name of Recall@K among the test images of the same coarse class."""
    return f"recall_at_{k}_within_{grouping}"


def validation_metric(k: int) -> str:
    """The name of Recall@K among the held-out training images, by their fine classes."""
    return f"validation_recall_at_{k}"


def validation_coarse_metric(k: int) -> str:
    """The name of Recall@K among the held-out training images, by their coarse classes."""
    return f"validation_coarse_recall_at_{k}"


def find(workspace: Path) -> Iterator[Path]:
    """Every trial directory of a workspace, in the order of their ids."""
    folder = workspace / "trials"
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if (path / CONFIG).is_file())


def locate(workspace: Path, name: str) -> Path:
    """A trial directory, given as a path, a trial id or the beginning of one."""
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    matching = [path for path in find(workspace) if path.name.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    found = f"{len(matching)} trials begin with it" if matching else "no trial begins with it"
    raise UsageError(f"{name!r} names no trial in {workspace}: {found}. `harness plan NAME` lists trial ids.")
