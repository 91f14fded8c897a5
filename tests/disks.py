"""Small file systems of their own, to fill up."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def mounted(path: Path, megabytes: int) -> Iterator[Path]:
    """A file system in memory at `path`, which must not exist."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path: Path, left: int = 0) -> None:
    """Leave so many bytes free, or less; `filler` takes the rest."""
    with contextlib.suppress(OSError), (path / "filler").open("wb", buffering=0) as stream:
        while (free := shutil.disk_usage(path).free - left) > 0:
            stream.write(b"\0" * min(free, 1 << 20))
