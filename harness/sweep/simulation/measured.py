"""The costs that the simulation takes for granted, measured: real Ray processes, real checkpoints, a real MLflow store.

All of it on the machine at hand, and without a GPU: reading the data and the first step on one are not among them.
"""

from __future__ import annotations

import datetime
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness import config, provenance
from harness.sweep.simulation import ray_runs
from harness.sweep.simulation.model import Work
from harness.sweep.simulation.ray_runs import Sleeps, Slept

ACTORS = (1, 2, 4, 8, 16)
ALONE = Sleeps(6, 1, 5, (0.3,), imports=True)
STEADY = {actors: Sleeps(max(6, 2 * actors), actors, 5, (0.3,)) for actors in ACTORS}
QUICK = {trials: Sleeps(trials, 4, 2, (0.0,), fresh=False, records=10) for trials in (100, 1000, 3000)}
LOST = {what: Sleeps(1, 1, 2, (0.3,), lose=what) for what in ("process", "node")}
LOSSES = 3  # a sweep each: a lost trial joins the end of the queue
COMPARED = {actors: Work(3 * actors, gpu_hours=20 / 3600, spread=0.3, epochs=20) for actors in (1, 4, 16)}
CHECKPOINTS = 10


def measure(command: str) -> dict[str, Any]:
    """All of it; minutes."""
    about = {
        "what": "a sweep beside its training: trials that sleep and report under a local Ray; seconds, and bytes",
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": provenance.machine() | {"load_before": provenance.load()},
        **provenance.git(),
        "versions": provenance.versions(),
    }
    alone = of_actors(ray_runs.run(ALONE), ALONE.actors)
    steady = {actors: ray_runs.run(sleeps) for actors, sleeps in STEADY.items()}
    quick = {trials: ray_runs.run(sleeps) for trials, sleeps in QUICK.items()}
    lost = {what: of_lost([ray_runs.run(sleeps) for _ in range(LOSSES)]) for what, sleeps in LOST.items()}
    compared = [real(work, actors, ray_runs.run(sleeping(work, actors))) for actors, work in COMPARED.items()]
    saving, size = checkpoints()
    by_actors = {actors: of_actors(slept, actors) for actors, slept in steady.items()}
    found = constants(alone, by_actors, quick, lost["node"]) | {"checkpoint_seconds": saving}
    return about | {
        "load_after": provenance.load(),
        "constants": found,
        "checkpoint_bytes": size,
        "by_actors": {str(actors): entry for actors, entry in by_actors.items()},
        "by_trials": {str(trials): of_driver(slept) | {"bytes": slept.bytes_after} for trials, slept in quick.items()},
        "lost": lost,
        "compared": compared,
    }


def constants(
    alone: Mapping[str, Any],
    by_actors: Mapping[int, Mapping[str, Any]],
    quick: Mapping[int, Slept],
    node: Mapping[str, Any],
) -> dict[str, dict[str, float]]:
    """The fields of `Costs`, each with its range. What takes a processor is that of one trial at a time."""
    driver = {name: summary(entry[name]["median"] for entry in by_actors.values()) for name in DRIVER}
    pairs = list(itertools.combinations(((trials, slept.bytes_after) for trials, slept in quick.items()), 2))
    each = [(after - before) / (more - fewer) for (fewer, before), (more, after) in pairs]
    base = [slept.bytes_after - statistics.median(each) * trials for trials, slept in quick.items()]
    return {
        "start_seconds": alone["start_seconds"],
        "leave_seconds": alone["leave_seconds"],
        "report_seconds": alone["report_seconds"],
        **driver,
        "driver_record_seconds": summary(seconds for slept in quick.values() for seconds in slept.recorded),
        "driver_seconds_per_known_trial": summary(growth(slept) for slept in quick.values() if len(slept.ended) > 500),
        "detection_seconds": node["noticed_seconds"],
        "driver_bytes": summary(base),
        "driver_bytes_per_trial": summary(each),
    }


DRIVER = ("driver_start_seconds", "driver_report_seconds", "driver_end_seconds")


def of_driver(slept: Slept) -> dict[str, dict[str, float]]:
    """What its driver did: per trial started, with all that happens for it beside, per report, per trial ended."""
    by_kind: dict[str, list[float]] = {}
    for what, _, seconds in slept.steps:
        by_kind.setdefault(what, []).append(seconds)
    beside = by_kind.get("other", [])  # places that became free, processes that left: some of each per trial
    share = statistics.median(beside) * len(beside) / len(by_kind["start"]) if beside else 0.0
    starts = [seconds + share for seconds in by_kind["start"]]
    return dict(zip(DRIVER, map(summary, (starts, by_kind["report"], by_kind["end"])), strict=True))


