"""The results frame: one tidy table, a row per trial × metric × epoch, read from trial directories; and rules over it.

Columns: trial_id, dataset, method, weight, temperature, seed, epoch, metric, value, final (the trial's last evaluation).
Only finished trials are in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import errors, trials
from harness.spec import Cell, SweepSpec

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("trial_id", "dataset", "method", "weight", "temperature", "seed", "epoch", "metric", "value", "final")
_NOT_METRICS = ("epoch", "time", "seconds")
EPOCH_RULES = {
    "final": "the last epoch",
    "last-evaluation": "the last evaluation before the last epoch, as the released code reports it",
}


def load(source: Path | Iterable[Path]) -> pd.DataFrame:
    """The frame of all finished trials of a workspace, or of the given trial directories."""
    import pandas as pd

    directories = trials.find(source) if isinstance(source, Path) else source
    rows: list[tuple] = []
    for directory in directories:
        if not (directory / trials.RESULT).is_file():
            continue
        try:
            trial, result = trials.read_config(directory), trials.read_result(directory)
            if (directory / trials.ENVIRONMENT).is_file():
                trials.read_json(directory / trials.ENVIRONMENT)
        except trials.DamagedFile as error:
            raise errors.UsageError(
                f"{error}. Run the sweep again: it sets the file aside, and trains again what cannot be restored."
            ) from None
        about = (result["trial_id"], trial.dataset, trial.method, trial.weight, trial.temperature, trial.seed)
        for line in result["metrics"]:
            final = line["epoch"] == result["epochs"]
            rows += [
                (*about, line["epoch"], metric, value, final)
                for metric, value in line.items()
                if metric not in _NOT_METRICS
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"final": bool})


@dataclass(frozen=True)
class Summary:
    """One metric of one cell over its seeds, as fractions."""

    cell: Cell
    metric: str
    values: tuple[float, ...]  # one per finished seed, in the order of the seeds
    trial_ids: tuple[str, ...]  # behind the values
    missing: int  # seeds that have not finished

    @property
    def mean(self) -> float | None:
        """Over the finished seeds; None without any."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (ddof = 1); None below two seeds."""
        if len(self.values) < 2:
            return None
        mean = sum(self.values) / len(self.values)
        return (sum((value - mean) ** 2 for value in self.values) / (len(self.values) - 1)) ** 0.5


def summaries(frame: pd.DataFrame, spec: SweepSpec, metrics: Sequence[str], rule: str = "final") -> list[Summary]:
    """Every cell of a sweep × metric, at the epoch that `rule` picks."""
    if rule not in EPOCH_RULES:
        raise errors.unknown("epoch rule", rule, EPOCH_RULES)
    picked = at_epoch(frame[frame["metric"].isin(metrics)], rule)
    values = dict(
        zip(zip(picked["trial_id"], picked["metric"], strict=True), picked["value"].astype(float), strict=True)
    )
    found = []
    for cell in spec.cells():
        ids = [trial.trial_id for trial in cell.trials]
        for metric in metrics:
            have = [(trial_id, values[trial_id, metric]) for trial_id in ids if (trial_id, metric) in values]
            numbers = tuple(value for _, value in have)
            found.append(Summary(cell, metric, numbers, tuple(name for name, _ in have), len(ids) - len(have)))
    return found


def at_epoch(frame: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One row per trial and metric: at its last epoch, or at the last evaluation before it."""
    chosen = frame[frame["final"]] if rule == "final" else frame[~frame["final"]]
    if rule == "last-evaluation":  # a trial with a single evaluation has no other
        alone = frame.groupby(["trial_id", "metric"])["final"].transform("all")
        chosen = frame[~frame["final"] | alone.astype(bool)]
    newest = chosen.groupby(["trial_id", "metric"])["epoch"].transform("max")
    return chosen[chosen["epoch"] == newest]


def best_on_test(found: Sequence[Summary], metric: str = "recall_at_1") -> dict[str, Cell]:
    """The paper's selection rule: per method, the candidate cell with the highest mean on the test set itself.

    It favours methods with more cells; tables that use it say so. A method without a trained candidate has its first one.
    """
    best: dict[str, Summary] = {}
    for summary in found:
        if summary.metric != metric or not is_candidate(summary.cell):
            continue
        leader = best.get(summary.cell.method)
        if leader is None or _rank(summary) > _rank(leader):
            best[summary.cell.method] = summary
    return {method: summary.cell for method, summary in best.items()}


def _rank(summary: Summary) -> float:
    return -1.0 if summary.mean is None else summary.mean


def is_candidate(cell: Cell) -> bool:
    """Whether a cell may stand for its method: at w = 0 or τ = ∞ nothing of the method is left but a baseline.

    Grafit and CoIns at w = 1 may, as in the paper's Table 6, though they are SupCon and SupCE.
    """
    varied = dict(cell.settings)
    return varied.get("weight") != 0 and varied.get("temperature") != math.inf
