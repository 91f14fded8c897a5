"""Writing files so that a reader, or a machine that loses power, only ever sees the old one or the new one whole."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import DiskFull, UsageError

SCRATCH = ".*.new"  # what a write leaves where it is killed
_checks: dict[Path, Callable[[], None]] = {}  # by folder: asked right before a file of it is replaced


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file beside `path`, force it to disk, then put it in `path`'s place.

    Raises DiskFull where it does not fit, and what the folder's check raises; the old file is then as it was.
    """
    check = _checks.get(path.parent)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")  # nobody else's, in whatever container
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if check:
            check()
        os.replace(scratch, path)
    except OSError as error:
        if check:
            check()  # whoever took the folder over has removed the new file
        if full := as_disk_full(error, path):
            raise full from error
        raise
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextlib.contextmanager
def checked(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Inside, `check` is asked right before each file of the folder is replaced; what it raises stops that."""
    _checks[folder] = check
    try:
        yield
    finally:
        del _checks[folder]


def as_disk_full(error: OSError, path: Path) -> DiskFull | None:
    """The same error in words that help, where the disk or the quota is full."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return DiskFull(
        error.errno, f"the disk is full ({error.strerror}): free some space and run the same again", str(path)
    )


def is_away(error: OSError) -> bool:
    """Whether the storage failed to answer, a network file system say: it may come back by itself."""
    return error.errno in (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN)


def write_text(path: Path, text: str) -> None:
    """Replace a text file at once."""
    replace(path, lambda stream: stream.write(text.encode()))


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file at once."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def digest(path: Path, setting: str) -> str:
    """16 hex digits of a file's content. Raises UsageError, naming the setting, where there is no such file."""
    try:
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise UsageError(f"{setting}={str(path)!r} cannot be read: {error.strerror}.") from None


@functools.cache  # a sweep asks for the same file once a trial
def _digest(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def check_writable(path: Path, option: str) -> None:
    """Before work whose result goes to `path`. Raises UsageError, naming the option, where it could not be written."""
    if path.is_dir():
        raise UsageError(f"{option} {path}: this is a folder; name a file.")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise UsageError(f"{option} {path}: nothing can be written in {folder}.")


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is kept but no longer in the way; returns its new name."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.rename(aside)
    return aside
