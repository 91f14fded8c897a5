"""Which w and τ stand for a method: named rules over the cells of a sweep. Each is a pure function, and tables name it.

The paper chooses on the test set itself, which favours methods with more cells. Chosen on the other seeds and scored on the
one left out, a number no longer profits from the noise of the run that it reports; chosen on held-out training images, it does
not see the test set at all.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.results import Summary
from harness.spec import Cell

RULES = {
    "oracle": "the highest mean Recall@1 on the test set itself, as in the paper",
    "leave-one-seed-out": "for each seed the cell that is best on the other seeds",
    "validation-fine": "the highest mean Recall@1 of held-out training images, by their fine labels",
    "validation-coarse": "the highest mean Recall@1 of held-out training images, by their coarse labels alone",
}


@dataclass(frozen=True)
class Selected:
    """A method's number under a rule: one value per seed, each from the cell that was chosen for that seed."""

    method: str
    rule: str
    cells: tuple[Cell, ...]  # per value
    values: tuple[float, ...]  # fractions
    seeds: tuple[int, ...]
    trial_ids: tuple[str, ...]
    considered: int = 1  # candidates that the choice was among
    declared: int = 1  # candidates of the sweep

    @property
    def of_several(self) -> bool:
        """Whether there is a choice."""
        return self.declared > 1

    @property
    def cell(self) -> Cell | None:
        """The cell that was chosen most often, the first of several; None without any."""
        labels = [cell.label for cell in self.cells]
        return max(self.cells, key=lambda cell: labels.count(cell.label)) if self.cells else None

    @property
    def agreement(self) -> tuple[int, int]:
        """For how many of the seeds `cell` was chosen."""
        return sum(cell.label == self.cell.label for cell in self.cells if self.cell), len(self.cells)


Candidate = Callable[[Cell], bool]


def oracle(found: Sequence[Summary], candidate: Candidate) -> dict[str, Selected]:
    """Per method the candidate with the highest mean; `found` is of one metric."""
    return {
        method: _whole(max(complete, key=_mean), "oracle", complete, declared)
        for method, complete, declared in _candidates(found, candidate)
    }


def leave_one_seed_out(found: Sequence[Summary], candidate: Candidate) -> dict[str, Selected]:
    """Per method and seed, the value at that seed of the candidate with the highest mean over the other seeds.

    A method with a single candidate has nothing to choose; one with several needs two seeds and is left out below that.
    """
    chosen = {}
    for method, complete, declared in _candidates(found, candidate):
        if declared == 1:
            chosen[method] = _whole(complete[0], "leave-one-seed-out", complete, declared)
        elif len(complete[0].seeds) > 1:
            picks = [(seed, max(complete, key=lambda one: _mean_without(one, seed))) for seed in complete[0].seeds]
            chosen[method] = _assembled(method, "leave-one-seed-out", picks, len(complete), declared)
    return chosen


def on_validation(
    found: Sequence[Summary], validation: Sequence[Summary], rule: str, candidate: Candidate
) -> dict[str, Selected]:
    """Per method the candidate whose cell has the highest mean in `validation`, with its values in `found`.

    A method is left out until each of its candidates is there with all its seeds: part of a grid is another choice.
    """
    held_out = {summary.cell.label: summary for summary in validation if summary.values and not summary.missing}
    chosen = {}
    for method, complete, declared in _candidates(found, candidate):
        if declared == 1:
            chosen[method] = _whole(complete[0], rule, complete, declared)
        elif all(summary.cell.label in held_out for summary in complete):
            best = max(complete, key=lambda summary: _mean(held_out[summary.cell.label]))
            chosen[method] = _whole(best, rule, complete, declared)
    return chosen


def _candidates(found: Sequence[Summary], candidate: Candidate) -> Iterator[tuple[str, list[Summary], int]]:
    """Method, its candidates that have all seeds which any of them has, and how many candidates the sweep declares.

    Means over different seeds would rank the seeds along with the cells.
    """
    by_method: dict[str, list[Summary]] = {}
    for summary in found:
        if candidate(summary.cell):
            by_method.setdefault(summary.cell.method, []).append(summary)
    for method, summaries in by_method.items():
        seeds = {seed for summary in summaries for seed in summary.seeds}
        complete = [summary for summary in summaries if summary.seeds and set(summary.seeds) == seeds]
        if complete:
            yield method, complete, len(summaries)


def _whole(summary: Summary, rule: str, complete: Sequence[Summary], declared: int) -> Selected:
    """One cell for all seeds."""
    cells, method = (summary.cell,) * len(summary.values), summary.cell.method
    return Selected(method, rule, cells, summary.values, summary.seeds, summary.trial_ids, len(complete), declared)


def _assembled(
    method: str, rule: str, picks: Sequence[tuple[int, Summary]], considered: int, declared: int
) -> Selected:
    """A cell per seed."""
    places = [summary.seeds.index(seed) for seed, summary in picks]
    return Selected(
        method,
        rule,
        cells=tuple(summary.cell for _, summary in picks),
        values=tuple(summary.values[place] for place, (_, summary) in zip(places, picks, strict=True)),
        seeds=tuple(seed for seed, _ in picks),
        trial_ids=tuple(summary.trial_ids[place] for place, (_, summary) in zip(places, picks, strict=True)),
        considered=considered,
        declared=declared,
    )


def _mean(summary: Summary) -> float:
    return statistics.fmean(summary.values)


def _mean_without(summary: Summary, seed: int) -> float:
    return statistics.fmean(value for other, value in zip(summary.seeds, summary.values, strict=True) if other != seed)
