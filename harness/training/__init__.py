"""Training one trial: `train(trial, directory, report)`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import trials
from harness.config import TrialConfig

Report = Callable[[int, dict[str, Any]], None]  # (epoch, metrics), once per epoch
OnStep = Callable[
    [int, int, int], None
]  # (epoch, steps done in it, steps in an epoch), after each; while evaluating, too


class TrainingFailed(Exception):
    """The trial cannot go on; what is known of why stands in its `failure.json`."""

    def __init__(self, message: str, **known: Any):
        super().__init__(message)
        self.known = known  # of the moment: epoch, last metrics


class Stopped(BaseException):
    """A stop from outside, SIGTERM say: the last epoch's state is on disk, the same command goes on from there.

    `on_step` may raise it. Like KeyboardInterrupt, no ordinary handler may swallow it.
    """

    def __init__(self, reason: str, kind: str = trials.SIGNAL):
        super().__init__(reason)
        self.kind = kind


def train(
    trial: TrialConfig,
    directory: Path,
    report: Report | None = None,
    on_step: OnStep | None = None,
    *,
    sweep_run: str | None = None,
) -> dict[str, Any]:
    """Train a trial in its directory, from its checkpoint where it has one; the content of `result.json` comes back.

    A finished trial returns at once. `sweep_run` names the run of the sweep that it belongs to. Raises TrainingFailed
    (recorded in `failure.json`), Stopped (`stopped.json`), MissingData, UsageError, DiskFull, and `harness.lease.Held` where
    another process is at it.
    """
    from harness.training import run

    return run.run(
        trial,
        Path(directory),
        report or (lambda epoch, metrics: None),
        on_step or (lambda *steps: None),
        sweep_run,
    )
