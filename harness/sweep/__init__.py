"""A sweep: what is missing is trained under Ray Tune, what is finished is recorded in MLflow.

Running the same sweep again is the one way to resume: finished trials are skipped, unfinished ones go on from their
checkpoint, new cells run. `Tuner.restore` is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import tracking, trials, workspace as workspaces
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
    with Mirror(workspace, spec, uri) as mirror:
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


class Mirror:
    """Hands finished trials to MLflow in a thread of its own, so that training never waits for it."""

    def __init__(self, workspace: Path, spec: SweepSpec, uri: str):
        self.workspace, self.spec, self.uri = workspace, spec, uri
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="mlflow")
        self.recorder: tracking.Recorder | None = None
        self.seen: set[str] = set()
        self.waiting: list[Future[None]] = []
        self.problem: str | None = None

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, *exception: object) -> None:
        self.thread.shutdown(wait=True)

    def add(self, ids: Sequence[str]) -> None:
        """Record these trials, each once."""
        for trial_id in ids:
            if trial_id not in self.seen:
                self.seen.add(trial_id)
                self.waiting.append(self.thread.submit(self._record, trial_id))

    def close(self, complete: bool) -> None:
        """Close the sweep's own run, if this run of the sweep wrote to it."""
        if self.recorder and self.problem is None:
            self.recorder.close(complete)

    def _record(self, trial_id: str) -> None:
        if self.problem:  # a store that cannot be reached is tried once a sweep
            return
        try:
            if self.recorder is None:
                self.recorder = tracking.Recorder(self.workspace, self.spec, self.uri)
            self.recorder.record(trials.directory(self.workspace, trial_id))
        except Exception as error:  # whatever a store that is down or full makes its client raise
            self.problem = f"{tracking.public(self.uri)}: {type(error).__name__}: {str(error).splitlines()[0]}"
