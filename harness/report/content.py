"""What every table and figure of a report is a function of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import datasets, protocol, results, trials
from harness.compare import METRICS, PRIMARY, Compared, Comparison
from harness.report.table import Entry
from harness.results import EPOCH_RULES, Summary
from harness.selection import RULES, Selected
from harness.spec import Cell, SweepSpec

if TYPE_CHECKING:
    import pandas as pd

RECALL_AT = (1, 2, 5, 10)
MOST_ROWS = 1_000_000  # of results.csv; a million take some ten seconds to write
RECALLS = METRICS
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
    comparison: Comparison
    frame: pd.DataFrame  # of `harness.results.load`: the sweep's finished trials
    directories: Mapping[str, Path]  # of the finished trials, by trial id
    trainings: int

    @property
    def done(self) -> int:
        """Finished trainings."""
        return len(self.directories)

    @property
    def compared(self) -> tuple[Compared, ...]:
        """Per cell × recall, percent."""
        return self.comparison.compared

    def introduction(self) -> str:
        """How far it is, in a sentence."""
        seeds = "seed" if self.spec.seeds == 1 else "seeds"
        return (
            f"{self.done} of {self.trainings} distinct trainings are finished, for {len(self.cells())} cells and "
            f"{self.spec.seeds} {seeds}."
        )

    @functools.cached_property
    def chosen(self) -> Mapping[str, Selected]:
        """What stands for each method: chosen by leave-one-seed-out, or by the oracle where a method has too few seeds."""
        oracle, left_out = (self.comparison.selected[rule] for rule in ("oracle", "leave-one-seed-out"))
        return left_out if set(left_out) == set(oracle) else oracle

    @property
    def rule(self) -> str:
        """The selection rule of `chosen`, for a caption."""
        name = next(iter(self.chosen.values())).rule if self.chosen else "oracle"
        return f"{name}: {RULES[name]}"

    @property
    def epoch_rule(self) -> str:
        """Which evaluation the numbers are of, for a caption."""
        return EPOCH_RULES[self.comparison.epoch_rule]

    def entry(self, cell: Cell, metric: str) -> Entry:
        """Ours, as a table's entry."""
        found = self.find(cell, metric)
        if found.ours is None:
            return Entry(missing=True)
        few = f" [{found.runs} of {found.runs + found.missing}]" if found.missing else ""
        return Entry(found.ours, found.deviation, text=few, trials=found.trial_ids)

    def entry_selected(self, selected: Selected, metric: str) -> Entry:
        """A method's number under a selection rule: each seed's from the cell that was chosen for it."""
        values, trials = [], []
        for cell, seed in zip(selected.cells, selected.seeds, strict=True):
            found = self.find(cell, metric)
            if seed in found.seeds:
                values.append(found.values[found.seeds.index(seed)])
                trials.append(found.trial_ids[found.seeds.index(seed)])
        if not values:
            return Entry(missing=True)
        few = f" [{len(values)} of {self.spec.seeds}]" if len(values) < self.spec.seeds else ""
        return Entry.of(values, text=few, trials=tuple(trials))

    def entry_within(self, cell: Cell, k: int) -> Entry:
        """Recall inside the coarse class, as a table's entry."""
        found = self.within[cell.label, k]
        if found.mean is None and self.find(cell, PRIMARY).runs:
            return Entry(text="–")  # trained before it was evaluated, or the test images have no coarse classes
        if found.mean is None:
            return Entry(missing=True)
        return Entry.of([100 * value for value in found.values], trials=found.trial_ids)

    def spreads(self, first: int) -> dict[int, tuple[float, int]]:
        """The pooled spread of each recall, by the table column it stands in, the first of them at `first`."""
        return {first + place: self.comparison.spread[metric] for place, metric in enumerate(RECALLS)}

    @functools.cached_property
    def within(self) -> dict[tuple[str, int], Summary]:
        """Recall among the test images of the same coarse class, the sweep's own; by cell label and K."""
        on_coarse = [trial for trial in self.spec.trials() if trial.label_source == "coarse"]
        group = datasets.group_name((on_coarse or self.spec.trials())[0])
        names = {trials.within_metric(k, group): k for k in RECALL_AT}
        found = results.summaries(self.frame, self.spec, tuple(names), self.comparison.epoch_rule)
        return {(summary.cell.label, names[summary.metric]): summary for summary in found}

    def rows(self) -> tuple[pd.DataFrame, list[str]]:
        """What results.csv has: every evaluated epoch or, where that is too much, those that count, and a note on it."""
        import pandas as pd

        if len(self.frame) <= MOST_ROWS:
            return self.frame, []
        rules = dict.fromkeys(("final", "last-evaluation", self.comparison.epoch_rule))
        shown = pd.concat([results.at_epoch(self.frame, rule) for rule in rules])
        shown = shown[~shown.index.duplicated()].sort_index()
        return shown, [
            f"results.csv has the evaluations that reports go by ({', '.join(rules)}), {len(shown):,} rows: all of them would "
            f"be {len(self.frame):,}. harness.results.load has all."
        ]

    def find(self, cell: Cell, metric: str) -> Compared:
        """The comparison of one cell and metric."""
        return self._index[cell.label, metric]

    @functools.cached_property
    def _index(self) -> dict[tuple[str, str], Compared]:
        return {(entry.cell.label, entry.metric): entry for entry in self.compared}

    @functools.cached_property
    def _cells(self) -> dict[str, Cell]:
        return {entry.cell.label: entry.cell for entry in self.compared}

    def cells(self, method: str | None = None) -> list[Cell]:
        """Each cell once, those of one method or all."""
        return [cell for cell in self._cells.values() if method in (None, cell.method)]

    def methods(self) -> list[str]:
        """The sweep's methods in the paper's order."""
        have = list(dict.fromkeys(cell.method for cell in self.cells()))
        return sorted(have, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    @functools.cached_property
    def method_titles(self) -> dict[str, str]:
        """How tables and figures name the methods."""
        return protocol.method_titles(self.spec)

    def title(self, cell: Cell) -> str:
        """A cell's method, and what sets it apart from the method's other cells beside w and τ."""
        return self._titles[cell.label]

    @functools.cached_property
    def _titles(self) -> dict[str, str]:
        return protocol.cell_titles(self.spec)

    @functools.cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, made once: a figure and its caption are of the same numbers, and some take seconds."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def runs(self) -> str:
        """How many runs stand behind the numbers: "n = 3 runs", "n = 1–3 runs"."""
        counts = sorted({entry.runs for entry in self.compared if entry.runs})
        if not counts:
            return "no finished runs"
        shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
        return f"n = {shown} run{'' if counts == [1] else 's'} per cell"

    def notes(self) -> tuple[str, ...]:
        """Footnotes that every table of this sweep carries."""
        first = [entry for entry in self.compared if entry.metric == PRIMARY]
        spread = "± is the sample standard deviation over seeds (ddof = 1)."
        one = "Without a spread: of one run." if any(entry.runs == 1 for entry in first) else ""
        missing = len([entry for entry in first if entry.ours is None])
        few = [entry for entry in first if entry.runs and entry.missing]
        found = [spread if any(entry.deviation is not None for entry in first) else "", one, self.small_print()]
        found.append(f"{missing} cells are not trained yet." if missing else "")
        found.append(f"{len(few)} cell(s) marked [n of N]: not all seeds are trained yet." if few else "")
        return tuple(note for note in found if note)

    def small_print(self) -> str:
        """What a reader must know who sees nothing but this table."""
        make = (protocol.reduced, protocol.other_data)
        return self.once("small print", lambda: " ".join(filter(None, (sentence(self.spec) for sentence in make))))
