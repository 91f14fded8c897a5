"""Caltech-UCSD Birds-200-2011 (Wah et al. 2011), and what its three sizes share: the first 20, 50 or all 200 species.

The dataset has no coarse labels. Groupings: `last-word` puts species together whose names end in the same word (all kinds of
Albatross), numbered in alphabetical order of that word; `student` is the 34-group table of the public code that brought
binary attributes to MaskCon (`_cub_student`), its groups without a kept species left out and the others renumbered.

The published split. N training images, A = 312 attributes, which the annotators saw (1) or did not see (0) in an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets import DataFile, Listing, _archives, _cub_student
from harness.errors import MissingData, UsageError

FOLDER = "CUB_200_2011"
SOURCE = "Caltech-UCSD Birds-200-2011 (Wah et al. 2011)"
LICENCE = "none is stated in the archive; the photographs are from Flickr"
URL = "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz"
MD5 = "97eceeb196236b17998738112f37df78"
HOW_TO_GET = f"Fetch the archive at the URL and unpack it: it brings the folder {FOLDER}/."
GROUPINGS = ("last-word", "student")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ATTRIBUTES = 312
_ATTRIBUTE_FILE = "attributes/image_attribute_labels.txt"


def files() -> tuple[DataFile, ...]:
    """The four tables that every trial reads; their md5s are not known."""
    names = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt")
    return tuple(DataFile(f"{FOLDER}/{name}", None) for name in names)


def download(root: Path) -> None:
    """Fetch the published archive (1.1 GiB)."""
    _archives.fetch(URL, MD5, root)


def views(trial: Any) -> dict[str, tuple]:
    """Both views alike, as the code that brought attributes to MaskCon has them."""
    both: tuple = (
        ("horizontal_flip", {}),
        ("rotation", {"degrees": 30, "fill": 0}),
        ("random_resized_crop", {"size": trial.image_size, "scale": (0.7, 1.0)}),
    )
    return {"strong": both, "weak": both}


def listing(root: Path, grouping: str, attributes: bool, species: int) -> Listing:
    """The images of the first so many species. Fine label = class number − 1."""
    folder = root / FOLDER
    names = _class_names(folder / "classes.txt")
    paths = _table(folder / "images.txt")
    labels = _whole_numbers(folder / "image_class_labels.txt", 1, len(names))
    training = _whole_numbers(folder / "train_test_split.txt", 0, 1)
    for name, table in (("image_class_labels.txt", labels), ("train_test_split.txt", training)):
        if table.keys() != paths.keys():
            image = min(table.keys() ^ paths.keys())
            raise UsageError(f"{folder / name}: image {image} is only in one of it and images.txt.")
    names = names[:species]
    coarse_of_fine, coarse_names = _coarse(names, grouping)
    kept = [image for image in paths if labels[image] <= len(names)]
    train, test = ([image for image in kept if training[image] == part] for part in (1, 0))
    if not train or not test:
        raise UsageError(
            f"{folder / 'train_test_split.txt'}: the species kept have {len(train)} training images and "
            f"{len(test)} test images."
        )
    train_fine, test_fine = (np.array([labels[image] - 1 for image in part], dtype=np.int64) for part in (train, test))
    return Listing(
        root=root,
        train_paths=tuple(f"{FOLDER}/images/{paths[image]}" for image in train),
        train_fine=train_fine,
        train_coarse=coarse_of_fine[train_fine],
        test_paths=tuple(f"{FOLDER}/images/{paths[image]}" for image in test),
        test_fine=test_fine,
        test_coarse=coarse_of_fine[test_fine],
        fine_names=names,
        coarse_names=coarse_names,
        train_attributes=read_attributes(folder / _ATTRIBUTE_FILE, train) if attributes else None,
    )


def read_attributes(path: Path, images: Sequence[int]) -> np.ndarray:
    """The attributes of these images, in their order. (N, 312) float32, 0 or 1.

    A line is: image, attribute, seen or not, certainty, seconds. Some published lines have more than these five fields, and
    only the first three are read.
    """
    if not path.is_file():
        raise MissingData(f"the attributes of CUB need {path}, which comes with the archive ({URL}).")
    try:
        rows = np.loadtxt(
            path, dtype=np.int64, usecols=(0, 1, 2), comments=None, ndmin=2
        )  # 0.5 s for 3.7 million lines
    except ValueError:
        raise _wrong_line(path) from None
    image, attribute, seen = rows.T if rows.size else np.empty((3, 0), dtype=np.int64)
    if ((attribute < 1) | (attribute > ATTRIBUTES) | (seen < 0) | (seen > 1)).any():
        raise _wrong_line(path)
    order = np.argsort(images)
    place = np.searchsorted(images, image, sorter=order)
    position = order[np.minimum(place, len(images) - 1)]
    wanted = np.asarray(images)[position] == image
    position, attribute, seen = position[wanted], attribute[wanted] - 1, seen[wanted]
    times = np.bincount(position * ATTRIBUTES + attribute, minlength=len(images) * ATTRIBUTES)
    if (times != 1).any():
        odd, which = divmod(int((times != 1).argmax()), ATTRIBUTES)
        raise UsageError(
            f"{path}: image {images[odd]} has attribute {which + 1} {times[odd * ATTRIBUTES + which]} times, not once."
        )
    values = np.empty((len(images), ATTRIBUTES), dtype=np.float32)  # (N, A)
    values[position, attribute] = seen
    return values


def _wrong_line(path: Path) -> UsageError:
    """The error for the first line that cannot be read."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.split()[:3]
            if fields and not (
                len(fields) == 3
                and all(entry.isascii() and entry.isdigit() for entry in fields)
                and 1 <= int(fields[1]) <= ATTRIBUTES
                and int(fields[2]) <= 1
            ):
                return UsageError(
                    f"{path}, line {number}: it must start with an image, an attribute from 1 to {ATTRIBUTES} and 0 or 1: "
                    f"{line.rstrip()!r}."
                )
    return UsageError(f"{path} cannot be read as lines of whole numbers.")