def of_actors(slept: Slept, actors: int) -> dict[str, dict[str, float]]:
    """Of trials once the first ones have ended: a process that is there already waits for each of those."""
    driver = of_driver(slept)
    later = slept.attempts[actors:]
    ends = sorted(attempt["ended"] for attempt in slept.attempts)
    handled = sum(driver[name]["median"] for name in ("driver_start_seconds", "driver_end_seconds"))
    free = [max(0.0, one["process"] - ended - handled) for one, ended in zip(later, ends, strict=False)]
    held = [seconds for attempt in slept.attempts for seconds in attempt["held"]]
    beyond = [max(0.0, seconds - driver["driver_report_seconds"]["median"]) for seconds in held]
    return driver | {
        "start_seconds": summary(attempt["imported"] - attempt["process"] for attempt in later),
        "leave_seconds": summary(free),
        "report_seconds": summary(beyond),
    }


def growth(slept: Slept) -> float:
    """Seconds of a step of the driver per trial that it knows: a line through the reports, a tenth of them after the other.

    Of each tenth, the value that a tenth of it stays below: nothing disturbed these.
    """
    reports = sorted((known, seconds) for what, known, seconds in slept.steps if what == "report")
    parts = np.array_split(np.array(reports), 10)
    slope, _ = np.polyfit(
        [np.median(part[:, 0]) for part in parts], [np.quantile(part[:, 1], 0.1) for part in parts], 1
    )
    return max(0.0, float(slope))


def of_lost(sweeps: Sequence[Slept]) -> dict[str, dict[str, float]]:
    """Of sweeps of one trial: from the loss of its process or node until the driver knows, and until it runs again."""
    return {
        "noticed_seconds": summary(slept.recovered[0] - slept.lost[0] for slept in sweeps),
        "again_seconds": summary(slept.attempts[0]["imported"] - slept.lost[0] for slept in sweeps),
    }


def sleeping(work: Work, actors: int) -> Sleeps:
    """The sweep of sleeping trials that the simulation of this work is held against."""
    return Sleeps(work.trials, actors, work.epochs, tuple(3600 / work.epochs * work.hours(0)))


def real(work: Work, actors: int, slept: Slept) -> dict[str, float]:
    """A real sweep, from the first trial's first epoch to the last one's end: what `scaling.compared` simulates."""
    seconds = max(one["ended"] for one in slept.attempts) - min(one["imported"] for one in slept.attempts)
    return {
        "actors": actors,
        "trials": work.trials,
        "epochs": work.epochs,
        "trial_seconds": round(3600 * work.gpu_hours, 3),
        "spread": work.spread,
        "real_seconds": round(seconds, 3),
    }


def checkpoints() -> tuple[dict[str, float], int]:
    """Seconds to write what a ResNet-18 with MaskCon, its optimiser's state and 200 epochs' metrics make; its bytes."""
    import torch

    from harness.training.checkpoint import Checkpoints
    from harness.training.data import TrialData
    from harness.training.learner import build_learner
    from harness.training.step import build_optimiser

    network = {"encoder": "resnet18", "initialisation": "random", "bank_size": 8192}
    trial = config.resolve("digits", "maskcon", overrides=network)
    learner = build_learner(trial, TrialData(trial, "coarse", torch.device("cpu")))
    optimiser = build_optimiser(trial, learner)
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    lines = [{"epoch": epoch, **ray_runs.metrics(epoch)} for epoch in range(1, 201)]
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoints(Path(folder), trial, learner, optimiser)
        for epoch in range(1, CHECKPOINTS + 1):
            begun = time.perf_counter()
            kept.epoch_done(epoch, 1.0, lines, {})
            kept.write()
            taken.append(time.perf_counter() - begun)
        return summary(taken), kept.path.stat().st_size


def summary(values: Iterable[float]) -> dict[str, float]:
    """Median, lowest and highest, and of how many."""
    rounded: Sequence[float] = [float(f"{value:.4g}") for value in values]
    return {
        "median": float(f"{statistics.median(rounded):.4g}"),
        "lowest": min(rounded),
        "highest": max(rounded),
        "repeats": len(rounded),
    }
