"""Stanford Online Products (Oh Song et al., CVPR 2016), and what its two splits share (paper Sec. 4.5.1, appendix A.2).

A product is a fine class, one of 12 kinds of goods a coarse one. Ebay_train.txt and Ebay_test.txt list the images with
the number of their product and of their kind; the authors chose products and images anew from both files together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from harness.datasets import DataFile, _archives
from harness.errors import UsageError

FOLDER = "Stanford_Online_Products"
SOURCE = "Stanford Online Products (Oh Song et al., CVPR 2016)"
LICENCE = "none is stated; the photographs are from eBay"
URL = "ftp://cs.stanford.edu/cs/cvgl/Stanford_Online_Products.zip"
MD5 = "7f73d41a2f44250d4779881525aea32e"
AUTHORS = "https://github.com/MrChenFeng/MaskCon_CVPR2023"
COARSE = (
    "bicycle",
    "cabinet",
    "chair",
    "coffee_maker",
    "fan",
    "kettle",
    "lamp",
    "mug",
    "sofa",
    "stapler",
    "table",
    "toaster",
)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HEADER = ["image_id", "class_id", "super_class_id", "path"]


@dataclass
class Product:
    """One product: its kind, 0…11, and its images below FOLDER."""

    coarse: int
    images: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """eBay's number of the product, which starts its files' names."""
        return product_name(self.images[0])


@dataclass(frozen=True)
class Split:
    """Training or test images, below FOLDER, and their labels. N of them."""

    paths: tuple[str, ...]
    fine: np.ndarray  # (N,) int64 from 0
    coarse: np.ndarray  # (N,) int64 in 0…11


def files() -> tuple[DataFile, ...]:
    """The two published lists; their md5s are not known."""
    return tuple(DataFile(f"{FOLDER}/{name}", None) for name in ("Ebay_train.txt", "Ebay_test.txt"))


def download(root: Path) -> None:
    """Fetch the published archive (2.9 GiB)."""
    _archives.fetch(URL, MD5, root)


def views(trial: Any) -> dict[str, tuple]:
    """The paper's appendix A.1: both views are weak, in another order."""
    crop = ("random_resized_crop", {"size": trial.image_size, "scale": (0.2, 1.0)})
    flip: tuple = ("horizontal_flip", {})
    perspective = ("perspective", {"distortion_scale": 0.5, "probability": 0.5})
    return {"strong": (crop, flip, perspective), "weak": (crop, perspective, flip)}


def products(root: Path) -> list[Product]:
    """Every product of Ebay_train.txt and then Ebay_test.txt, in their order; the images of each sorted as text.

    As text: 0, 1, 10, 11, 2 …, which is the order of the authors' lists.
    """
    found: dict[int, Product] = {}
    for file in files():
        _add(root / file.path, found)
    for product in found.values():
        product.images.sort()
    return list(found.values())


def split_of(chosen: Sequence[tuple[Product, Sequence[str]]]) -> Split:
    """These products' images; a product's position is its fine label."""
    lengths = [len(images) for _, images in chosen]
    return Split(
        paths=tuple(path for _, images in chosen for path in images),
        fine=np.repeat(np.arange(len(chosen), dtype=np.int64), lengths),
        coarse=np.repeat(np.array([product.coarse for product, _ in chosen], dtype=np.int64), lengths),
    )


def product_name(path: str) -> str:
    """ "bicycle_final/111085122871_0.JPG" is an image of 111085122871."""
    return PurePosixPath(path).stem.rpartition("_")[0]


def below_root(split: Split) -> tuple[str, ...]:
    """The paths of its images from the data folder on."""
    return tuple(f"{FOLDER}/{path}" for path in split.paths)


def list_names(split: str) -> dict[str, str]:
    """What the authors' three lists of a split ("train", "test") are called."""
    return {"paths": f"{split}_path.json", "fine": f"{split}_fine_label.json", "coarse": f"{split}_coarse_label.json"}


def read_list(path: Path, kind: type[str] | type[int]) -> list:
    """One of the authors' lists: of texts, or of whole numbers from 0."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}). Take the authors' own file.") from error
    if not isinstance(content, list):
        raise UsageError(f"{path}: it holds a {type(content).__name__}, the authors' file a list.")
    for position, entry in enumerate(content):
        wrong = not _inside(entry) if isinstance(entry, str) else type(entry) is int and entry < 0
        if type(entry) is not kind or wrong:
            raise UsageError(f"{path}: entry {position} is {entry!r}. Take the authors' own file.")
    return content


def _add(path: Path, found: dict[int, Product]) -> None:
    """The images of one list, each to its product."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].split() != _HEADER:
        got = lines[0] if lines else ""
        raise UsageError(f"{path}, line 1: the header must be {' '.join(_HEADER)!r}, it is {got!r}.")
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split()
        if len(fields) != len(_HEADER):
            raise UsageError(f"{path}, line {number}: it has {len(fields)} fields, not {len(_HEADER)}: {line!r}.")
        if not all(entry.isascii() and entry.isdigit() for entry in fields[:3]):
            raise UsageError(f"{path}, line {number}: its first three fields must be whole numbers: {line!r}.")
        _add_image(f"{path}, line {number}", found, int(fields[1]), int(fields[2]) - 1, fields[3])


def _add_image(place: str, found: dict[int, Product], number: int, coarse: int, image: str) -> None:
    if not 0 <= coarse < len(COARSE):
        raise UsageError(f"{place}: super class {coarse + 1} is outside 1…{len(COARSE)}.")
    if not _inside(image):
        raise UsageError(f"{place}: the path {image!r} leads out of the dataset's folder.")
    product = found.setdefault(number, Product(coarse))
    if product.coarse != coarse:
        raise UsageError(f"{place}: product {number} is of super class {product.coarse + 1} further up.")
    product.images.append(image)


def _inside(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")
