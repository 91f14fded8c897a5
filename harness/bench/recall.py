"""Recall@K against the bare matrix products behind it, in time and in memory; run in a process of its own.

python -m harness.bench.recall 50000 512 3 cpu
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from harness.bench.timing import in_turn, once
from harness.evaluation import recall_at_k

CLASSES = 100
ROWS = 1024  # of a bare product
_CLEAR_REFS = Path("/proc/self/clear_refs")  # Linux alone has it; elsewhere memory on a CPU is not measured


def measure(images: int, dimension: int, repeats: int, device_type: str) -> dict[str, Any]:
    """Seconds of both in turn, their ratio, and the memory that recall needs beside its input, in a new process."""
    command = [sys.executable, "-m", "harness.bench.recall", str(images), str(dimension), str(repeats)]
    command.append(device_type)
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def here(images: int, dimension: int, repeats: int, device_type: str) -> dict[str, Any]:
    """The same, in this process."""
    device = torch.device(device_type)
    drawn = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (images,), generator=drawn)
    centres = 0.3 * torch.randn(CLASSES, dimension, generator=drawn)  # recall@1 between chance and 1
    features = (torch.randn(images, dimension, generator=drawn) + centres[labels]).to(device)
    labels = labels.to(device)
    recall_at_k(features[:1000], labels[:1000])  # libraries load their code
    countable = device.type == "cuda" or _CLEAR_REFS.exists()
    before = _bytes_held(device) if countable else 0
    recall = recall_at_k(features, labels)
    extra = _peak_bytes(device) - before if countable else None
    seconds = in_turn(
        {
            "recall": once(lambda: recall_at_k(features, labels), device),
            "bare products": once(lambda: _bare(features), device),
        },
        repeats,
        warm_up=0,
    )
    ratio = seconds["recall"]["total"]["median"] / seconds["bare products"]["total"]["median"]
    return {
        "images": images,
        "dimension": dimension,
        "seconds": {name: parts["total"] for name, parts in seconds.items()},
        "ratio": round(ratio, 3),
        "extra_mib": None if extra is None else round(extra / 2**20, 1),
        "recall_at_1": recall[1],
    }


def _bare(features: torch.Tensor) -> None:
    """Every similarity once, and nothing done with it."""
    space = features.new_empty(ROWS, len(features))
    for rows in features.split(ROWS):
        torch.mm(rows, features.T, out=space[: len(rows)])


def _bytes_held(device: torch.device) -> int:
    """Memory in use; the peak is counted from here on."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    _CLEAR_REFS.write_text("5")  # the peak becomes what is held now
    return _status_bytes("VmRSS")


def _peak_bytes(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else _status_bytes("VmHWM")


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    print(json.dumps(here(*map(int, sys.argv[1:4]), sys.argv[4])))
