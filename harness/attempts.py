"""The processes that trained a trial: `attempts.jsonl` of its directory, a line when one begins and a line when it ends.

A beginning without an end is a process that died: killed, out of memory, its machine gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import files

NAME = "attempts.jsonl"


@dataclass
class Attempt:
    """One process."""

    began: float  # seconds since 1970
    host: str
    run: str | None  # of the sweep
    checkpoint: int  # when the one that it went on from was written, in ns; 0 for none
    ended: str | None = None  # "finished", "stopped: …", "failed: …"; None where it died, or is still at work


def begin(directory: Path, run: str | None, checkpoint: Path) -> None:
    """A process begins; it holds the lease."""
    known = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0
    line = {"began": time.time(), "host": socket.gethostname(), "run": run, "checkpoint": known}
    _append(directory, line)


def end(directory: Path, how: str) -> None:
    """It ends by itself. On a full disk it seems to have died."""
    with contextlib.suppress(OSError):
        _append(directory, {"ended": how, "time": time.time()})


def read(directory: Path) -> list[Attempt]:
    """All of them, the first one first. Lines that a power cut left half written are passed over."""
    found: list[Attempt] = []
    path = directory / NAME
    for text in path.read_bytes().splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
            if "began" in line:
                found.append(Attempt(line["began"], line["host"], line["run"], line["checkpoint"]))
            elif found:
                found[-1].ended = str(line["ended"])
        except (ValueError, KeyError, TypeError):
            continue
    return found


def deaths(attempts: Sequence[Attempt]) -> int:
    """How many processes died. The last one counts once another has begun after it."""
    return sum(attempt.ended is None for attempt in attempts[:-1])


def deaths_without_progress(attempts: Sequence[Attempt], run: str) -> int:
    """How many processes of this run of a sweep died in a row from the same checkpoint on, the last one among them."""
    number = 0
    for attempt in reversed(attempts):
        same = attempt.run == run and attempt.ended is None and attempt.checkpoint == attempts[-1].checkpoint
        if not same:
            break
        number += 1
    return number


def _append(directory: Path, line: dict[str, Any]) -> None:
    path = directory / NAME
    try:
        with path.open("ab+") as stream:
            if stream.tell() and os.pread(stream.fileno(), 1, stream.tell() - 1) != b"\n":
                stream.write(b"\n")  # after a line that a power cut left half written
            stream.write(json.dumps(line).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if full := files.as_disk_full(error, path):
            raise full from error
        raise
