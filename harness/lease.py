"""Who is training a trial: one process at a time.

The lease is a file created exclusively in the trial directory. On the same host it is stale as soon as its process is gone;
one from another host is stale when it was not touched for `STALE_SECONDS`.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "lease.json"
STALE_SECONDS = 600


class Held(Exception):
    """Another live process is training this trial; the message says which."""


def holder(directory: Path) -> str | None:
    """The live process that trains in this directory, in words, or None."""
    path = directory / NAME
    try:
        content = json.loads(path.read_bytes())
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    except ValueError:  # its writer was killed between creating and filling it
        content, age = {}, STALE_SECONDS
    if content.get("host") == socket.gethostname():
        alive = _started(content["pid"]) == content["started"]
    else:
        alive = age < STALE_SECONDS
    return f"process {content['pid']} on {content['host']}" if alive else None


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the lease of a trial directory. Raises Held where a live process has it."""
    path = directory / NAME
    if other := holder(directory):
        raise Held(f"{directory.name} is being trained by {other}")
    path.unlink(missing_ok=True)
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
    try:
        with path.open("x") as stream:
            json.dump(mine, stream)
    except FileExistsError:
        raise Held(f"{directory.name} was taken by another process just now") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def touch(directory: Path) -> None:
    """Say that the holder is alive; called every few seconds while training."""
    os.utime(directory / NAME)


def _started(pid: int) -> str | None:
    """When a process of this host was started, so that a reused number is not taken for it; None where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[19]
    except FileNotFoundError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:  # no /proc on this system: alive or not is all that can be told
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return "unknown"
