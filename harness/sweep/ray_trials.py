"""The trials of a sweep as Ray Tune trials, one process each, in the order of the sweep.

Ray schedules, and starts a trial again whose process died; state and results live in the trial directories alone. Nothing of
Ray's own files is needed afterwards.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.config import TrialConfig, from_dict
from harness.errors import MissingData, UsageError
from harness.plan import Planned
from harness.sweep import Resources

PROCESS_DEATHS = 3  # of one trial, before it is given up until the next run of the sweep
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",  # on loopback; a cluster sets its own
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_DEDUP_LOGS": "0",
}


def train_all(
    todo: Sequence[Planned], workspace: Path, resources: Resources, *, on_done: Callable[[Path], None]
) -> None:
    """Train these trials; `on_done` is told the directory of each one that finishes. Returns when all ended."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray
    from ray import tune

    from harness.sweep.display import SweepDisplay

    print("Starting Ray …", file=sys.stderr, flush=True)
    _connect(resources.address)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    scratch = Path(tempfile.mkdtemp(prefix="sweep-", dir=_scratch_root(workspace)))
    try:
        share = _share(ray.cluster_resources(), [entry.trial for entry in todo], resources)
        jobs = [(entry.trial.to_dict(), str(entry.directory)) for entry in todo]
        threads = int(share["cpu"])
        trainable = tune.with_parameters(train_one, jobs=jobs, threads=threads, sees_gpus="gpu" in share)
        with SweepDisplay(todo, on_done) as display, _quiet():
            callbacks = [display.callback()]
            tuner(trainable, len(jobs), share, resources.workers, scratch, callbacks).fit()
    finally:
        leave()
        shutil.rmtree(scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            scratch.parent.rmdir()


def tuner(
    trainable: Any, trials: int, share: dict[str, float], workers: int | None, storage: Path, callbacks: list[Any]
) -> Any:
    """Tune's own, for so many trials that differ in their `index` alone."""
    from ray import tune

    return tune.Tuner(
        tune.with_resources(trainable, share),
        param_space={"index": tune.grid_search(list(range(trials)))},
        tune_config=tune.TuneConfig(
            max_concurrent_trials=workers or 0,
            # NOTE: a fresh process per trial costs its imports; a GPU trial gets one, for clean GPU memory
            reuse_actors="gpu" not in share,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage),
            verbose=0,
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=PROCESS_DEATHS),
        ),
    )


def train_one(config: dict[str, Any], *, jobs: list[tuple[dict[str, Any], str]], threads: int, sees_gpus: bool) -> None:
    """In a worker process: one trial, from its checkpoint if it has one. A trial that cannot go on says so in its
    directory and ends here as well, so that Ray starts only those again whose process died."""
    if not sees_gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from ray import tune

    from harness import lease
    from harness.training import TrainingFailed, train

    settings, directory = jobs[config["index"]]
    trial = from_dict(settings)
    if trial.threads is None:
        trial = trial.replace(threads=threads)
    try:
        train(trial, Path(directory), lambda epoch, metrics: tune.report({"epoch": epoch, **metrics}))
    except (TrainingFailed, MissingData, UsageError, lease.Held) as problem:
        tune.report({"epoch": 0, "problem": str(problem)})


def leave() -> None:
    """Shut Ray down. The references of Ray that are garbage are collected first, and none while it goes down: Ray ends the
    whole process where another thread, MLflow's say, lets go of one meanwhile."""
    import ray

    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def _connect(address: str | None) -> None:
    """Start Ray on this machine, or join the cluster at `address`. Raises UsageError where nothing answers there."""
    import ray

    if address is None:
        # NOTE: without "local" Ray joins whatever cluster was last started here, and hangs where that one died
        ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        return
    try:
        if ":" in address:  # Ray itself would go on trying for minutes
            host, _, port = address.rpartition("://")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"--address {address}: no Ray cluster could be joined there ({reason}).") from None


def _share(cluster: dict[str, float], wanted: Sequence[TrialConfig], resources: Resources) -> dict[str, float]:
    """What one trial gets of the cluster. Raises UsageError for a request that could never be met."""
    cpus, gpus = cluster.get("CPU", 0), cluster.get("GPU", 0)
    asked = {trial.device for trial in wanted}
    if "cuda" in asked and gpus == 0:
        raise UsageError("device='cuda': this cluster has no GPU; leave the device to `auto` or use --set device=cpu.")
    if gpus > 0 and asked != {"cpu"}:
        slots = gpus * resources.trials_per_gpu
        return {"cpu": max(1.0, cpus // slots), "gpu": 1 / resources.trials_per_gpu}
    if resources.workers:
        if resources.workers > cpus:
            raise UsageError(
                f"--workers {resources.workers} is more than the {cpus:g} CPUs here; try {cpus:g} or fewer."
            )
        return {"cpu": float(cpus // resources.workers)}
    small = all(trial.encoder == "small" for trial in wanted)
    return {"cpu": 1.0 if small else min(4.0, cpus)}


def _scratch_root(workspace: Path) -> Path:
    root = workspace / ".ray"
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Tune prints to stdout whatever its verbosity; the display is on stderr."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
