"""Photographs decoded before anything trains on them, with a bar."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from harness import datasets
from harness.config import TrialConfig


def decoded(err: Console, trial: TrialConfig) -> None:
    """Nothing for a dataset of small images, or where it has been done."""
    if not datasets.of_photographs(trial.dataset):
        return
    columns = (TextColumn("{task.description}"), BarColumn(40), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("decoding images", total=None)
        datasets.read(trial, lambda done, total: bar.update(task, completed=done, total=total))
