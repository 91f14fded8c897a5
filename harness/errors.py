"""What a user can mend: said in one message, without a traceback (`cli.main` prints it and exits with 2)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """A wrong name, value or combination of settings. The message says what was got, what is allowed, what to do."""


class UnreadableImages(UsageError):
    """Photographs that are missing, truncated or no images. The message names some of them; `paths` has all."""

    def __init__(self, message: str, paths: tuple[str, ...] = ()):
        super().__init__(message)
        self.paths = paths


class MissingData(FileNotFoundError):
    """Files that a trial needs are not there. The message says where they were looked for and how to get them."""


class DiskFull(OSError):
    """A file did not fit on its disk. What was there before is intact."""

    def __str__(self) -> str:
        return f"{self.strerror} ({self.filename})"


def unknown(kind: str, got: str, known: Iterable[str]) -> UsageError:
    """The error for a name that does not exist: it lists the known ones and suggests the nearest."""
    names = sorted(known)
    near = difflib.get_close_matches(str(got).lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UsageError(f"unknown {kind} {got!r}.{hint} Known: {', '.join(names)}.")
