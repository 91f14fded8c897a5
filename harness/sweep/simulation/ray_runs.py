"""Real sweeps of trials that only sleep and report: Ray Tune as `harness sweep` sets it up, and a clock at every step.

Each runs in a process of its own, as a user's would. That each trial claims a GPU, of which torch sees none, gives it a fresh
process, as on a GPU; trials that claim none share processes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import ray
from ray import tune

from harness import config, files, tracking, trials
from harness import spec as specs
from harness.config import TrialConfig
from harness.plan import Planned
from harness.sweep import cluster, ray_trials
from harness.sweep.cluster import Resources
from harness.sweep.display import SweepDisplay
from harness.sweep.stopping import Budget, Control
from harness.sweep.tuning import Events, Queue
from harness.sweep.work import Listed

WRITTEN_EPOCHS = 200  # in the results that the display reads at a trial's end


@dataclass(frozen=True)
class Sleeps:
    """A sweep. Its trials sleep so many `seconds` an epoch, in turn as this tuple says."""

    trials: int
    actors: int
    epochs: int
    seconds: tuple[float, ...]
    fresh: bool = True  # a process of its own per trial
    imports: bool = False  # all that a training imports, torch above all
    lose: str = ""  # "process": each trial once kills its own, "node": stops its node, which then no longer answers
    records: int = 0  # finished trials that are recorded in MLflow before


@dataclass
class Slept:
    """What was seen of it. Moments are those of `time.time()`."""

    asked: float = 0.0  # when Tune was called
    attempts: list[dict[str, Any]] = field(default_factory=list)  # of trials, in the order of their beginning
    steps: list[tuple[str, int, float]] = field(
        default_factory=list
    )  # what the driver did, trials known, seconds of work
    recovered: list[float] = field(default_factory=list)  # when the driver put a lost trial back
    ended: list[float] = field(default_factory=list)  # when it had dealt with a trial's end
    lost: list[float] = field(default_factory=list)  # when a trial lost its process or node
    recorded: list[float] = field(default_factory=list)  # seconds of each record in MLflow
    bytes_after: int = 0  # of the driver, at the end


def run(sleeps: Sleeps) -> Slept:
    """In a new process, which imports Ray with this environment: Ray reads it then."""
    os.environ |= cluster.ENVIRONMENT
    cluster.authenticate(Resources())
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_run, sleeps).result()


def _run(sleeps: Sleeps) -> Slept:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Ray believes it more than the GPUs it is told of
    _silence()
    with tempfile.TemporaryDirectory(prefix="sleeps-") as folder:
        jobs = [written(Path(folder) / "trials", seed) for seed in range(sleeps.trials)]
        todo = [Planned(trial, directory, trials.TrialState("missing"), ("sleep",)) for trial, directory in jobs]
        for name in ("seen", "lost", "tune"):
            (Path(folder) / name).mkdir()
        with _nodes(sleeps, Path(folder)) if sleeps.lose == "node" else _machine(sleeps):
            return _slept(sleeps, todo, Path(folder))


@contextlib.contextmanager
def _machine(sleeps: Sleeps) -> Iterator[None]:
    """A Ray with room for as many trials as there are actors."""
    gpus = sleeps.actors if sleeps.fresh else 0
    quiet: dict[str, Any] = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    ray.init("local", num_cpus=sleeps.actors, num_gpus=gpus, **quiet)
    try:
        yield
    finally:
        cluster.leave()


@contextlib.contextmanager
def _nodes(sleeps: Sleeps, folder: Path) -> Iterator[None]:
    """A Ray of several nodes, all on this machine, with room for one trial each: one more than will be lost."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False}
    several = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(sleeps.trials + 1):
        several.add_node(num_cpus=1, num_gpus=1)
    ray.init(several.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        for content in _read_all(folder / "lost"):
            for process in content["processes"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        cluster.leave()
        several.shutdown()


def _slept(sleeps: Sleeps, todo: Sequence[Planned], folder: Path) -> Slept:
    found = Slept()
    trainable = tune.with_parameters(sleep_one, sleeps=sleeps, folder=str(folder))
    share = {"cpu": 1.0} | ({"gpu": 1.0} if sleeps.fresh else {})
    control = Control(folder / "stop.json", "sleeps", Budget(), share.get("gpu", 0.0))
    queue = Queue(Listed(todo), None, control)
    shown = SweepDisplay(specs.load("digits"), folder, len(todo), on_done=lambda directory: None)
    with shown as display, _Clock(found) as clock:
        found.recorded = _recorded(folder, todo[: sleeps.records])
        found.asked = time.time()
        callbacks = [Events(queue, display, control), clock]
        ray_trials.tuner(trainable, queue, share, sleeps.actors, folder / "tune", callbacks).fit()
        found.bytes_after = psutil.Process().memory_info().rss
    found.attempts = sorted(_read_all(folder / "seen"), key=lambda attempt: attempt["begun"])
    found.lost = sorted(content["when"] for content in _read_all(folder / "lost"))
    return found


def _recorded(folder: Path, finished: Sequence[Planned]) -> list[float]:
    """Seconds of each; the first one, which makes the store, is left out."""
    if not finished:
        return []
    sweep = specs.load("digits")
    recorder = tracking.Recorder(folder, sweep, f"sqlite:///{folder / 'mlflow.db'}")
    taken = []
    for entry in finished:
        begun = time.perf_counter()
        recorder.record(entry.directory)
        taken.append(time.perf_counter() - begun)
    return taken[1:]


def _read_all(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def sleep_one(config: dict[str, Any], *, sleeps: Sleeps, folder: str) -> None:
    """In a worker process: a trial without a training."""
    begun = time.time()
    if sleeps.imports:
        import harness.training.run  # noqa: F401, torch with it
    index, held = config["index"], []
    process = psutil.Process()
    attempt = {"index": index, "process": process.create_time(), "begun": begun, "imported": time.time()}
    mark = Path(folder) / "lost" / f"{index}.json"
    if sleeps.lose and not mark.exists():
        processes = [process.ppid(), process.pid] if sleeps.lose == "node" else [process.pid]
        files.write_json(mark, {"when": time.time(), "processes": processes})
        for one in processes:
            os.kill(one, signal.SIGSTOP if sleeps.lose == "node" else signal.SIGKILL)
    for epoch in range(1, sleeps.epochs + 1):
        time.sleep(sleeps.seconds[index % len(sleeps.seconds)])
        asked = time.perf_counter()
        tune.report({"epoch": epoch, **metrics(epoch)})
        held.append(time.perf_counter() - asked)
    files.write_json(
        Path(folder) / "seen" / f"{process.pid}-{index}.json", attempt | {"ended": time.time(), "held": held}
    )


def written(folder: Path, seed: int) -> tuple[TrialConfig, Path]:
    """A trial with the result that its sweep will read when it ends."""
    trial = config.resolve("digits", "maskcon", seed=seed)
    directory = folder / trial.trial_id
    directory.mkdir(parents=True)
    lines = [{"epoch": epoch, **metrics(epoch), "time": 1.79e9 + epoch} for epoch in range(1, WRITTEN_EPOCHS + 1)]
    result = {"trial_id": trial.trial_id, "epochs": WRITTEN_EPOCHS, "seconds": 1.0, "train_images": 1}
    result |= {"finished": 1.79e9 + WRITTEN_EPOCHS, "notes": [], "metrics": lines}
    settings = {"trial_id": trial.trial_id, "created": 1.79e9, "settings": trial.to_dict()}
    for name, content in ((trials.RESULT, result), (trials.CONFIG, settings), (trials.ENVIRONMENT, {})):
        (directory / name).write_text(json.dumps(content, indent=1))
    return trial, directory


def metrics(epoch: int) -> dict[str, float]:
    """As many as a training has."""
    always = {"loss": 1 / epoch, "lr": 0.02, "relation_error": 0.1, "fine_mass": 0.5}
    return always | ({f"recall_at_{k}": 0.5 for k in range(1, 11)} if epoch % 10 == 0 else {})


class _Clock(tune.Callback):
    """The driver's own time for each step of its loop: without waiting for something to happen, with what that costs it."""

    def __init__(self, found: Slept):
        self.found, self.what, self.begun, self.waited = found, "nothing", 0.0, 0.0

    def __getstate__(self) -> dict[str, Any]:  # Tune pickles its callbacks
        return {}

    def __enter__(self) -> _Clock:
        self.wait = ray.wait
        ray.wait = self._wait  # type: ignore[assignment]
        return self

    def __exit__(self, *exception: object) -> None:
        ray.wait = self.wait

    def _wait(self, futures: Any, *, timeout: float | None = None, **options: Any) -> Any:
        begun, worked = time.perf_counter(), time.thread_time()
        ready, others = self.wait(futures, timeout=timeout, **options)
        if timeout != 0:
            self.waited += time.perf_counter() - begun - (time.thread_time() - worked)
            self.what = "other" if ready and self.what == "nothing" else self.what
        return ready, others

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.what, self.begun, self.waited = "nothing", time.perf_counter(), 0.0

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.found.steps.append((self.what, len(trials), time.perf_counter() - self.begun - self.waited))

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.what = "start"

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **i: Any) -> None:
        self.what = "report"

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.what = "end"
        self.found.ended.append(time.time())

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.what = "lost"
        self.found.recovered.append(time.time())


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
