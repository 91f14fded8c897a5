"""One photograph: its size in the cache, read from its header, and its pixels.

NOTE: a turn that EXIF asks for is not made: torchvision's loader makes none either, and published numbers come from it.
"""

from __future__ import annotations

import importlib
import struct
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

# What Pillow's readers raise on bytes that are not what they should be.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, ZeroDivisionError, struct.error)


class Unreadable(Exception):
    """The file is not an image that can be decoded; the message says why in a few words."""


def prepare() -> None:
    """Load every reader and the resizing, so that threads need not do it at once."""
    Image.init()
    importlib.import_module("torch")


def size_in_cache(width: int, height: int, side: int) -> tuple[int, int]:
    """(height, width) with the shorter side exactly `side` (even) and the longer one the nearest even number."""
    # Even, so that an image in the middle of an even frame leaves whole pixels at both ends: nothing is moved by half a one.
    short, long = sorted((width, height))
    longer = 2 * ((long * side + short) // (2 * short))
    return (side, longer) if height <= width else (longer, side)


def measure(path: Path, side: int) -> tuple[int, int]:
    """Height and width that the image will have in the cache; only its header is read. Raises Unreadable."""
    try:
        with Image.open(path) as image:
            return size_in_cache(*image.size, side)
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        raise Unreadable(_reason(error)) from error


def pixels(path: Path, height: int, width: int) -> bytes:
    """The image as RGB in this size, channels first. Raises Unreadable, also where only its end is missing."""
    try:
        with Image.open(path) as image:
            # A large JPEG is decoded at a half, a quarter or an eighth where at least twice the wanted size is left. Measured
            # against decoding it whole: drawn 4000 × 3000 at side 256 differ by 0.19 of 255 on average, at most 2, in 19 ms
            # in place of 115 (AMD EPYC, one thread); four found ones, at sides 64 to 256, by 0.2 to 0.7, at most 11 at edges.
            whole = image.size
            drafted = image.draft(None, (2 * width, 2 * height))
            shown = image.convert("RGB")
            if drafted is None or image.size == whole:
                return _resized(shown, height, width)
            shown = shown.resize((width, height), Image.Resampling.BILINEAR, drafted[1])
            return b"".join(band.tobytes() for band in shown.split())
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        raise Unreadable(_reason(error)) from error


def _resized(image: Image.Image, height: int, width: int) -> bytes:
    """Pillow's bilinear filter as torch computes it on uint8, 0.4 ms in place of 1.8 for 640 × 480 to 342 × 256 (AMD EPYC, one
    thread); at most one level off, in 0.7 % of the values."""
    import torch
    from torch.nn.functional import interpolate

    levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]  # channels last in memory, for the fast kernel
    return interpolate(levels, (height, width), mode="bilinear", antialias=True)[0].contiguous().numpy().tobytes()


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "missing"
    if isinstance(error, UnidentifiedImageError | IsADirectoryError):
        return "no image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    words = str(error)
    return "truncated" if "truncated" in words.lower() else f"damaged: {words}"
