"""Filling the cache of photographs against decoding alone: the same JPEGs, the same number of threads, in turn.

What the cache does beside decoding: reading and measuring files, resizing, a digest, writing to the disk and waiting for it.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from harness.bench.timing import in_turn
from harness.datasets import _build, _photographs

IMAGES = 400
DIFFERENT = 20  # drawing one takes longer than decoding it many times
WIDTH, HEIGHT = 640, 480
SIDE = 256
QUALITY = 90
CELLS = {4: 60.0, 16: 30.0, 64: 16.0, 160: 18.0}  # strength of the noise by cells across: weaker where it is finer


def measure(repeats: int) -> dict[str, Any]:
    """Images per second of both, and the ratio of the medians; above 1 the cache would be the faster one."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        root.mkdir()
        paths = [f"{number}.jpg" for number in range(IMAGES)]
        drawn = [_photograph(seed) for seed in range(min(DIFFERENT, IMAGES))]
        for number, path in enumerate(paths):
            (root / path).write_bytes(drawn[number % len(drawn)])
        contents = [torch.frombuffer(bytearray((root / path).read_bytes()), dtype=torch.uint8) for path in paths]
        seconds = in_turn(
            {
                "cache": lambda: _filling(root, paths),
                "decode_jpeg": lambda: {"total": _seconds(lambda: _decoding(contents))},
            },
            repeats,
        )
    rates = {
        name: {key: round(IMAGES / parts["total"][of], 1) for key, of in _INVERSE.items()}
        | {"repeats": parts["total"]["repeats"]}
        for name, parts in seconds.items()
    }
    return {
        "images": IMAGES,
        "width": WIDTH,
        "height": HEIGHT,
        "side": SIDE,
        "kilobytes": round(sum(map(len, drawn)) / len(drawn) / 1000, 1),
        "threads": _build.threads(),
        "images_per_second": rates,
        "ratio": round(rates["cache"]["median"] / rates["decode_jpeg"]["median"], 3),
    }


_INVERSE = {"median": "median", "lowest": "highest", "highest": "lowest"}  # of a rate, by that of seconds


def _filling(root: Path, paths: list[str]) -> dict[str, float]:
    """Seconds from no cache to a finished one; removing it is not counted."""
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        return {"total": _seconds(lambda: _photographs.load(root, paths, SIDE))}


def _decoding(contents: list[torch.Tensor]) -> None:
    with ThreadPoolExecutor(_build.threads()) as pool:
        for _ in pool.map(lambda content: decode_jpeg(content).shape, contents):
            pass


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _photograph(seed: int) -> bytes:
    """Noise of several finenesses, as a JPEG of about the length that a photograph of this size has."""
    drawn = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    for cells, strength in CELLS.items():
        few = drawn.standard_normal((3, max(2, cells * HEIGHT // WIDTH), cells), np.float32)
        for channel, values in enumerate(few):
            many = Image.fromarray(values).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
            picture[..., channel] += strength * np.asarray(many)
    stream = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


@contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    """The user's own caches are neither used nor removed."""
    before = {name: os.environ.pop(name, None) for name in ("HARNESS_CACHE", "HARNESS_CACHE_GIB")}
    os.environ["HARNESS_CACHE"] = folder
    try:
        yield
    finally:
        del os.environ["HARNESS_CACHE"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
