"""Results of `harness bench` as `tests/bench/test_command.py` finds them, without measuring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness import benchmarks, files
from harness.config import TrialConfig

CPU = torch.device("cpu")
DATE = "2026-09-21T14:13:20+00:00"


def seconds(total: float, **parts: float) -> dict[str, Any]:
    """A summary per part; the lowest is half the median, the highest twice."""
    return {name: spread(value) for name, value in {**parts, "total": total}.items()}


def spread(median: float) -> dict[str, Any]:
    return {"median": median, "lowest": median / 2, "highest": 2 * median, "repeats": 3}


def way(
    total: float,
    start: float = 0.0,
    precision: str = "bf16",
    compile: bool = False,
    cuda_graphs: bool = False,
    **parts: float,
) -> dict[str, Any]:
    """One way of running a step: `total` seconds each after `start` seconds."""
    return {
        "precision": precision,
        "compile": compile,
        "cuda_graphs": cuda_graphs,
        "start_seconds": start,
        "seconds": seconds(total, **parts),
        "images_per_second": 128 / total,
        "flops_per_second": 1e9 / total,
    }


def measurement(
    trial: TrialConfig,
    ways: Mapping[str, Any],
    *,
    device: str = "Test CPU",
    device_type: str = "cpu",
    threads: int = 1,
    date: str = DATE,
) -> dict[str, Any]:
    """A result with the part `step` alone."""
    return {
        "command": "harness bench",
        "date": date,
        "device": device,
        "device_type": device_type,
        "threads": threads,
        "machine": {"load_before": 0.1},
        "commit": "0123456789abcdef",
        "dirty": False,
        "versions": {"torch": "2.11.0"},
        "settings": trial.to_dict(),
        "kind": benchmarks.kind(trial),
        "images": "the dataset's",
        "step": {"flops": 10**9, "ways": dict(ways)},
    }


def written(workspace: Path, name: str, content: dict[str, Any]) -> Path:
    """The measurement as a file of a workspace."""
    path = benchmarks.folder(workspace) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, content)
    return path
