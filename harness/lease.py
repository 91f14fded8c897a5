"""Who works in a trial directory: one process at a time.

The lease is a file created exclusively in the directory, and its holder touches it every few seconds. It is stale

- on the holder's host, since it was last booted, as soon as the holder is gone,
- anywhere once it was not touched for `STALE_SECONDS`: its host is dead or cut off, or the process is stopped,
- for a process of the same run of a sweep, since Ray starts a trial again only when it takes its process for dead.

A holder that was stopped and wakes up late finds the lease in other hands before it puts a file in place (`Lost`); what it was
writing then has been removed by the new holder, so that not even a rename that had been checked already can succeed.

Needed of the file system: hard links, which fail where the name is taken, and atomic renames. `check_folder` tries both.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import files
from harness.errors import UsageError

NAME = "lease.json"
TOUCH_SECONDS = 10
STALE_SECONDS = 120
HIDDEN = "unknown"


class Held(Exception):
    """Another live process is working in this directory; the message says which."""


class Lost(Held):
    """Another process took the directory over while this one did not run."""


def holder(directory: Path) -> str | None:
    """The live process that works in this directory, in words, or None."""
    content = _read(directory / NAME)
    if not content or _stale(directory / NAME, content, None):
        return None
    return f"process {content['pid']} on {content['host']}"


@contextmanager
def held(directory: Path, run: str | None = None) -> Iterator[Callable[[], None]]:
    """Hold the lease of a directory. Raises Held where a live process has it; `run` names the run of a sweep.

    Inside, files of the directory are replaced (`files.replace`) only while the lease is still ours, else Lost is raised; what
    is handed out asks that for anything else.
    """
    path = directory / NAME
    mine = _here() | {"pid": os.getpid(), "started": started(os.getpid()), "run": run, "time": time.time_ns()}
    _remove_stale(path, run)
    scratch = path.with_name(f".{NAME}.{secrets.token_hex(8)}.new")
    try:
        scratch.write_text(json.dumps(mine))
        os.link(scratch, path)  # fails where there is a lease; never seen half written
    except FileExistsError:
        raise Held(f"{directory.name} was taken by {holder(directory) or 'another process'} just now") from None
    except OSError as error:
        if full := files.as_disk_full(error, path):
            raise full from error
        raise
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
    try:
        for left in directory.glob(files.SCRATCH):  # of a dead process, or of one that may wake up
            if not left.name.startswith(f".{NAME}."):  # that one is somebody asking for the lease
                left.unlink(missing_ok=True)
        _tidy(directory)
        still_ours = functools.partial(_check, path, mine)
        with _touching(path, mine), files.checked(directory, still_ours):
            yield still_ours
    finally:
        if _read(path) == mine:
            with contextlib.suppress(Held):  # taken over at this moment
                _take_away(path, mine)


def touched(directory: Path) -> int:
    """When the holder was last heard of, in ns by the file system's clock; 0 where there is none."""
    try:
        return (directory / NAME).stat().st_mtime_ns
    except OSError:
        return 0


