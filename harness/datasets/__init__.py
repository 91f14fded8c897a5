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
    coarse_of_fine  (grouping) -> a coarse class for each fine one, for a `read` with several groupings
    default_coarse  (options) -> the file that `coarse` means where it is not set (may be left out)

and it brings `files() -> tuple[DataFile, ...]` (empty where it needs none) and one of

    read(root, grouping) -> ImageData      a dataset of small images, whole in memory
    listing(root, grouping, *, attributes, **options) -> Listing   photographs in files, decoded once by `_photographs`;
                                           it fills in the attributes, if it has any, only where they are asked for

A listing whose coarse classes are not known has no `coarse_names`. `local_digest(options)` takes the place of the files'
md5s where the data is the user's own,

and, where a public download exists, `download(root)`; `archives` {md5: folder below the data folder} for archives that the
user fetched, and `is_whole(root)` where published files without a known md5 have another way to be told (may be left out).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import errors, resources
from harness.datasets import _coarse, _parts, _unreadable

if TYPE_CHECKING:
    import numpy as np

    from harness.config import TrialConfig
    from harness.datasets._photographs import Photographs
    from harness.settings import Setting

Progress = Callable[[int, int], None]


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
    """A dataset as a trial has it. N training, V held-out and T test images of C channels and H × W pixels, A attributes."""

    train_images: np.ndarray | Photographs  # (N, C, H, W) uint8, or N photographs of any size
    train_fine: np.ndarray  # (N,) int64
    train_coarse: np.ndarray  # (N,) int64
    test_images: np.ndarray | Photographs  # T of them
    test_fine: np.ndarray  # (T,) int64
    test_coarse: np.ndarray  # (T,) int64
    fine_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    train_attributes: np.ndarray | None = None  # (N, A) float32, where they are there and asked for
    test_groups: Mapping[str, np.ndarray] = field(default_factory=dict)  # (T,) coarse classes, by grouping
    open_set: bool = False  # the test classes are other ones than those of training
    test_fine_names: tuple[str, ...] = ()  # of an open set, where they are known
    validation_images: np.ndarray | Photographs | None = None  # V that are not trained on; None: nothing is held out
    validation_fine: np.ndarray | None = None  # (V,) int64
    validation_coarse: np.ndarray | None = None  # (V,) int64


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
    open_set: bool = False  # the test classes are other ones; `fine_names` are those of training
    test_fine_names: tuple[str, ...] = ()  # of an open set, where they are known


def names() -> list[str]:
    """Every dataset that can be trained on."""
    return sorted(name.replace("_", "-") for name in resources.modules("datasets"))


@functools.cache  # asked for several times a trial
def load(name: str) -> ModuleType:
    """The dataset's module; an unknown name lists the known ones."""
    if name not in names():
        raise errors.unknown("dataset", name, names())
    return importlib.import_module(f"harness.datasets.{name.replace('-', '_')}")


def options(name: str) -> dict[str, Setting]:
    """The settings that only this dataset has."""
    return getattr(load(name), "options", {})


def of_photographs(name: str) -> bool:
    """Whether the dataset's images are photographs of any size, which are decoded once and stored."""
    return hasattr(load(name), "listing")


def default_coarse(name: str, given: Mapping[str, Any]) -> Path | None:
    """The file with coarse classes that lies beside the user's own images."""
    module = load(name)
    return module.default_coarse(given) if hasattr(module, "default_coarse") else None


def group_name(trial: TrialConfig) -> str:
    """How metrics name the coarse classes of a trial."""
    return _coarse.group_name(Path(trial.coarse)) if trial.coarse else _grouping(trial)


def train_size(trial: TrialConfig) -> int | None:
    """How many images the trial trains on; None where only reading the data tells."""
    all_of_them = load(trial.dataset).train_size
    if all_of_them is None:
        return None
    size = min(all_of_them, trial.train_limit or all_of_them)
    return size - held_out_size(trial, size)


def held_out_size(trial: TrialConfig, size: int) -> int:
    """How many of `size` training images the trial holds out. Raises UsageError where too few are, or too few are left."""
    return _parts.held_out_size(trial.validation_fraction, size, trial.batch_size)


def roots() -> list[Path]:
    """The folders in which data is looked for, first match first."""
    named = os.environ.get("HARNESS_DATA")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return [Path(named)] if named else [Path("data").resolve(), Path(home) / "harness" / "data"]


