"""The learning rate: linear warm-up from 0, then half a cosine to 0, stepped every iteration."""

from __future__ import annotations

import math

from harness.config import TrialConfig


def learning_rate(trial: TrialConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of one step, counted from 0 over the whole training.

    NOTE: the paper mentions no warm-up, the released code has 5 of 200 epochs; a short run keeps that shape, with at most a
    tenth of its epochs.
    """
    warmup = min(trial.warmup_epochs, trial.epochs // 10) * steps_per_epoch
    if step < warmup:
        return trial.lr * step / warmup
    done = (step - warmup) / (trial.epochs * steps_per_epoch - warmup)
    return trial.lr * 0.5 * (1 + math.cos(math.pi * done))
