"""`harness train`: one trial with a progress bar, resumable, without Ray or MLflow."""

from __future__ import annotations

import datetime
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness import config, datasets, lease, spec, trials
from harness.config import TrialConfig
from harness.decode_display import decoded

PLAIN_SECONDS = 60  # between lines where there is no terminal


def run(
    out: Console, err: Console, dataset: str, method: str, texts: Sequence[str], seed: int, preset: str, workspace: Path
) -> int:
    """Train it, or go on with it; print its recall. 0 done, 1 stopped or failed."""
    trial = resolve(dataset, method, texts, seed, preset)
    directory = trials.directory(workspace, trial)
    err.print(f"{trial.method} on {trial.dataset}, trial {trial.trial_id}, in {directory}", soft_wrap=True)
    if trial.method != method:
        err.print(f"{method} with these settings is {trial.method}: one training, one id.")
    if trial.data_digest and datasets.load(trial.dataset).train_size is not None:
        err.print(
            "[yellow]The local files are not the published ones: this is no result on the published data.[/yellow]"
        )
    from harness.training import Stopped, TrainingFailed, train

    decoded(err, trial)
    try:
        with _Bar(err, trial) as bar:
            result = train(trial, directory, bar.report, bar.on_step)
    except (KeyboardInterrupt, Stopped):
        command = shlex.join(["harness", *sys.argv[1:]])
        err.print(
            f"\n[yellow]Stopped.[/yellow] Every finished epoch is kept; the same command goes on: {escape(command)}"
        )
        return 1
    except TrainingFailed as failure:
        err.print(f"[red]failed:[/red] {escape(str(failure))}", soft_wrap=True)
        return 1
    except lease.Held as other:
        err.print(f"[yellow]{escape(str(other))}[/yellow]")
        return 1
    for note in result["notes"]:
        err.print(f"[yellow]{escape(note)}[/yellow]", soft_wrap=True)
    last = result["metrics"][-1]
    shown = ", ".join(f"Recall@{k} {100 * value:.2f} %" for k, value in trials.recalls(last).items())
    out.print(f"epoch {last['epoch']}: {shown}", soft_wrap=True)
    return 0


def resolve(dataset: str, method: str, texts: Sequence[str], seed: int, preset: str) -> TrialConfig:
    """The canonical trial that a command line means, on the data that is here."""
    overrides: dict[str, Any] = spec.parse_overrides(texts)
    options = {name: value for name, value in overrides.items() if name in datasets.options(dataset)}
    digest = None if "data_digest" in overrides else datasets.local_digest(dataset, options)
    if digest:
        overrides["data_digest"] = digest
    return config.resolve(dataset, method, seed=seed, preset=preset, overrides=overrides).canonical()


class _Bar:
    """Progress over all epochs, on stderr; a line per evaluation."""

    def __init__(self, console: Console, trial: TrialConfig):
        self.console, self.trial = console, trial
        self.first: tuple[float, float] | None = None  # (time, epochs done) at the first step
        columns = (
            TextColumn("{task.description}"),
            BarColumn(40),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> _Bar:
        self.progress.start()
        self.task = self.progress.add_task("starting", total=float(self.trial.epochs))
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def on_step(self, epoch: int, step: int, steps: int) -> None:
        """Move on by a step."""
        done = epoch + step / steps
        self.progress.update(self.task, completed=done, description=f"epoch {epoch + 1}/{self.trial.epochs}")
        now = time.monotonic()
        if self.first is None:
            self.first = self.said = (now, done)
        if not self.console.is_terminal and now - self.said[0] >= PLAIN_SECONDS:
            self.said = (now, done)
            left = (self.trial.epochs - done) * (now - self.first[0]) / (done - self.first[1])
            self.console.print(f"epoch {done:.2f}, about {datetime.timedelta(seconds=round(left))} left")

    def report(self, epoch: int, metrics: dict[str, Any]) -> None:
        """Print an evaluation."""
        if "recall_at_1" in metrics:
            recall = 100 * metrics["recall_at_1"]
            self.console.print(f"epoch {epoch}: loss {metrics['loss']:.4f}, Recall@1 {recall:.2f} %")
