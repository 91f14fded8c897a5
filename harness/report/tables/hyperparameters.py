"""The w and τ that each rule chooses (paper Table 7), beside those of the paper's own tables."""

from __future__ import annotations

from harness import published
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.table import Entry, Table
from harness.selection import RULES, Selected

position = 16


def table(content: Content) -> Table | None:
    """A row per method that has something to choose; None where none has."""
    methods = [name for name in content.methods() if sum(map(content.spec.is_candidate, content.cells(name))) > 1]
    if not methods:
        return None
    printed = _printed(content)
    return Table(
        name="hyperparameters",
        heading="The w and τ chosen",
        caption=f"{content.spec.title}: w and τ chosen by each rule, for a seed each where they differ.",
        columns=("Method", "published", *RULES),
        groups=(tuple(_row(content, name, printed) for name in methods),),
        footnotes=("w, then τ where the method has one. Published: of the paper's own table of best results.",),
    )


def _row(content: Content, method: str, printed: dict[str, str]) -> tuple[Entry, ...]:
    chosen = [content.comparison.selected.get(rule, {}).get(method) for rule in RULES]
    titles = (Entry(text=content.method_titles[method]), Entry(text=printed.get(method, "–")))
    return (*titles, *(Entry(text="not run" if one is None else _settings(one)) for one in chosen))


def _settings(selected: Selected) -> str:
    """One setting for all seeds, or one for each."""
    each = [", ".join(cell.shown(name) for name, _ in cell.settings) or "–" for cell in selected.cells]
    return each[0] if len(set(each)) == 1 else "; ".join(each)


def _printed(content: Content) -> dict[str, str]:
    """w and τ of the paper's main table, by method."""
    rows = published.for_dataset(content.spec.published_name or "nothing", PRIMARY)
    return {
        row.method: ", ".join(f"{value:g}" for value in (row.weight, row.temperature) if value is not None) or "–"
        for row in rows
        if row.standing == "main" and row.reprint_of is None
    }
