"""Folders of decoded photographs: where they lie, who fills one, which are removed to make room.

PLACE/DIGEST.lock           held (flock) by the process that builds or removes the cache; free as soon as it is dead
PLACE/DIGEST/plan.json      what the images are and how large each will be, written before the first is decoded
PLACE/DIGEST/pixels         every image after the other, uint8, channels first
PLACE/DIGEST/progress.json  how many of them are safely on disk
PLACE/DIGEST/index.json     sizes and content digest, written last: a cache that has it is finished
PLACE/DIGEST/used           touched whenever the cache is opened
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError

FORMAT = 2
DEFAULT_GIB = 64
LOOK_SECONDS = 0.1  # how often a waiting process looks whether the other one has finished
_GIB = 2**30


@dataclass(frozen=True)
class Wanted:
    """The images that are asked for, and the folder that holds them decoded."""

    root: Path
    paths: tuple[str, ...]
    marks: tuple[str, ...]  # length and last change of each file; empty where there is none
    side: int
    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.lock")


def wanted(root: Path, paths: Sequence[str], side: int) -> Wanted:
    """Looks at the length and the time of each file, reads none. Raises UsageError for a side that is odd."""
    if side < 2 or side % 2:
        raise UsageError(
            f"side={side}: the shorter side of decoded photographs is even; try {max(2, side + side % 2)}."
        )
    marks = tuple(_mark_of(root / path) for path in paths)
    digest = hashlib.sha256(f"{FORMAT} {side}\n".encode())
    for path, mark in zip(paths, marks, strict=True):
        digest.update(os.fsencode(path) + f"\0{mark}\n".encode())
    return Wanted(root, tuple(paths), marks, side, place() / digest.hexdigest()[:32])


def place() -> Path:
    """The folder of all caches."""
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "harness" / "decoded"


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """(N+1,) int64: where each of N images of these (N, 2) sizes begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(3 * sizes[:, 0] * sizes[:, 1])]).astype(np.int64)


def content_of(path: Path) -> dict[str, Any]:
    """A JSON file of a cache; empty where it is missing, damaged or of another format."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == FORMAT else {}


def opened(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """The pixels (bytes,) and sizes (N, 2) of a finished cache whose size is right, otherwise None."""
    index = content_of(folder / "index.json")
    try:
        sizes = np.array(index["sizes"], np.int64).reshape(-1, 2)
        pixels = np.memmap(folder / "pixels", np.uint8, "r")
    except (KeyError, ValueError, OSError):
        return None
    if not len(pixels) == index.get("pixel_bytes") == offsets_of(sizes)[-1]:
        return None
    with contextlib.suppress(OSError):  # another user's cache may be read only
        (folder / "used").touch()
    return pixels, sizes


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock; `waiting` is called now and then until it is free. Raises UsageError where none can be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a")
    except OSError as error:
        raise UsageError(
            f"decoded photographs cannot be kept in {path.parent}: {error.strerror}. Set HARNESS_CACHE to another folder."
        ) from error
    with stream:
        while not _acquired(stream):
            waiting()
            time.sleep(LOOK_SECONDS)
        yield


def make_room(folder: Path, needed: int) -> None:
    """Remove the least recently used other caches until one of `needed` bytes fits in HARNESS_CACHE_GIB.

    Raises UsageError, and removes nothing, where it fits neither so nor on the disk.
    """
    bound = _bound()
    where = "HARNESS_CACHE names another folder"
    if needed > bound:
        raise UsageError(
            f"the decoded photographs take {_gib(needed)}, more than all caches in {folder.parent} may: "
            f"{_gib(bound)}. Set HARNESS_CACHE_GIB to at least {-(-needed // _GIB)}."
        )
    others = sorted(others_of(folder), key=_used)
    held = sum(_held(other)[0] for other in others)
    removed, freed = [], 0
    with contextlib.ExitStack() as locks:
        for other in others:
            if held + needed <= bound:
                break
            stream = locks.enter_context(other.with_name(f"{other.name}.lock").open("a"))
            if _acquired(stream):  # otherwise it is being built
                removed.append(other)
                held -= _held(other)[0]
                freed += _held(other)[1]
        if held + needed > bound:
            raise UsageError(
                f"the decoded photographs take {_gib(needed)}, and caches that other processes are building in "
                f"{folder.parent} {_gib(held)}: more than {_gib(bound)}. Wait for them, or set HARNESS_CACHE_GIB higher."
            )
        missing = needed - _held(folder)[1]
        free = shutil.disk_usage(folder.parent).free + freed
        if missing > free:
            raise UsageError(
                f"the decoded photographs need {_gib(missing)} in {folder.parent}, where {_gib(free)} are free. Make room "
                f"there; {where}."
            )
        for other in removed:
            remove(other)


def remove(folder: Path) -> None:
    """Delete a cache, under its lock. Who has it open keeps what they see."""
    (folder / "index.json").unlink(missing_ok=True)  # first, so that a half removed one is not taken for finished
    if folder.exists():
        shutil.rmtree(folder)


def others_of(folder: Path) -> list[Path]:
    """The other caches in this one's place: only what is certainly one, as HARNESS_CACHE may name any folder."""
    return [
        other
        for other in folder.parent.iterdir()
        if re.fullmatch("[0-9a-f]{32}", other.name) and other != folder and (other / "plan.json").is_file()
    ]


def _acquired(stream: Any) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mark_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _held(folder: Path) -> tuple[int, int]:
    """Bytes of the pixels: when all are written, and by now (the file has its full length from the start)."""
    try:
        found = (folder / "pixels").stat()
    except OSError:
        return 0, 0
    return found.st_size, min(found.st_size, 512 * found.st_blocks)


def _used(folder: Path) -> float:
    try:
        return (folder / "used").stat().st_mtime
    except OSError:
        return 0.0


def _bound() -> int:
    text = os.environ.get("HARNESS_CACHE_GIB") or str(DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = 0.0
    if not 0 < gib < float("inf"):
        raise UsageError(f"HARNESS_CACHE_GIB={text}: a number of GiB above 0, for example {DEFAULT_GIB}.")
    return int(gib * _GIB)


def _gib(size: int) -> str:
    return f"{size / _GIB:.3g} GiB"
