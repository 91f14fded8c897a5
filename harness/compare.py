"""Reproduced against published, per cell: ours, theirs, the difference. In percent, Recall@1 first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import presets, published, results, trials
from harness.results import Summary
from harness.spec import Cell, SweepSpec

METRICS = ("recall_at_1", "recall_at_2", "recall_at_5", "recall_at_10")


@dataclass(frozen=True)
class Compared:
    """One metric of one cell. `ours` and `deviation` are over `runs` seeds; `theirs` is one printed number."""

    cell: Cell
    metric: str
    ours: float | None  # mean, percent
    deviation: float | None  # sample standard deviation (ddof = 1), percentage points
    runs: int
    missing: int  # seeds that have not finished
    theirs: float | None  # percent; None where nothing is published
    source: str  # where it is printed
    erratum: str

    @property
    def difference(self) -> float | None:
        """ours − theirs, in percentage points."""
        return None if self.ours is None or self.theirs is None else self.ours - self.theirs


def compare(spec: SweepSpec, workspace: Path, metrics: Sequence[str] = METRICS) -> list[Compared]:
    """Every cell × metric of a sweep, from its finished trials."""
    return [compared(spec, summary) for summary in summarise(spec, workspace, metrics)]


def summarise(spec: SweepSpec, workspace: Path, metrics: Sequence[str] = METRICS) -> list[Summary]:
    """Every cell × metric of a sweep over its seeds, at the epoch that its preset reports."""
    frame = results.load([trials.directory(workspace, trial) for trial in spec.trials()])
    return results.summaries(frame, spec, metrics, presets.epoch_rule(spec.preset))


def compared(spec: SweepSpec, summary: Summary) -> Compared:
    """A summary beside its published number."""
    trial = summary.cell.trials[0]
    uses = trial.uses
    print_ = published.reference(
        spec.published_name or "nothing",
        trial.method,
        trial.weight if "weight" in uses else None,
        trial.temperature if "temperature" in uses else None,
        summary.metric,
    )
    return Compared(
        cell=summary.cell,
        metric=summary.metric,
        ours=None if summary.mean is None else 100 * summary.mean,
        deviation=None if summary.deviation is None else 100 * summary.deviation,
        runs=len(summary.values),
        missing=summary.missing,
        theirs=print_.reading if print_ else None,
        source=f"{print_.source}, {print_.table}" if print_ else "",
        erratum=(print_.erratum or "") if print_ else "",
    )
