"""What the commands print: plans, states, comparisons, files. Each function returns an exit code where it decides one."""

from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import points, protocol
from harness import workspace as workspaces
from harness.plan import Estimate, Planned, to_dict
from harness.spec import SweepSpec
from harness.trials import TrialState

MOST_IN_TABLE = 1_000  # trainings; laying out a table of ten times as many takes longer than all else
COLOURS = {
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "stopped": "magenta",
    "unfinished": "yellow",
    "missing": "dim",
}


def sweep_head(out: Console, spec: SweepSpec, workspace: Path, *, every_trial: bool = False) -> None:
    """What a sweep is about to do; with `every_trial`, training by training."""
    from harness.plan import estimate, of_other_versions, plan

    planned = plan(spec, workspace)
    guess = estimate(planned, workspace)
    done = sum(entry.state.state == "done" for entry in planned)
    out.print(f"[bold]{escape(spec.title)}[/bold]")
    cells, seeds = _count(len(spec.cells()), "cell"), _count(spec.seeds, "seed")
    out.print(f"{cells} × {seeds} = {_count(len(planned), 'distinct training')}, {done} done")
    if done < len(planned):
        out.print(f"Estimated time left: {hours(guess)}")
    if sentence := protocol.reduced(spec):
        out.print(f"[yellow]{escape(sentence)}[/yellow]")
    _name_others(out, of_other_versions(planned, workspace))
    out.print(f"Workspace: {workspace}", soft_wrap=True)
    if every_trial:
        out.print(_table([entry for entry in planned if entry.state.state != "done"]))


def sweep_problems(err: Console, outcome: Any, again: str) -> None:
    """What did not go as it should beside the training."""
    if outcome.record_problem:
        err.print(
            f"[yellow]MLflow could not be written[/yellow] ({escape(outcome.record_problem)}). Nothing is lost: "
            f"`harness sync {escape(again)}`, with the same --mlflow, records it later.",
            soft_wrap=True,
        )
    if outcome.copy_problem:
        err.print(
            f"[yellow]Not every finished trial is copied[/yellow] ({escape(outcome.copy_problem)}). Nothing is lost: the "
            "same command, with the same --copy-to, copies the rest.",
            soft_wrap=True,
        )
    if outcome.stopped:
        err.print(f"[yellow]Stopped:[/yellow] {escape(outcome.stopped)}", soft_wrap=True)


def sweep_outcome(out: Console, outcome: Any, again: str) -> int:
    """How a sweep ended, and how to go on. 0 where every training is done."""
    total, done, failed = len(outcome.planned), outcome.count("done"), outcome.count("failed")
    if outcome.trained == 0 and done == total:
        out.print(f"All {total} trainings were done already; nothing was started.")
    if done == total:
        out.print(
            f"[green]{done} of {total} trainings done.[/green] Next: `harness report {escape(again)}`", soft_wrap=True
        )
        return 0
    if failed:
        for entry in outcome.planned:
            if entry.state.state == "failed":
                out.print(
                    f"[red]failed[/red] {entry.trial.trial_id} {escape(entry.cells[0])}: {escape(entry.state.note)}",
                    soft_wrap=True,
                )
        out.print(
            f"{failed} failed; train them again with `harness sweep {escape(again)} --retry-failed`.", soft_wrap=True
        )
    if running := outcome.count("running"):
        out.print(f"{running} are being trained by another process right now.")
    if done + failed < total:
        out.print(
            f"{done} of {total} trainings done. Everything so far is kept; the same command goes on: "
            f"`harness sweep {escape(again)}`",
            soft_wrap=True,
        )
    return 1


def plan(out: Console, spec: SweepSpec, planned: Sequence[Planned], guess: Estimate, as_json: bool) -> None:
    """The distinct trainings with the cells they fill, and the estimate."""
    if as_json:
        print_json(out, to_dict(spec, planned, guess))
        return
    out.print(_table(planned))
    done = sum(entry.state.state == "done" for entry in planned)
    out.print(f"{len(spec.cells())} cells, {len(planned)} distinct trainings over {spec.seeds} seeds, {done} done.")
    out.print(f"Time left on one device: {hours(guess)}")
    out.print(f"GPU-hours left: {f'{guess.hours:.1f}' if guess.on_gpu and guess.hours is not None else 'unknown'}")


def status(
    out: Console, spec: SweepSpec, planned: Sequence[Planned], as_json: bool, others: Sequence[Planned] = ()
) -> int:
    """Cell by cell. 1 while anything is missing. `others` are trainings of another version of the protocol."""
    complete = all(entry.state.state == "done" for entry in planned)
    if as_json:
        content = to_dict(spec, planned, Estimate(None, "", "not asked for"))
        print_json(out, content | {"of_another_version": [str(entry.directory) for entry in others]})
        return 0 if complete else 1
    states = {entry.trial.trial_id: entry.state for entry in planned}
    cells = [(cell.label, [states[trial.trial_id] for trial in cell.trials]) for cell in spec.cells()]
    if len(cells) * spec.seeds > MOST_IN_TABLE:
        for label, shown in cells:
            if any(state.state != "done" for state in shown):
                out.out(f"{label}: {_counted(shown)}", highlight=False)
        whole = sum(all(state.state == "done" for state in shown) for _, shown in cells)
        out.print(f"{whole} of {len(cells)} cells are done; those that are not stand above.")
    else:
        out.print(_states_table(cells, spec.seeds))
    out.print(f"{_counted([entry.state for entry in planned])} of {len(planned)} trainings")
    _name_others(out, others)
    return 0 if complete else 1


