"""What a run of a sweep hands out to its workers, trial by trial: a list here, a search in `harness.sweep.asking`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from harness.config import TrialConfig
from harness.plan import Planned


class Work(Protocol):
    """What the trials of one run come from."""

    most: int  # trials, at the most
    handed: set[str]  # ids of those that were taken
    ahead: bool  # whether trials may be taken before a place for them is free, so that they start at once then

    @property
    def examples(self) -> Sequence[TrialConfig]:
        """Trials that need what all of them need of a machine."""

    def take(self) -> Planned | None:
        """The next trial; None where none is left."""

    def heard(self, entry: Planned, metrics: dict[str, Any]) -> str | None:
        """Told after each epoch of a trial; why it is to end now, or None."""


class Listed:
    """Trials that are known before."""

    ahead = True

    def __init__(self, todo: Sequence[Planned]):
        self.most = len(todo)
        self.todo = list(todo)
        self.examples = [entry.trial for entry in todo]
        self.handed: set[str] = set()

    def take(self) -> Planned | None:
        """In the order of the list."""
        if not self.todo:
            return None
        entry = self.todo.pop(0)
        self.handed.add(entry.trial.trial_id)
        return entry

    def heard(self, entry: Planned, metrics: dict[str, Any]) -> str | None:
        """Each goes on to its end."""
        return None
