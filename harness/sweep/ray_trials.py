"""The trials of a sweep as Ray Tune trials, one process each, in the order of the sweep.

Ray schedules, and starts a trial again whose process died; state and results live in the trial directories alone. Nothing of
Ray's own files is needed afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import attempts, files, trials
from harness.config import from_dict
from harness.errors import DiskFull, MissingData, UsageError
from harness.spec import SweepSpec
from harness.sweep import cluster
from harness.sweep.cluster import Resources
from harness.sweep.display import SweepDisplay
from harness.sweep.stopping import AskedToStop, Budget, Control, asked
from harness.sweep.work import Work

if TYPE_CHECKING:
    from harness.sweep.tuning import Queue

PATIENCE = (1, 5, 30)  # seconds between tries where the storage does not answer
DEATHS_WITHOUT_PROGRESS = 5  # of one trial's processes in a row: it is then given up until the next run of the sweep


@dataclass(frozen=True)
class Job:
    """What a worker process needs to know, the same for all trials of a run."""

    run: str  # its name, in leases and attempts
    stop: Path  # a file that is there when all are to stop
    threads: int
    sees_gpus: bool


def train_all(
    spec: SweepSpec,
    work: Work,
    workspace: Path,
    resources: Resources,
    budget: Budget,
    *,
    on_done: Callable[[Path], None],
) -> str | None:
    """Train what `work` hands out; `on_done` is told the directory of each trial that finishes. Returns when all ended, or
    why they were stopped before."""
    sys.stdout.flush()
    doing = f"Joining the cluster at {resources.address}" if resources.address else "Starting Ray"
    print(f"{doing} …", file=sys.stderr, flush=True)
    cluster.connect(resources)
    try:
        machines = cluster.nodes()
        each = cluster.share(machines, work.examples, resources)
        if budget.limits.gpu_hours is not None and "gpu" not in each:
            raise UsageError("--max-gpu-hours: these trials use no GPU; --max-hours limits the time of the command.")
        slots = cluster.slots(machines, each)
        cluster.check_shared(workspace, machines)
        with _scratch(workspace, shared=resources.address is not None) as scratch:
            display = SweepDisplay(spec, workspace, work.most, on_done)
            return _tuned(work, scratch, resources, budget, each, slots, display)
    finally:
        cluster.leave()


def _tuned(
    work: Work,
    scratch: Path,
    resources: Resources,
    budget: Budget,
    each: dict[str, float],
    slots: int,
    display: SweepDisplay,
) -> str | None:
    from ray import tune

    from harness.sweep.tuning import Events, Queue, keep_secrets

    keep_secrets()
    job = Job(
        run=f"{scratch.name}-{time.time_ns()}",
        stop=scratch / "stop.json",
        threads=int(each["cpu"]),
        sees_gpus="gpu" in each,
    )
    control = Control(job.stop, job.run, budget, each.get("gpu", 0.0))
    at_once = resources.workers if work.ahead else min(resources.workers or slots, slots)
    queue = Queue(work, at_once, control)
    with display, control.listening(), _quiet():
        trainable = tune.with_parameters(train_one, job=job)
        tuner(trainable, queue, each, slots, scratch, [Events(queue, display, control)]).fit()
    return control.reason


def tuner(
    trainable: Any, queue: Queue, each: dict[str, float], slots: int, storage: Path, callbacks: Sequence[Any]
) -> Any:
    """Tune's own, for what a queue hands out; `each` is what one trial gets, and so many `slots` there are."""
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(slots, 1))  # its own default starts them one by one
    os.environ["TUNE_PRINT_ALL_TRIAL_ERRORS"] = "0"  # the display says in a line that a process died
    from ray import tune

    from harness.sweep.tuning import Stopper

    return tune.Tuner(
        tune.with_resources(trainable, each),
        tune_config=tune.TuneConfig(
            num_samples=queue.work.most,
            search_alg=queue,
            # NOTE: a fresh process per trial costs its imports; a GPU trial gets one, for clean GPU memory
            reuse_actors="gpu" not in each,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            verbose=0,
            stop=Stopper(queue.control),
            callbacks=list(callbacks),
            failure_config=tune.FailureConfig(max_failures=-1),  # `train_one` counts
        ),
    )


def train_one(config: dict[str, Any], *, job: Job) -> None:
    """In a worker process: one trial, from its checkpoint if it has one. Whatever ends it is reported and ends here, so that
    Ray starts only those again whose process died."""
    if not job.sees_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from ray import tune

    from harness import lease
    from harness.training import Stopped, TrainingFailed

    try:
        _patiently(lambda: _train(config, job))
    except DiskFull as full:
        tune.report({"epoch": 0, "problem": str(full), "disk_full": True})
    except (TrainingFailed, MissingData, UsageError, lease.Held, Stopped, trials.DamagedFile, OSError) as problem:
        tune.report({"epoch": 0, "problem": str(problem)})
    except Exception:  # a bug of ours; its process has not died
        tune.report({"epoch": 0, "problem": traceback.format_exc()})


def _train(config: dict[str, Any], job: Job) -> None:
    from ray import tune

    from harness.training import train
    from harness.training.device import check_gpu

    trial, directory = from_dict(json.loads(config["trial"])), Path(config["directory"])
    if trial.threads is None:
        trial = trial.replace(threads=job.threads)
    if job.sees_gpus and trial.device == "auto":
        check_gpu()
    if problem := _given_up(directory, job):
        tune.report({"epoch": 0, "problem": problem})
        return
    to_stop = AskedToStop(job.stop, trial.trial_id)

    def report(epoch: int, metrics: dict[str, float]) -> None:
        tune.report({"epoch": epoch, **metrics})  # the driver has heard of it when this returns
        to_stop.look()

    train(trial, directory, report, to_stop, sweep_run=job.run)


def _patiently(work: Callable[[], object]) -> None:
    """Do it, a few times where the storage does not answer."""
    for seconds in (*PATIENCE, None):
        try:
            work()
            return
        except OSError as error:
            if seconds is None or not files.is_away(error):
                raise
            time.sleep(seconds)


def _given_up(directory: Path, job: Job) -> str | None:
    """Why this run of the sweep does not go on with the trial; None where it does."""
    if reason := asked(job.stop):
        return reason["reason"]
    with contextlib.suppress(OSError, trials.DamagedFile):
        stop = trials.read_json(directory / trials.STOPPED)
        if stop.get("run") == job.run:
            return str(stop["reason"])
    died = attempts.deaths_without_progress(attempts.read(directory), job.run)
    if died >= DEATHS_WITHOUT_PROGRESS:
        return (
            f"its process died {died} times in a row without an epoch's progress on disk (killed for memory?); "
            "the same command tries it again"
        )
    return None


@contextlib.contextmanager
def _scratch(workspace: Path, *, shared: bool):  # type: ignore[no-untyped-def]
    """A folder for Ray's own files, removed afterwards: on a cluster one that all machines see, else away from the results."""
    root = workspace / ".ray" if shared else None
    if root:
        root.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="harness-sweep-", dir=root))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if root:
            with contextlib.suppress(OSError):
                root.rmdir()


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Tune prints to stdout whatever its verbosity; the display is on stderr."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
