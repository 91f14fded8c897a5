"""The main table of a dataset (paper Tables 1–6): each method at its best w and τ."""

from __future__ import annotations

from harness.report.content import RECALLS, Content
from harness.report.table import Entry, Table, ranked
from harness.selection import Selected

position = 10
UPPER_REFERENCE = "supfine"  # trained with the fine labels: it does not compete


def table(content: Content) -> Table:
    """A row per method, its w and τ chosen by the rule that the caption names."""
    best = content.methods()
    rows = [
        _row(content, content.chosen[method]) if method in content.chosen else _untrained(content, method)
        for method in best
    ]
    competing = [number for number, method in enumerate(best) if method != UPPER_REFERENCE]
    columns = range(3, 3 + len(RECALLS))
    rows = ranked(rows, list(columns), competing, content.spreads(3))
    rows = _with_gain(rows, best)
    return Table(
        name="main",
        heading="Each method at its best",
        caption=f"{content.spec.title}: recall at K in percent, each method at its best w and τ "
        f"(chosen by {content.rule}; {content.runs()}; {content.epoch_rule}).",
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
            "Bold: best without fine labels; SupFINE trains with them. Underlined: the second, where it is below beyond chance "
            "(95 %). Over SupCE: difference in Recall@1, in points. "
            "w and τ: of the cell chosen most often, with [for how many seeds of all] where that is not every one. Published: "
            "the paper's number for the same w and τ, a single run.",
            *_partly(content),
            *content.notes(),
        ),
    )


def _partly(content: Content) -> list[str]:
    """Which methods were chosen from a part of their cells."""
    parts = [
        f"{content.method_titles[method]} {one.considered} of {one.declared}"
        for method, one in content.chosen.items()
        if one.considered < one.declared
    ]
    return [f"Chosen among the cells that have all seeds so far: {', '.join(parts)}."] if parts else []


def _row(content: Content, selected: Selected) -> tuple[Entry, ...]:
    cell = selected.cell
    assert cell is not None, "a selection has a value"
    published = content.find(cell, RECALLS[0]).theirs
    theirs = Entry(published) if published is not None else Entry(text="–")
    for_seeds, of_seeds = selected.agreement
    often = f" [{for_seeds} of {of_seeds}]" if for_seeds < of_seeds else ""
    labels = [Entry(text=content.title(cell))]
    labels += [
        Entry(text=cell.shown(name) + (often if cell.shown(name) != "–" else "")) for name in ("weight", "temperature")
    ]
    return (*labels, *(content.entry_selected(selected, metric) for metric in RECALLS), theirs)


def _untrained(content: Content, method: str) -> tuple[Entry, ...]:
    missing = Entry(missing=True)
    labels = [Entry(text=content.method_titles[method]), Entry(text="–"), Entry(text="–")]
    return (*labels, *(missing for _ in RECALLS), Entry(text="–"))


def _with_gain(rows: list[tuple[Entry, ...]], names: list[str]) -> list[tuple[Entry, ...]]:
    """Each row with its Recall@1 minus SupCE's, where both are there, before the published number."""
    supce = rows[names.index("supce")][3].value if "supce" in names else None
    gained = []
    for name, (*front, published) in zip(names, rows, strict=True):
        ours = front[3].value
        if name == "supce" or ours is None or supce is None:
            gain = Entry(text="–")
        else:
            gain = Entry(ours - supce, signed=True, trials=front[3].trials)
        gained.append((*front, gain, published))
    return gained
