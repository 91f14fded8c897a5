"""Reading published pickles without running anything that a changed one could ask for."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from harness.errors import UsageError

# What the published pickles need to be read, and nothing more.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which the published files never do")
        return super().find_class(module, name)


def read(path: Path, kind: str) -> dict[str, Any]:
    """The dictionary in one file; `kind` is what it should be, in words ("a CIFAR batch"), for the error.

    Raises UsageError that names the file where it is something else.
    """
    try:
        with path.open("rb") as stream:
            found = _Unpickler(stream, encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UsageError(
            f"{path} cannot be read as {kind} ({type(error).__name__}: {error}). Remove it and fetch it again."
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} cannot be read as {kind}: it holds a {type(found).__name__}, not a dictionary.")
    return found
