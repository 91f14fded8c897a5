"""What a simulated sweep is given, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CAUSES = ("training", "starting", "driver", "checkpoints", "repeated", "idle", "down")


@dataclass(frozen=True)
class Cluster:
    """Where a sweep runs. The driver's own machine is not one of the nodes, and does not fail."""

    gpus: int
    gpus_per_node: int = 8  # the last node may have fewer
    trials_per_gpu: int = 1  # each trial then takes as many times longer
    hours_between_failures: float | None = (
        None  # of one node, on average, exponentially distributed; None: it never fails
    )
    replacement_seconds: float = 600.0  # from a node's failure until another one is in its place


@dataclass(frozen=True)
class Costs:
    """What a trial takes beside its training, and what it asks of the driver. Seconds, of a GPU or of the driver."""

    start_seconds: float  # from the driver's call until the first step: process, imports, data
    leave_seconds: float  # from the driver's answer to a trial's end until its place is free
    report_seconds: float  # that a report keeps a trial beyond the driver's own time: there and back
    driver_start_seconds: float  # of the driver, per trial started
    driver_report_seconds: float  # per epoch
    driver_end_seconds: float  # per trial that ended or was lost
    driver_record_seconds: float  # per finished trial in MLflow; its place does not wait for it, other trials do
    driver_seconds_per_known_trial: float  # that each of these three grows by with every trial that was started before
    detection_seconds: float  # from a node's failure until the driver knows
    checkpoint_seconds: float  # per checkpoint written
    checkpoint_interval_seconds: float = 60.0  # at an epoch's end, this long after the last one at the earliest
    driver_bytes: float = 0.0  # of memory, before any trial
    driver_bytes_per_trial: float = 0.0


@dataclass(frozen=True)
class Work:
    """The trials of a sweep."""

    trials: int
    gpu_hours: float = 1.0  # of a trial's training alone, on average
    spread: float = 0.1  # standard deviation of these hours over their mean; log-normal
    epochs: int = 200

    def hours(self, seed: int) -> np.ndarray:
        """GPU-hours of each trial (trials,)."""
        width = math.sqrt(math.log1p(self.spread**2))
        drawn = np.random.default_rng([seed, 0]).standard_normal(self.trials)
        return self.gpu_hours * np.exp(width * drawn - width**2 / 2)


@dataclass(frozen=True)
class Outcome:
    """What became of the GPUs' time. The seconds by cause add up to GPUs × time."""

    makespan_seconds: float  # until the last trial has ended
    queue_seconds: float  # until a GPU first found nothing to be handed out; 0 where there are more GPUs than trials
    whole: Mapping[str, float]  # GPU seconds by cause, until the end
    queue: Mapping[str, float]  # the same, until the queue was empty
    driver_busy_seconds: float
    driver_bytes: float
    failures: int  # of nodes
    losses: int  # of trials, with their node
    given_up: (
        int  # trials lost so often without a checkpoint between that a run of a sweep leaves them; here they go on
    )


def efficiency(seconds: Mapping[str, float], *, count_down: bool = False) -> float | None:
    """The share of GPU time that is training that counts: of GPUs that are up, or of all. None where there is no time."""
    total = sum(seconds.values()) - (0.0 if count_down else seconds["down"])
    return seconds["training"] / total if total > 0 else None
