"""The main table of a dataset (paper Tables 1–6): each method at its best w and τ."""

from __future__ import annotations

import dataclasses

from harness import protocol
from harness.report.content import RECALLS, Content
from harness.report.table import Entry, Table, emboldened
from harness.spec import Cell

position = 10
UPPER_REFERENCE = "supfine"  # trained with the fine labels: it does not compete


def table(content: Content) -> Table:
    """A row per method; w and τ chosen on the test set itself, as the paper does."""
    titles = protocol.method_titles(content.spec)
    best = {method: content.best[method] for method in content.methods() if method in content.best}
    rows = [_row(content, titles[method], cell) for method, cell in best.items()]
    competing = [number for number, method in enumerate(best) if method != UPPER_REFERENCE]
    columns = range(3, 3 + len(RECALLS))
    rows = emboldened(rows, list(columns), competing)
    rows = _with_gain(rows, list(best))
    return Table(
        name="main",
        heading="Each method at its best",
        caption=f"{content.spec.title}: recall at K in percent, each method at its best w and τ "
        f"(rule: highest mean Recall@1 on the test set itself, as in the paper; {content.runs()}).",
        columns=("Method", "w", "τ", "Recall@1", "Recall@2", "Recall@5", "Recall@10", "published Recall@1"),
        groups=(tuple(rows),),
        footnotes=(
            "Bold: best without fine labels; SupFINE trains with them. In parentheses: gain over SupCE in points. "
            "Published: the paper's number for the same w and τ, a single run.",
            *content.notes(),
        ),
    )


def _row(content: Content, title: str, cell: Cell) -> tuple[Entry, ...]:
    published = content.find(cell, RECALLS[0]).theirs
    theirs = Entry(published) if published is not None else Entry(text="–")
    labels = (Entry(text=title), Entry(text=cell.shown("weight")), Entry(text=cell.shown("temperature")))
    return (*labels, *(content.entry(cell, metric) for metric in RECALLS), theirs)


def _with_gain(rows: list[tuple[Entry, ...]], names: list[str]) -> list[tuple[Entry, ...]]:
    """MaskCon's Recall@1 with its gain over SupCE behind it, where both are there."""
    if "maskcon" not in names or "supce" not in names:
        return rows
    ours, supce = rows[names.index("maskcon")][3], rows[names.index("supce")][3]
    if ours.value is None or supce.value is None:
        return rows
    gain = f"{ours.value - supce.value:+.2f}".replace("-", "−")
    row = list(rows[names.index("maskcon")])
    row[3] = dataclasses.replace(ours, text=f" ({gain})")
    return [tuple(row) if name == "maskcon" else old for name, old in zip(names, rows, strict=True)]
