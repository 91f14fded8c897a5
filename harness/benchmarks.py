"""What `harness bench` measured: where its files lie, and what a trial can expect of a device. Torch-free.

A file describes one kind of trial (network, image size, batch, bank) on one device. Those of the workspace come before the
committed ones of `reports/benchmarks/`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
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
    return of_workspace(workspace) + [content for content in committed() if _is_here(content)]


def of_workspace(workspace: Path) -> list[dict[str, Any]]:
    """The measurements that were taken in this workspace, newest first."""
    return _all_in(folder(workspace))


def committed() -> list[dict[str, Any]]:
    """The measurements of `reports/benchmarks/`, of any machine, newest first."""
    return _all_in(resources.folder("reports/benchmarks"))


def _all_in(place: Path) -> list[dict[str, Any]]:
    """Unreadable files are none."""
    here = [content for path in sorted(place.glob("*.json")) if (content := _read(path))]
    return sorted(here, key=lambda content: str(content["date"]), reverse=True)


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
    asked = Speed(trial.compile == "on", trial.cuda_graphs == "on", "as the settings say")
    if trial.compile != "auto" and trial.cuda_graphs != "auto":
        return asked
    if trial.precision == "fp32":
        return dataclasses.replace(asked, why="fp32, the exact reference, is left as the settings say")
    if not _has_compiler() and not asked.compile:
        trial = trial.replace(compile="off")
    content = _matching(trial, device, threads, known)
    if content is None:
        return Speed(asked.compile, asked.cuda_graphs)
    best: tuple[float, Speed] | None = None
    for way in content["step"]["ways"].values():
        fits = trial.compile in ("auto", _word(way["compile"])) and trial.cuda_graphs in (
            "auto",
            _word(way["cuda_graphs"]),
        )
        if not fits or way["precision"] != trial.precision:
            continue
        seconds = way["start_seconds"] + steps * way["seconds"]["total"]["median"]
        if way["compile"] or way["cuda_graphs"]:
            seconds *= 1 + MARGIN
        if best is None or seconds < best[0]:
            best = seconds, Speed(way["compile"], way["cuda_graphs"], f"soonest of those measured on {content['date']}")
    return best[1] if best else Speed(asked.compile, asked.cuda_graphs)


def seconds_per_image(trial: TrialConfig, known: Sequence[dict[str, Any]]) -> tuple[float, str, str] | None:
    """Of the fastest measured way in the trial's precision: seconds per training image, device, device type.

    A method without a bank is a step without its key forward pass and its momentum update.
    """
    wanted = kind(trial)
    for content in known:
        differing = {name for name, value in content["kind"].items() if value != wanted.get(name)}
        spared = ("key forward", "momentum") if wanted["bank_size"] == 0 else ()
        if differing - {"bank_size"} or (differing and not spared):
            continue
        taken = [way["seconds"] for way in content["step"]["ways"].values() if way["precision"] == trial.precision]
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
    """A measurement of steps. Raises UsageError for a file that is none."""
    content = _read(path)
    if content is None:
        raise UsageError(f"{path} is no result of `harness bench` with the part `step`.")
    return content


def _read(path: Path) -> dict[str, Any] | None:
    """A measurement of steps; None for a file that is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    needed = {"device", "device_type", "threads", "date", "kind", "step"}
    whole = isinstance(content, dict) and needed <= set(content) and isinstance(content["step"], dict)
    return content if whole and "ways" in content["step"] else None


def _word(on: bool) -> str:
    return "on" if on else "off"
