"""Coarse classes from a file: CSV with the columns `fine,coarse`, or TOML with `"fine" = "coarse"`."""

from __future__ import annotations

import csv
import dataclasses
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import files
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.config import TrialConfig
    from harness.datasets import ImageData

SHOWN = 5  # classes that a message names


def read(path: Path) -> dict[str, str]:
    """Fine class → coarse class. Raises UsageError that names the file and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = _from_toml(path, text) if path.suffix == ".toml" else _from_csv(path, text)
        return {_composed(fine): coarse for fine, coarse in found.items()}
    except OSError as error:
        raise UsageError(f"coarse={str(path)!r} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, csv.Error) as error:
        raise UsageError(f"coarse={str(path)!r} cannot be read: {error}.") from None


def _from_toml(path: Path, text: str) -> dict[str, str]:
    found = tomllib.loads(text)
    wrong = [name for name, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise UsageError(f'{path}: {wrong[0]} is no text; write a line for each fine class, "beagle" = "dog".')
    return found


def _from_csv(path: Path, text: str) -> dict[str, str]:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    if rows.fieldnames is None or not {"fine", "coarse"} <= set(rows.fieldnames):
        first = text.partition("\n")[0]
        raise UsageError(f"{path}: its first line must be fine,coarse with a comma between; it is {first!r}.")
    found: dict[str, str] = {}
    for row in rows:
        fine, coarse = row["fine"], row["coarse"]
        if not fine or not coarse:
            raise UsageError(f"{path}, line {rows.line_num}: a fine and a coarse class are needed.")
        if found.setdefault(fine, coarse) != coarse:
            raise UsageError(f"{path}, line {rows.line_num}: {fine} is in {found[fine]} and in {coarse}.")
    return found


def _composed(name: str) -> str:
    """One way of writing accents: file systems and editors have two."""
    return unicodedata.normalize("NFC", name)


def positions(mapping: Mapping[str, str], fine_names: Sequence[str], source: str) -> tuple[list[int], tuple[str, ...]]:
    """For each fine class the position of its coarse one, and the names of the coarse classes, in alphabetical order."""
    fine_names = [_composed(name) for name in fine_names]
    lacking = [name for name in fine_names if name not in mapping]
    if lacking:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        raise UsageError(f"{source} has no coarse class for {', '.join(lacking[:SHOWN])}{more}.")
    names = tuple(sorted({mapping[name] for name in fine_names}))
    return [names.index(mapping[name]) for name in fine_names], names


def applied(data: ImageData, trial: TrialConfig) -> ImageData:
    """The data with the coarse classes of the trial's file; other test classes need not be in it, and then have none."""
    import numpy as np

    path = Path(str(trial.coarse))
    if trial.coarse_digest not in (None, files.digest(path, "coarse")):
        raise UsageError(f"{path} is not the file any more that this trial was set up with: train another trial.")
    mapping = read(path)
    found, names = positions(mapping, data.fine_names, str(path))
    coarse = np.array(found, dtype=np.int64)
    others = [_composed(name) for name in data.test_fine_names]
    known = not data.open_set or (others and all(name in mapping for name in others))
    if not data.open_set:
        test = coarse[data.test_fine]
    elif known:
        everywhere = sorted({*names, *(mapping[name] for name in others)})
        test = np.array([everywhere.index(mapping[name]) for name in others])[data.test_fine]
    else:
        test = np.zeros_like(data.test_fine)
    groups = {group_name(path): test} if known else {}
    return dataclasses.replace(
        data, train_coarse=coarse[data.train_fine], test_coarse=test, coarse_names=names, test_groups=groups
    )


def group_name(path: Path) -> str:
    """Under which metrics name the coarse classes of a file."""
    return f"file-{files.digest(path, 'coarse')[:8]}"
