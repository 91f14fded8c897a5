"""A sweep: what is missing is trained under Ray Tune, what is finished is recorded in MLflow.

Running the same sweep again is the one way to resume: finished trials are skipped, unfinished ones go on from their
checkpoint, new cells run. `Tuner.restore` is not used.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import tracking, trials
from harness import workspace as workspaces
from harness.decode_display import decoded
from harness.errors import UsageError
from harness.plan import Planned, plan
from harness.spec import SweepSpec

SETTLE_SECONDS = 5


@dataclass(frozen=True)
class Resources:
    """Where the trials of a sweep run, and how many at once."""

    workers: int | None = None
    trials_per_gpu: float = 1.0
    address: str | None = None  # of a running Ray cluster; None starts one on this machine

    def __post_init__(self) -> None:
        if not (self.trials_per_gpu >= 1 and float(self.trials_per_gpu).is_integer()):
            raise UsageError(f"--trials-per-gpu {self.trials_per_gpu:g} must be a whole number of at least 1.")


@dataclass(frozen=True)
class Outcome:
    """What a run of a sweep leaves behind."""

    planned: list[Planned]  # with their states after the run
    trained: int
    record_problem: str | None  # why MLflow could not be written, if it could not

    def count(self, state: str) -> int:
        """How many trainings are in a state."""
        return sum(entry.state.state == state for entry in self.planned)


def run(
    spec: SweepSpec, workspace: Path, resources: Resources, *, retry_failed: bool = False, uri: str | None = None
) -> Outcome:
    """Train what is missing, record what is new. Raises MissingData and UsageError before anything starts."""
    uri = uri or tracking.default_uri(workspace)
    planned = _settled(spec, workspace)
    tried: set[str] = set()
    with tracking.Mirror(workspace, spec, uri) as mirror:
        done = [entry.trial.trial_id for entry in planned if entry.state.state == "done"]
        mirror.add(tracking.unrecorded(workspace, spec, uri, done))
        # More than one pass only where another process, the last one of a killed sweep say, let go of trials meanwhile.
        while todo := _open(planned, tried, retry_failed):
            _train(todo, spec, workspace, resources, mirror)
            tried |= {entry.trial.trial_id for entry in todo}
            planned = _settled(spec, workspace)
        while resources.trials_per_gpu > 1 and (todo := _crowded(planned, tried)):
            resources = dataclasses.replace(resources, trials_per_gpu=resources.trials_per_gpu // 2)
            _train(todo, spec, workspace, resources, mirror)
            planned = _settled(spec, workspace)
        done = [entry.trial.trial_id for entry in planned if entry.state.state == "done"]
        mirror.add(tracking.unrecorded(workspace, spec, uri, done))
        if not tried:
            workspaces.save_spec(workspace, spec)
    outcome = Outcome(planned, len(tried), mirror.problem)
    mirror.close(outcome.count("done") == len(planned))
    return outcome


def _open(planned: list[Planned], tried: set[str], retry_failed: bool) -> list[Planned]:
    """What this run still has to train."""
    skipped = {"done", "running"} if retry_failed else {"done", "running", "failed"}
    return [entry for entry in planned if entry.state.state not in skipped and entry.trial.trial_id not in tried]


def _crowded(planned: list[Planned], tried: set[str]) -> list[Planned]:
    """What ran out of GPU memory in this run: it gets twice the share of a GPU."""
    failed = [entry for entry in planned if entry.state.state == "failed" and entry.trial.trial_id in tried]
    return [entry for entry in failed if trials.failure_kind(entry.directory) == trials.OUT_OF_MEMORY]


def _train(
    todo: list[Planned], spec: SweepSpec, workspace: Path, resources: Resources, mirror: tracking.Mirror
) -> None:
    from harness.sweep import preflight, ray_trials

    preflight.check(spec, workspace, todo)
    decoded(Console(stderr=True), todo[0].trial)  # now, not by the first trials all at once
    workspaces.save_spec(workspace, spec)
    ray_trials.train_all(todo, workspace, resources, on_done=lambda directory: mirror.add([directory.name]))


def _settled(spec: SweepSpec, workspace: Path) -> list[Planned]:
    """The plan, once trials that seem to be running had a moment to end: workers outlive a killed sweep by seconds."""
    limit = time.monotonic() + SETTLE_SECONDS
    while True:
        planned = plan(spec, workspace)
        if time.monotonic() > limit or all(entry.state.state != "running" for entry in planned):
            return planned
        time.sleep(0.5)
