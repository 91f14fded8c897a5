"""The datasets: one file each, found by its name ("-" in a name is "_" in the file's).

A dataset file declares, without importing torch:

    title       how tables print it
    train_size, test_size  how many images (None: as many as the user has)
    classes     (coarse, fine), how many of the default grouping (None: as above)
    digest      of the published files (see `digest_of`)
    groupings   names of its ways to make coarse classes, the default first
    settings    its layer of trial settings
    mean, std   per channel, as fractions, for normalisation
    source, licence, url   for `harness data`; url None where no public download exists, and then
    how_to_get  a sentence
    views       (trial) -> {"strong": recipe, "weak": recipe}, recipes for `harness.augment.augment`
    options     settings of its own, {name: harness.settings.Setting} (may be left out)

and it brings `files() -> tuple[DataFile, ...]` (empty where it needs none) and one of

    read(root, grouping) -> ImageData      a dataset of small images, whole in memory
    listing(root, grouping, *, attributes, **options) -> Listing   photographs in files, decoded once by `_photographs`;
                                           it fills in the attributes, if it has any, only where they are asked for

and `download(root)` where a public download exists.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import errors, resources

if TYPE_CHECKING:
    import numpy as np

    from harness.config import TrialConfig
    from harness.datasets._photographs import Photographs


@dataclass(frozen=True)
class DataFile:
    """One published file: its path below a data folder, and its md5 (None: not known)."""

    path: str
    md5: str | None


@dataclass(frozen=True)
class FileState:
    """What a data folder holds in place of a published file."""

    file: DataFile
    path: Path
    state: str  # "intact", "differs" or "missing"
    md5: str | None


@dataclass(frozen=True)
class ImageData:
    """A dataset as a trial has it. N training and T test images of C channels and H × W pixels, A attributes."""

    train_images: np.ndarray | Photographs  # (N, C, H, W) uint8, or N photographs of any size
    train_fine: np.ndarray  # (N,) int64
    train_coarse: np.ndarray  # (N,) int64
    test_images: np.ndarray | Photographs  # T of them
    test_fine: np.ndarray  # (T,) int64
    test_coarse: np.ndarray  # (T,) int64
    fine_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    train_attributes: np.ndarray | None = (
        None  # (N, A) float32, where the dataset has attributes and they were asked for
    )


@dataclass(frozen=True)
class Listing:
    """Photographs that lie in files. N for training, T for testing, A attributes of each training image."""

    root: Path  # the paths are below it
    train_paths: tuple[str, ...]
    train_fine: np.ndarray  # (N,) int64, from 0
    train_coarse: np.ndarray  # (N,) int64, from 0
    test_paths: tuple[str, ...]
    test_fine: np.ndarray  # (T,)
    test_coarse: np.ndarray  # (T,)
    fine_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    train_attributes: np.ndarray | None = None  # (N, A) float32
    closed: tuple[str, ...] = ()  # folders below the root in which every image must be listed


def names() -> list[str]:
    """Every dataset that can be trained on."""
    return sorted(name.replace("_", "-") for name in resources.modules("datasets"))


def load(name: str) -> ModuleType:
    """The dataset's module; an unknown name lists the known ones."""
    if name not in names():
        raise errors.unknown("dataset", name, names())
    return importlib.import_module(f"harness.datasets.{name.replace('-', '_')}")


def roots() -> list[Path]:
    """The folders in which data is looked for, first match first."""
    named = os.environ.get("HARNESS_DATA")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return [Path(named)] if named else [Path("data").resolve(), Path(home) / "harness" / "data"]


def states(name: str) -> list[FileState]:
    """Each published file of a dataset: intact, different or missing, in the first folder that holds any of them."""
    files = load(name).files()
    holding = [root for root in roots() if any((root / file.path).is_file() for file in files)]
    root = (holding or roots())[0]
    return [_state(file, root / file.path) for file in files]


def local_digest(name: str) -> str | None:
    """The digest of the local files where they are complete but not the published ones, otherwise None."""
    found = states(name)
    if not found or any(state.state == "missing" for state in found):
        return None
    digest = digest_of([state.md5 for state in found])
    return digest if digest != load(name).digest else None


def digest_of(md5s: Sequence[str | None]) -> str:
    """One digest for a dataset out of its files' md5s, in the order of `files()`; one that is not known counts as a word."""
    return hashlib.sha256(" ".join(md5 or "unverified" for md5 in md5s).encode()).hexdigest()[:16]


def read(trial: TrialConfig) -> ImageData:
    """The trial's images and labels, within its limits. Raises MissingData that says where they were looked for."""
    module = load(trial.dataset)
    found = states(trial.dataset)
    missing = [state for state in found if state.state == "missing"]
    if missing:
        raise missing_error(trial.dataset, missing)
    root = found[0].path.parents[len(Path(found[0].file.path).parts) - 1] if found else Path()
    grouping = module.groupings[0] if trial.grouping == "default" else trial.grouping
    return _limited(module.read(root, grouping), trial.train_limit, trial.test_limit)


def missing_error(name: str, missing: list[FileState]) -> errors.MissingData:
    """Says which files of a dataset are missing, where they were looked for and how to get them."""
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return errors.MissingData(
        f"the dataset {name} is not complete: {missing[0].file.path}{more} is missing. Looked in "
        f"{', '.join(map(str, roots()))}. Get it with `harness data {name} --download`, or set HARNESS_DATA to the folder "
        "that holds it."
    )


def _state(file: DataFile, path: Path) -> FileState:
    if not path.is_file():
        return FileState(file, path, "missing", None)
    if file.md5 is None:  # nothing to compare with, and the file may have gigabytes
        return FileState(file, path, "intact", None)
    with path.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest()
    return FileState(file, path, "intact" if md5 == file.md5 else "differs", md5)


def _limited(data: ImageData, train_limit: int | None, test_limit: int | None) -> ImageData:
    """A fixed random part of the images, in their order; the same whatever the trial's seed."""
    import numpy as np

    changes: dict[str, Any] = {}
    for split, limit in (("train", train_limit), ("test", test_limit)):
        count = len(getattr(data, f"{split}_fine"))
        if limit is not None and limit < count:
            kept = np.sort(np.random.default_rng(0).permutation(count)[:limit])
            for part in ("images", "fine", "coarse"):
                changes[f"{split}_{part}"] = getattr(data, f"{split}_{part}")[kept]
    return dataclasses.replace(data, **changes)
