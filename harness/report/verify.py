"""`harness report --verify`: every number of a written report, recomputed from the trial directories.

Each trial's `result.json` is held against its `metrics.jsonl`; the tables are built anew from the trials, and what stands in
the report's files is read back from LaTeX, Markdown, the page and results.csv.
"""

from __future__ import annotations

import html.parser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import files, results, tracking, trials
from harness.errors import UsageError
from harness.report import figures, page, tables
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.table import Entry, Table

CELLS = "cells.json"


@dataclass(frozen=True)
class Verified:
    """What a check of a report found."""

    numbers: int  # entries with trials behind them
    tables: int
    trials: int
    wrong: tuple[str, ...]  # each: where, what stands there, what it should be, which trials say so


def verify(content: Content, folder: Path, runs: tracking.Runs) -> Verified:
    """Check the report in a folder. Raises UsageError where there is none."""
    if not (folder / "report.html").is_file():
        raise UsageError(f"{folder} holds no report: `harness report` writes it, --verify checks it afterwards.")
    made = list(tables.all_tables(content).values())
    wrong = [*_trials(content), *_frame(content, folder)]
    in_page = _PageTables.of(folder / "report.html")
    for table in made:
        wrong += _file(folder / f"{table.name}.tex", table, table.latex())
        wrong += _file(folder / f"{table.name}.md", table, table.markdown())
        wrong += _page(table, in_page.get(table.name))
        for whole, text in (("report.md", table.markdown()), ("report.tex", _body(table.latex()))):
            if text not in (folder / whole).read_text():
                wrong.append(f"{whole}: the table “{table.name}” is not what the trials give")
    wrong += _rest(content, folder, runs)
    numbers = sum(bool(entry.trials) for table in made for row in _rows(table) for entry in row)
    return Verified(numbers, len(made), len(content.directories), tuple(wrong))


def write_cells(made: Sequence[Table], path: Path) -> None:
    """Which trials stand behind each number of each table."""
    found = [
        {"table": table.name, "row": _name(row), "column": column, "shown": entry.plain(), "trials": list(entry.trials)}
        for table in made
        for row in _rows(table)
        for column, entry in zip(table.columns, row, strict=True)
        if entry.trials
    ]
    files.write_json(path, {"cells": found})


def _trials(content: Content) -> Iterator[str]:
    """A result that says something else than the metrics written epoch by epoch."""
    for trial_id, directory in content.directories.items():
        path = directory / trials.METRICS
        if not path.is_file():
            yield f"{directory}: there is no {trials.METRICS} to hold {trials.RESULT} against"
        elif trials.read_metrics(path) != trials.read_result(directory)["metrics"]:
            yield f"trial {trial_id}: {trials.RESULT} and {trials.METRICS} differ"


def _frame(content: Content, folder: Path) -> Iterator[str]:
    """results.csv against the trials."""
    expected = results.to_csv(content.rows()[0]).splitlines()
    found = (folder / "results.csv").read_text().splitlines()
    if found != expected:
        known = set(expected)
        odd = [line for line in found if line not in known]
        not_theirs = f"; not theirs: {odd[0]}" if odd else ""
        yield f"results.csv: {len(found)} lines, {len(expected)} by the trials{not_theirs}"


def _rest(content: Content, folder: Path, runs: tracking.Runs) -> Iterator[str]:
    """The page beside its tables: made anew, with the provenance that the report has, it is the same line by line."""
    parts: dict[int, Table | Figure] = {**tables.all_tables(content), **figures.described(content, folder)}
    known = trials.read_json(folder / "provenance.json")
    expected = page.render(content, [part for _, part in sorted(parts.items())], known, folder, runs).splitlines()
    found = (folder / "report.html").read_text().splitlines()
    for line, right in zip(found, expected, strict=False):
        if line != right:
            yield f"report.html: “{_short(line, right)}”, by the trials “{_short(right, line)}”"
    if len(found) != len(expected):
        yield f"report.html has {len(found)} lines, {len(expected)} by the trials"


def _short(line: str, other: str) -> str:
    """The part of a line around where it begins to differ."""
    first = next((place for place, pair in enumerate(zip(line, other, strict=False)) if pair[0] != pair[1]), len(other))
    return line[max(0, first - 30) : first + 50].strip()


def _file(path: Path, table: Table, expected: str) -> Iterator[str]:
    """A table's own file: every line that is not the one that the trials give."""
    name = path.name
    if not path.is_file():
        yield f"{name} is missing"
        return
    found, wanted = path.read_text().splitlines(), expected.splitlines()
    for line, right in zip(found, wanted, strict=False):
        if line != right:
            yield f"{name}: “{line.strip()}”, by the trials “{right.strip()}”{_behind(table, right)}"
    if len(found) != len(wanted):
        yield f"{name} has {len(found)} lines, {len(wanted)} by the trials"


def _page(table: Table, found: Sequence[Sequence[str]] | None) -> Iterator[str]:
    """The page's table, cell by cell."""
    expected = list(_rows(table))
    if found is None or len(found) != len(expected):
        yield f"report.html: “{table.name}” has {len(found or ())} rows, {len(expected)} by the trials"
        return
    for row, texts in zip(expected, found, strict=True):
        for column, entry, text in zip(table.columns, row, texts, strict=True):
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


def _body(latex: str) -> str:
    """The rows of a LaTeX table: the document makes it fit the page, and keeps them."""
    return latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")]


def _rows(table: Table) -> Iterator[tuple[Entry, ...]]:
    return (row for group in table.groups for row in group)


def _name(row: Sequence[Entry]) -> str:
    """What a row is of: its leading texts."""
    return " ".join(entry.plain() for entry in row[:3] if entry.value is None and not entry.missing)


class _PageTables(html.parser.HTMLParser):
    """The body cells of each table in a `<figure id=NAME>`, as texts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self.name = ""
        self.in_body = False
        self.text: list[str] | None = None

    @classmethod
    def of(cls, path: Path) -> Mapping[str, list[list[str]]]:
        """Of a page, by the table's name."""
        reader = cls()
        reader.feed(path.read_text())
        return reader.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A figure names the table; a body, a row and a cell begin."""
        if tag == "figure":
            self.name = dict(attrs).get("id") or ""
        elif tag == "tbody":
            self.in_body = True
        elif tag == "tr" and self.in_body and self.name:
            self.found.setdefault(self.name, []).append([])
        elif tag in ("td", "th") and self.in_body:
            self.text = []

    def handle_endtag(self, tag: str) -> None:
        """A cell, a body, a figure end."""
        if tag in ("td", "th") and self.text is not None:
            if self.name:
                self.found[self.name][-1].append("".join(self.text))
            self.text = None
        elif tag == "tbody":
            self.in_body = False
        elif tag == "figure":
            self.name = ""

    def handle_data(self, data: str) -> None:
        """Text inside a cell."""
        if self.text is not None:
            self.text.append(data)
