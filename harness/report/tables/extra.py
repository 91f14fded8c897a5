"""All hyperparameters of a dataset (paper Tables 10–14), each cell beside its published number."""

from __future__ import annotations

from harness.report.content import RECALLS, Content
from harness.report.table import Entry, Table, ranked
from harness.spec import Cell

position = 30


def table(content: Content) -> Table:
    """A row per cell, a group per method, its best values bold."""
    groups = []
    for method in content.methods():
        rows = [_row(content, cell) for cell in content.cells(method)]
        groups.append(tuple(ranked(rows, range(3, 7), range(len(rows)), content.spreads(3)) if len(rows) > 1 else rows))
    return Table(
        name="extra",
        heading="All cells, beside the published numbers",
        caption=f"{content.spec.title}: all hyperparameters, recall at K in percent ({content.runs()}).",
        columns=(
            "Method",
            "w",
            "τ",
            "Recall@1",
            "Recall@2",
            "Recall@5",
            "Recall@10",
            "published Recall@1",
            "difference",
        ),
        groups=tuple(groups),
        footnotes=(
            "Bold: best of the method; the second is underlined where it is below beyond chance (95 %). Cells that are one and "
            "the same training show the same runs: MaskCon at w = 0 and SelfCon, at τ = ∞ and Grafit; "
            "Grafit at w = 1 and SupCon; CoIns at w = 1 and SupCE. Published: a single run; difference: ours − published, in "
            "points.",
            *content.notes(),
        ),
    )


def _row(content: Content, cell: Cell) -> tuple[Entry, ...]:
    first = content.find(cell, RECALLS[0])
    theirs = Entry(first.theirs) if first.theirs is not None else Entry(text="–")
    difference = (
        Entry(first.difference, signed=True, trials=first.trial_ids)
        if first.difference is not None
        else Entry(text="–")
    )
    labels = (Entry(text=content.title(cell)), Entry(text=cell.shown("weight")), Entry(text=cell.shown("temperature")))
    return (*labels, *(content.entry(cell, metric) for metric in RECALLS), theirs, difference)
