"""Gradients in bf16 against those in fp32: same weights, same bank, same batch. The first thing to look at on a new device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness import methods
from harness.bench.step import endless
from harness.bench.timing import summary
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.training.data import Batch, TrialData
from harness.training.device import prepare_device
from harness.training.learner import build_learner
from harness.training.step import Step, build_optimiser

STEPS = 8  # of training in fp32 between the first look and the second


def measure(trial: TrialConfig, images: ImageData, device: torch.device, repeats: int) -> dict[str, Any]:
    """Cosine of the whole gradient, and of the worst single tensor, at the first weights and after some steps."""
    trials = {precision: trial.replace(precision=precision) for precision in ("fp32", "bf16")}
    data = TrialData(trial, methods.load(trial.method).label_source, device, images)
    learners = {name: build_learner(each, data).to(device).train() for name, each in trials.items()}
    prepare_device(trials["fp32"])
    learners["fp32"].start(data.batches(-1, {"key": "weak"}))
    batches = endless(data, learners["fp32"].views)
    found = {"at first": _look(trials, learners, batches, repeats)}
    step = Step(learners["fp32"], build_optimiser(trial, learners["fp32"]))
    prepare_device(trials["fp32"])
    for _ in range(STEPS):
        step(next(batches), trial.lr)
    found[f"after {STEPS} steps"] = _look(trials, learners, batches, repeats)
    return found


def _look(
    trials: Mapping[str, TrialConfig], learners: Mapping[str, nn.Module], batches: Iterator[Batch], repeats: int
) -> dict[str, Any]:
    """Over a few batches. The bf16 learner takes over the state of the other one first."""
    learners["bf16"].load_state_dict(learners["fp32"].state_dict())
    whole, worst = [], []
    for _ in range(repeats):
        batch = next(batches)
        gradients = {}
        for name, learner in learners.items():
            prepare_device(trials[name])
            learner.zero_grad(set_to_none=True)
            learner(batch).mean().backward()
            gradients[name] = [
                parameter.grad.double().flatten() for parameter in learner.parameters() if parameter.grad is not None
            ]
        pairs = list(zip(*gradients.values(), strict=True))
        whole.append(_cosine(*(torch.cat(each) for each in gradients.values())))
        worst.append(min(_cosine(left, right) for left, right in pairs))
    return {"cosine": summary(whole), "worst_tensor": summary(worst)}


def _cosine(left: Tensor, right: Tensor) -> float:
    return (left @ right / (left.norm() * right.norm()).clamp_min(1e-300)).item()
