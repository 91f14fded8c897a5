"""A sweep: what is missing is trained under Ray Tune, what is finished is recorded in MLflow.

Running the same sweep again is the one way to resume: finished trials are skipped, unfinished ones go on from their
checkpoint, new cells run. `Tuner.restore` is not used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import tracking
from harness import workspace as workspaces
from harness.plan import Planned, plan
from harness.spec import SweepSpec


@dataclass(frozen=True)
class Resources:
    """Where the trials of a sweep run, and how many at once."""

    workers: int | None = None
    trials_per_gpu: float = 1.0
    address: str | None = None  # of a running Ray cluster; None starts one on this machine


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
    planned = plan(spec, workspace)
    skipped = {"done", "running"} if retry_failed else {"done", "running", "failed"}
    todo = [entry for entry in planned if entry.state.state not in skipped]
    if todo:
        from harness.sweep import preflight

        preflight.check(spec, workspace, todo)
    workspaces.save_spec(workspace, spec)
    done = [entry.trial.trial_id for entry in planned if entry.state.state == "done"]
    with tracking.Mirror(workspace, spec, uri) as mirror:
        mirror.add(tracking.unrecorded(workspace, spec, uri, done))
        if todo:
            from harness.sweep import ray_trials

            ray_trials.train_all(todo, workspace, resources, on_done=lambda directory: mirror.add([directory.name]))
            planned = plan(spec, workspace)
            finished = [entry.trial.trial_id for entry in planned if entry.state.state == "done"]
            mirror.add(finished)
    outcome = Outcome(planned, len(todo), mirror.problem)
    mirror.close(outcome.count("done") == len(planned))
    return outcome
