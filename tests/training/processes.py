"""Trainings in processes of their own, to be stopped, killed and measured; what they do wrong is done for real.

They are forked from a server that has imported torch but never used it: each starts in milliseconds, and dies alone.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import harness.training.run  # noqa: F401 (what takes seconds to import, once for all processes)
from harness import trials
from harness.config import TrialConfig, from_dict
from harness.training import Stopped, train

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", "sklearn.datasets", __name__])
SAYS_STOPPED = 3  # exit code of a training that SIGTERM or Ctrl-C ended
PATIENCE_SECONDS = 60  # for a process to say or do what it must; no measure of anything


class Process:
    """A process that runs `function(*arguments, connection)`; the test's end of the connection is `connection`."""

    def __init__(self, function: Callable[..., None], *arguments: Any):
        self.connection, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=function, args=(*arguments, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self) -> Any:
        """What the process says next; None where it ended without saying more."""
        try:
            assert self.connection.poll(PATIENCE_SECONDS), "the process says nothing"
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal; its exit code once it is gone."""
        if self.process.is_alive():
            os.kill(self.process.pid, number)
        return self.ended()

    def ended(self) -> int:
        """Its exit code, negative where a signal ended it."""
        self.process.join(PATIENCE_SECONDS)
        assert self.process.exitcode is not None, "the process does not end"
        return self.process.exitcode


def training(trial: TrialConfig, directory: Path, **faults: Any) -> Process:
    """A process that trains the trial and says ("step", epoch, step) and ("epoch", epoch) as it goes."""
    return Process(_train, trial.to_dict(), directory, faults)


def _train(settings: dict[str, Any], directory: Path, faults: dict[str, Any], connection: Connection) -> None:
    """`faults`: every_seconds between checkpoints; die_at=(file name, nth replacement, before it or not); half_write=nth
    checkpoint, of which half is written.
    """
    from harness.training import checkpoint

    checkpoint.EVERY_SECONDS = faults.get("every_seconds", checkpoint.EVERY_SECONDS)
    if "die_at" in faults:
        _die_at(*faults["die_at"])
    if "half_write" in faults:
        _write_half(faults["half_write"], connection)
    try:
        train(
            from_dict(settings),
            directory,
            report=lambda epoch, metrics: connection.send(("epoch", epoch)),
            on_step=lambda epoch, step, steps: connection.send(("step", epoch, step)),
        )
    except (Stopped, KeyboardInterrupt):
        raise SystemExit(SAYS_STOPPED) from None


def _die_at(name: str, nth: int, before: bool) -> None:
    """Die as by SIGKILL right before or right after a file of this name is put in its place for the nth time."""
    replace, seen = os.replace, 0

    def replace_and_die(source: Path, target: Path) -> None:
        nonlocal seen
        seen += target.name == name
        dying = target.name == name and seen == nth
        if not (dying and before):
            replace(source, target)
        if dying:
            os.kill(os.getpid(), signal.SIGKILL)

    os.replace = replace_and_die


def _write_half(nth: int, connection: Connection) -> None:
    """Let half of the nth checkpoint reach its new file, say ("half",), then wait for the end."""
    force_to_disk, seen = os.fsync, 0

    def keep_half(descriptor: int) -> None:
        nonlocal seen
        seen += trials.CHECKPOINT in os.readlink(f"/proc/self/fd/{descriptor}")
        if seen < nth:
            force_to_disk(descriptor)
            return
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        connection.send(("half",))
        signal.pause()

    os.fsync = keep_half


def peak_growth(work: Callable[[int], object], small: int, large: int) -> int:
    """Bytes by which `work(large)` raises the peak of memory after `work(small)`, in a process of its own."""
    return Process(_measure, work, small, large).receive()


def _measure(work: Callable[[int], object], small: int, large: int, connection: Connection) -> None:
    import resource

    work(small)  # what is loaded once is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work(large)
    connection.send(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
