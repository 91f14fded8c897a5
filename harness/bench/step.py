"""The training step: this project's ways of running it and, on request, the plain pipeline, timed in turn.

A lap is LAP_STEPS steps on fresh batches, its times those of one: "data" (drawing and augmenting the batch), the parts of
`harness.training.step`, and "rest", which is all of a CUDA graph.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
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
# On CUDA several batches are augmented in one go, and a loader's queue holds dozens: a lap is long beside both.
LAP_STEPS = {"cpu": 1, "cuda": 200}


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
    laps: dict[str, Lap] = {}
    first: dict[str, float] = {}  # seconds of making each way and of its first lap
    failed: dict[str, str] = {}
    for name, way in ways(device).items():
        begun = time.perf_counter()
        try:
            laps[name] = lap_of(trial.replace(precision=way.precision), images, device, way.speed)
            laps[name]()
        except Exception as problem:  # no compiler, a graph that cannot be recorded: the other ways are still measured
            failed[name] = f"{type(problem).__name__}: {str(problem).partition(chr(10))[0][:200]}"
            laps.pop(name, None)
        first[name] = time.perf_counter() - begun
    own = list(laps)
    with contextlib.ExitStack() as stack:
        if settings is not None:
            laps[AGAINST] = stack.enter_context(_plain(trial.replace(precision="fp32"), images, device, settings))
        taken = in_turn(laps, repeats)
    flops = count_flops(trial, images)
    starts = {name: first[name] - LAP_STEPS[device.type] * taken[name]["total"]["median"] for name in own}
    usual = starts.get("bf16", min(starts.values(), default=0.0))  # what any way costs once: the libraries' own start
    measured: dict[str, Any] = {}
    for name in own:
        way = ways(device)[name]
        # what was compiled for another way is not compiled again, but would be for this way alone
        compiled = [starts[other] for other in own if way.speed.compile and ways(device)[other].speed.compile]
        measured[name] = {
            "precision": way.precision,
            "compile": way.speed.compile,
            "cuda_graphs": way.speed.cuda_graphs,
            "start_seconds": max(0.0, round(max([starts[name], *compiled]) - usual, 2)),
            **_rates(taken[name], trial.batch_size, flops),
        }
    # on a CPU compiled code hides which operator it stands for
    eager = [name for name in own if device.type == "cuda" or not ways(device)[name].speed.compile]
    result: dict[str, Any] = {"flops": flops, "ways": measured, "failed": failed}
    if eager:
        shown = min(eager, key=lambda name: taken[name]["total"]["median"])
        result["operators"] = {"way": shown, "shares": operators.shares(laps[shown], device)}
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
    return _lap(trial, endless(data, learner.views), step, device, lambda: prepare_device(trial))


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
    workers = torch.get_num_threads() if settings["workers"] == "cpus" else int(settings["workers"])
    batches = plain.batches(trial, images, workers, device)
    try:
        yield _lap(trial, batches, Step(learner, optimiser), device, plain.prepare_device)
    finally:
        batches.close()


def _lap(
    trial: TrialConfig, batches: Iterator[Batch], step: Step, device: torch.device, prepare: Callable[[], None]
) -> Lap:
    steps = LAP_STEPS[device.type]

    def lap() -> dict[str, float]:
        prepare()
        watch = Stopwatch(device)
        for _ in range(steps):
            batch = next(batches)
            watch.mark("data")
            step(batch, trial.lr, watch.mark)
            watch.mark("rest")
        return {part: seconds / steps for part, seconds in watch.read().items()}

    return lap


def endless(data: TrialData, views: dict[str, str]) -> Iterator[Batch]:
    """Epoch after epoch of batches."""
    for epoch in itertools.count():
        yield from data.batches(epoch, views)
