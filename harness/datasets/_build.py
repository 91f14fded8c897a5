"""Decoding photographs into their cache: by all cores, once, in one process, and from where it was when it was killed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from harness import files
from harness.datasets import _cache, _decode
from harness.datasets._cache import Wanted
from harness.errors import UnreadableImages, UsageError

RECORD_IMAGES = 256  # how often progress is recorded: a kill costs little more than so many images
TELL_SECONDS = 0.2
AHEAD = 8  # images per thread that may be decoded before the first of them is hashed
NAMED = 10  # unreadable images that a message names

Result = TypeVar("Result")
Progress = Callable[[int, int], None]


@dataclass
class Build:
    """A cache that is being filled with N images."""

    wanted: Wanted
    sizes: np.ndarray  # (N, 2) int64; 0 where not even the header could be read
    unreadable: dict[int, str]  # why, by image
    done: int | None = None  # the first so many are on disk or unreadable; None: nothing of the cache is there yet
    known: dict[int, np.ndarray] = field(default_factory=dict)  # by image: its pixels in another cache
    offsets: np.ndarray = field(init=False)  # (N+1,) int64

    def __post_init__(self) -> None:
        self.offsets = _cache.offsets_of(self.sizes)


def build(wanted: Wanted, progress: Progress, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Decode what is missing, or wait for the process that does. Returns as `_cache.opened`, raises as `_photographs.load`."""

    def waiting() -> None:
        record = _cache.content_of(wanted.folder / "progress.json")
        progress(record.get("done", 0), len(wanted.paths))

    with _cache.locked(wanted.lock, waiting):
        if found := _cache.opened(wanted.folder):
            return found
        if (wanted.folder / "index.json").exists():
            _cache.remove(wanted.folder)  # finished once, damaged since
        _decode.prepare()
        work = _resumed(wanted) or _begun(wanted)
        try:
            _cache.make_room(wanted.folder, int(work.offsets[-1]))
            _fill(work, progress)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise UsageError(
                f"the disk is full: {wanted.folder.parent}. What was decoded is kept; make room there, or set "
                "HARNESS_CACHE to another folder."
            ) from error
        if work.unreadable:
            raise _unreadable(wanted, work.unreadable, name)
        found = _cache.opened(wanted.folder)
        assert found is not None
        return found


def threads() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _resumed(wanted: Wanted) -> Build | None:
    """The build that was going on here; None where there was none, or where an image has a size now that had none then."""
    plan, record = (_cache.content_of(wanted.folder / name) for name in ("plan.json", "progress.json"))
    if not plan or not record:
        return None
    unreadable = {int(image): why for image, why in record["unreadable"].items()}
    work = Build(wanted, _sizes(plan), unreadable, record["done"])
    pixels = wanted.folder / "pixels"
    if not pixels.is_file() or pixels.stat().st_size != work.offsets[-1]:
        return None
    sizeless = np.flatnonzero(work.sizes[:, 0] == 0).tolist()
    return work if all(isinstance(_size(wanted, image), str) for image in sizeless) else None


def _begun(wanted: Wanted) -> Build:
    """A build from nothing: sizes from other caches, otherwise from the headers."""
    known = _known(wanted)
    sizes = np.zeros((len(wanted.paths), 2), np.int64)
    for image, pixels in known.items():
        sizes[image] = pixels.shape[1:]
    unreadable = {}
    others = [image for image in range(len(wanted.paths)) if image not in known]
    for image, found in zip(others, _in_order(partial(_size, wanted), others), strict=True):
        if isinstance(found, str):
            unreadable[image] = found
        else:
            sizes[image] = found
    return Build(wanted, sizes, unreadable, known=known)


def _known(wanted: Wanted) -> dict[int, np.ndarray]:
    """Images that another cache of the same root and side holds already: their pixels there, (3, h, w).

    So a list without its unreadable images, or with one file mended, costs a copy and not another decoding.
    """
    images = {key: image for image, key in enumerate(zip(wanted.paths, wanted.marks, strict=True))}
    known: dict[int, np.ndarray] = {}
    for folder in [*_cache.others_of(wanted.folder), wanted.folder]:
        plan = _cache.content_of(folder / "plan.json")
        if (plan.get("root"), plan.get("side")) != (str(wanted.root.resolve()), wanted.side):
            continue
        sizes = _sizes(plan)
        offsets = _cache.offsets_of(sizes)
        record = _cache.content_of(folder / "progress.json")
        path = folder / "pixels"
        if not record or not path.is_file() or not path.stat().st_size == offsets[-1] > 0:
            continue
        pixels = np.asarray(np.memmap(path, np.uint8, "r"))
        for there, key in enumerate(zip(plan["paths"][: record["done"]], plan["marks"], strict=False)):
            if key in images and str(there) not in record["unreadable"]:
                known[images[key]] = pixels[offsets[there] : offsets[there + 1]].reshape(3, *sizes[there])
    return known