def states(name: str) -> list[FileState]:
    """Each published file of a dataset: intact, different or missing, in the first folder that holds any of them."""
    return [_state(file, root_of(name) / file.path) for file in load(name).files()]


def local_digest(name: str, options: Mapping[str, Any] | None = None) -> str | None:
    """The digest of the local files where they are complete but not the published ones, otherwise None.

    `options` are the dataset's own settings. A dataset without some unreadable photographs is another one, too.
    """
    module = load(name)
    if hasattr(module, "local_digest"):
        return module.local_digest(options or {})
    found = states(name)
    if not found or any(state.state == "missing" for state in found):
        return None
    marks = _marks(name, options or {})
    digest = digest_of([*(state.md5 for state in found), *marks])
    return digest if digest != module.digest else None


def _marks(name: str, given: Mapping[str, Any]) -> list[str]:
    """What tells data from the published one where md5s do not: photographs left out, and other numbers of images."""
    module, root = load(name), root_of(name)
    if not of_photographs(name):
        whole = not hasattr(module, "is_whole") or module.is_whole(root)
        return [] if whole else [str((root / file.path).stat().st_size) for file in module.files()]
    left_out = sorted(_unreadable.names(root, name))
    found = module.listing(root, module.groupings[0], attributes=False, **given)
    if (len(found.train_paths), len(found.test_paths)) == (module.train_size, module.test_size):
        return left_out
    labels = zip((*found.train_paths, *found.test_paths), (*found.train_fine, *found.test_fine), strict=True)
    return [*left_out, *(f"{path} {label}" for path, label in labels)]


def digest_of(md5s: Sequence[str | None]) -> str:
    """One digest for a dataset out of its files' md5s, in the order of `files()`; one that is not known counts as a word."""
    return hashlib.sha256(" ".join(md5 or "unverified" for md5 in md5s).encode()).hexdigest()[:16]


def read(trial: TrialConfig, progress: Progress | None = None) -> ImageData:
    """The trial's images and labels, within its limits, and those that it holds out.

    Raises MissingData that says where they were looked for, UsageError where too few are left. Photographs that have
    not been decoded yet are; `progress(done, all)` is told.
    """
    module = load(trial.dataset)
    if of_photographs(trial.dataset):
        data = _photographed(trial, listing(trial), progress)
    else:
        data = module.read(_found_root(trial.dataset), _grouping(trial))
        groups = {
            name: module.coarse_of_fine(name)[data.test_fine] if name != _grouping(trial) else data.test_coarse
            for name in _groupings(trial)
        }
        data = dataclasses.replace(data, test_groups=groups)
    if trial.coarse:
        data = _coarse.applied(data, trial)
    if not data.coarse_names and trial.label_source == "coarse":
        raise errors.UsageError(
            f"{trial.method} trains on coarse classes and {trial.dataset} has none: add --set coarse=FILE, a CSV with the "
            "columns fine,coarse."
        )
    data = _parts.limited(data, trial.train_limit, trial.test_limit)
    return _parts.held_out(data, held_out_size(trial, len(data.train_fine)), trial.seed)


def listing(trial: TrialConfig) -> Listing:
    """The trial's photographs without those that are left out as unreadable, before any limit."""
    module, root = load(trial.dataset), _found_root(trial.dataset)
    found = module.listing(root, _grouping(trial), attributes=trial.needs_attributes, **trial.dataset_options)
    return _unreadable.without(found, _unreadable.names(found.root, trial.dataset))


def unpack(name: str, archive: Path) -> None:
    """Put a published archive that the user has fetched into the first data folder."""
    from harness.datasets import _archives

    known = getattr(load(name), "archives", {})
    if not known:
        raise errors.UsageError(f"{name} is not published as an archive: {load(name).how_to_get}")
    if not archive.is_file():
        raise errors.UsageError(f"there is no archive {archive}: give the path of the file that was fetched.")
    with archive.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest()
    if md5 not in known:
        raise errors.UsageError(
            f"{archive} has md5 {md5}, the published archives of {name} have {', '.join(known)}: nothing was unpacked."
        )
    _archives.unpack(archive, md5, roots()[0] / known[md5])


def command_name(trial: TrialConfig) -> str:
    """How `harness data` names the trial's dataset."""
    given = {name: value for name, value in trial.dataset_options.items() if value and name in ("root", "manifest")}
    words = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
    return shlex.join([trial.dataset, *words])


