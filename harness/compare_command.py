"""What `harness compare` prints and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import box
from rich import table as rich_table
from rich.console import Console
from rich.markup import escape

from harness import compare, files, terminal
from harness.compare import Comparison
from harness.power import power, power_sentences
from harness.report.table import Table
from harness.report.tables import claims as claims_table
from harness.report.tables import verdicts as verdicts_table

COLOURS = {"REPRODUCED": "green", "HOLDS": "green", "LOWER": "red", "REVERSED": "red", "NOT": "yellow"}


def run(out: Console, comparison: Comparison, as_json: bool, output: Path | None) -> int:
    """Print a comparison, write it where asked. 0 only where every cell has a verdict and none of them fails."""
    if output is not None:
        write(comparison, output)
    if as_json:
        out.print_json(json.dumps(to_dict(comparison)))
        return 1 if comparison.problems else 0
    _print_verdicts(out, comparison)
    if comparison.claims:
        _print_table(out, claims_table.of_comparison(comparison))
    for sentence in terminal.departures(comparison.spec):
        out.print(f"[yellow]differs from the paper:[/yellow] {escape(sentence)}")
    for sentence in power_sentences(comparison):
        out.print(escape(sentence))
    if output is not None:
        out.print(f"written to {output}: comparison.tex, .md, .csv, .json", markup=False)
    return _problems(out, comparison)


def write(comparison: Comparison, folder: Path) -> None:
    """comparison.tex, .md, .csv and .json."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = [verdicts_table.of_comparison(comparison)]
    tables += [claims_table.of_comparison(comparison)] if comparison.claims else []
    files.write_text(folder / "comparison.tex", "\n".join(table.latex() for table in tables))
    files.write_text(folder / "comparison.md", "\n".join(table.markdown() for table in tables))
    files.write_text(folder / "comparison.csv", "\n".join(table.csv() for table in tables))
    files.write_json(folder / "comparison.json", to_dict(comparison))


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything of a comparison, ready for JSON. Percent and points."""
    spec = comparison.spec
    return {
        "sweep": spec.name,
        "unit": "percent",
        "margin": spec.margin,
        "epoch_rule": comparison.epoch_rule,
        "departures": terminal.departures(spec),
        "pooled": {
            metric: {"deviation": deviation if degrees else None, "degrees": degrees}
            for metric, (deviation, degrees) in comparison.spread.items()
        },
        "cells": [_cell(entry) for entry in comparison.compared],
        "claims": [
            {
                "better": claim.better,
                "than": claim.than,
                "verdict": claim.verdict,
                "differences": list(claim.differences),
                "interval": claim.interval,
                "p": claim.p,
                "p_holm": claim.p_holm,
                "trials": list(claim.trials),
            }
            for claim in comparison.claims
        ],
        "power": power(comparison),
        "problems": comparison.problems,
    }


def _cell(entry: compare.Compared) -> dict[str, Any]:
    return {
        "cell": entry.cell.label,
        "metric": entry.metric,
        "ours": entry.ours,
        "deviation": entry.deviation,
        "interval_of_mean": entry.mean_interval,
        "runs": entry.runs,
        "missing": entry.missing,
        "trials": list(entry.trial_ids),
        "published": entry.theirs,
        "difference": entry.difference,
        "interval": entry.interval,
        "verdict": entry.verdict,
        "differs": list(entry.differs),
        "qualified": list(entry.qualified) if verdicts_table.is_qualified(entry) else [],
        "source": entry.source,
        "erratum": entry.erratum,
    }


def _print_verdicts(out: Console, comparison: Comparison) -> None:
    if comparison.verdicts:
        _print_table(out, verdicts_table.of_comparison(comparison))
        return
    out.print(f"[bold]{escape(comparison.spec.title)}[/bold]")
    out.print("Nothing is published for this sweep.")


def _print_table(out: Console, table: Table) -> None:
    shown = rich_table.Table(*table.columns, box=box.SIMPLE)
    for row in (row for group in table.groups for row in group):
        shown.add_row(*(_coloured(entry.plain()) for entry in row))
    out.print(f"[bold]{escape(table.caption)}[/bold]")
    out.print(shown)
    for note in table.footnotes:
        out.print(note, markup=False)


def _coloured(text: str) -> str:
    colour = COLOURS.get(text.partition(" ")[0].strip(","))
    return f"[{colour}]{escape(text)}[/]" if colour else escape(text)


def _problems(out: Console, comparison: Comparison) -> int:
    """Why the comparison does not pass, in a few lines."""
    found = comparison.problems
    if not found:
        out.print("[green]Passed:[/green] every declared cell has a verdict, and none of them fails.")
        return 0
    out.print(f"[red]Not passed:[/red] {len(found)} of its cells and claims.")
    for line in found[:8]:
        out.print(f"  {line}", markup=False)
    if len(found) > 8:
        out.print(f"  … and {len(found) - 8} more; --json lists all.")
    return 1
