"""The main table of a dataset (paper Tables 1–6): each method at its best w and τ."""

from __future__ import annotations

from harness.report.content import RECALLS, Content
from harness.report.table import Entry, Table, emboldened
from harness.spec import Cell

position = 10
UPPER_REFERENCE = "supfine"  # trained with the fine labels: it does not compete


def table(content: Content) -> Table:
    """A row per method; w and τ chosen on the test set itself, as the paper does."""
    best = {method: content.best[method] for method in content.methods() if method in content.best}
    rows = [_row(content, cell) for method, cell in best.items()]
    competing = [number for number, method in enumerate(best) if method != UPPER_REFERENCE]
    columns = range(3, 3 + len(RECALLS))
    rows = emboldened(rows, list(columns), competing)
    rows = _with_gain(rows, list(best))
    return Table(
        name="main",
        heading="Each method at its best",
        caption=f"{content.spec.title}: recall at K in percent, each method at its best w and τ "
        f"(rule: highest mean Recall@1 on the test set itself, as in the paper; {content.runs()}).",
        columns=(
            "Method",
            "w",
            "τ",
            "Recall@1",
            "Recall@2",
            "Recall@5",
            "Recall@10",
            "over SupCE",
            "published Recall@1",
        ),
        groups=(tuple(rows),),
        footnotes=(
            "Bold: best without fine labels; SupFINE trains with them. Over SupCE: difference in Recall@1, in points. "
            "Published: the paper's number for the same w and τ, a single run.",
            *content.notes(),
        ),
    )


def _row(content: Content, cell: Cell) -> tuple[Entry, ...]:
    published = content.find(cell, RECALLS[0]).theirs
    theirs = Entry(published) if published is not None else Entry(text="–")
    labels = (Entry(text=content.title(cell)), Entry(text=cell.shown("weight")), Entry(text=cell.shown("temperature")))
    return (*labels, *(content.entry(cell, metric) for metric in RECALLS), theirs)


def _with_gain(rows: list[tuple[Entry, ...]], names: list[str]) -> list[tuple[Entry, ...]]:
    """Each row with its Recall@1 minus SupCE's, where both are there, before the published number."""
    supce = rows[names.index("supce")][3].value if "supce" in names else None
    gained = []
    for name, (*front, published) in zip(names, rows, strict=True):
        ours = front[3].value
        if name == "supce" or ours is None or supce is None:
            gain = Entry(text="–")
        else:
            gain = Entry(ours - supce, signed=True)
        gained.append((*front, gain, published))
    return gained
