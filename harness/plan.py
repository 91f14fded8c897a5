"""What a sweep still has to do, and how long that should take; torch-free and in about a second."""

from __future__ import annotations

import collections
import dataclasses
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import benchmarks, datasets, points, trials
from harness import spec as specs
from harness import workspace as workspaces
from harness.config import TrialConfig
from harness.errors import MissingData, UsageError
from harness.spec import SweepSpec
from harness.trials import TrialState


@dataclass(frozen=True)
class Planned:
    """One distinct training of a sweep: where it is, how far it is, and the cells it fills."""

    trial: TrialConfig
    directory: Path
    state: TrialState
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Estimate:
    """Hours of one device that the missing trainings need; `basis` says what it was taken from."""

    hours: float | None
    device: str
    basis: str
    on_gpu: bool = False


def load_spec(name: str, overrides: Sequence[str], seeds: int | None, workspace: Path) -> SweepSpec:
    """The sweep of a command line. Where the local data is not the published data, its trials are others."""
    loaded = specs.load(name, overrides=overrides, seeds=seeds)
    digest = None if "data_digest" in loaded.overrides else _local_digest(loaded, workspace)
    if digest is not None:
        loaded = dataclasses.replace(loaded, settings={**loaded.settings, "data_digest": digest})
    return points.located(loaded, workspace)


def _local_digest(spec: SweepSpec, workspace: Path) -> str | None:
    """Of the data that is here; of that which the sweep ran on, where it is not here any more."""
    given = {**spec.settings, **spec.overrides}
    options = {name: value for name, value in given.items() if name in datasets.options(spec.dataset)}
    try:
        if all(state.state != "missing" for state in datasets.states(spec.dataset)):
            return datasets.local_digest(spec.dataset, options)
    except MissingData:
        saved = workspaces.saved_digest(workspace, spec)
        if saved is None:
            raise
        return saved
    return workspaces.saved_digest(workspace, spec)


def plan(spec: SweepSpec, workspace: Path, also: Sequence[Path] = (), *, glance: bool = False) -> list[Planned]:
    """Every distinct training, all of one seed before the next. `glance` is that of `trials.state`.

    One that is not finished in the workspace but in one of the workspaces `also` is that one's. Raises UsageError for a
    folder among them that is no workspace.
    """
    for other in also:
        if not (other / "trials").is_dir():
            raise UsageError(f"--also {other}: this is no workspace, it has no folder trials/.")
    cells: dict[str, list[str]] = {}
    for cell in spec.cells():
        label = cell.label
        for trial in cell.trials:
            cells.setdefault(trial.trial_id, []).append(label)
    return [
        Planned(trial, *_located(trial, (workspace, *also), glance), tuple(dict.fromkeys(cells[trial.trial_id])))
        for trial in spec.trials()
    ]


def of_other_versions(planned: Sequence[Planned], workspace: Path) -> list[Planned]:
    """Trainings of the same cells in this workspace that another version of a method's protocol made: they do not count.

    Those with settings that this version does not know cannot be told to belong here.
    """
    wanted = {entry.trial.trial_id: entry for entry in planned}
    found = []
    for directory in trials.find(workspace):
        if directory.name in wanted:
            continue
        try:
            trial = trials.read_config(directory).canonical()
        except (trials.DamagedFile, UsageError, OSError, TypeError):
            continue
        if entry := wanted.get(trial.trial_id):
            found.append(Planned(trial, directory, trials.state(directory, glance=True), entry.cells))
    return found


def _located(trial: TrialConfig, places: Sequence[Path], glance: bool) -> tuple[Path, TrialState]:
    """The first of these workspaces' directories in which the trial is finished; of the first one where it is in none."""
    found = []
    for workspace in places:
        directory = trials.directory(workspace, trial)
        found.append((directory, trials.state(directory, glance=glance)))
        if found[-1][1].state == "done":
            return found[-1]
    return found[0]


