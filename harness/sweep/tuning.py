"""What Ray Tune calls: the queue of trials, the question whether to stop, and events. Tune pickles all three, and never reads
them back: they leave what they point to behind."""

from __future__ import annotations

import json
from typing import Any

from ray import tune
from ray.tune.execution import class_cache
from ray.tune.search import Searcher

from harness.errors import DiskFull
from harness.plan import Planned
from harness.sweep.display import SweepDisplay
from harness.sweep.stopping import Control
from harness.sweep.work import Work
from harness.trials import DISK_FULL, SEARCH, state


def keep_secrets() -> None:
    """Tune hands the AWS keys of the driver to every trial, and Ray writes them into its logs; trials need none."""
    for name in [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]:
        class_cache.ENV_VARS_TO_PROPAGATE.discard(name)


class Queue(Searcher):
    """Hands the work out in its order, at most so much at once, and none once the run is to stop."""

    def __init__(self, work: Work, at_once: int | None, control: Control):
        super().__init__()
        self.work, self.at_once, self.control = work, at_once, control
        self.taken: list[Planned] = []
        self.live: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """The next trial and its index among those taken; None for not now."""
        if self.control.reason is not None:
            return Searcher.FINISHED
        if self.at_once and len(self.live) >= self.at_once:
            return None
        try:
            entry = self.work.take()
        except DiskFull as full:
            self.control.ask(DISK_FULL, str(full))
            entry = None
        if entry is None:
            return Searcher.FINISHED
        self.live.add(trial_id)
        self.taken.append(entry)
        settings = json.dumps(entry.trial.to_dict())  # as text: Tune would take settings for its own
        return {"index": len(self.taken) - 1, "trial": settings, "directory": str(entry.directory)}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """A place is free."""
        self.live.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the trial directories say what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Stopper(tune.Stopper):
    """Ends the run when nothing trains any more after it was asked to stop."""

    def __init__(self, control: Control):
        self.control = control

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Asked after every event."""
        return self.control.over()

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Events(tune.Callback):
    """Hands Tune's events to the display and to the control."""

    def __init__(self, queue: Queue, display: SweepDisplay, control: Control):
        self.queue, self.display, self.control = queue, display, control

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if iteration == 0:
            self.control.listen()

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self.control.tick()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        entry = self._entry(trial)
        self.control.started(entry.directory, trial.temporary_state.ray_actor)
        self.display.start(entry)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        entry = self._entry(trial)
        self.display.result(entry, result)
        if result.get("disk_full"):
            self.control.ask(DISK_FULL, str(result["problem"]))
        elif "problem" not in result and (reason := self.queue.work.heard(entry, result)):
            self.control.ask_one(entry.trial.trial_id, SEARCH, reason)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        entry = self._entry(trial)
        self.control.ended(entry.directory)
        self.display.died(entry)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial)

    def _entry(self, trial: Any) -> Planned:
        return self.queue.taken[trial.config["index"]]

    def _end(self, trial: Any) -> None:
        entry = self._entry(trial)
        self.control.ended(entry.directory)
        if self.control.reason is None or state(entry.directory).state != "missing":  # else it has not begun
            self.display.end(entry)
