"""`harness report --verify`: every number of a written report, recomputed from the trial directories.

Each trial's `result.json` is held against its `metrics.jsonl`; tables, documents and page are built anew from the trials, and
the report's files are read back. Recall is not computed again from the stored features, which are rounded to fp16.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import results, tracking, trials
from harness.errors import UsageError
from harness.report import document, figures, page, page_tables, tables
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.search.found import Found
from harness.report.table import Entry, Table

CELLS = "cells.json"
OF_THE_REPORT = ("made", "code", "versions", "machine")  # in provenance.json: when and with what it was written


@dataclass(frozen=True)
class Verified:
    """What a check of a report found."""

    numbers: int  # entries with trials behind them
    tables: int
    trials: int
    wrong: tuple[str, ...]  # each: where, what stands there, what it should be, which trials say so


def verify(content: Content, folder: Path, fresh: dict[str, Any], runs: tracking.Runs) -> Verified:
    """Check the report in a folder; `fresh` is what `facts.gather` finds now. Raises UsageError where there is none."""
    if not (folder / "report.html").is_file():
        raise UsageError(f"{folder} holds no report: `harness report` writes it, --verify checks it afterwards.")
    made = list(tables.all_tables(content).values())
    known, wrong = _provenance(folder, fresh)
    wrong += [*_trials(content.directories), *_results(content, folder)]
    drawn = figures.described(content, folder)
    parts: dict[int, Table | Figure] = {**tables.all_tables(content), **drawn}
    ordered = [part for _, part in sorted(parts.items())]
    wrong += _documents(content, ordered, made, known, folder)
    wrong += _lines(folder / "report.html", page.render(content, ordered, known, folder, runs))
    return Verified(_numbers(made), len(made), len(content.directories), tuple(wrong))


def verify_search(
    found: Found, parts: Sequence[Table | Figure], rows: str, folder: Path, fresh: dict[str, Any]
) -> Verified:
    """Check the report of a search; `parts` are its tables and figures, `rows` its results.csv, made anew."""
    if not (folder / "report.html").is_file():
        raise UsageError(f"{folder} holds no report: `harness report` writes it, --verify checks it afterwards.")
    made = [part for part in parts if isinstance(part, Table)]
    whole = {point.trial.trial_id: point.directory for point in found.points if point.state.state == "done"}
    known, wrong = _provenance(folder, fresh)
    wrong += [*_trials(whole), *_documents(found, parts, made, known, folder)]
    for table in made:
        wrong += _lines(folder / f"{table.name}.csv", table.csv(), table)
    wrong += _lines(folder / "results.csv", rows)
    wrong += _lines(folder / "report.html", page.render_search(found, parts, known, folder))
    return Verified(_numbers(made), len(made), len(found.points), tuple(wrong))


def _documents(
    shown: document.Shown, parts: Sequence[Table | Figure], made: Sequence[Table], known: dict[str, Any], folder: Path
) -> Iterator[str]:
    """Every table in each of its forms, the documents, and whether the figures are there."""
    in_page = page_tables.of(_read(folder / "report.html"))
    for table in made:
        yield from _lines(folder / f"{table.name}.tex", table.latex(), table)
        yield from _lines(folder / f"{table.name}.md", table.markdown(), table)
        yield from _page(table, in_page.get(table.name))
    yield from _lines(folder / CELLS, cells_text(made))
    for part in parts:
        if isinstance(part, Figure) and not (folder / f"{part.name}.pdf").is_file():
            yield f"{part.name}.pdf is missing"
    yield from _lines(folder / "report.md", document.markdown(shown, parts, known))
    yield from _lines(folder / "report.tex", document.latex_document(shown, parts, known))


def _numbers(made: Sequence[Table]) -> int:
    return sum(bool(entry.trials) for table in made for row in _rows(table) for entry in row)


def cells_text(made: Sequence[Table]) -> str:
    """cells.json: which trials stand behind each number of each table."""
    found = [
        {"table": table.name, "row": _name(row), "column": column, "shown": entry.plain(), "trials": list(entry.trials)}
        for table in made
        for row in _rows(table)
        for column, entry in zip(table.columns, row, strict=True)
        if entry.trials
    ]
    return json.dumps({"cells": found}, indent=1, ensure_ascii=False) + "\n"


def _provenance(folder: Path, fresh: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What the report was made with, all else as it is found now; and where provenance.json says otherwise."""
    try:
        written = trials.read_json(folder / "provenance.json")
    except (trials.DamagedFile, FileNotFoundError) as problem:
        return fresh, [f"provenance.json: {problem}"]
    known = fresh | {name: written[name] for name in OF_THE_REPORT if name in written}
    now = json.loads(json.dumps(known))
    differing = [name for name in now if now[name] != written.get(name)]
    return known, [f"provenance.json: its “{name}” is not what the trials give" for name in differing]


