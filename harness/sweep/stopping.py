"""Ending a run of a sweep before its end: signals, budgets, stalled trials, a full disk.

Trials are asked by a file, which every node sees: they look for it after each step, put their last epoch's state on disk and
end. Only one that does not answer is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from harness import files, lease, trials
from harness.errors import UsageError
from harness.sweep import cluster

GRACE_SECONDS = 60  # for running trials to end themselves
LOOK_SECONDS = 1  # between two looks of the driver, and of each trial
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@dataclass(frozen=True)
class Limits:
    """What one run of a sweep may take; None: as much as it needs."""

    hours: float | None = None
    gpu_hours: float | None = None
    stall_minutes: float = 60  # a trial that is not heard of for so long is stopped

    def __post_init__(self) -> None:
        for option, value in (("max-hours", self.hours), ("max-gpu-hours", self.gpu_hours)):
            if value is not None and not value > 0:
                raise UsageError(f"--{option} {value:g} must be more than 0.")
        if not self.stall_minutes > 0:
            raise UsageError(f"--stall-minutes {self.stall_minutes:g} must be more than 0.")


NO_LIMITS = Limits()


class Budget:
    """What a run of a sweep may take, and what it has taken so far, over all its passes."""

    def __init__(self, limits: Limits = NO_LIMITS):
        self.limits, self.begun, self.gpu_hours = limits, time.monotonic(), 0.0

    def spent(self) -> str | None:
        """Which limit is reached, in words; None where none is."""
        hours, gpu_hours = self.limits.hours, self.limits.gpu_hours
        if hours is not None and time.monotonic() - self.begun >= 3600 * hours:
            return f"the {hours:g} hours of --max-hours are spent"
        if gpu_hours is not None and self.gpu_hours >= gpu_hours:
            return f"the {gpu_hours:g} GPU-hours of --max-gpu-hours are spent"
        return None


class AskedToStop:
    """In a trial: after a step, whether the run, or this trial, is to end. Raises `Stopped` then."""

    def __init__(self, path: Path, trial_id: str):
        self.paths, self.looked = (of_one(path, trial_id), path), 0.0

    def __call__(self, *step: int) -> None:
        if time.monotonic() - self.looked >= LOOK_SECONDS:
            self.look()

    def look(self) -> None:
        """Now, not only once a second."""
        self.looked = time.monotonic()
        for path in self.paths:
            if reason := asked(path):
                from harness.training import Stopped

                raise Stopped(reason["reason"], reason["kind"])


def of_one(path: Path, trial_id: str) -> Path:
    """The file that asks one trial to end, beside the file that asks all of them."""
    return path.with_name(f"{path.stem}-{trial_id}{path.suffix}")


def asked(path: Path) -> dict[str, str] | None:
    """Why the run is to end, and the kind of the stop; None while it goes on."""
    try:
        return trials.read_json(path) if path.is_file() else None
    except (OSError, trials.DamagedFile):
        return {"reason": "asked to stop", "kind": trials.SIGNAL}


class Control:
    """In the driver: asks the trials to stop where it is time. `tick` is called several times a second."""

    def __init__(self, path: Path, run: str, budget: Budget, gpu_share: float):
        self.path, self.run, self.budget, self.gpu_share = path, run, budget, gpu_share
        self.reason: str | None = None
        self.looked = time.monotonic()
        self.asked_at = 0.0
        self.running: dict[Path, _Heard] = {}  # by trial directory

    def started(self, directory: Path, actor: Any = None) -> None:
        """A process of the trial begins: Ray's `actor`."""
        self.running[directory] = _Heard(time.monotonic(), _news(directory), actor)

    def ended(self, directory: Path) -> None:
        """It ended."""
        self.running.pop(directory, None)

    def ask(self, kind: str, reason: str) -> None:
        """Let the run end; the first reason counts."""
        if self.reason is None:
            self.reason, self.asked_at = reason, time.monotonic()
            with contextlib.suppress(OSError):  # on a full disk the trials end by themselves, or after the grace
                files.write_json(self.path, {"kind": kind, "reason": reason})

    def ask_one(self, trial_id: str, kind: str, reason: str) -> None:
        """Let one trial end; the run goes on."""
        with contextlib.suppress(OSError):
            files.write_json(of_one(self.path, trial_id), {"kind": kind, "reason": reason})

    def over(self) -> bool:
        """Whether the run has ended: nothing trains any more, or it did not listen."""
        return self.reason is not None and (not self.running or time.monotonic() - self.asked_at > GRACE_SECONDS)

    def tick(self) -> None:
        """Look at the budgets, and whether every trial is alive."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        hours, self.looked = (now - self.looked) / 3600, now
        self.budget.gpu_hours += hours * len(self.running) * self.gpu_share
        if reason := self.budget.spent():
            self.ask(trials.BUDGET, reason)
        for directory, heard in self.running.items():
            news = _news(directory)
            if news != heard.news:
                heard.at, heard.news = now, news
            elif now - heard.at > 60 * self.budget.limits.stall_minutes:
                heard.at = now
                self._end_stalled(directory, heard.actor)

    def _end_stalled(self, directory: Path, actor: Any) -> None:
        reason = f"not heard of for {self.budget.limits.stall_minutes:g} minutes"
        with contextlib.suppress(OSError, trials.DamagedFile):
            trials.record_stop(directory, trials.STALLED, reason, self.run)
        with contextlib.suppress(OSError):
            cluster.kill(**lease.process(directory))
            return
        cluster.kill_actor(actor)  # it has not come as far as the lease

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, the first signal asks the trials to stop, and another Ctrl-C ends the command at once."""
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.listen()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Take the signals over; Tune does so itself when it begins, and would let the trials lose a minute."""
        for number in SIGNALS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.ask(trials.SIGNAL, f"stopped by {signal.Signals(number).name}")


@dataclass
class _Heard:
    at: float  # by the driver's clock
    news: Any
    actor: Any


def _news(directory: Path) -> tuple[int, ...]:
    """Changes whenever the trial is heard of: no clock but the files' own."""
    found = []
    for name in (trials.PROGRESS, trials.METRICS):
        with contextlib.suppress(OSError):
            found.append(os.stat(directory / name).st_mtime_ns)
    return tuple(found)
