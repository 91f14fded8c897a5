"""How the cost of a step grows with the batch and the bank, and that of an epoch with the dataset."""

from __future__ import annotations

from typing import Any

import torch

from harness.bench import epoch
from harness.bench.step import lap_of
from harness.bench.timing import in_turn
from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.datasets import ImageData

BATCHES = (32, 64, 128, 256)
BANKS = (1024, 8192, 65536)
STEPS = {"cpu": (2, 4, 8), "cuda": (50, 100, 200)}


def measure(trial: TrialConfig, images: ImageData, device: torch.device, repeats: int) -> dict[str, Any]:
    """Seconds of a step by batch size and by bank size, of an epoch by its number of steps."""
    by_batch = {
        str(size): lap_of(trial.replace(batch_size=size, bank_size=max(size, trial.bank_size)), images, device, Speed())
        for size in BATCHES
        if size <= len(images.train_images)
    }
    by_bank = {
        str(size): lap_of(trial.replace(bank_size=size), images, device, Speed())
        for size in BANKS
        if size >= trial.batch_size and "bank" in trial.uses
    }
    fitting = [steps for steps in STEPS[device.type] if steps * trial.batch_size <= len(images.train_images)]
    return {
        "batch_size": _totals(in_turn(by_batch, repeats)),
        "bank_size": _totals(in_turn(by_bank, repeats)),  # none for a method without a bank
        "steps": {str(steps): epoch.seconds(trial, images, device, steps, repeats) for steps in fitting},
    }


def _totals(taken: dict[str, Any]) -> dict[str, Any]:
    return {name: parts["total"] for name, parts in taken.items()}