def _trials(directories: Mapping[str, Path]) -> Iterator[str]:
    """A result that says something else than the metrics written epoch by epoch, or that no ranking of images can have."""
    for trial_id, directory in directories.items():
        try:
            lines = trials.read_result(directory)["metrics"]
            if trials.read_metrics(directory / trials.METRICS) != lines:
                yield f"trial {trial_id}: {trials.RESULT} and {trials.METRICS} differ"
        except (trials.DamagedFile, FileNotFoundError) as problem:
            yield f"trial {trial_id}: {problem}"
            continue
        for line in lines:
            recalls = [value for _, value in sorted(trials.recalls(line).items())]
            if recalls != sorted(recalls):
                yield f"trial {trial_id}: at epoch {line['epoch']} recall at a larger K is lower, which cannot be"


def _results(content: Content, folder: Path) -> Iterator[str]:
    """results.csv against the trials."""
    expected = results.to_csv(content.rows()[0]).splitlines()
    found = _read(folder / "results.csv").splitlines()
    if found != expected:
        known = set(expected)
        odd = [line for line in found if line not in known]
        not_theirs = f"; not theirs: {odd[0]}" if odd else ""
        yield f"results.csv: {len(found)} lines, {len(expected)} by the trials{not_theirs}"


def _lines(path: Path, expected: str, table: Table | None = None) -> Iterator[str]:
    """Every line of a file that is not the one that the trials give; a table's with the trials of its row."""
    if not path.is_file():
        yield f"{path.name} is missing"
        return
    found, wanted = _read(path).splitlines(), expected.splitlines()
    for line, right in zip(found, wanted, strict=False):
        if line != right:
            behind = "" if table is None else _behind(table, right)
            yield f"{path.name}: “{_short(line, right)}”, by the trials “{_short(right, line)}”{behind}"
    if len(found) != len(wanted):
        yield f"{path.name} has {len(found)} lines, {len(wanted)} by the trials"


def _short(line: str, other: str) -> str:
    """A line, or of a long one the part around where it begins to differ."""
    if len(line) <= 300:
        return line.strip()
    first = next((place for place, pair in enumerate(zip(line, other, strict=False)) if pair[0] != pair[1]), len(other))
    return line[max(0, first - 30) : first + 50].strip()


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _page(table: Table, found: Sequence[Sequence[str]] | None) -> Iterator[str]:
    """The page's table, cell by cell."""
    expected = list(_rows(table))
    if found is None or len(found) != len(expected):
        yield f"report.html: “{table.name}” has {len(found or ())} rows, {len(expected)} by the trials"
        return
    for row, texts in zip(expected, found, strict=True):
        if len(texts) != len(row):
            yield f"report.html, {table.name}, {_name(row)}: {len(texts)} cells, {len(row)} by the trials"
        for column, entry, text in zip(table.columns, row, texts, strict=False):
            if text != entry.plain():
                place = f"report.html, {table.name}, {_name(row)}, {column}"
                yield f"{place}: “{text}”, by the trials “{entry.plain()}”{_named(entry.trials)}"


def _behind(table: Table, line: str) -> str:
    """The trials of the row that a line prints: the one most of whose entries stand in it."""
    rows = [row for row in _rows(table) if any(entry.trials for entry in row)]
    if not rows:
        return ""
    row = max(rows, key=lambda row: sum(f"{entry.value:.2f}" in line for entry in row if entry.value is not None))
    return _named(tuple(dict.fromkeys(trial for entry in row for trial in entry.trials)))


def _named(ids: Sequence[str]) -> str:
    return f" (trials {', '.join(ids)})" if ids else ""


def _rows(table: Table) -> Iterator[tuple[Entry, ...]]:
    return (row for group in table.groups for row in group)


def _name(row: Sequence[Entry]) -> str:
    """What a row is of: its leading texts."""
    return " ".join(entry.plain() for entry in row[:3] if entry.value is None and not entry.missing)
