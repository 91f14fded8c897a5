"""What a running sweep shows on stderr: `harness.live` where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape

from harness import live, trials
from harness.plan import Planned
from harness.spec import SweepSpec

PLAIN_SECONDS = 60


class SweepDisplay:
    """Shows the progress of trials. `todo` is in the order of the trials' indices."""

    def __init__(self, spec: SweepSpec, workspace: Path, todo: Sequence[Planned], on_done: Callable[[Path], None]):
        self.todo, self.on_done = todo, on_done
        self.console = Console(stderr=True)
        self.epochs = [entry.state.epoch for entry in todo]
        self.before = sum(self.epochs)  # trained by earlier runs
        self.started = [0.0] * len(todo)
        self.problems: dict[int, str] = {}  # of trials that could not be trained here
        self.ended = 0
        self.begun = self.said = time.monotonic()
        self.watch = live.Watch(spec, workspace) if self.console.is_terminal else None
        self.live: Live | None = None
        if self.watch:
            # NOTE: with its own thread, so that it goes on where the driver waits for Ray
            self.live = Live(get_renderable=self._view, console=self.console, refresh_per_second=1, transient=True)

    def __enter__(self) -> SweepDisplay:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self.live.stop()

    def start(self, index: int) -> None:
        """A trial's process begins, for the first time or again."""
        self.started[index] = time.monotonic()

    def result(self, index: int, result: dict[str, Any]) -> None:
        """A trial finished an epoch."""
        if "problem" in result:
            self.problems[index] = str(result["problem"])
        self.epochs[index] = max(self.epochs[index], int(result.get("epoch") or 0))
        self._say_in_plain_lines()

    def end(self, index: int) -> None:
        """A trial's process ended; its directory says how."""
        entry = self.todo[index]
        self.ended += 1
        state = trials.state(entry.directory)
        if state.state == "done":
            self.on_done(entry.directory)
            result = trials.read_result(entry.directory)
            for note in result["notes"]:
                self.console.print(f"[yellow]{escape(note)}[/yellow]", soft_wrap=True)
            last = result["metrics"][-1]
            words = f"Recall@1 {100 * last['recall_at_1']:.2f} %  {time.monotonic() - self.started[index]:.1f} s"
        else:
            words = f"[red]{state.state}[/red] {escape(self.problems.get(index) or state.note)}"
        self.console.print(f"[{self.ended}/{len(self.todo)}]".replace("[", r"\["), name(entry), words)

    def _view(self) -> RenderableType:
        assert self.watch
        if time.monotonic() - self.watch.looked >= live.LOOK_SECONDS:
            self.watch.look()
        return live.view(self.watch, self.console)

    def _say_in_plain_lines(self) -> None:
        """Where there is no terminal to draw on: a line a minute."""
        if self.console.is_terminal or time.monotonic() - self.said < PLAIN_SECONDS:
            return
        self.said = time.monotonic()
        done, total = sum(self.epochs) - self.before, sum(entry.trial.epochs for entry in self.todo) - self.before
        if done > 0:
            left = (self.said - self.begun) * (total - done) / done
            self.console.print(f"{done} of {total} epochs, about {datetime.timedelta(seconds=round(left))} left")


def name(entry: Planned) -> str:
    """A training in a line: its first cell and its seed."""
    return f"{entry.cells[0]} seed={entry.trial.seed}"
