"""What a running sweep shows: a line per running trial and a total with its ETA; plain lines where there is no terminal."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness import trials
from harness.plan import Planned

PLAIN_SECONDS = 60


class SweepDisplay:
    """Shows the progress of trials on stderr. `todo` is in the order of the trials' indices."""

    def __init__(self, todo: Sequence[Planned], on_done: Callable[[Path], None]):
        self.todo, self.on_done = todo, on_done
        self.console = Console(stderr=True)
        self.rows: dict[int, Any] = {}  # of running trials
        self.epochs = [entry.state.epoch for entry in todo]
        self.before = sum(self.epochs)  # trained by earlier runs
        self.started = [0.0] * len(todo)
        self.problems: dict[int, str] = {}  # of trials that could not be trained here
        self.ended = 0
        self.begun = self.said = time.monotonic()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn())
        timing = (TextColumn("epochs"), TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn())
        self.progress = Progress(*columns, *timing, console=self.console, disable=not self.console.is_terminal)

    def __enter__(self) -> SweepDisplay:
        self.progress.start()
        total = sum(entry.trial.epochs for entry in self.todo)
        self.total = self.progress.add_task("", total=total, completed=sum(self.epochs))
        self._describe_total()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def start(self, index: int) -> None:
        """A trial's process begins, for the first time or again."""
        entry = self.todo[index]
        self.started[index] = time.monotonic()
        if index not in self.rows:
            row = self.progress.add_task(name(entry), total=entry.trial.epochs, completed=self.epochs[index])
            self.rows[index] = row

    def result(self, index: int, result: dict[str, Any]) -> None:
        """A trial finished an epoch."""
        epoch = int(result.get("epoch") or 0)
        if "problem" in result:
            self.problems[index] = str(result["problem"])
        if epoch > self.epochs[index]:
            self.progress.update(self.total, advance=epoch - self.epochs[index])
            self.epochs[index] = epoch
            if index in self.rows:
                self.progress.update(self.rows[index], completed=epoch)
            self._say_in_plain_lines()

    def end(self, index: int) -> None:
        """A trial's process ended; its directory says how."""
        entry = self.todo[index]
        self.ended += 1
        if index in self.rows:
            self.progress.remove_task(self.rows.pop(index))
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
        self._describe_total()

    def _say_in_plain_lines(self) -> None:
        """Where there is no terminal to draw on: a line a minute."""
        if self.console.is_terminal or time.monotonic() - self.said < PLAIN_SECONDS:
            return
        self.said = time.monotonic()
        done, total = sum(self.epochs) - self.before, sum(entry.trial.epochs for entry in self.todo) - self.before
        left = (self.said - self.begun) * (total - done) / done
        self.console.print(f"{done} of {total} epochs, about {datetime.timedelta(seconds=round(left))} left")

    def _describe_total(self) -> None:
        self.progress.update(self.total, description=f"[bold]{self.ended} of {len(self.todo)} trainings")


def name(entry: Planned) -> str:
    """A training in a line: its first cell and its seed."""
    return f"{entry.cells[0]} seed={entry.trial.seed}"
