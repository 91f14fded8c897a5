"""The training step: this project's ways of running it and, on request, the plain pipeline, timed in turn.

A lap is one step on a fresh batch: "data" (drawing and augmenting the batch) and the parts of `harness.training.step`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import methods
from harness.bench import operators, plain
from harness.bench.bank import fill_with_noise
from harness.bench.timing import Lap, Stopwatch, in_turn
from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.training.data import Batch, TrialData
from harness.training.device import prepare_device
from harness.training.learner import build_learner
from harness.training.step import Step, build_optimiser, build_step

AGAINST = "torchvision-loader"


@dataclass(frozen=True)
class Way:
    """One way of running the step."""

    precision: str
    speed: Speed


def ways(device: torch.device) -> dict[str, Way]:
    """What is measured on a device."""
    found = {
        "fp32": Way("fp32", Speed()),
        "bf16": Way("bf16", Speed()),
        "bf16, compiled": Way("bf16", Speed(compile=True)),
    }
    if device.type == "cuda":
        found["bf16, graph"] = Way("bf16", Speed(cuda_graphs=True))
        found["bf16, compiled, graph"] = Way("bf16", Speed(compile=True, cuda_graphs=True))
    return found


def measure(
    trial: TrialConfig, images: ImageData, device: torch.device, repeats: int, settings: dict[str, Any] | None
) -> dict[str, Any]:
    """Seconds, images/s and FLOP/s of each way; with `settings` of the plain pipeline also its own, and the ratios."""
    chosen = ways(device)
    laps: dict[str, Lap] = {}
    start_seconds: dict[str, float] = {}
    for name, way in chosen.items():
        begun = time.perf_counter()
        laps[name] = lap_of(trial.replace(precision=way.precision), images, device, way.speed)
        laps[name]()
        start_seconds[name] = time.perf_counter() - begun
    with contextlib.ExitStack() as stack:
        if settings is not None:
            laps[AGAINST] = stack.enter_context(_plain(trial.replace(precision="fp32"), images, device, settings))
        # three more laps before the measured ones: a CUDA graph is recorded at the fourth
        taken = in_turn(laps, repeats, warm_up=4 if device.type == "cuda" else 1)
    flops = count_flops(trial, images)
    eager = start_seconds["bf16"]
    measured: dict[str, Any] = {
        name: {
            "precision": way.precision,
            "compile": way.speed.compile,
            "cuda_graphs": way.speed.cuda_graphs,
            "start_seconds": max(0.0, round(start_seconds[name] - eager, 2)),
            **_rates(taken[name], trial.batch_size, flops),
        }
        for name, way in chosen.items()
    }
    fastest = min(measured, key=lambda name: measured[name]["seconds"]["total"]["median"])
    spent = operators.shares(laps[fastest], device)
    result = {"flops": flops, "ways": measured, "operators": {"way": fastest, "shares": spent}}
    if settings is not None:
        plain_rates = _rates(taken[AGAINST], trial.batch_size, flops)
        base = plain_rates["seconds"]["total"]["median"]
        ratios = {name: round(base / way["seconds"]["total"]["median"], 3) for name, way in measured.items()}
        result["against"] = {"pipeline": AGAINST, "settings": settings, **plain_rates, "ratio": ratios}
    return result


def count_flops(trial: TrialConfig, images: ImageData) -> int:
    """Floating-point operations of one step's products and convolutions, forward and backward, a multiply-add being two.

    Counted on the meta device, which computes nothing.
    """
    trial = trial.replace(precision="fp32")
    data = TrialData(trial, methods.load(trial.method).label_source, torch.device("cpu"), images)
    learner = build_learner(trial, data).to("meta").train()
    shape = (trial.batch_size, data.channels, trial.image_size, trial.image_size)
    views = {name: torch.empty(shape, device="meta") for name in learner.views}
    numbers = torch.empty(trial.batch_size, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        learner(Batch(views, numbers, numbers)).mean().backward()
    return counter.get_total_flops()


def _rates(seconds: dict[str, Any], batch_size: int, flops: int) -> dict[str, Any]:
    total = seconds["total"]["median"]
    return {
        "seconds": seconds,
        "images_per_second": float(f"{batch_size / total:.4g}"),
        "flops_per_second": float(f"{flops / total:.4g}"),
    }


def lap_of(trial: TrialConfig, images: ImageData, device: torch.device, speed: Speed) -> Lap:
    """A lap of this project's step. The bank is full before the first one."""
    torch.manual_seed(0)
    data = TrialData(trial, methods.load(trial.method).label_source, device, images)
    learner = build_learner(trial, data).to(device).train()
    fill_with_noise(learner, data)
    step = build_step(learner, build_optimiser(trial, learner), speed)
    return _lap(trial, _endless(data, learner.views), step, device)


@contextlib.contextmanager
def _plain(trial: TrialConfig, images: ImageData, device: torch.device, settings: dict[str, Any]) -> Iterator[Lap]:
    """A lap of the plain pipeline; its loader's processes end with the context."""
    data = TrialData(trial, methods.load(trial.method).label_source, device, images)
    ours = build_learner(trial, data).to(device).train()
    fill_with_noise(ours, data)
    learner = plain.PlainLearner(ours).to(device)
    optimiser = torch.optim.SGD(
        learner.query.parameters(), trial.lr, trial.sgd_momentum, weight_decay=trial.weight_decay
    )
    workers = os.cpu_count() if settings["workers"] == "cpus" else settings["workers"]
    batches = plain.batches(trial, images, int(workers), device)
    lap = _lap(trial, batches, Step(learner, optimiser), device)

    def with_its_flags() -> dict[str, float]:
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True  # PyTorch's default, and a usual line
        return dict(lap())

    try:
        yield with_its_flags if device.type == "cuda" else lap
    finally:
        batches.close()


def _lap(trial: TrialConfig, batches: Iterator[Batch], step: Step, device: torch.device) -> Lap:
    def lap() -> dict[str, float]:
        prepare_device(trial)
        watch = Stopwatch(device)
        batch = next(batches)
        watch.mark("data")
        step(batch, trial.lr, watch.mark)
        watch.mark("rest")  # of a CUDA graph: all of it
        return watch.read()

    return lap


def _endless(data: TrialData, views: dict[str, str]) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from data.batches(epoch, views)
