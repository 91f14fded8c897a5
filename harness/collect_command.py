"""`harness collect DIR…`: finished trials of other machines, copied into the workspace and recorded in MLflow.

harness collect /media/gpu-box/workspace/trials other-workspace    # any depth; run twice, it has nothing more to do
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness import collect, lease, tracking, trials
from harness import workspace as workspaces
from harness.collect import DIFFERS, REFUSED, Arrival
from harness.workspace import SavedSweep

WITHOUT_SWEEP = "collected"  # the experiment of trials that no sweep of the workspace has
COLOURS = {collect.TAKEN: "green", collect.HERE: "dim", DIFFERS: "bold red", REFUSED: "red"}


def run(out: Console, err: Console, sources: Sequence[Path], workspace: Path, uri: str | None) -> int:
    """Take them in, say of each what became of it, record them. 1 where one was left alone."""
    arrivals: list[Arrival] = []
    try:
        for arrival in collect.collect(sources, workspace):
            arrivals.append(arrival)
            _say(out, err, arrival)
    except lease.Held as other:
        err.print(f"[red]Another `harness collect` is at work in {escape(str(workspace))}:[/red] {escape(str(other))}")
        return 1
    counts = {name: sum(arrival.outcome == name for arrival in arrivals) for name in COLOURS}
    out.print(", ".join(f"{count} {name}" for name, count in counts.items() if count) + f" of {len(arrivals)} trials")
    target = uri or tracking.default_uri(workspace)
    here = [arrival.trial_id for arrival in arrivals if arrival.outcome not in (REFUSED, DIFFERS)]
    if problem := record(workspace, list(dict.fromkeys(here)), target):
        err.print(
            f"[yellow]MLflow could not be written[/yellow] ({escape(problem)}). Nothing is lost: the same command, with "
            "the same --mlflow, records it later.",
            soft_wrap=True,
        )
    elif here:
        out.print(f"They are recorded in {escape(tracking.public(target))}.", soft_wrap=True)
    return 1 if counts[REFUSED] or counts[DIFFERS] else 0


def record(workspace: Path, ids: Sequence[str], uri: str) -> str | None:
    """Give trials of the workspace to MLflow, with every sweep that has them. Returns why it could not, if it could not."""
    sweeps = workspaces.saved_sweeps(workspace)
    known = {trial_id for sweep in sweeps for trial_id in sweep.trials}
    without = tuple(trial_id for trial_id in ids if trial_id not in known)
    for sweep in [*sweeps, SavedSweep(WITHOUT_SWEEP, WITHOUT_SWEEP, {"name": WITHOUT_SWEEP}, without)]:
        wanted = [trial_id for trial_id in ids if trial_id in set(sweep.trials)]
        new = tracking.unrecorded(workspace, sweep, uri, wanted)
        complete = all((trials.directory(workspace, name) / trials.RESULT).is_file() for name in sweep.trials)
        if problem := tracking.record_all(workspace, sweep, uri, new, complete):
            return problem
    return None


def _say(out: Console, err: Console, arrival: Arrival) -> None:
    where = err if arrival.outcome in (DIFFERS, REFUSED) else out
    words = f"[{COLOURS[arrival.outcome]}]{arrival.outcome}[/] {arrival.trial_id or escape(str(arrival.source))}"
    if arrival.outcome == DIFFERS:
        words += f" from {escape(str(arrival.source))}"
    where.print(words + (f": {escape(arrival.note)}" if arrival.note else ""), soft_wrap=True, highlight=False)
