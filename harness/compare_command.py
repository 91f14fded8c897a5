"""What `harness compare` prints and writes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich import table as rich_table
from rich.console import Console
from rich.markup import escape

from harness import compare, files, protocol, terminal
from harness.compare import Comparison
from harness.power import power, power_sentences
from harness.report.table import Entry
from harness.report.tables import claims as claims_table
from harness.report.tables import verdicts as verdicts_table
from harness.results import EPOCH_RULES

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
        _print_claims(out, comparison)
    for sentence in terminal.departures(comparison.spec):
        out.print(f"[yellow]differs from the paper:[/yellow] {escape(sentence)}")
    for sentence in power_sentences(comparison):
        out.print(escape(sentence))
    if output is not None:
        out.print(f"written to {output}: comparison.tex, .md, .csv, .json, claims.csv", markup=False)
    return _problems(out, comparison)


def write(comparison: Comparison, folder: Path) -> None:
    """comparison.tex, .md, .csv (a line per cell and recall) and .json; claims.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = [verdicts_table.of_comparison(comparison)] if comparison.verdicts else []
    tables += [claims_table.of_comparison(comparison)] if comparison.claims else []
    files.write_text(folder / "comparison.tex", "\n".join(table.latex() for table in tables))
    files.write_text(folder / "comparison.md", "\n".join(table.markdown() for table in tables))
    content = to_dict(comparison)
    files.write_text(folder / "comparison.csv", _csv(content["cells"]))
    files.write_text(folder / "claims.csv", _csv(content["claims"]))
    files.write_json(folder / "comparison.json", content)


def _csv(entries: Sequence[dict[str, Any]]) -> str:
    """A line each; several values in one field are parted by semicolons."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(entries[0]) if entries else [], lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        flat = {
            name: ";".join(map(str, value)) if isinstance(value, list | tuple) else value
            for name, value in entry.items()
        }
        writer.writerow(flat)
    return stream.getvalue()


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
    """Fits 80 columns: intervals, runs and what makes a number not comparable stand in --output and --json."""
    spec, rows = comparison.spec, comparison.verdicts
    if not rows:
        out.print(f"[bold]{escape(spec.title)}[/bold]\nNothing is published for this sweep.")
        return
    titles = protocol.cell_titles(spec)
    table = _table("method", "w", "τ", "ours, %", "theirs", "diff.", "verdict")
    for entry in rows:
        ours = "not trained" if entry.ours is None else Entry(entry.ours, entry.deviation).plain()
        difference = "" if entry.difference is None else Entry(entry.difference, signed=True).plain()
        place = (titles[entry.cell.label], entry.cell.shown("weight"), entry.cell.shown("temperature"))
        mark = " *" if verdicts_table.is_qualified(entry) else ""
        theirs = Entry(entry.theirs).plain()
        table.add_row(*map(escape, place), ours, theirs, difference, _coloured(f"{_short(entry)}{mark}"))
    margin = f"δ = {spec.margin} points" if spec.margin else "no margin δ is declared"
    counts = sorted({entry.runs for entry in rows})
    runs = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    epoch = EPOCH_RULES[comparison.epoch_rule]
    out.print(f"[bold]{escape(spec.title)}[/bold]: Recall@1 at {epoch}, n = {runs} of {spec.seeds} runs, {margin}")
    out.print(table)
    differs = dict.fromkeys(field for entry in rows for field in entry.differs)
    if differs:
        out.print(f"NOT COMPARABLE: {'; '.join(differs)}.", markup=False)
    for note in verdicts_table.of_comparison(comparison).footnotes:
        out.print(note.replace("QUALIFIED:", "*: QUALIFIED by"), markup=False)


def _print_claims(out: Console, comparison: Comparison) -> None:
    titles = protocol.method_titles(comparison.spec)
    table = _table("claim", "difference", "95 %", "p (Holm)", "verdict")
    for claim in comparison.claims:
        mean = "–" if claim.mean is None else Entry(claim.mean, signed=True).plain()
        ends = [Entry(end, signed=True).plain() for end in claim.interval or ()]
        p_holm = claims_table.p_text(claim.p_holm)
        sentence = escape(f"{titles[claim.better]} beats {titles[claim.than]}")
        table.add_row(sentence, mean, " to ".join(ends) or "–", p_holm, _coloured(claim.verdict))
    out.print(table)
    out.print(claims_table.of_comparison(comparison).footnotes[0], markup=False)


def _table(*columns: str) -> rich_table.Table:
    """Only the first column wraps where the terminal is narrow."""
    made = rich_table.Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        made.add_column(column, no_wrap=place > 0, overflow="fold")
    return made


def _short(entry: compare.Compared) -> str:
    """LOWER THAN PUBLISHED without what the column says anyhow."""
    return str(entry.verdict).removesuffix(" THAN PUBLISHED")


def _coloured(text: str) -> str:
    colour = COLOURS.get(text.partition(" ")[0])
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
        out.print(f"  and {len(found) - 8} more; --json lists all.")
    return 1
