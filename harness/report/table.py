"""One table, three ways to print it: LaTeX (booktabs), Markdown, HTML. Numbers are in percent."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.statistics import between

MISSING = "not trained"
# Inside each table, so that it looks the same in any document.
SISETUP = r"\sisetup{separate-uncertainty=true,retain-explicit-plus=true,detect-weight=true,mode=text}"
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
        """A table environment; needs \\usepackage{booktabs,siunitx}."""
        numeric = self._numeric()
        heads = [
            f"{{{latex(title)}}}" if number else latex(title)
            for title, number in zip(self.columns, numeric, strict=True)
        ]
        lines = [r"\begin{table}[htbp]", r"\centering", r"\small", SISETUP, rf"\caption{{{latex(self.caption)}}}"]
        lines += [rf"\label{{tab:{self.name}}}", rf"\begin{{tabular}}{{{self._alignment()}}}", r"\toprule"]
        lines += [" & ".join(heads) + r" \\", r"\midrule"]
        for number, group in enumerate(self.groups):
            lines += [r"\midrule"] if number else []
            lines += [" & ".join(map(_latex_entry, row, numeric)) + r" \\" for row in group]
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
        """Text to the left; numbers in siunitx columns, aligned at their points."""
        return "".join(self._siunitx(column) if number else "l" for column, number in enumerate(self._numeric()))

    def _siunitx(self, column: int) -> str:
        entries = [row[column] for group in self.groups for row in group]
        values = [entry.value for entry in entries if entry.value is not None]
        digits = max(len(f"{abs(value):.0f}") for value in values)
        sign = "+" if any(entry.signed for entry in entries) or min(values) < 0 else ""
        deviations = [entry.deviation for entry in entries if entry.deviation is not None]
        spread = f"({max(len(f'{100 * deviation:.0f}') for deviation in deviations)})" if deviations else ""
        return f"S[table-format={sign}{digits}.2{spread}]"


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def ranked(
    rows: Sequence[tuple[Entry, ...]],
    columns: Sequence[int],
    among: Sequence[int],
    spreads: Mapping[int, tuple[float, int]] | None = None,
) -> list[tuple[Entry, ...]]:
    """The same rows, the highest value of each column bold; only rows in `among` compete.

    The second highest is underlined where it is below the highest beyond chance: the 95 % interval of their difference, by the
    column's pooled spread (s, degrees of freedom) in `spreads`, is above 0.
    """
    result = [list(row) for row in rows]
    for column in columns:
        present = {row: rows[row][column] for row in among if rows[row][column].value is not None}
        values = sorted({_value(entry) for entry in present.values()}, reverse=True)
        if not values:
            continue
        best = [entry for entry in present.values() if entry.value == values[0]]
        for row, entry in present.items():
            second = len(values) > 1 and entry.value == values[1]
            apart = second and _apart(best[0], entry, (spreads or {}).get(column))
            result[row][column] = dataclasses.replace(entry, bold=entry.value == values[0], underlined=apart)
    return [tuple(row) for row in result]


def _apart(best: Entry, other: Entry, spread: tuple[float, int] | None) -> bool:
    """Whether two means differ beyond the interval of their difference."""
    if spread is None or not spread[1] or not best.trials or not other.trials:
        return False
    runs = len(best.trials), len(other.trials)
    return between(_value(best) - _value(other), *spread, runs)[0] > 0


def _value(entry: Entry) -> float:
    assert entry.value is not None, "only numbers compete"
    return entry.value


def _latex_entry(entry: Entry, number: bool) -> str:
    text = r"\emph{not trained}" if entry.missing else latex(entry.plain())
    if not number:
        return rf"\textbf{{{text}}}" if entry.bold else text
    if entry.value is None or entry.text or entry.missing:
        return f"{{{text}}}"
    digits = f"{entry.value:+.2f}" if entry.signed else f"{entry.value:.2f}"
    digits += f" +- {entry.deviation:.2f}" if entry.deviation is not None else ""
    if entry.underlined:
        return rf"{{\underline{{\num{{{digits}}}}}}}"
    return rf"\bfseries {digits}" if entry.bold else digits


def _markdown_entry(entry: Entry) -> str:
    text = _piped(entry.plain())
    if entry.underlined:
        return f"<u>{text}</u>"
    return f"*{text}*" if entry.missing else f"**{text}**" if entry.bold else text


def _piped(text: str) -> str:
    return text.replace("|", r"\|")


def _html_row(row: tuple[Entry, ...], kinds: Sequence[str]) -> str:
    parts = []
    for position, (entry, kind) in enumerate(zip(row, kinds, strict=True)):
        text = html.escape(entry.plain())
        text = f"<u>{text}</u>" if entry.underlined else text
        text = f"<em>{text}</em>" if entry.missing else f"<strong>{text}</strong>" if entry.bold else text
        title = f' title="trials {" ".join(entry.trials)}"' if entry.trials else ""
        tag = 'th scope="row"' if position == 0 else "td"
        parts.append(f"<{tag}{kind}{title}>{text}</{tag.split()[0]}>")
    return "".join(parts)


def _kind(number: bool, wordy: bool) -> str:
    return ' class="number"' if number else ' class="wordy"' if wordy else ""
