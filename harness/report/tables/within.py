"""Recall inside the coarse class: what is left to tell apart when the coarse class is known, which is what a method is for."""

from __future__ import annotations

from harness.report.content import RECALL_AT, Content
from harness.report.table import Entry, Table, ranked

position = 35


def table(content: Content) -> Table:
    """A row per cell, a group per method."""
    groups = []
    for method in content.methods():
        rows = [
            (
                Entry(text=content.title(cell)),
                Entry(text=cell.shown("weight")),
                Entry(text=cell.shown("temperature")),
                *(content.entry_within(cell, k) for k in RECALL_AT),
            )
            for cell in content.cells(method)
        ]
        groups.append(tuple(ranked(rows, range(3, 7), range(len(rows))) if len(rows) > 1 else rows))
    return Table(
        name="within",
        heading="Recall inside the coarse class",
        caption=f"{content.spec.title}: recall at K in percent where neighbours are taken only among the test images of the "
        f"same coarse class ({content.runs()}).",
        columns=("Method", "w", "τ", *(f"Recall@{k}" for k in RECALL_AT)),
        groups=tuple(groups),
        footnotes=(
            "Bold: best of the method. Nothing is published on it. The coarse classes are those of this sweep; –: the trial "
            "was evaluated by others, or the test images have none.",
            *content.notes(),
        ),
    )
