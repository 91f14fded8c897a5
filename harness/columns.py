"""Finished trial directories as columns: each file read once, by several processes where there are many trials.

`harness.results` is how to ask for it.
"""

from __future__ import annotations

import functools
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import processes, trials

if TYPE_CHECKING:
    import pandas as pd

OF_A_TRIAL = ("trial_id", "dataset", "method", "weight", "temperature", "seed")
OF_A_ROW = ("epoch", "metric", "value", "final")
NOT_METRICS = ("epoch", "time", "seconds")
EVALUATED = "recall_at_1"  # a line that has it is of an evaluated epoch
CHUNK = 250  # directories that one process reads at once
# Turning text into numbers is over half of the time that a result takes, and most lines are not asked for.
_LAZY = json.JSONDecoder(parse_float=str)


@dataclass(frozen=True)
class Read:
    """Finished trials. The columns of `frame` are OF_A_TRIAL and OF_A_ROW."""

    frame: pd.DataFrame
    about: Mapping[Path, Mapping[str, Any]]  # result.json but for its metric lines, and "environment"; by directory


def read(directories: Sequence[Path], every_epoch: bool) -> Read:
    """All finished trials among these directories. Raises DamagedFile, and UsageError for one of another version."""
    chunks = [directories[first : first + CHUNK] for first in range(0, max(len(directories), 1), CHUNK)]
    work = functools.partial(_part, every_epoch=every_epoch)
    parts = list(processes.mapped(work, chunks, worth_it=len(directories) >= processes.FEWEST_TRAININGS))
    return Read(_frame(parts), {directory: found for part in parts for directory, found in part.about.items()})


@dataclass
class _Part:
    """Some trials as columns: T trials with R rows in all. Arrays go from process to process as they are."""

    about: dict[Path, dict[str, Any]] = field(default_factory=dict)  # T
    trials: list[tuple[Any, ...]] = field(default_factory=list)  # T times OF_A_TRIAL
    rows: list[int] = field(default_factory=list)  # T, they sum up to R
    names: dict[str, int] = field(default_factory=dict)  # of metrics, numbered
    epochs: array[int] = field(default_factory=lambda: array("q"))  # R
    metrics: array[int] = field(default_factory=lambda: array("q"))  # R, numbers of names
    values: array[float] = field(default_factory=lambda: array("d"))  # R
    finals: array[int] = field(default_factory=lambda: array("b"))  # R, 0 or 1

    def add(self, directory: Path, every_epoch: bool) -> None:
        """A directory's trial."""
        trial = trials.read_config(directory)
        result, lines = _result(directory, every_epoch)
        path = directory / trials.ENVIRONMENT
        environment = trials.read_json(path) if path.is_file() else {}
        before = len(self.values)
        trials.check_result(directory, result, lines)
        if result["trial_id"] != trial.trial_id:
            raise trials.DamagedFile(f"{directory / trials.RESULT} is damaged: it is of trial {result['trial_id']}")
        try:
            for line in lines:
                if every_epoch or EVALUATED in line:
                    self._add_line(line, line["epoch"] == result["epochs"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise trials.DamagedFile(f"{directory / trials.RESULT} is damaged: {error!r} in its metrics") from error
        self.rows.append(len(self.values) - before)
        about = (result["trial_id"], trial.dataset, trial.method, trial.weight, trial.temperature, trial.seed)
        self.trials.append(about)
        self.about[directory] = result | {"environment": environment}

    def _add_line(self, line: dict[str, Any], final: bool) -> None:
        found = {name: float(value) for name, value in line.items() if name not in NOT_METRICS}
        for name, value in found.items():
            if "recall_at_" in name and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}, and a recall is between 0 and 1")
        self.values.extend(found.values())
        self.metrics.extend([self.names.setdefault(name, len(self.names)) for name in found])
        self.epochs.extend([line["epoch"]] * len(found))
        self.finals.extend([final] * len(found))


def _result(directory: Path, every_epoch: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A result without its metric lines, and these; where not all are wanted, with numbers as the texts that they are."""
    path = directory / trials.RESULT
    if not every_epoch:
        text = path.read_bytes().decode(errors="replace")
        try:
            lazy = _LAZY.decode(text)
            rest = json.loads(text.partition('"metrics": [')[0].rstrip(", \n") + "}")
            if lazy.keys() == rest.keys() | {"metrics"} and lazy.keys() >= trials.RESULT_PARTS:
                return rest, lazy["metrics"]
        except (ValueError, AttributeError):
            pass  # damaged, or not in the order in which it is written: the way below says which
    result = trials.read_result(directory)
    return result, result.pop("metrics")


def _part(directories: Sequence[Path], every_epoch: bool) -> _Part:
    found = _Part()
    for directory in directories:
        if (directory / trials.RESULT).is_file():
            found.add(directory, every_epoch)
    return found


def _frame(parts: Sequence[_Part]) -> pd.DataFrame:
    """Column by column, and each text once: a tuple per row takes ten times as long, and several times the memory."""
    import numpy as np
    import pandas as pd

    rows = [count for part in parts for count in part.rows]
    of_trial = np.repeat(np.arange(len(rows)), rows)
    listed = [entry for part in parts for entry in part.trials]
    columns: dict[str, Any] = {
        name: pd.Series([entry[place] for entry in listed]).array.take(of_trial)
        for place, name in enumerate(OF_A_TRIAL)
    }
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    numbers = [np.array([names.index(name) for name in part.names], int)[np.asarray(part.metrics)] for part in parts]
    columns |= {
        "epoch": np.concatenate([part.epochs for part in parts]).astype(int),
        "metric": pd.Series(names).array.take(np.concatenate(numbers)),
        "value": np.concatenate([part.values for part in parts]),
        "final": np.concatenate([part.finals for part in parts]).astype(bool),
    }
    return pd.DataFrame(columns)
