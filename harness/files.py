"""Writing files so that a reader, or a machine that loses power, only ever sees the old one or the new one whole."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from harness.errors import UsageError


def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file beside `path`, force it to disk, then put it in `path`'s place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with scratch.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


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
