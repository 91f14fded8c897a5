"""One table, three ways to print it: LaTeX (booktabs), Markdown, HTML. Numbers are in percent."""

from __future__ import annotations

import csv
import html
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MISSING = "not trained"
WORDY = 32  # characters that a column of the page shows without a break
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "τ": r"$\tau$", "∞": r"$\infty$", "−": r"$-$", "±": r"$\pm$",
    "×": r"$\times$", "–": "--", "…": r"\ldots{}", "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$", "↑": r"$\uparrow$",
    "“": "``", "”": "''", "→": r"$\to$", "δ": r"$\delta$", "√": r"$\surd$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One place of a table: a number with its spread, or a text, or a cell that is not trained yet."""

    value: float | None = None
    deviation: float | None = None
    text: str = ""
    signed: bool = False
    bold: bool = False
    underlined: bool = False
    missing: bool = False
    trials: tuple[str, ...] = ()  # the trial ids behind the number

    @classmethod
    def of(cls, values: Sequence[float], text: str = "", trials: tuple[str, ...] = ()) -> Entry:
        """The mean of values, and their sample standard deviation where there are two."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, text=text, trials=trials)

    def plain(self) -> str:
        """As text."""
        if self.missing:
            return MISSING
        if self.value is None:
            return self.text
        number = f"{self.value:+.2f}".replace("-", "−") if self.signed else f"{self.value:.2f}"
        spread = f" ± {self.deviation:.2f}" if self.deviation is not None else ""
        return number + spread + self.text


@dataclass(frozen=True)
class Table:
    """A caption, columns, rows in groups that a rule separates, and footnotes."""

    name: str  # of its files
    heading: str  # above it on the page
    caption: str
    columns: tuple[str, ...]
    groups: tuple[tuple[tuple[Entry, ...], ...], ...]
    footnotes: tuple[str, ...] = ()

    def latex(self) -> str:
        """A table environment; needs \\usepackage{booktabs}."""
        lines = [r"\begin{table}[htbp]", r"\centering", r"\small", rf"\caption{{{latex(self.caption)}}}"]
        lines += [rf"\label{{tab:{self.name}}}", rf"\begin{{tabular}}{{{self._alignment()}}}", r"\toprule"]
        lines += [" & ".join(map(latex, self.columns)) + r" \\", r"\midrule"]
        for number, group in enumerate(self.groups):
            lines += [r"\midrule"] if number else []
            lines += [" & ".join(map(_latex_entry, row)) + r" \\" for row in group]
        lines += [r"\bottomrule", r"\end{tabular}"]
        lines += [rf"\par\smallskip\begin{{minipage}}{{0.95\linewidth}}\footnotesize {latex(' '.join(self.footnotes))}"
                  r"\end{minipage}"] if self.footnotes else []  # fmt: skip
        return "\n".join([*lines, r"\end{table}", ""])

    def markdown(self) -> str:
        """A pipe table under its caption."""
        numeric = self._numeric()
        rule = ["---:" if number else "---" for number in numeric]
        rows = [[_markdown_entry(entry) for entry in row] for group in self.groups for row in group]
        lines = [" | ".join(row).join(("| ", " |")) for row in [[*map(_piped, self.columns)], rule, *rows]]
        return "\n".join([f"**{self.caption}**", "", *lines, "", "\n\n".join(self.footnotes), ""])

    def csv(self) -> str:
        """Comma-separated, caption and footnotes left out; a number and its spread in one field, as the table shows them."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([entry.plain() for entry in row] for group in self.groups for row in group)
        return stream.getvalue()

    def html(self) -> str:
        """A <figure> that holds the table, its caption and its footnotes, and its other forms for copying."""
        kinds = [_kind(number, text) for number, text in zip(self._numeric(), self._wordy(), strict=True)]
        head = "".join(
            f'<th scope="col"{kind}>{html.escape(title)}</th>' for title, kind in zip(self.columns, kinds, strict=True)
        )
        bodies = "".join(
            "<tbody>" + "".join(f"<tr>{_html_row(row, kinds)}</tr>" for row in group) + "</tbody>"
            for group in self.groups
        )
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.footnotes)
        copies = (("LaTeX", self.latex()), ("Markdown", self.markdown()), ("CSV", self.csv()))
        # in a <template> nothing is shown or run, and all text can be escaped; a script's cannot
        texts = "".join(f'<template data-copy="{form}">{html.escape(text)}</template>' for form, text in copies)
        return (
            f'<figure id="{self.name}"><figcaption id="{self.name}-caption">{html.escape(self.caption)}</figcaption>'
            f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{self.name}-caption">'
            f'<table aria-labelledby="{self.name}-caption"><thead><tr>{head}</tr></thead>{bodies}</table></div>'
            f'<div class="notes">{notes}</div>{texts}</figure>'
        )

    def _wordy(self) -> list[bool]:
        """Columns whose texts are so long that they must wrap on a page."""
        rows = [row for group in self.groups for row in group]
        return [any(len(row[column].plain()) > WORDY for row in rows) for column in range(len(self.columns))]

    def _numeric(self) -> list[bool]:
        rows = [row for group in self.groups for row in group]
        return [any(row[column].value is not None for row in rows) for column in range(len(self.columns))]

    def _alignment(self) -> str:
        return "".join("r" if number else "l" for number in self._numeric())


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def emboldened(
    rows: Sequence[tuple[Entry, ...]], columns: Sequence[int], among: Sequence[int]
) -> list[tuple[Entry, ...]]:
    """The same rows, the highest value of each column bold; only rows in `among` compete."""
    import dataclasses

    result = [list(row) for row in rows]
    for column in columns:
        values = {row: rows[row][column].value for row in among}
        present = {row: value for row, value in values.items() if value is not None}
        if not present:
            continue
        best = max(present.values())
        for row, value in present.items():
            if value == best:
                result[row][column] = dataclasses.replace(result[row][column], bold=True)
    return [tuple(row) for row in result]


def _latex_entry(entry: Entry) -> str:
    if entry.missing:
        return r"\emph{not trained}"
    return rf"\textbf{{{latex(entry.plain())}}}" if entry.bold else latex(entry.plain())


def _markdown_entry(entry: Entry) -> str:
    text = _piped(entry.plain())
    return f"*{text}*" if entry.missing else f"**{text}**" if entry.bold else text


def _piped(text: str) -> str:
    return text.replace("|", r"\|")


def _html_row(row: tuple[Entry, ...], kinds: Sequence[str]) -> str:
    parts = []
    for position, (entry, kind) in enumerate(zip(row, kinds, strict=True)):
        text = html.escape(entry.plain())
        text = f"<em>{text}</em>" if entry.missing else f"<strong>{text}</strong>" if entry.bold else text
        title = f' title="trials {" ".join(entry.trials)}"' if entry.trials else ""
        tag = 'th scope="row"' if position == 0 else "td"
        parts.append(f"<{tag}{kind}{title}>{text}</{tag.split()[0]}>")
    return "".join(parts)


def _kind(number: bool, wordy: bool) -> str:
    return ' class="number"' if number else ' class="wordy"' if wordy else ""
