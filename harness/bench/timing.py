"""Times: taken in turn, so that a slow minute of the machine hits every candidate, and kept as median and range."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Lap = Callable[[], Mapping[str, float]]  # does the work once; seconds by name of part, "total" among them


class Stopwatch:
    """Seconds between marks, on the host's clock or, on a GPU, on the GPU's own, which does not make the host wait."""

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == "cuda"
        self.marks: list[tuple[str, Any]] = []
        self.mark("start")

    def mark(self, part: str) -> None:
        """The part that ends here."""
        if self.on_gpu:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append((part, event))
        else:
            self.marks.append((part, time.perf_counter()))

    def read(self) -> dict[str, float]:
        """Seconds of each part, and their sum as "total"."""
        if self.on_gpu:
            torch.cuda.synchronize()
        found: dict[str, float] = {}
        for (_, begun), (part, ended) in zip(self.marks, self.marks[1:], strict=False):
            seconds = begun.elapsed_time(ended) / 1000 if self.on_gpu else ended - begun
            found[part] = found.get(part, 0.0) + seconds
        return found | {"total": sum(found.values())}


def in_turn(laps: Mapping[str, Lap], repeats: int, warm_up: int = 1) -> dict[str, dict[str, Any]]:
    """Run all laps one after the other, `repeats` times over. The summary of each part of each lap."""
    taken: dict[str, list[Mapping[str, float]]] = {name: [] for name in laps}
    for repeat in range(warm_up + repeats):
        for name, lap in laps.items():
            seconds = lap()
            if repeat >= warm_up:
                taken[name].append(seconds)
    return {name: {part: summary([lap[part] for lap in found]) for part in found[0]} for name, found in taken.items()}


def once(work: Callable[[], object], device: torch.device) -> Lap:
    """A lap of one part."""

    def lap() -> dict[str, float]:
        if device.type == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return {"total": time.perf_counter() - begun}

    return lap


def summary(values: Sequence[float]) -> dict[str, float | int]:
    """Median, lowest and highest, and of how many."""
    rounded = [float(f"{value:.5g}") for value in values]
    return {
        "median": statistics.median(rounded),
        "lowest": min(rounded),
        "highest": max(rounded),
        "repeats": len(rounded),
    }