def _coarse(names: Sequence[str], grouping: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """The coarse label of each species, (species,) int64, and the names of the coarse classes."""
    if grouping == "last-word":
        groups = [name.rpartition(".")[2].rpartition("_")[2] for name in names]
        known = sorted(set(groups))
        return np.array([known.index(group) for group in groups], dtype=np.int64), tuple(known)
    numbers = _cub_student.GROUPS[: len(names)]
    kept = sorted(set(numbers))
    labels = np.array([kept.index(number) for number in numbers], dtype=np.int64)
    return labels, tuple(f"group {number}" for number in kept)


def _class_names(path: Path) -> tuple[str, ...]:
    """In the order of their numbers, which must be 1, 2, 3 …"""
    table = _table(path)
    if not table or sorted(table) != list(range(1, len(table) + 1)):
        raise UsageError(f"{path}: its classes must be numbered from 1 on without a gap.")
    return tuple(table[number] for number in sorted(table))


def _whole_numbers(path: Path, low: int, high: int) -> dict[int, int]:
    """image number -> a number from `low` to `high`."""
    table = _table(path)
    for image, text in table.items():
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise UsageError(f"{path}: image {image} has {text!r}, which is no whole number from {low} to {high}.")
    return {image: int(text) for image, text in table.items()}


def _table(path: Path) -> dict[int, str]:
    """number -> text of a file whose lines are "<number> <text>", in its order."""
    table: dict[int, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        fields = line.split()
        if len(fields) != 2 or not (fields[0].isascii() and fields[0].isdigit()):
            raise UsageError(f"{path}, line {number}: it must be a whole number and one word: {line!r}.")
        if int(fields[0]) in table:
            raise UsageError(f"{path}, line {number}: {fields[0]} was there before.")
        if fields[1].startswith("/") or ".." in fields[1].split("/"):
            raise UsageError(f"{path}, line {number}: the path {fields[1]!r} leads out of the dataset's folder.")
        table[int(fields[0])] = fields[1]
    return table