def check_folder(folder: Path) -> None:
    """Try what leases and atomic writes need of a file system. Raises UsageError naming what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = f".{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
    one, other = folder / f"{mark}.one", folder / f"{mark}.other"
    missing = "hard links (NFS, EFS and local disks have them; SMB shares and object stores do not)"
    try:
        one.write_text("one")
        os.link(one, other)
        with contextlib.suppress(FileExistsError):
            os.link(one, other)
            missing = "links that fail where the name is taken"
            raise OSError("a name could be linked twice")
        missing = "atomic renames"
        other.unlink()
        other.write_text("other")  # two names of one file would be left as they are
        os.replace(one, other)
        if other.read_text() != "one":
            raise OSError("a renamed file holds what it replaced")
        os.utime(other)
    except OSError as error:
        if full := files.as_disk_full(error, folder):
            raise full from error
        reason = error.strerror or str(error)
        raise UsageError(
            f"{folder} is on a file system without {missing}: {reason}. Choose another --workspace."
        ) from error
    finally:
        for path in (one, other):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def process(directory: Path) -> dict[str, Any]:
    """Host, number and start of the process that holds the lease of a directory. Raises FileNotFoundError for none."""
    content = _read(directory / NAME)
    if not content:
        raise FileNotFoundError(directory / NAME)
    return {name: content[name] for name in ("host", "pid", "started")}


def _check(path: Path, mine: dict[str, Any]) -> None:
    if _read(path) != mine:
        taken = holder(path.parent)
        raise Lost(
            f"{path.parent.name} was taken over" + (f" by {taken}" if taken else "") + " while this process slept"
        )


@contextmanager
def _touching(path: Path, mine: dict[str, Any]) -> Iterator[None]:
    """Inside, a thread says every few seconds that the holder is alive."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(TOUCH_SECONDS):
            with contextlib.suppress(
                OSError
            ):  # a full disk or a file system that is away: it comes back, or goes stale
                if _read(path) == mine:
                    os.utime(path)

    thread = threading.Thread(target=touch, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _here() -> dict[str, Any]:
    """Where process numbers mean what they mean to us: containers and machines may share a name, but no processes."""
    return {"host": socket.gethostname(), "processes": _processes()}


@functools.cache
def _processes() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{os.readlink('/proc/self/ns/pid')} of boot {boot}"
    except OSError:
        return ""


def _stale(path: Path, content: dict[str, Any], run: str | None) -> bool:
    is_here = _here().items() <= content.items()
    if run is not None and content.get("run") == run:
        return not (is_here and content["pid"] == os.getpid())
    if is_here and started(content["pid"]) not in (content["started"], HIDDEN):
        return True
    try:
        return _now(path.parent) - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        return True


def _now(folder: Path) -> float:
    """The time by the clock that stamps the folder's files, which on a shared file system is not ours."""
    scratch = folder / f".{NAME}.{secrets.token_hex(8)}.now"
    try:
        scratch.touch()
        return scratch.stat().st_mtime
    except OSError:  # nothing can be written there: somebody is only looking
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _remove_stale(path: Path, run: str | None) -> None:
    """Take a dead holder's lease away. Raises Held where the holder is alive."""
    seen = _read(path)
    if seen is None:
        return
    if seen and not _stale(path, seen, run):
        raise Held(f"{path.parent.name} is held by {holder(path.parent) or 'another process'}")
    _take_away(path, seen)


def _take_away(path: Path, expected: dict[str, Any]) -> None:
    """Remove a lease if it is still the expected one. Raises Held where it is another's by now, who keeps it."""
    aside = path.with_name(f".{NAME}.{secrets.token_hex(8)}.stale")
    try:
        os.rename(path, aside)
    except FileNotFoundError:  # another process was faster
        return
    try:
        if _read(aside) != expected:
            with contextlib.suppress(FileExistsError):  # a third one was faster still
                os.link(aside, path)
            raise Held(f"{path.parent.name} was taken by another process just now")
    finally:
        aside.unlink()


def _tidy(directory: Path) -> None:
    """Remove what processes that were killed while they asked for the lease have left."""
    for left in directory.glob(f".{NAME}.*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > 10 * STALE_SECONDS:
                left.unlink()


def _read(path: Path) -> dict[str, Any] | None:
    """What a lease says; an empty dict for one that is damaged, None where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    whole = isinstance(content, dict) and {"host", "processes", "pid", "started"} <= set(content)
    return content if whole else {}


def started(pid: int) -> str | None:
    """When a process of this host was started, so that a reused number is not taken for it; None where there is none.

    HIDDEN for one of which no more can be told than that it is alive.
    """
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/stat").read_text()
        fields = status.rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]  # a zombie trains nothing
    try:  # another user's where /proc hides these, or a system without /proc
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return HIDDEN