def _name_others(out: Console, others: Sequence[Planned]) -> None:
    """Trainings of another version of the protocol, which are not mixed in."""
    if not others:
        return
    out.print(
        f"[yellow]{len(others)} trainings of these cells follow another version of their method and are not counted; "
        "they are kept:[/yellow]",
        soft_wrap=True,
    )
    for entry in others[:20]:
        cell = f"{entry.cells[0]} seed={entry.trial.seed}"
        out.print(f"  {entry.directory.name} {escape(cell)}: {entry.state.state}", soft_wrap=True)
    if len(others) > 20:
        out.print(f"  … and {len(others) - 20} more")


def _states_table(cells: Sequence[tuple[str, Sequence[TrialState]]], seeds: int) -> Table:
    """A row per cell, a column per seed."""
    table = Table("cell", *(f"seed {seed}" for seed in range(seeds)))
    for label, shown in cells:
        marks = [f"[{COLOURS[entry.state]}]{entry.state}[/] {escape(_progress(entry))}".strip() for entry in shown]
        table.add_row(escape(label), *marks)
    return table


def _counted(shown: Sequence[TrialState]) -> str:
    """In the order of COLOURS, such as "7 done, 3 missing"."""
    counts = collections.Counter(entry.state for entry in shown)
    return ", ".join(f"{counts[state]} {state}" for state in COLOURS if counts[state])


def print_json(out: Console, content: Any) -> None:
    """JSON, coloured where somebody looks at it: colouring megabytes takes minutes."""
    if out.is_terminal:
        out.print_json(json.dumps(content))
    else:
        out.out(json.dumps(content, indent=2, ensure_ascii=False), highlight=False)


def clean(out: Console, spec: SweepSpec, workspace: Path, yes: bool) -> None:
    """What the sweep's trials hold, and removal of what no finished trial needs."""
    ids = {trial.trial_id for trial in spec.trials()}
    folders = [workspace / "trials" / trial_id for trial_id in ids]
    held = sum(workspaces.usage(folder) for folder in folders)
    out.print(f"{workspace}: {workspaces.describe(workspaces.usage(workspace))} in all", soft_wrap=True)
    out.print(f"this sweep's trials: {workspaces.describe(held)} in {sum(map(Path.is_dir, folders))} directories")
    found = workspaces.removable(workspace, ids)
    if not found:
        out.print("Nothing to remove.")
        return
    for path, why in found:
        size = workspaces.usage(path) if path.is_dir() else path.stat().st_size
        out.print(f"  {workspaces.describe(size):>10}  {path.relative_to(workspace)}  ({why})", soft_wrap=True)
    if yes or typer.confirm("Remove these?"):
        workspaces.remove(path for path, _ in found)
        out.print(f"{len(found)} removed.")


def sync(out: Console, err: Console, spec: SweepSpec, workspace: Path, uri: str | None) -> int:
    """Record finished trials in MLflow. 1 where it could not be written."""
    from harness import tracking
    from harness.plan import plan as plan_of

    target = uri or tracking.default_uri(workspace)
    planned = plan_of(spec, workspace)
    done = [entry.trial.trial_id for entry in planned if entry.state.state == "done"]
    complete = len(done) == len(planned)
    if spec.search:
        study = points.Study(spec, workspace)
        complete = study.is_complete(study.look())
    if problem := tracking.record_all(workspace, spec, target, done, complete=complete):
        err.print(f"[red]MLflow could not be written:[/red] {escape(problem)}", soft_wrap=True)
        return 1
    out.print(f"{len(done)} finished trials are recorded in {escape(tracking.public(target))}.", soft_wrap=True)
    return 0


def report_written(out: Console, err: Console, written: Any, problem: str | None) -> None:
    """Where the report is."""
    for note in written.notes:
        err.print(f"[yellow]{escape(note)}[/yellow]", soft_wrap=True)
    if problem:
        err.print(f"[yellow]the report is not in MLflow[/yellow]: {escape(problem)}", soft_wrap=True)
    out.print(f"{written.done} of {written.trainings} trainings are in it, finished.")
    out.print(f"Report: {written.page}", soft_wrap=True)


def report_verified(out: Console, found: Any) -> int:
    """What a check of a report found. 1 where a number is wrong."""
    counted = f"{found.numbers} numbers in {found.tables} tables, from {found.trials} trials"
    for line in found.wrong[:20]:
        out.print(f"[red]wrong:[/red] {escape(line)}", soft_wrap=True)
    if len(found.wrong) > 20:
        out.print(f"… and {len(found.wrong) - 20} more.")
    if found.wrong:
        out.print(f"{len(found.wrong)} differences; checked {counted}.")
        return 1
    out.print(f"Every number is what the trials give: {counted}. cells.json names the trials behind each.")
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(planned: Sequence[Planned]) -> Table:
    table = Table("trial", "seed", "state", "fills")
    for entry in planned:
        state = f"[{COLOURS[entry.state.state]}]{entry.state.state}[/] {escape(_progress(entry.state))}"
        table.add_row(entry.trial.trial_id, str(entry.trial.seed), state.strip(), escape("\n".join(entry.cells)))
    return table


def _progress(state: Any) -> str:
    after = f"after epoch {state.epoch}" if state.epoch and state.state != "failed" else ""
    note = state.note if state.state in ("failed", "stopped", "unfinished") or not after else ""
    return ", ".join(word for word in (after, note) if word) if state.state not in ("done", "missing") else ""


def hours(guess: Estimate) -> str:
    """An estimate, and what it was taken from."""
    if guess.hours is None:
        return f"unknown ({guess.basis})"
    shown = f"{guess.hours:.1f} h" if guess.hours >= 1 else f"{60 * guess.hours:.1f} min"
    return f"{shown} of one trial at a time on {guess.device} ({guess.basis})" if guess.device else guess.basis


def departures(spec: SweepSpec) -> list[str]:
    return [str(entry) for entry in protocol.departures(spec)]
