"""Your own photographs, in one of two layouts below the folder that the setting `root` names.

    train/FINE/*.jpg and test/FINE/*.jpg     a folder for each fine class; the setting `coarse` names the coarse ones
    manifest.csv                             columns path, fine, split (train or test) and, unless `coarse` says it, coarse

A `coarse.csv` or `coarse.toml` in the folder is taken where `coarse` is not set. Attributes, for `maskcon_attributes`, are the
setting `attribute_file`, a CSV or parquet with a column `path` and numbers in all others.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import files as whole_files
from harness.datasets import DataFile, Listing, _unreadable, load
from harness.errors import MissingData, UsageError
from harness.settings import Setting

title = "Own images"
train_size, test_size = None, None
classes = None
digest = "folder"
groupings = ("own",)
settings = {"image_size": 224}
mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
source = "your own"
licence = "yours"
url = None
how_to_get = "Put your images into train/FINE/ and test/FINE/ below a folder and name it with --set root=FOLDER."
options = {
    "root": Setting(None, "folder of your own images", kind=str, optional=True, path=True, identity=False),
    "manifest": Setting(
        None, "CSV path,fine,coarse,split of your own images", kind=str, optional=True, path=True, identity=False
    ),
    "attribute_file": Setting(
        None, "CSV or parquet of attributes of your own images", kind=str, optional=True, path=True, identity=False
    ),
    "views": Setting(
        "photographs",
        "augmentation of your own images: as Cars196, as SOP (no colour changes), or as CIFAR-100",
        choices=("photographs", "products", "small"),
    ),
}
SPLITS = ("train", "test")
UNCOMPRESSED = (".bmp", ".tif", ".tiff")
FINGERPRINT_BYTES = 4096
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Image:
    """One line of a manifest."""

    path: str  # below the root
    fine: str
    coarse: str | None
    split: str


def files() -> tuple[DataFile, ...]:
    """None that is known beforehand."""
    return ()


def views(trial: Any) -> dict[str, tuple]:
    """As the setting `views` says."""
    like = {"photographs": "cars196", "products": "sop-split1", "small": "cifar100"}
    return load(like[trial.options.get("views", "photographs")]).views(trial)


def listing(data: Path, grouping: str, *, attributes: bool, **given: Any) -> Listing:
    """All images, in the order of their paths; classes in alphabetical order, those of the training images."""
    root, images = _images(given)
    parts = {split: [image for image in images if image.split == split] for split in SPLITS}
    for split, found in parts.items():
        if not found:
            raise UsageError(f"{root} has no {split} images: {how_to_get}")
    fine = sorted({image.fine for image in parts["train"]})
    others = sorted({image.fine for image in parts["test"]} - set(fine))
    test_fine = sorted({image.fine for image in parts["test"]}) if others else fine
    coarse = sorted({image.coarse for image in images if image.coarse})
    if coarse and not all(image.coarse for image in images):
        lacking = next(image.path for image in images if not image.coarse)
        raise UsageError(f"{lacking} has no coarse class, others have: give each one, or none.")

    def labels(split: str, names: Sequence[str], of: str) -> np.ndarray:
        position = {name: number for number, name in enumerate(names)}
        return np.array([position.get(getattr(image, of), 0) for image in parts[split]], dtype=np.int64)

    train_paths = tuple(image.path for image in parts["train"])
    return Listing(
        root=root,
        train_paths=train_paths,
        train_fine=labels("train", fine, "fine"),
        train_coarse=labels("train", coarse, "coarse"),
        test_paths=tuple(image.path for image in parts["test"]),
        test_fine=labels("test", test_fine, "fine"),
        test_coarse=labels("test", coarse, "coarse"),
        fine_names=tuple(fine),
        coarse_names=tuple(coarse),
        train_attributes=_attributes(given, train_paths) if attributes else None,
        open_set=bool(others),
        test_fine_names=tuple(test_fine) if others else (),
    )


def default_coarse(given: Mapping[str, Any]) -> Path | None:
    """The file with coarse classes that lies in the folder; none where a manifest says them."""
    if not given.get("root"):
        return None
    root = Path(given["root"]).expanduser()
    manifest = Path(given.get("manifest") or root / "manifest.csv")
    if manifest.is_file() and "coarse" in (_rows(manifest, "manifest").fieldnames or ()):
        return None
    return next((path for name in ("coarse.csv", "coarse.toml") if (path := root / name).is_file()), None)


def local_digest(given: Mapping[str, Any]) -> str:
    """Of the manifest: every path with its classes, split and fingerprint, and of the attributes."""
    root, images = _images(given)
    left_out = _unreadable.names(root, "folder")
    lines = []
    for image in images:
        try:
            known = _fingerprint(root / image.path)
        except FileNotFoundError:
            raise MissingData(f"{root / image.path} is in the manifest and does not exist.") from None
        if image.path not in left_out:
            lines.append([image.path, known, image.fine, image.coarse, image.split])
    if given.get("attribute_file"):
        lines.append(["attributes", whole_files.digest(Path(given["attribute_file"]), "attribute_file")])
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:16]


def _fingerprint(path: Path) -> str:
    """Of a file's length, beginning and end, where compression carries any change of the picture; of all of it otherwise."""
    if path.suffix.lower() in UNCOMPRESSED:
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    with path.open("rb") as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        parts = stream.read(FINGERPRINT_BYTES)
        stream.seek(max(0, length - FINGERPRINT_BYTES))
        parts += stream.read()
    return f"{length} {hashlib.md5(parts, usedforsecurity=False).hexdigest()}"