def _fill(work: Build, progress: Progress) -> None:
    """Decode from `work.done` on. The index is written where every image could be read."""
    if work.done is None:
        _start(work)
    done, count = work.done or 0, len(work.sizes)
    with (work.wanted.folder / "pixels").open("r+b") as stream:
        decoded = partial(_decoded, work, stream.fileno())
        for image in [image for image in work.unreadable if image < done and work.sizes[image, 0]]:
            if isinstance(decoded(image), bytes):  # it was mended since
                del work.unreadable[image]
        digest = _digest_of_beginning(stream, int(work.offsets[done]))
        results = closing(_in_order(decoded, range(done, count)))  # no thread may write after the file is closed
        with (
            ThreadPoolExecutor(1) as recorder,
            results as found_in_order,
        ):  # the recorder waits for the disk, no core does
            recorded: Future[None] | None = None
            told = 0.0
            for image, found in enumerate(found_in_order, start=done):
                if isinstance(found, str):
                    work.unreadable[image] = found
                else:
                    digest.update(found)
                if (image + 1) % RECORD_IMAGES == 0 and (recorded is None or recorded.done()):
                    if recorded is not None:
                        recorded.result()
                    recorded = recorder.submit(_record, work, stream.fileno(), image + 1, dict(work.unreadable))
                if time.monotonic() > told + TELL_SECONDS:
                    progress(image, count)
                    told = time.monotonic()
        if recorded is not None:
            recorded.result()
        _record(work, stream.fileno(), count, work.unreadable)
    progress(count, count)
    if not work.unreadable:
        content = {"pixel_bytes": int(work.offsets[-1]), "sha256": digest.hexdigest()}
        _write(work.wanted.folder / "index.json", content | {"sizes": work.sizes.ravel().tolist()})


def _start(work: Build) -> None:
    """The plan, and a file of the full length (without taking its room yet) in which every image has its place."""
    wanted = work.wanted
    wanted.folder.mkdir(parents=True, exist_ok=True)
    for name in ("progress.json", "pixels"):  # of a build whose plan does not hold any more
        (wanted.folder / name).unlink(missing_ok=True)
    plan = {"side": wanted.side, "root": str(wanted.root.resolve()), "paths": wanted.paths}
    _write(wanted.folder / "plan.json", plan | {"marks": wanted.marks, "sizes": work.sizes.ravel().tolist()})
    with (wanted.folder / "pixels").open("wb") as stream:
        stream.truncate(int(work.offsets[-1]))
        _record(work, stream.fileno(), 0, work.unreadable)
    (wanted.folder / "used").touch()


def _record(work: Build, pixels: int, done: int, unreadable: dict[int, str]) -> None:
    """From here on the first `done` images need not be decoded again, whatever happens to the process or the machine."""
    os.fsync(pixels)
    _write(work.wanted.folder / "progress.json", {"done": done, "unreadable": unreadable})


def _decoded(work: Build, pixels: int, image: int) -> bytes | str:
    """One image's pixels, which are in their place in the file now, or why there are none."""
    height, width = work.sizes[image].tolist()
    if not height:
        return work.unreadable[image]
    if image in work.known:
        content = work.known[image].tobytes()
    else:
        try:
            content = _decode.pixels(work.wanted.root / work.wanted.paths[image], height, width)
        except _decode.Unreadable as error:
            return str(error)
    left, offset = memoryview(content), int(work.offsets[image])
    while left:  # a disk may take less than it was given
        written = os.pwrite(pixels, left, offset)
        left, offset = left[written:], offset + written
    return content


def _size(wanted: Wanted, image: int) -> tuple[int, int] | str:
    """An image's height and width in the cache, or why it has none."""
    try:
        return _decode.measure(wanted.root / wanted.paths[image], wanted.side)
    except _decode.Unreadable as error:
        return str(error)


def _in_order(work: Callable[[int], Result], images: Iterable[int]) -> Generator[Result, None, None]:
    """What `work` makes of each image, in their order, by all cores and not far ahead of the caller."""
    ahead = AHEAD * threads()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads()) as pool:
        try:
            for image in images:
                waiting.append(pool.submit(work, image))
                if len(waiting) == ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _digest_of_beginning(stream: Any, length: int) -> Any:
    """A sha256 that has seen the first bytes of the file."""
    digest = hashlib.sha256()
    while length:
        block = stream.read(min(length, 2**24))
        digest.update(block)
        length -= len(block)
    return digest


def _sizes(plan: dict[str, Any]) -> np.ndarray:
    return np.array(plan["sizes"], np.int64).reshape(-1, 2)


def _write(path: Path, content: dict[str, Any]) -> None:
    """JSON in one line: a million images have two million numbers."""
    files.write_text(path, json.dumps({"format": _cache.FORMAT} | content))


def _unreadable(wanted: Wanted, reasons: dict[int, str], name: str) -> UnreadableImages:
    images = sorted(reasons)
    shown = "".join(f"\n  {wanted.paths[image]}: {reasons[image]}" for image in images[:NAMED])
    more = f"\n  and {len(images) - NAMED} more" if len(images) > NAMED else ""
    return UnreadableImages(
        f"{len(images)} of {len(wanted.paths)} images in {wanted.root} cannot be read:{shown}{more}\n"
        f"Mend or remove them, or leave them out with `harness data {name} --skip-unreadable`. The others were decoded.",
        tuple(wanted.paths[image] for image in images),
    )
