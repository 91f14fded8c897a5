"""Cars196: Stanford Cars (Krause et al. 2013), 196 models in eight body types (paper Sec. 4.5.2, appendix A.2).

The body types are the authors' grouping "by the common types of cars". They follow from the class names by a rule: the last
word that names a body decides, and 14 names that have none are decided one by one (`WITHOUT_BODY`). That is the released
code's map, class by class, with 6 wagons and 13 vans: `released`. The paper's table has 7 and 12, which the Ford E-Series
Wagon Van explains, were it a wagon: `paper`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets import DataFile, Listing, digest_of
from harness.errors import UsageError

title = "Cars196"
train_size, test_size = 8_144, 8_041
classes = (8, 196)
source = "Stanford Cars (Krause et al. 2013); body types after the paper"
licence = "none is stated"
url = None
how_to_get = (
    "The publishers' server is gone. Find copies of car_devkit.tgz (md5 c3b158d763b6e2245038c8ad08e45376), cars_train.tgz "
    "(065e5b463ae28d29e77c1b4b166cfe61), cars_test.tgz (4ce7ebf6a94d07f1952d94dd34c4d501) and "
    "cars_test_annos_withlabels.mat (b0a2b23655a3edd16d84508592a98d10), unpack the first three and put all four into the "
    "folder stanford_cars/, as torchvision has them."
)
archives = {
    "c3b158d763b6e2245038c8ad08e45376": "stanford_cars",
    "065e5b463ae28d29e77c1b4b166cfe61": "stanford_cars",
    "4ce7ebf6a94d07f1952d94dd34c4d501": "stanford_cars",
}
groupings = ("paper", "released")
settings: dict = {"image_size": 224}
mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

FOLDER = "stanford_cars"
COARSE = ("Cab", "Sedan", "SUV", "Convertible", "Coupe", "Hatchback", "Wagon", "Van")
ALSO = {"SuperCab": "Cab", "Minivan": "Van"}
WITHOUT_BODY = {
    "Acura TL Type-S": "Sedan",
    "Buick Regal GS": "Sedan",
    "Chrysler 300 SRT-8": "Sedan",
    "Dodge Charger SRT-8": "Sedan",
    "Acura Integra Type R": "Coupe",
    "Chevrolet Cobalt SS": "Coupe",
    "Dodge Challenger SRT8": "Coupe",
    "Chevrolet Corvette ZR1": "Convertible",
    "Chevrolet Corvette Ron Fellows Edition Z06": "Convertible",
    "Jaguar XK XKR": "Convertible",
    "Lamborghini Gallardo LP 570-4 Superleggera": "Convertible",
    "Chevrolet HHR SS": "SUV",
    "Chevrolet TrailBlazer SS": "SUV",
    "FIAT 500 Abarth": "Hatchback",
}
PAPER = {"Ford E-Series Wagon Van": "Wagon"}

_MD5 = {
    "devkit/cars_meta.mat": "4591ba8ddb31503892280ed8c6ed1c16",
    "devkit/cars_train_annos.mat": "7b154abe023e6274e597db035347ff56",
    "cars_test_annos_withlabels.mat": "b0a2b23655a3edd16d84508592a98d10",
}
_META, _TRAIN, _TEST = _MD5
digest = digest_of(list(_MD5.values()))


def files() -> tuple[DataFile, ...]:
    """Class names, and the labels of training and test images; the devkit's own test annotations have no labels."""
    return tuple(DataFile(f"{FOLDER}/{name}", md5) for name, md5 in _MD5.items())


def views(trial: Any) -> dict[str, tuple]:
    """The paper's appendix A.1."""
    crop = ("random_resized_crop", {"size": trial.image_size, "scale": (0.2, 1.0)})
    flip: tuple = ("horizontal_flip", {})
    perspective = ("perspective", {"distortion_scale": 0.5, "probability": 0.5})
    colour = (
        ("color_jitter", {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "probability": 0.8}),
        ("grayscale", {"probability": 0.2}),
        ("gaussian_blur", {"sigma": (0.1, 2.0), "probability": 0.5}),
    )
    return {"strong": (crop, flip, perspective, *colour), "weak": (crop, perspective, flip)}


