"""What every table and figure of a report is a function of."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from harness import protocol
from harness.compare import Compared
from harness.report.table import Entry
from harness.results import Summary
from harness.spec import Cell, SweepSpec

RECALL_AT = (1, 2, 5, 10)
RECALLS = ("recall_at_1", "recall_at_2", "recall_at_5", "recall_at_10")
ORDER = (
    "selfcon",
    "grafit",
    "supcon",
    "coins",
    "supce",
    "supfine",
    "nnclr",
    "ascl",
    "maskcon",
    "maskcon_attributes",
)  # the paper's


@dataclass(frozen=True)
class Content:
    """A sweep's numbers beside the published ones, and the trials behind them."""

    spec: SweepSpec
    compared: list[Compared]  # per cell × recall, percent
    best: dict[str, Cell]  # per method, by `results.best_on_test`
    trial_ids: dict[str, tuple[str, ...]]  # finished trials, by cell label
    done: int
    trainings: int
    within: dict[tuple[str, int], Summary]  # recall inside the coarse class, by cell label and K

    def entry(self, cell: Cell, metric: str) -> Entry:
        """Ours, as a table's entry."""
        found = self.find(cell, metric)
        if found.ours is None:
            return Entry(missing=True)
        few = f" [{found.runs} of {found.runs + found.missing}]" if found.missing else ""
        return Entry(found.ours, found.deviation, text=few, trials=self.trial_ids[cell.label])

    def entry_within(self, cell: Cell, k: int) -> Entry:
        """Recall inside the coarse class, as a table's entry."""
        found = self.within[cell.label, k]
        if found.mean is None and self.trial_ids[cell.label]:
            return Entry(text="–")  # trained before it was evaluated, or the test images have no coarse classes
        if found.mean is None:
            return Entry(missing=True)
        deviation = None if found.deviation is None else 100 * found.deviation
        return Entry(100 * found.mean, deviation, trials=found.trial_ids)

    def find(self, cell: Cell, metric: str) -> Compared:
        """The comparison of one cell and metric."""
        return self._index[cell.label, metric]

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str], Compared]:
        return {(entry.cell.label, entry.metric): entry for entry in self.compared}

    def cells(self, method: str | None = None) -> list[Cell]:
        """Each cell once, those of one method or all."""
        once = {entry.cell.label: entry.cell for entry in self.compared}
        return [cell for cell in once.values() if method in (None, cell.method)]

    def methods(self) -> list[str]:
        """The sweep's methods in the paper's order."""
        have = list(dict.fromkeys(cell.method for cell in self.cells()))
        return sorted(have, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def title(self, cell: Cell) -> str:
        """A cell's method, and what sets it apart from the method's other cells beside w and τ."""
        others = [dict(other.settings) for other in self.cells(cell.method)]
        varied = {
            name for each in others for name in each if any(each.get(name) != other.get(name) for other in others)
        }
        apart = [
            f"{name} {cell.shown(name)}" for name in dict(cell.settings) if name in varied - {"weight", "temperature"}
        ]
        title = protocol.method_titles(self.spec)[cell.method]
        return f"{title} ({', '.join(apart)})" if apart else title

    def runs(self) -> str:
        """How many runs stand behind the numbers: "n = 3 runs", "n = 1–3 runs"."""
        counts = sorted({entry.runs for entry in self.compared if entry.runs})
        if not counts:
            return "no finished runs"
        shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
        return f"n = {shown} run{'' if counts == [1] else 's'} per cell"

    def notes(self) -> tuple[str, ...]:
        """Footnotes that every table of this sweep carries."""
        spread = "± is the sample standard deviation over seeds (ddof = 1)."
        missing = len([entry for entry in self.compared if entry.metric == RECALLS[0] and entry.ours is None])
        found = [spread if any(entry.deviation is not None for entry in self.compared) else "", self.small_print()]
        found.append(f"{missing} cells are not trained yet." if missing else "")
        few = [entry for entry in self.compared if entry.metric == RECALLS[0] and entry.runs and entry.missing]
        found.append(f"{len(few)} cell(s) marked [n of N]: not all seeds are trained yet." if few else "")
        return tuple(note for note in found if note)

    def small_print(self) -> str:
        """What a reader must know who sees nothing but this table."""
        return " ".join(text for text in (protocol.reduced(self.spec), protocol.other_data(self.spec)) if text)