def _root(given: Mapping[str, Any]) -> Path:
    if not given.get("root"):
        raise UsageError(
            "dataset='folder' needs its folder: add --set root=FOLDER, or root = \"FOLDER\" below [settings]."
        )
    root = Path(given["root"]).expanduser().resolve()
    if not root.is_dir():
        raise MissingData(f"root={str(given['root'])!r} is no folder.")
    return root


def _images(given: Mapping[str, Any]) -> tuple[Path, list[Image]]:
    """The root, and every image below it that belongs to the dataset, in the order of the paths."""
    root = _root(given)
    manifest = Path(given["manifest"]) if given.get("manifest") else root / "manifest.csv"
    if given.get("manifest") or manifest.is_file():
        found = _from_manifest(manifest, root)
    else:
        found = _from_folders(root)
    return root, sorted(found, key=lambda image: image.path)


def _from_folders(root: Path) -> list[Image]:
    for split in SPLITS:
        if not (root / split).is_dir():
            raise UsageError(f"{root} has neither manifest.csv nor the folder {split}: {how_to_get}")
    found = []
    for split in SPLITS:
        for folder, _, names in os.walk(root / split, followlinks=True):
            parts = Path(folder).relative_to(root).parts
            pictures = [name for name in names if name.lower().endswith(ENDINGS)]
            if pictures and len(parts) < 2:
                raise UsageError(f"{Path(folder) / min(pictures)} lies in no class's folder: {how_to_get}")
            found += [Image("/".join((*parts, name)), parts[1], None, split) for name in pictures]
    return found


def _from_manifest(manifest: Path, root: Path) -> list[Image]:
    rows = _rows(manifest, "manifest")
    if not {"path", "fine", "split"} <= set(rows.fieldnames or ()):
        raise UsageError(
            f"{manifest}: its first line must name path,fine,split and perhaps coarse; it names {rows.fieldnames}."
        )
    found, seen = [], set()
    coarse_of: dict[str, str] = {}
    for row in rows:
        where = f"{manifest}, line {rows.line_num}"
        if not row["path"] or not row["fine"]:
            raise UsageError(f"{where}: path and fine must not be empty.")
        if row["split"] not in SPLITS:
            raise UsageError(f"{where}: split={row['split']!r} is not allowed: split is train or test.")
        if row.get("coarse") and coarse_of.setdefault(row["fine"], row["coarse"]) != row["coarse"]:
            raise UsageError(f"{where}: {row['fine']} is in {coarse_of[row['fine']]} and in {row['coarse']}.")
        path = Path(row["path"])
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"{where}: {path} must be a path below {root}.")
        if path.as_posix() in seen:
            raise UsageError(f"{where}: {path} stands in it twice.")
        seen.add(path.as_posix())
        found.append(Image(path.as_posix(), row["fine"], row.get("coarse") or None, row["split"]))
    return found


def _rows(path: Path, setting: str) -> csv.DictReader:
    """The lines of a CSV as dictionaries; blanks after commas are passed over."""
    try:
        return csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), skipinitialspace=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{setting}={str(path)!r} cannot be read as UTF-8 text: {error}.") from None


def _attributes(given: Mapping[str, Any], paths: Sequence[str]) -> np.ndarray:
    """A row of numbers for each training image. (N, A) float32"""
    if not given.get("attribute_file"):
        raise UsageError(
            "attributes are asked for and none are named: add --set attribute_file=FILE, a CSV or parquet with `path`; "
            "`harness data coarsen` goes by a trained encoder, too, with --trial ID."
        )
    file = Path(given["attribute_file"])
    try:
        columns = _parquet(file) if file.suffix == ".parquet" else _csv(file)
        names = columns.pop("path")
        if not columns:
            raise UsageError(f"{file} has no attributes: it needs a column of numbers beside `path`.")
        table = np.column_stack([np.asarray(values, dtype=np.float32) for values in columns.values()])
    except KeyError:
        raise UsageError(f"{file} needs a column `path`.") from None
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(
            f"attribute_file={str(file)!r} cannot be read, or has other things than numbers: {error}."
        ) from None
    row = {name: number for number, name in enumerate(names)}
    lacking = [path for path in paths if path not in row]
    if lacking or len(row) < len(names):
        what = f"{lacking[0]} is not in it" if lacking else "an image stands in it twice"
        raise UsageError(f"{file} must have a line for each training image: {what}.")
    found = table[[row[path] for path in paths]]
    if not np.isfinite(found).all():
        raise UsageError(f"{file}: an attribute of a training image is empty or infinite.")
    return found


def _csv(file: Path) -> dict[str, list]:
    rows = _rows(file, "attribute_file")
    table = list(rows)
    return {name: [row[name] for row in table] for name in rows.fieldnames or ()}


def _parquet(file: Path) -> dict[str, list]:
    from pyarrow import parquet

    return parquet.read_table(file).to_pydict()
