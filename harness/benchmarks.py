"""What `harness bench` measured: where its files lie, and what a trial can expect of a device. Torch-free.

A file is one run of the command and describes one kind of trial (network, image size, batch, bank) on one device. Those of the
workspace come before the committed ones of `reports/benchmarks/`, the newest first.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import provenance, resources
from harness.config import TrialConfig
from harness.errors import UsageError

MARGIN = 0.03  # a way that is sooner than the plain one by less is not: two measurements of one thing differ by as much


@dataclass(frozen=True)
class Speed:
    """How a step runs. It changes results by no more than rounding."""

    compile: bool = False
    cuda_graphs: bool = False
    why: str = "not measured on this device"


def folder(workspace: Path) -> Path:
    """Where a workspace keeps its measurements."""
    return workspace / "bench"


def load(workspace: Path) -> list[dict[str, Any]]:
    """What can be gone by here, newest first: the workspace's measurements, then the committed ones of this machine."""
    of_this_machine = [content for content in _of_steps(committed()) if _is_here(content)]
    return _of_steps(of_workspace(workspace)) + of_this_machine


def of_workspace(workspace: Path) -> dict[Path, dict[str, Any]]:
    """The results that were measured in this workspace, newest first."""
    return _all_in(folder(workspace))


def committed() -> dict[Path, dict[str, Any]]:
    """The results of `reports/benchmarks/`, of any machine, newest first."""
    return _all_in(resources.folder("reports/benchmarks"))


def _all_in(place: Path) -> dict[Path, dict[str, Any]]:
    """Unreadable files are none."""
    found = {path: content for path in sorted(place.glob("*.json")) if (content := _read(path))}
    return dict(sorted(found.items(), key=lambda item: item[1]["date"], reverse=True))


def _of_steps(found: Mapping[Path, dict[str, Any]]) -> list[dict[str, Any]]:
    return [content for content in found.values() if "step" in content]


def _is_here(content: dict[str, Any]) -> bool:
    if content["device_type"] == "cuda":
        return content["device"] in {gpu["name"] for gpu in provenance.gpus()}
    return content["device"] == provenance.processor()


def kind(trial: TrialConfig) -> dict[str, Any]:
    """What decides the cost of a step: trials that agree in it cost the same."""
    bank = "bank" in trial.uses
    return {
        "encoder": trial.encoder,
        "image_size": trial.image_size,
        "batch_size": trial.batch_size,
        "bank_size": trial.bank_size if bank else 0,
    }


def choose(trial: TrialConfig, device: str, threads: int, steps: int, known: Sequence[dict[str, Any]]) -> Speed:
    """How the trial's `steps` steps run soonest on a device, the start of each way counted in.

    fp32 is the exact reference: it is compiled only where `compile` says so. `threads` count on a CPU alone.
    """
    settled = Speed(trial.compile == "on", trial.cuda_graphs == "on", "as the settings say")
    if "auto" not in (trial.compile, trial.cuda_graphs):
        return settled
    if trial.precision == "fp32":
        return dataclasses.replace(settled, why="fp32, the exact reference, is left as the settings say")
    if not _has_compiler() and not settled.compile:
        trial = trial.replace(compile="off")
    content = _matching(trial, device, threads, known)
    best: tuple[float, Speed] | None = None
    for way in _fitting(trial, content) if content else []:
        seconds = way["start_seconds"] + steps * way["seconds"]["total"]["median"]
        if way["compile"] or way["cuda_graphs"]:
            seconds *= 1 + MARGIN
        if best is None or seconds < best[0]:
            why = f"soonest of those measured on {content['date']}" if content else ""
            best = seconds, Speed(way["compile"], way["cuda_graphs"], why)
    if best:
        return best[1]
    as_said = settled.compile or settled.cuda_graphs
    return dataclasses.replace(settled, why=f"{'as the settings say; ' if as_said else ''}not measured on this device")


def _fitting(trial: TrialConfig, content: dict[str, Any]) -> list[dict[str, Any]]:
    """The ways in which the trial's settings let it run."""
    words = {"auto": (True, False), "on": (True,), "off": (False,)}
    of_auto = words["off"] if trial.precision == "fp32" else words["auto"]
    return [
        way
        for way in content["step"]["ways"].values()
        if way["precision"] == trial.precision
        and way["compile"] in (of_auto if trial.compile == "auto" else words[trial.compile])
        and way["cuda_graphs"] in (of_auto if trial.cuda_graphs == "auto" else words[trial.cuda_graphs])
    ]


def seconds_per_image(trial: TrialConfig, known: Sequence[dict[str, Any]]) -> tuple[float, str, str] | None:
    """Of the fastest measured way that the trial's settings allow: seconds per training image, device, device type.

    A method without a bank is a step without its key forward pass and its momentum update.
    """
    wanted = kind(trial)
    for content in known:
        differing = {name for name, value in content["kind"].items() if value != wanted.get(name)}
        spared = ("key forward", "momentum") if wanted["bank_size"] == 0 else ()
        if differing - {"bank_size"} or (differing and not spared):
            continue
        if content["device_type"] == "cpu" and trial.threads not in (None, content["threads"]):
            continue
        taken = [way["seconds"] for way in _fitting(trial, content)]
        if taken:
            seconds = min(parts["total"]["median"] - sum(_median(parts, part) for part in spared) for parts in taken)
            return seconds / trial.batch_size, content["device"], content["device_type"]
    return None


def _median(parts: dict[str, Any], part: str) -> float:
    return parts[part]["median"] if part in parts else 0.0


def _matching(trial: TrialConfig, device: str, threads: int, known: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Whatever the bank: all trials of a sweep, SupCE's too, then run the same way, and stay paired to the last bit."""
    wanted = kind(trial)
    for content in known:
        same_threads = content["device_type"] == "cuda" or content["threads"] == threads
        same_kind = all(wanted.get(name) == value for name, value in content["kind"].items() if name != "bank_size")
        if content["device"] == device and same_threads and same_kind:
            return content
    return None


def _has_compiler() -> bool:
    """Whether this machine can build what torch.compile writes."""
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++"))


def read(path: Path) -> dict[str, Any]:
    """A result of `harness bench`. Raises UsageError for a file that is none."""
    content = _read(path)
    if content is None:
        raise UsageError(f"{path} is no result of `harness bench`, or a damaged one.")
    return content


def _read(path: Path) -> dict[str, Any] | None:
    """A result; None for a file that is none."""
    try:
        content = json.loads(path.read_bytes())
        return content if _is_result(content) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_result(content: Any) -> bool:
    """Whether all that trials and plans look at is there and of its type; may raise where it is not."""
    words = [content[name] for name in ("device", "device_type", "date")]
    words += [way["precision"] for way in content.get("step", {"ways": {}})["ways"].values()]
    flags, numbers = [], [content["threads"]]
    for way in content.get("step", {"ways": {}})["ways"].values():
        flags += [way["compile"], way["cuda_graphs"]]
        numbers += [way["start_seconds"], way["seconds"]["total"]["median"]]
        numbers += [part["median"] for part in way["seconds"].values()]
    return (
        isinstance(content["kind"], dict)
        and all(isinstance(word, str) for word in words)
        and all(isinstance(flag, bool) for flag in flags)
        and all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers)
    )
