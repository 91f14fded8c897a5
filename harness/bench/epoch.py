"""An epoch as the training loop runs it, against the sum of its steps; and what an evaluation adds."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness import datasets, lease, methods
from harness.bench.bank import fill_with_noise
from harness.bench.timing import Stopwatch, summary
from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.training.data import Batch, TrialData
from harness.training.device import prepare_device
from harness.training.learner import build_learner
from harness.training.loop import Loop
from harness.training.step import Mark, Step, unmarked


class TimedData(TrialData):
    """Marks the moment at which the loop asks for a batch."""

    watch: Stopwatch

    def batches(self, *arguments: Any, **named: Any) -> Iterator[Batch]:
        source = super().batches(*arguments, **named)
        while True:
            self.watch.mark("beyond")
            batch = next(source, None)
            if batch is None:
                return
            yield batch


class TimedStep(Step):
    """Marks the end of the steps of another."""

    def __init__(self, inner: Step, watch: Stopwatch):
        super().__init__(inner.learner, inner.optimiser)
        self.inner, self.watch = inner, watch

    def __call__(self, batch: Batch, rate: float, mark: Mark = unmarked) -> Tensor:
        loss = self.inner(batch, rate, mark)
        self.watch.mark("inside")
        return loss


@contextlib.contextmanager
def _trial_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "trials" / "bench"
        directory.mkdir(parents=True)
        with lease.held(directory):
            yield directory


def measure(
    trial: TrialConfig, images: ImageData, device: torch.device, steps: int, repeats: int, speed: Speed
) -> dict[str, Any]:
    """Epochs of `steps` steps. "beyond_steps" is the share of an epoch that is neither data nor step nor evaluation."""
    steps = min(steps, len(images.train_images) // trial.batch_size)
    epochs, shares, evaluations = _epochs(trial, images, device, steps, repeats, speed)
    each = summary(epochs)["median"] / steps
    at_a_time = summary(evaluations)["median"]
    all_steps = (datasets.train_size(trial) or len(images.train_images)) // trial.batch_size
    return {
        "precision": trial.precision,
        "speed": dataclasses.asdict(speed),
        "steps": steps,
        "test_images": len(images.test_images),
        "seconds": summary(epochs),
        "beyond_steps": summary(shares),
        "evaluation_seconds": summary(evaluations),
        "dataset_epoch_seconds": round(each * all_steps + at_a_time / trial.eval_every, 3),
        "dataset_epoch": f"computed: {all_steps} such steps and a {trial.eval_every}th of an evaluation",
    }


def seconds(trial: TrialConfig, images: ImageData, device: torch.device, steps: int, repeats: int) -> dict[str, Any]:
    """Of an epoch of `steps` steps, without evaluation."""
    return summary(_epochs(trial, images, device, steps, repeats, Speed(), evaluate=False)[0])


def _epochs(
    trial: TrialConfig,
    images: ImageData,
    device: torch.device,
    steps: int,
    repeats: int,
    speed: Speed,
    *,
    evaluate: bool = True,
) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each epoch, the share of it that lies beyond the steps, and seconds of each evaluation."""
    prepare_device(trial)
    data = TimedData(trial, methods.load(trial.method).label_source, device, images)
    data.train_images = data.train_images[: steps * trial.batch_size]
    epochs, shares, evaluations = [], [], []
    with _trial_directory() as directory:
        learner = build_learner(trial, data).to(device)
        learner.start = lambda batches: fill_with_noise(learner, data)
        loop = Loop(trial, directory, data, learner)
        loop.speed = speed
        data.watch = Stopwatch(device)
        loop.prepare()
        inner = loop.step
        for epoch in range(1 + repeats):
            data.watch = watch = Stopwatch(device)
            loop.step = TimedStep(inner, watch)
            loop.train_epoch(epoch, lambda *progress: None)
            watch.mark("beyond")
            taken = watch.read()
            begun = time.perf_counter()
            if evaluate:
                loop.evaluate(epoch)
            if epoch:  # the first one warms up
                epochs.append(taken["total"])
                shares.append(taken["beyond"] / taken["total"])
                evaluations.append(time.perf_counter() - begun)
    return epochs, shares, evaluations
