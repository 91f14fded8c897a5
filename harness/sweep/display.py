"""What a running sweep shows on stderr: `harness.live` where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    """Shows the progress of trials, of which there are `most` at the most."""

    def __init__(self, spec: SweepSpec, workspace: Path, most: int, on_done: Callable[[Path], None]):
        self.most, self.on_done = most, on_done
        self.console = Console(stderr=True)
        self.shown: dict[str, _Shown] = {}  # by trial id
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

    def start(self, entry: Planned) -> None:
        """A trial's process begins, for the first time or again."""
        shown = self.shown.setdefault(entry.trial.trial_id, _Shown(entry, entry.state.epoch))
        shown.started = time.monotonic()

    def result(self, entry: Planned, result: dict[str, Any]) -> None:
        """A trial finished an epoch."""
        shown = self.shown[entry.trial.trial_id]
        if "problem" in result:
            shown.problem = str(result["problem"])
        shown.epoch = max(shown.epoch, int(result.get("epoch") or 0))
        self._say_in_plain_lines()

    def died(self, entry: Planned) -> None:
        """A trial's process died, and Ray will start another."""
        self.console.print(f"{escape(name(entry))}: [yellow]its process died; another one goes on[/yellow]")

    def end(self, entry: Planned) -> None:
        """A trial's process ended; its directory says how."""
        shown = self.shown[entry.trial.trial_id]
        self.ended += 1
        state = trials.state(entry.directory)
        if state.state == "done":
            self.on_done(entry.directory)
            result = trials.read_result(entry.directory)
            for note in result["notes"]:
                self.console.print(f"[yellow]{escape(note)}[/yellow]", soft_wrap=True)
            last = result["metrics"][-1]
            words = f"{_recall(last)}  {time.monotonic() - shown.started:.1f} s"
        elif state.state == "stopped":
            words = f"[magenta]stopped[/magenta] {escape(state.note)}"
        else:
            words = f"[red]{state.state}[/red] {escape(shown.problem or state.note)}"
        self.console.print(f"[{self.ended}/{self.most}]".replace("[", r"\["), name(entry), words, soft_wrap=True)

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
        begun = list(self.shown.values())
        done = sum(shown.epoch - shown.before for shown in begun)
        each = max((shown.entry.trial.epochs for shown in begun), default=0)
        total = sum(shown.entry.trial.epochs - shown.before for shown in begun) + (self.most - len(begun)) * each
        if done > 0:
            left = (self.said - self.begun) * (total - done) / done
            self.console.print(f"{done} of {total} epochs, about {datetime.timedelta(seconds=round(left))} left")


@dataclass
class _Shown:
    """One trial, once it has begun."""

    entry: Planned
    before: int  # epochs of earlier runs
    started: float = 0.0
    epoch: int = 0
    problem: str = ""


def _recall(line: dict[str, Any]) -> str:
    """Of the held-out images where there are any: nothing may be chosen by the test images."""
    held_out = trials.validation_metric(1)
    if held_out in line:
        return f"held-out Recall@1 {100 * line[held_out]:.2f} %"
    return f"Recall@1 {100 * line['recall_at_1']:.2f} %"


def name(entry: Planned) -> str:
    """A training in a line: its first cell and its seed."""
    return f"{entry.cells[0]} seed={entry.trial.seed}"
