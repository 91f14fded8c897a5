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
from typing import Any

NAME = "lease.json"
STALE_SECONDS = 600


class Held(Exception):
    """Another live process is training this trial; the message says which."""


def holder(directory: Path) -> str | None:
    """The live process that trains in this directory, in words, or None."""
    path = directory / NAME
    content = _read(path)
    if content is None:
        return None
    if content.get("host") == socket.gethostname():
        alive = _started(content.get("pid", -1)) == content.get("started", "")
    else:
        try:
            alive = bool(content) and time.time() - path.stat().st_mtime < STALE_SECONDS
        except FileNotFoundError:
            return None
    return f"process {content['pid']} on {content['host']}" if alive else None


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the lease of a trial directory. Raises Held where a live process has it."""
    path = directory / NAME
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid()), "time": time.time_ns()}
    _remove_stale(path)
    scratch = path.with_name(f".{NAME}.{os.getpid()}.{mine['time']}.new")
    scratch.write_text(json.dumps(mine))
    try:
        os.link(scratch, path)  # fails where there is a lease; never seen half written
    except FileExistsError:
        raise Held(f"{directory.name} was taken by {holder(directory) or 'another process'} just now") from None
    finally:
        scratch.unlink()
    try:
        yield
    finally:
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def _remove_stale(path: Path) -> None:
    """Take a dead holder's lease away. Raises Held where the holder is alive."""
    seen = _read(path)
    if other := holder(path.parent):
        raise Held(f"{path.parent.name} is being trained by {other}")
    if seen is None:
        return
    aside = path.with_name(f".{NAME}.{os.getpid()}.{time.time_ns()}.stale")
    try:
        os.rename(path, aside)
    except FileNotFoundError:  # another process was faster
        return
    try:
        if _read(aside) != seen:  # it was not the stale one any more: give it back
            os.link(aside, path)
            raise Held(f"{path.parent.name} was taken by another process just now")
    finally:
        aside.unlink()


def _read(path: Path) -> dict[str, Any] | None:
    """What a lease says; an empty dict for one that is damaged, None where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    whole = isinstance(content, dict) and {"host", "pid", "started"} <= set(content)
    return content if whole else {}


def touch(directory: Path) -> None:
    """Say that the holder is alive; called every few seconds while training."""
    os.utime(directory / NAME)


def _started(pid: int) -> str | None:
    """When a process of this host was started, so that a reused number is not taken for it; None where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        fields = status.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]  # a zombie trains nothing
    except FileNotFoundError:
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:  # no /proc on this system: alive or not is all that can be told
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    return "unknown"