def listing(root: Path, grouping: str, *, attributes: bool) -> Listing:
    """The published split; the whole photographs, not their boxes."""
    folder = root / FOLDER
    names = _class_names(folder / _META)
    coarse_of_fine = np.array([COARSE.index(_body(name, grouping, folder / _META)) for name in names], dtype=np.int64)
    train_names, train_fine = _annotations(folder / _TRAIN, len(names), published=train_size, other=test_size)
    test_names, test_fine = _annotations(folder / _TEST, len(names), published=test_size, other=train_size)
    return Listing(
        root=root,
        train_paths=tuple(f"{FOLDER}/cars_train/{name}" for name in train_names),
        train_fine=train_fine,
        train_coarse=coarse_of_fine[train_fine],
        test_paths=tuple(f"{FOLDER}/cars_test/{name}" for name in test_names),
        test_fine=test_fine,
        test_coarse=coarse_of_fine[test_fine],
        fine_names=names,
        coarse_names=COARSE,
        closed=(f"{FOLDER}/cars_train", f"{FOLDER}/cars_test"),
    )


def _body(name: str, grouping: str, path: Path) -> str:
    """The body type of a class: "BMW M3 Coupe 2012" is a Coupe."""
    model = name.rpartition(" ")[0]  # without the year
    if grouping == "paper" and model in PAPER:
        return PAPER[model]
    words = [ALSO.get(word, word) for word in model.split()]
    bodies = [word for word in words if word in COARSE] or [WITHOUT_BODY.get(model, "")]
    if not bodies[-1]:
        raise UsageError(f"{path}: the class {name!r} has no body type ({', '.join(COARSE)}) in its name.")
    return bodies[-1]


def _class_names(path: Path) -> tuple[str, ...]:
    content = _matlab(path)
    if "class_names" not in content:
        raise UsageError(f"{path}: it has no class_names, the published file has 196.")
    return tuple(str(name) for name in np.atleast_1d(content["class_names"]))


def _annotations(path: Path, known: int, published: int, other: int) -> tuple[list[str], np.ndarray]:
    """File names and fine labels of one half. Labels are (N,) int64 from 0; the file counts from 1."""
    table: Any = _matlab(path).get("annotations")
    for name in ("class", "fname"):
        if not isinstance(table, np.ndarray) or name not in (table.dtype.names or ()):
            raise UsageError(
                f"{path}: its annotations lack the field {name!r}. The devkit's cars_test_annos.mat has no classes; "
                "cars_test_annos_withlabels.mat has."
            )
    rows = np.atleast_1d(table)
    if len(rows) == other:
        raise UsageError(
            f"{path}: it has {other:,} images, the published one {published:,}: were the annotations of training and test "
            "images exchanged?"
        )
    names, labels = [str(name) for name in rows["fname"]], list(rows["class"])
    for row, (name, label) in enumerate(zip(names, labels, strict=True), start=1):
        if not isinstance(label, int | np.integer) or not 1 <= label <= known:
            raise UsageError(f"{path}: the class of image {row} is {label!r}, outside 1…{known}.")
        if "/" in name or name in ("", ".", ".."):
            raise UsageError(f"{path}: the name of image {row} is {name!r}, not that of a file.")
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise UsageError(f"{path}: it has the image {twice} twice.")
    return names, np.array(labels, dtype=np.int64) - 1


def _matlab(path: Path) -> dict[str, Any]:
    """What a .mat file holds. Raises UsageError that names it where it is none."""
    import scipy.io

    try:
        return scipy.io.loadmat(str(path), squeeze_me=True)
    except Exception as error:  # a damaged file raises nearly anything
        raise UsageError(
            f"{path} cannot be read as a MATLAB file ({type(error).__name__}: {error}). Remove it and fetch it again."
        ) from error
