"""The one training loop: epochs, batches, schedule, checkpoints, evaluation, reports. It knows no method by name."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness import benchmarks, files, trials
from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.devices import send
from harness.evaluation import recall_at_k, recall_within
from harness.training import OnStep, Report, TrainingFailed
from harness.training.checkpoint import Checkpoints
from harness.training.data import Batch, TrialData
from harness.training.device import device_name
from harness.training.diagnosis import build_diagnosis
from harness.training.images import StoredImages, resized
from harness.training.schedule import learning_rate
from harness.training.step import Step, build_optimiser, build_step

RECALL_AT = (1, 2, 5, 10, 50, 100)
WITHIN_AT = VALIDATION_AT = (1, 2, 5, 10)
PROGRESS_SECONDS = 2


class Loop:
    """One trial in training. `run` goes on from the checkpoint and returns the metric lines of all epochs."""

    def __init__(self, trial: TrialConfig, directory: Path, data: TrialData, learner: nn.Module):
        self.trial, self.directory, self.data, self.learner = trial, directory, data, learner
        self.optimiser = build_optimiser(trial, learner)
        self.speed: Speed | None = None  # how its steps run; a resumed trial keeps to it
        self.step: Step
        self.checkpoints = Checkpoints(directory, trial, learner, self.optimiser)
        self.lines: list[dict[str, Any]] = []
        self.seconds = 0.0  # of training, over all runs
        self.epoch_began = time.monotonic()
        self.notes: list[str] = []  # damaged files that were set aside
        self.features: Tensor | None = None  # of the test images (T, F), at the last evaluation
        self.first_step: float | None = None  # when this run's first step was done
        self.told, self.told_steps = 0.0, 0
        self.steps, self.rate = 0, 0.0  # in this process; images a second over the last moments
        self.on_batch: Callable[[], None] = lambda: None  # after each batch of an evaluation

    def run(self, report: Report, on_step: OnStep) -> list[dict[str, Any]]:
        """Train to the end. A stop from outside leaves the last epoch's state on disk."""
        try:
            first = self.prepare()
            diagnosis = build_diagnosis(self.trial, self.data, self.learner)
            for epoch in range(first, self.trial.epochs):
                started = self.epoch_began = time.monotonic()
                metrics = self.train_epoch(epoch, on_step)
                done = epoch + 1
                self.on_batch = functools.partial(self._evaluated_batch, epoch, on_step)
                if diagnosis:
                    metrics |= diagnosis.measure(done)
                if done % self.trial.eval_every == 0 or done == self.trial.epochs:
                    metrics |= self.evaluate(done)
                self.seconds += time.monotonic() - started
                self._record(done, metrics)
                report(done, metrics)
        except BaseException:
            self.checkpoints.write()
            raise
        return self.lines

    def prepare(self) -> int:
        """Everything before the next epoch, whose number comes back: the checkpoint's state, the step, the bank."""
        first = self._resume()
        self.speed = self.speed or self._choose_speed()
        self.step = build_step(self.learner, self.optimiser, self.speed)
        if first == 0:
            self.learner.train()
            self.learner.start(self._batches_without_end())
        return first

    def evaluate(self, epoch: int) -> dict[str, float]:
        """Recall of the test images by the encoder's features before the projector, in fp32; `features` keeps them.

        Also within coarse classes: by those that the method trains on, by all groupings where it trains on none. And of
        the held-out training images, where there are any.
        """
        features = self.features = self._embed("test", self.data.test_images, epoch)
        recall = recall_at_k(features, self.data.test_fine, RECALL_AT)
        found = {f"recall_at_{k}": value for k, value in recall.items()}
        for name, groups in self.data.test_groups.items():
            within = recall_within(features, self.data.test_fine, groups, WITHIN_AT)
            found |= {trials.within_metric(k, name): value for k, value in within.items()}
        return found | self._validate(epoch)

    def _validate(self, epoch: int) -> dict[str, float]:
        """Recall of the held-out images among themselves, by fine classes; by coarse ones where the method has them, too."""
        held_out = self.data.validation
        if held_out is None:
            return {}
        features = self._embed("held-out", held_out.images, epoch)
        recall = recall_at_k(features, held_out.fine, VALIDATION_AT)
        found = {trials.validation_metric(k): value for k, value in recall.items()}
        if self.trial.label_source == "coarse":
            recall = recall_at_k(features, held_out.coarse, VALIDATION_AT)
            found |= {trials.validation_coarse_metric(k): value for k, value in recall.items()}
        return found

    def _embed(self, which: str, images: Tensor | StoredImages, epoch: int) -> Tensor:
        features = embed(self.learner.encoder, images, self.data, self.trial, self.on_batch)
        if not torch.isfinite(features).all():
            raise self._failed(epoch, f"the features of the {which} images hold NaN or infinity after epoch {epoch}")
        return features

    def train_epoch(self, epoch: int, on_step: OnStep) -> dict[str, float]:
        """One pass over the training images; the mean loss, and the rate at its last step."""
        self.learner.train()
        total = torch.zeros((), device=self.data.device)
        steps = self.data.steps_per_epoch
        rate = 0.0
        for step, batch in enumerate(self.data.batches(epoch, self.learner.views)):
            rate = learning_rate(self.trial, epoch * steps + step, steps)
            total += self.step(batch, rate)
            self.first_step = self.first_step or time.time()
            self.steps += 1
            on_step(epoch, step + 1, steps)
            self._tell(epoch, (step + 1) / steps)
        mean = total.item() / steps
        if not math.isfinite(mean):
            raise self._failed(epoch + 1, f"the loss is {mean} in epoch {epoch + 1}")
        return {"loss": mean, "lr": rate}

    def _failed(self, epoch: int, message: str) -> TrainingFailed:
        last = self.lines[-1] if self.lines else None
        words = f"{message}; the last metrics were {last}" if last else message
        return TrainingFailed(words, epoch=epoch, last_metrics=last)

    def _batches_without_end(self) -> Iterator[Batch]:
        """Epochs before the first, for what a learner does before its first step."""
        epoch = -1
        while True:
            yield from self.data.batches(epoch, {"key": "weak"})
            epoch -= 1

    def _choose_speed(self) -> Speed:
        """What `harness bench` measured on this device decides where the settings leave it open."""
        device = self.data.device
        steps = self.trial.epochs * self.data.steps_per_epoch
        known = benchmarks.load(trials.workspace_of(self.directory))
        return benchmarks.choose(self.trial, device_name(device), torch.get_num_threads(), steps, known)

    def _resume(self) -> int:
        """Go back to the checkpoint, if there is one; the epoch to go on with."""
        state, damage = self.checkpoints.resume()
        if damage:
            self.notes.append(damage)
        if state is None:
            trials.write_metrics(self.directory / trials.METRICS, [])
            return 0
        self.lines, self.seconds, self.speed = state["lines"], state["seconds"], Speed(**state["speed"])
        trials.write_metrics(self.directory / trials.METRICS, self.lines)
        return state["epoch"]

    def _record(self, epoch: int, metrics: dict[str, float]) -> None:
        """The epoch's line, and its state."""
        line = {"epoch": epoch, **metrics, "seconds": round(self.seconds, 3), "time": time.time()}
        self.lines.append(line)
        # the state first: Ctrl-C in between must not leave an epoch on record that is then trained anew
        self.checkpoints.epoch_done(epoch, self.seconds, self.lines, dataclasses.asdict(self.speed))
        trials.write_metrics(self.directory / trials.METRICS, self.lines)
        if epoch == self.trial.epochs:
            self.checkpoints.write()

    def _evaluated_batch(self, epoch: int, on_step: OnStep) -> None:
        """An evaluation may take long: it can be stopped, and says that it is alive."""
        on_step(epoch, self.data.steps_per_epoch, self.data.steps_per_epoch)
        self._tell(epoch, 1.0)

    def _tell(self, epoch: int, fraction: float) -> None:
        """Every two seconds: how far it is, and how fast."""
        passed = time.monotonic() - self.told
        if passed < PROGRESS_SECONDS:
            return
        if self.steps > self.told_steps and self.told > 0:
            self.rate = (self.steps - self.told_steps) * self.trial.batch_size / passed
        self.told, self.told_steps = time.monotonic(), self.steps
        content = {
            "epoch": epoch,
            "fraction": (epoch + fraction) / self.trial.epochs,
            "seconds": round(self.seconds + time.monotonic() - self.epoch_began, 3),
            "images_per_second": round(self.rate, 1),
            "gpu_memory": torch.cuda.max_memory_reserved() if self.data.device.type == "cuda" else 0,
        }
        files.write_json(self.directory / trials.PROGRESS, content)


@torch.no_grad()
def embed(
    encoder: nn.Module,
    images: Tensor | StoredImages,
    data: Any,
    trial: TrialConfig,
    on_batch: Callable[[], None] = lambda: None,
) -> Tensor:
    """Features of uint8 images as the trial resizes its test images: (N, F) in fp32. `data` normalises."""
    encoder.eval()
    parts, orders = [], []
    with torch.compiler.set_stance("force_eager"):  # compiling for evaluation would cost more than it saves
        for indices, levels in resized(images, trial.image_size, trial.test_resize):
            parts.append(encoder(data.normalise(levels)).float())
            orders.append(indices)
            on_batch()
    features = torch.cat(parts)
    return features[send(torch.argsort(torch.cat(orders)), features.device)]
