"""A trial from its directory to its result: lease, data, loop, and what is recorded where it fails."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import platform
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
import torchvision

from harness import __version__, attempts, errors, files, lease, methods, provenance, trials
from harness.config import TrialConfig
from harness.training import OnStep, Report, Stopped, TrainingFailed, checkpoint
from harness.training.data import TrialData
from harness.training.device import device_name, out_of_memory, pick_device, prepare_device
from harness.training.learner import build_learner
from harness.training.loop import Loop


def run(trial: TrialConfig, directory: Path, report: Report, on_step: OnStep, sweep_run: str | None) -> dict[str, Any]:
    """See `harness.training.train`."""
    pick_device(trial)  # a setting that this machine cannot fulfil leaves no directory behind
    directory.mkdir(parents=True, exist_ok=True)
    with lease.held(directory, sweep_run), _stoppable():
        notes = trials.prepare(directory, trial)
        if (directory / trials.RESULT).is_file():
            result = trials.read_result(directory)
            return result | {"notes": [*result["notes"], *notes]}
        for name in (trials.FAILURE, trials.STOPPED):
            (directory / name).unlink(missing_ok=True)
        files.write_json(directory / trials.ENVIRONMENT, environment(trial))
        attempts.begin(directory, sweep_run, directory / trials.CHECKPOINT)
        try:
            with _recorded(directory, sweep_run):
                result = _train(trial, directory, report, on_step, notes)
        except (TrainingFailed, Stopped, KeyboardInterrupt, OSError, errors.UsageError) as end:
            attempts.end(directory, f"{type(end).__name__}: {end}")
            raise
        attempts.end(directory, "finished")
        return result


@contextlib.contextmanager
def _recorded(directory: Path, sweep_run: str | None) -> Iterator[None]:
    """Why a training inside ends before its end stands in its directory."""
    try:
        yield
    except (errors.UsageError, errors.MissingData, errors.DiskFull, lease.Lost):
        raise
    except TrainingFailed as failure:
        _record_failure(directory, "diverged", str(failure), "", failure.known)
        raise
    except (Stopped, KeyboardInterrupt) as stop:
        kind = stop.kind if isinstance(stop, Stopped) else trials.SIGNAL
        trials.record_stop(directory, kind, str(stop) or "stopped by Ctrl-C", sweep_run)
        raise
    except Exception as failure:
        if isinstance(failure, OSError) and files.is_away(failure):
            raise
        kind = trials.OUT_OF_MEMORY if out_of_memory(failure) else "exception"
        message = f"{type(failure).__name__}: {failure}"
        _record_failure(directory, kind, message, traceback.format_exc(), {})
        raise TrainingFailed(f"{message} (traceback in {directory / trials.FAILURE})") from failure


def _train(trial: TrialConfig, directory: Path, report: Report, on_step: OnStep, notes: list[str]) -> dict[str, Any]:
    device = pick_device(trial)
    if trial.threads is not None:
        torch.set_num_threads(trial.threads)
    prepare_device(trial)
    data = TrialData(trial, methods.load(trial.method).label_source, device)
    loop = Loop(trial, directory, data, build_learner(trial, data).to(device))
    lines = loop.run(report, on_step)
    return _finish(trial, directory, loop, lines, notes + loop.notes)


def _finish(
    trial: TrialConfig, directory: Path, loop: Loop, lines: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """Write what a finished trial keeps; `result.json` last."""
    if loop.features is None:  # resumed after the last epoch
        loop.evaluate(trial.epochs)
    features = loop.features
    labels = loop.data.test_fine.cpu().numpy()
    half = features.half().cpu().numpy()
    begun = attempts.read(directory)
    files.replace(directory / trials.FEATURES, lambda stream: np.savez_compressed(stream, features=half, labels=labels))
    encoder = {name: value.cpu() for name, value in loop.learner.encoder.state_dict().items()}
    checkpoint.save(directory / trials.ENCODER, encoder)
    result = {
        "trial_id": trial.trial_id,
        "epochs": trial.epochs,
        "seconds": round(loop.seconds, 3),
        "train_images": len(loop.data.train_images),
        "validation_images": len(loop.data.validation.images) if loop.data.validation else 0,
        "test_images": len(loop.data.test_images),
        "fine_per_coarse": loop.data.fine_per_coarse,
        "parameters": sum(value.numel() for value in loop.learner.encoder.parameters()),
        "device": device_name(features.device),
        "device_type": features.device.type,
        "precision": trial.precision,
        "speed": dataclasses.asdict(loop.speed),
        "first_step": loop.first_step,
        "finished": time.time(),
        "notes": notes,
        "attempts": len(begun),
        "deaths": attempts.deaths(begun),
        "metrics": lines,
    }
    files.write_json(directory / trials.RESULT, result)
    (directory / trials.PROGRESS).unlink(missing_ok=True)
    loop.checkpoints.remove()
    return result


def environment(trial: TrialConfig) -> dict[str, Any]:
    """Where and with what a trial runs."""
    device = pick_device(trial)
    return {
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "harness": __version__,
        **provenance.git(),
        "device": device_name(device),
        "cpus": os.cpu_count(),
        "threads": trial.threads or torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _record_failure(directory: Path, kind: str, message: str, trace: str, known: dict[str, Any]) -> None:
    content = {"kind": kind, "message": message, **known, "traceback": trace, "time": time.time()}
    files.write_json(directory / trials.FAILURE, content)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Inside, SIGTERM stops the training at the next moment Python looks; only a main thread can be told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
