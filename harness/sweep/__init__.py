"""A sweep: what is missing is trained under Ray Tune, what is finished is recorded in MLflow.

Running the same sweep again is the one way to resume: finished trials are skipped, unfinished ones go on from their
checkpoint, new cells run. `Tuner.restore` is not used.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import lease, tracking, trials
from harness import workspace as workspaces
from harness.copies import Copies
from harness.decode_display import decoded
from harness.plan import Planned, plan
from harness.points import Study
from harness.spec import SweepSpec
from harness.sweep.asking import Asking
from harness.sweep.cluster import Resources
from harness.sweep.stopping import NO_LIMITS, Budget, Limits
from harness.sweep.work import Listed

SETTLE_SECONDS = 5


@dataclass(frozen=True)
class Outcome:
    """What a run of a sweep leaves behind."""

    planned: list[Planned]  # with their states after the run
    trained: int
    record_problem: str | None  # why MLflow could not be written, if it could not
    copy_problem: str | None  # why not everything is copied, if it is not
    stopped: str | None  # why it was stopped before its end, if it was

    def count(self, state: str) -> int:
        """How many trainings are in a state."""
        return sum(entry.state.state == state for entry in self.planned)


def run(
    spec: SweepSpec,
    workspace: Path,
    resources: Resources,
    limits: Limits = NO_LIMITS,
    *,
    retry_failed: bool = False,
    uri: str | None = None,
    copy_to: str | None = None,
) -> Outcome:
    """Train what is missing, or with `retry_failed` what failed; record what is new, and copy it where that is asked.

    Raises MissingData and UsageError before anything starts.
    """
    uri = uri or tracking.default_uri(workspace)
    study = Study(spec, workspace) if spec.search else None
    planned = _settled(spec, workspace, study)
    tried, budget = set[str](), Budget(limits)
    stopped: str | None = None
    with contextlib.ExitStack() as stack:
        mirror = stack.enter_context(tracking.Mirror(workspace, spec, uri))
        copies = stack.enter_context(Copies(workspace, spec, copy_to)) if copy_to else None

        def take(ids: list[str]) -> None:
            mirror.add(ids)
            if copies:
                copies.add(ids)

        take(_done(planned))
        # More than one pass only where another process, the last one of a killed sweep say, let go of trials meanwhile.
        while stopped is None and (work := _work(study, planned, tried, retry_failed)).most:
            stopped = _train(work, spec, workspace, resources, budget, take)
            planned = _settled(spec, workspace, study)
            if not work.handed:
                break  # a search that found nothing new to ask for
            tried |= work.handed
        while stopped is None and resources.trials_per_gpu > 1 and (todo := _crowded(planned, tried)):
            resources = resources.halved()
            stopped = _train(_again(study, todo), spec, workspace, resources, budget, take)
            planned = _settled(spec, workspace, study)
        take(_done(planned))
        workspaces.save_spec(workspace, _located(spec, study))
        mirror.close(stopped is None and _is_complete(study, planned))
    return Outcome(planned, len(tried), mirror.problem, copies.problem if copies else None, stopped)


def _done(planned: list[Planned]) -> list[str]:
    return [entry.trial.trial_id for entry in planned if entry.state.state == "done"]


def _located(spec: SweepSpec, study: Study | None) -> SweepSpec:
    """A search with the points that it has by now as its cells; another sweep as it is."""
    return study.in_cells(study.look()) if study else spec


def _is_complete(study: Study | None, planned: list[Planned]) -> bool:
    """Whether nothing is left: every training done or, of a search, as many points as it may ask for over."""
    return study.is_complete(study.look()) if study else len(_done(planned)) == len(planned)


def _work(study: Study | None, planned: list[Planned], tried: set[str], retry_failed: bool) -> Listed | Asking:
    if study and not retry_failed:
        return Asking(study, tried)
    return _again(study, _open(planned, tried, retry_failed))


def _again(study: Study | None, todo: list[Planned]) -> Listed | Asking:
    """These trials alone; of a search with the rungs that they have there."""
    return Asking(study, only={entry.trial.trial_id for entry in todo}) if study else Listed(todo)


def _open(planned: list[Planned], tried: set[str], retry_failed: bool) -> list[Planned]:
    """What this run still has to train."""
    untried = [entry for entry in planned if entry.trial.trial_id not in tried]
    if retry_failed:
        return [entry for entry in untried if entry.state.state == "failed"]
    return [entry for entry in untried if entry.state.state not in ("done", "running", "failed")]


def _crowded(planned: list[Planned], tried: set[str]) -> list[Planned]:
    """What ran out of GPU memory in this run: it gets twice the share of a GPU."""
    failed = [entry for entry in planned if entry.state.state == "failed" and entry.trial.trial_id in tried]
    return [entry for entry in failed if trials.failure_kind(entry.directory) == trials.OUT_OF_MEMORY]


def _train(
    work: Listed | Asking,
    spec: SweepSpec,
    workspace: Path,
    resources: Resources,
    budget: Budget,
    take: Callable[[list[str]], None],
) -> str | None:
    """One pass over trials. Returns why it was stopped, if it was."""
    from harness.sweep import preflight, ray_trials

    preflight.check(spec, workspace, work.examples)
    decoded(Console(stderr=True), work.examples[0])  # now, not by the first trials all at once
    workspaces.save_spec(workspace, spec)
    return ray_trials.train_all(
        spec, work, workspace, resources, budget, on_done=lambda directory: take([directory.name])
    )


def _settled(spec: SweepSpec, workspace: Path, study: Study | None) -> list[Planned]:
    """The plan, once trials that seem to be running had a moment to end: workers outlive a killed sweep by seconds.

    Where nothing else is left, until those on other machines are heard of, or are known to be dead.
    """
    begun, touched = time.monotonic(), dict[Path, int]()
    while True:
        planned = plan(_located(spec, study), workspace)
        running = [entry.directory for entry in planned if entry.state.state == "running"]
        silent = [path for path in running if touched.setdefault(path, lease.touched(path)) == lease.touched(path)]
        more = any(entry.state.state in ("missing", "unfinished") for entry in planned)
        more = more or (study is not None and study.may_ask(study.look()))
        if not running or (time.monotonic() - begun > SETTLE_SECONDS and (more or not silent)):
            return planned
        time.sleep(0.5)
