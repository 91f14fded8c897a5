"""Each method under every rule of selection, and what choosing on the test set gains: the oracle premium."""

from __future__ import annotations

from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.table import Entry, Table
from harness.selection import RULES, Selected

position = 14


def table(content: Content) -> Table | None:
    """A row per method that has something to choose; None where none has."""
    methods = [name for name in content.methods() if _of_several(content, name)]
    if not methods:
        return None
    why = content.comparison.validation
    meanings = "; ".join(f"{name}: {text}" for name, text in RULES.items())
    return Table(
        name="selection",
        heading="How the choice of w and τ counts",
        caption=f"{content.spec.title}: Recall@1 in percent under each rule of selection ({content.runs()}).",
        columns=("Method", "cells", *RULES, "premium over fine", "premium over coarse"),
        groups=(tuple(_row(content, name) for name in methods),),
        footnotes=(
            f"{meanings}. Premium: the oracle's number minus that of the choice on held-out images, in points.",
            *([f"Not on held-out images: {why}."] if why else []),
            *content.notes(),
        ),
    )


def _row(content: Content, method: str) -> tuple[Entry, ...]:
    found = [content.comparison.selected.get(rule, {}).get(method) for rule in RULES]
    shown = [Entry(text="not run") if one is None else content.entry_selected(one, PRIMARY) for one in found]
    cells = [cell for cell in content.cells(method) if content.spec.is_candidate(cell)]
    return (
        Entry(text=content.method_titles[method]),
        Entry(text=str(len(cells))),
        *shown,
        *(_premium(shown[0], validated) for validated in shown[2:]),
    )


def _premium(oracle: Entry, validated: Entry) -> Entry:
    if oracle.value is None or validated.value is None:
        return Entry(text="–")
    return Entry(oracle.value - validated.value, signed=True, trials=oracle.trials + validated.trials)


def _of_several(content: Content, method: str) -> bool:
    selected: Selected | None = content.comparison.selected["oracle"].get(method)
    return selected is not None and sum(content.spec.is_candidate(cell) for cell in content.cells(method)) > 1