def estimate(planned: Sequence[Planned], workspace: Path) -> Estimate:
    """From finished trials of this workspace with the same network, image size, batch and precision; failing these, from
    `harness bench`."""
    todo = [entry for entry in planned if entry.state.state != "done"]
    if not todo:
        return Estimate(0.0, "", "nothing is left to train")
    rates, measured = _seconds_per_image(workspace), benchmarks.load(workspace)
    counts = collections.Counter(key[:2] for key, known in rates.items() for _ in known)
    if counts:
        (device, device_type), _ = counts.most_common(1)[0]  # the one that trained most here
    else:
        of_any = [found for entry in todo if (found := benchmarks.seconds_per_image(entry.trial, measured))]
        if not of_any:
            return Estimate(None, "", "no finished trial and no `harness bench` to go by")
        _, device, device_type = of_any[0]
    measured = [content for content in measured if content["device"] == device]
    seconds, used, from_bench = 0.0, 0, 0
    for entry in todo:
        known = rates.get((device, device_type, *_kind(entry.trial)), [])
        if not known and (found := benchmarks.seconds_per_image(entry.trial, measured)):
            known, from_bench = [found[0]], from_bench + 1
        if not known:
            return Estimate(None, device, f"no finished {entry.trial.method} with {entry.trial.encoder} to go by")
        images = datasets.train_size(entry.trial) or _images_listed(entry.trial)
        left = 1 - entry.state.epoch / entry.trial.epochs
        seconds += statistics.median(known) * images * entry.trial.epochs * left
        used = max(used, len(known))
    basis = f"median of up to {used} finished trials of each kind on this device"
    if from_bench:
        basis = f"{from_bench} of {len(todo)} trainings by the steps of `harness bench`, without evaluation"
    return Estimate(seconds / 3600, device, basis, device_type == "cuda")


def _images_listed(trial: TrialConfig) -> int:
    """Training images of the user's own data."""
    size = min(len(datasets.listing(trial).train_paths), trial.train_limit or sys.maxsize)
    return size - datasets.held_out_size(trial, size)


def to_dict(spec: SweepSpec, planned: Sequence[Planned], guess: Estimate) -> dict[str, Any]:
    """The plan for `--json`."""
    return {
        "sweep": spec.name,
        "spec": spec.to_dict(),
        "cells": len(spec.cells()),
        "trainings": len(planned),
        "done": sum(entry.state.state == "done" for entry in planned),
        "device_hours": guess.hours if guess.hours is not None else "unknown",
        "gpu_hours": guess.hours if guess.on_gpu and guess.hours is not None else "unknown",
        "device": guess.device or "unknown",
        "basis": guess.basis,
        "trials": [
            {
                "trial_id": entry.trial.trial_id,
                "method": entry.trial.method,
                "seed": entry.trial.seed,
                "state": entry.state.state,
                "epoch": entry.state.epoch,
                "cells": list(entry.cells),
                "directory": str(entry.directory),
            }
            for entry in planned
        ],
    }


def _kind(trial: TrialConfig) -> tuple[Any, ...]:
    """What decides the cost of an image: trials that agree in it cost the same."""
    return (
        trial.encoder,
        trial.image_size,
        trial.batch_size,
        trial.precision,
        "bank" in trial.uses,
        trial.bank_size if "bank" in trial.uses else 0,
    )


def _seconds_per_image(workspace: Path) -> dict[tuple[Any, ...], list[float]]:
    """Seconds per image and epoch of the workspace's finished trials, by device and kind."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for directory in trials.find(workspace):
        if not (directory / trials.RESULT).is_file():
            continue
        try:
            result, trial = trials.read_result(directory), trials.read_config(directory)
        except (trials.DamagedFile, ValueError):
            continue
        rate = result["seconds"] / (result["epochs"] * result["train_images"])
        key = (result["device"], result["device_type"], *_kind(trial))
        found.setdefault(key, []).append(rate)
    return found
