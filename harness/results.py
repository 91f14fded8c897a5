"""The results frame: one tidy table, a row per trial × metric × epoch, read from trial directories; and rules over it.

Columns: trial_id, dataset, method, weight, temperature, seed, epoch, metric, value, final (the trial's last evaluation).
Only finished trials are in it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import columns, errors, trials
from harness.columns import Read
from harness.spec import Cell, SweepSpec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = (*columns.OF_A_TRIAL, *columns.OF_A_ROW)
EPOCH_RULES = {
    "final": "the last epoch",
    "last-evaluation": "the last evaluation before the last epoch, as the released code reports it",
    "best": "each run's best Recall@1 on the test set itself",
}


def load(source: Path | Iterable[Path], every_epoch: bool = True) -> pd.DataFrame:
    """The frame of all finished trials of a workspace, or of the given trial directories.

    Not `every_epoch`: of the evaluated epochs alone, with all their metrics; ten times fewer rows for a trial of the paper's.
    """
    return read(source, every_epoch).frame


def read(source: Path | Iterable[Path], every_epoch: bool = True) -> Read:
    """The frame of `load`, and what else the files of these trials say; each is read once.

    Raises UsageError for a damaged file, and for a trial of another version.
    """
    directories = trials.find(source) if isinstance(source, Path) else source
    try:
        return columns.read(list(directories), every_epoch)
    except trials.DamagedFile as error:
        raise errors.UsageError(
            f"{error}. Run the sweep again: it sets the file aside, and trains again what cannot be restored."
        ) from None


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as a report keeps it."""
    return frame.to_csv(index=False)


@dataclass(frozen=True)
class Summary:
    """One metric of one cell over its seeds, as fractions."""

    cell: Cell
    metric: str
    values: tuple[float, ...]  # one per finished seed, in the order of the seeds
    trial_ids: tuple[str, ...]  # behind the values
    seeds: tuple[int, ...]  # of the values
    missing: int  # seeds that have not finished

    @property
    def mean(self) -> float | None:
        """Over the finished seeds; None without any."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (ddof = 1); None below two seeds."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None


def summaries(frame: pd.DataFrame, spec: SweepSpec, metrics: Sequence[str], rule: str = "final") -> list[Summary]:
    """Every cell of a sweep × metric, at the epoch that `rule` picks."""
    if rule not in EPOCH_RULES:
        raise errors.unknown("epoch rule", rule, EPOCH_RULES)
    picked = at_epoch(frame[frame["metric"].isin({*metrics, "recall_at_1"})], rule)  # `best` goes by Recall@1
    values = dict(
        zip(zip(picked["trial_id"], picked["metric"], strict=True), picked["value"].astype(float), strict=True)
    )
    found = []
    for cell in spec.cells():
        for metric in metrics:
            have = [trial for trial in cell.trials if (trial.trial_id, metric) in values]
            numbers = tuple(values[trial.trial_id, metric] for trial in have)
            ids, seeds = tuple(trial.trial_id for trial in have), tuple(trial.seed for trial in have)
            found.append(Summary(cell, metric, numbers, ids, seeds, len(cell.trials) - len(have)))
    return found


def at_epoch(frame: pd.DataFrame, rule: str) -> pd.DataFrame:
    """One row per trial and metric: at its last epoch, at the last evaluation before it, or at its best Recall@1."""
    if rule == "best":
        recall = frame[frame["metric"] == "recall_at_1"]
        first_best = recall.sort_values(["trial_id", "value", "epoch"], ascending=[True, False, True])
        best = first_best.drop_duplicates("trial_id").set_index("trial_id")["epoch"]
        return frame[frame["epoch"] == frame["trial_id"].map(best)]
    import numpy as np

    if rule == "final":
        frame = frame[frame["final"]]
    rank = frame["epoch"].to_numpy()
    if rule == "last-evaluation":  # a trial with a single evaluation has no other
        rank = np.where(frame["final"], -1, rank)
    training = _trainings(frame)
    highest = np.full(training.max(initial=-1) + 1, -1)
    np.maximum.at(highest, training, rank)
    return frame[rank == highest[training]]


def _trainings(frame: pd.DataFrame) -> np.ndarray:
    """A number per trial and metric: grouping by numbers takes a tenth of what grouping by texts takes."""
    import pandas as pd

    trial, _ = pd.factorize(frame["trial_id"])
    metric, names = pd.factorize(frame["metric"])
    return trial * (len(names) + 1) + metric
