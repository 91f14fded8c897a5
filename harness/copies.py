"""Copies of finished trials in an object store, or whatever else fsspec reaches: `s3://bucket/prefix`, `gs://…`, a folder.

A trial's `result.json` is copied last: where it is, the copy is whole. `harness collect` takes in what was fetched from there.
Credentials are those that the store's own client finds: its environment variables or files, never the address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import files, trials
from harness import workspace as workspaces
from harness.background import Background
from harness.errors import UsageError
from harness.workspace import Named

COPIED = (*trials.SMALL, *trials.LARGE)


class Copies:
    """Copies finished trials as they end, in the background, each once."""

    def __init__(self, workspace: Path, spec: Named, address: str):
        self.workspace, self.address = workspace, address.rstrip("/")
        self.notes = workspaces.sweep_folder(workspace, spec) / "copied.json"
        self.store, self.place = _opened(self.address)
        self.known = set(_read(self.notes).get(self.address, []))
        self.seen = set(self.known)
        self.background = Background(self._copy, self._describe, patience=60)

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, *exception: object) -> None:
        self.background.end()

    @property
    def problem(self) -> str | None:
        """Why not everything is copied."""
        return self.background.problem

    def add(self, ids: Sequence[str]) -> None:
        """Copy these finished trials, those left out that are known to be there."""
        new = [trial for trial in ids if trial not in self.seen]
        self.seen.update(new)
        self.background.add(new)

    def _copy(self, trial_id: str) -> None:
        source, target = trials.directory(self.workspace, trial_id), f"{self.place}/trials/{trial_id}"
        names = [name for name in COPIED if name != trials.RESULT and (source / name).is_file()]
        self.store.makedirs(target, exist_ok=True)
        for name in [*names, trials.RESULT]:
            self.store.put_file(str(source / name), f"{target}/{name}")
        self.known.add(trial_id)
        files.write_json(self.notes, {**_read(self.notes), self.address: sorted(self.known)})

    def _describe(self, error: Exception) -> str:
        return f"{self.address}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises UsageError for one that cannot be used."""
    import fsspec

    if re.search(r"//[^/]*@", address):
        raise UsageError("--copy-to holds a password: leave it to the store's own environment variables or files.")
    try:
        store, place = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--copy-to {address}: {error}") from None
    return store, place.rstrip("/")


def _read(path: Path) -> dict[str, Any]:
    try:
        return trials.read_json(path) if path.is_file() else {}
    except trials.DamagedFile:
        return {}