def leave_out(trial: TrialConfig, paths: Iterable[str]) -> Path:
    """Photographs that the trial's dataset goes without from now on. The file that names them."""
    return _unreadable.add(listing(trial).root, trial.dataset, paths)


def cache_folder(trial: TrialConfig) -> Path:
    """Where the trial's photographs are kept decoded."""
    from harness.datasets import _cache

    found = listing(trial)
    return _cache.wanted(found.root, (*found.train_paths, *found.test_paths), trial.stored_side).folder


def verify_cache(trial: TrialConfig) -> None:
    """Read all decoded photographs. Raises UsageError where they are not what was decoded; those are removed."""
    from harness.datasets import _photographs

    found = listing(trial)
    state = _photographs.verify(found.root, (*found.train_paths, *found.test_paths), trial.stored_side)
    if state == "differs":
        raise errors.UsageError(
            f"the decoded photographs of {trial.dataset} had changed on disk and were removed; decode them again: "
            f"harness data {command_name(trial)} --decode. Trials that ran meanwhile are in doubt."
        )


def root_of(name: str) -> Path:
    """The data folder that holds any of a dataset's files, or else the first."""
    files = load(name).files()
    holding = [root for root in roots() if any((root / file.path).is_file() for file in files)]
    return (holding or roots())[0]


def _found_root(name: str) -> Path:
    missing = [state for state in states(name) if state.state == "missing"]
    if missing:
        raise missing_error(name, missing)
    return root_of(name)


def _grouping(trial: TrialConfig) -> str:
    return load(trial.dataset).groupings[0] if trial.grouping == "default" else trial.grouping


def _groupings(trial: TrialConfig) -> tuple[str, ...]:
    """By which coarse classes the trial's test images are looked at: its own, or all where it trains on none."""
    if trial.label_source == "coarse":
        return () if trial.coarse else (_grouping(trial),)
    return load(trial.dataset).groupings


def _photographed(trial: TrialConfig, found: Listing, progress: Progress | None) -> ImageData:
    """Photographs as the trial has them, decoded where they have not been."""
    import numpy as np

    from harness.datasets import _photographs

    paths = (*found.train_paths, *found.test_paths)
    extra = _photographs.unlisted(found.root, found.closed, paths)
    if extra:
        raise errors.UsageError(
            f"{found.root / extra[0]} and {len(extra) - 1} more are no part of {trial.dataset}: move them out of its folders."
        )
    images = _photographs.load(found.root, paths, trial.stored_side, progress, name=command_name(trial))
    count = len(found.train_paths)
    groups = {}
    for name in _groupings(trial) if found.coarse_names else ():
        other = found if name == _grouping(trial) else listing(trial.replace(grouping=name))
        groups[name] = other.test_coarse
    return ImageData(
        train_images=images.take(np.arange(count)),
        train_fine=found.train_fine,
        train_coarse=found.train_coarse,
        test_images=images.take(np.arange(count, len(paths))),
        test_fine=found.test_fine,
        test_coarse=found.test_coarse,
        fine_names=found.fine_names,
        coarse_names=found.coarse_names,
        train_attributes=found.train_attributes,
        test_groups=groups,
        open_set=found.open_set,
        test_fine_names=found.test_fine_names,
    )


def missing_error(name: str, missing: list[FileState]) -> errors.MissingData:
    """Says which files of a dataset are missing, where they were looked for and how to get them."""
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return errors.MissingData(
        f"the dataset {name} is not complete: {missing[0].file.path}{more} is missing. Looked in "
        f"{', '.join(map(str, roots()))}. {_how(name)} Or set HARNESS_DATA to the folder that holds it."
    )


def _how(name: str) -> str:
    module = load(name)
    return f"Get it with `harness data {name} --download`." if module.url else module.how_to_get


def _state(file: DataFile, path: Path) -> FileState:
    if not path.is_file():
        return FileState(file, path, "missing", None)
    if file.md5 is None:  # nothing to compare with, and the file may have gigabytes
        return FileState(file, path, "intact", None)
    with path.open("rb") as stream:
        md5 = hashlib.file_digest(stream, "md5").hexdigest()
    return FileState(file, path, "intact" if md5 == file.md5 else "differs", md5)


def within_limit(count: int, limit: int | None) -> np.ndarray:
    """Which of so many images a limit keeps, ascending: a fixed random part, the same whatever the trial's seed."""
    return _parts.within_limit(count, limit)
