"""Training one trial: `train(trial, directory, report)`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.config import TrialConfig

Report = Callable[[int, dict[str, Any]], None]  # (epoch, metrics), once per epoch
OnStep = Callable[[int, int, int], None]  # (epoch, steps done in it, steps in an epoch)


class TrainingFailed(Exception):
    """The trial cannot go on; what is known of why stands in its `failure.json`."""


class Stopped(BaseException):
    """SIGTERM: the last epoch's state is on disk, the same command goes on from there.

    Like KeyboardInterrupt, no ordinary handler may swallow it.
    """


def train(
    trial: TrialConfig, directory: Path, report: Report | None = None, on_step: OnStep | None = None
) -> dict[str, Any]:
    """Train a trial in its directory, from its checkpoint where it has one; the content of `result.json` comes back.

    A finished trial returns at once. Raises TrainingFailed (recorded in `failure.json`), MissingData, UsageError, and
    `harness.lease.Held` where another process is at it.
    """
    from harness.training import run

    return run.run(trial, Path(directory), report or (lambda epoch, metrics: None), on_step or (lambda *steps: None))
