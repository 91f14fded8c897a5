"""What attributes add (seed 000): each mixture of features and attributes beside MaskCon on its features alone."""

from __future__ import annotations

from harness.compare import PRIMARY
from harness.report.content import RECALLS, Content
from harness.report.table import Entry, Table, ranked
from harness.spec import Cell

position = 18
WITH, WITHOUT = "maskcon_attributes", "maskcon"


def table(content: Content) -> Table | None:
    """A row for MaskCon and one per mixture; None for a sweep without attributes."""
    mixtures, plain = content.cells(WITH), content.cells(WITHOUT)
    if not mixtures or len(plain) != 1:
        return None
    rows = [_row(content, cell) for cell in [*plain, *mixtures]]
    rows = ranked(rows, range(1, 5), range(len(rows)), content.spreads(1))
    base = rows[0][1]
    return Table(
        name="attributes",
        heading="What attributes add",
        caption=f"{content.spec.title}: MaskCon with relations from attributes, recall at K in percent ({content.runs()}).",
        columns=(
            "Relations",
            "Recall@1",
            "Recall@2",
            "Recall@5",
            "Recall@10",
            "over features alone",
            "published Recall@1",
        ),
        groups=(tuple(_with_gain(row, base) for row in rows),),
        footnotes=(
            "Over features alone: difference in Recall@1 to MaskCon, in points; the claims say whether it is more than chance. "
            "The published runs gave images the attributes of others (see the sweep's file).",
            *content.notes(),
        ),
    )


def _row(content: Content, cell: Cell) -> tuple[Entry, ...]:
    theirs = content.find(cell, PRIMARY).theirs
    mixture = ", ".join(f"{name.replace('_', ' ')} {cell.shown(name)}" for name, _ in cell.settings)
    title = Entry(text="features alone" if cell.method == WITHOUT else mixture or content.title(cell))
    return (title, *(content.entry(cell, metric) for metric in RECALLS), Entry(theirs) if theirs else Entry(text="–"))


def _with_gain(row: tuple[Entry, ...], base: Entry) -> tuple[Entry, ...]:
    *front, theirs = row
    gain = Entry(text="–")
    if base.value is not None and row[1].value is not None and row[0].text != "features alone":
        gain = Entry(row[1].value - base.value, signed=True, trials=row[1].trials + base.trials)
    return (*front, gain, theirs)
