"""SOP split 2: the 1,498 products with twelve images, ten of each to train on and two to test on (paper Sec. 4.5.1).

The authors drew the ten at random and published their draw as six lists. The draw `redrawn` is for those who have not got
them: another draw, which gives other numbers than the paper's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets import Listing, _sop, digest_of
from harness.errors import MissingData, UsageError
from harness.settings import Setting

title = "SOP split 2"
train_size, test_size = 14_980, 2_996
classes = (12, 1498)
source = f"{_sop.SOURCE}, the products with twelve images"
licence = f"{_sop.LICENCE}; the authors' lists: MIT"
url = _sop.URL
archives = {_sop.MD5: "."}
how_to_get = (
    f"Fetch the archive at the URL and unpack it: it brings the folder {_sop.FOLDER}/. Put the six lists of the authors' "
    f"draw, from {_sop.AUTHORS}, into {_sop.FOLDER}/sop_split2/, or train with --set draw=redrawn."
)
groupings = ("official",)
settings: dict = {"image_size": 224}
options = {
    "draw": Setting(
        "authors",
        "which ten of twelve images train: the authors' published lists, or another draw for want of them",
        choices=("authors", "redrawn"),
    )
}
mean, std = _sop.MEAN, _sop.STD
views, files, download = _sop.views, _sop.files, _sop.download
digest = digest_of([file.md5 for file in files()])

IMAGES, FOR_TRAINING = 12, 10  # of a product
REDRAWN_SEED = 0


def listing(root: Path, grouping: str, *, attributes: bool, draw: str = "authors") -> Listing:
    """The images of one draw; the coarse classes are the published ones."""
    train, test = _authors(root) if draw == "authors" else _redrawn(root)
    named = dict(zip(train.fine.tolist(), train.paths, strict=True))
    return Listing(
        root=root,
        train_paths=_sop.below_root(train),
        train_fine=train.fine,
        train_coarse=train.coarse,
        test_paths=_sop.below_root(test),
        test_fine=test.fine,
        test_coarse=test.coarse,
        fine_names=tuple(_sop.product_name(named[label]) for label in sorted(named)),
        coarse_names=_sop.COARSE,
    )


def _redrawn(root: Path) -> tuple[_sop.Split, _sop.Split]:
    """Ten and two images of each product by numpy's default_rng(0), product after product, in the order of their names."""
    kept = [product for product in _sop.products(root) if len(product.images) == IMAGES]
    if not kept:
        raise UsageError(
            f"{root / _sop.FOLDER}: its two lists have no product with {IMAGES} images; published are 1,498."
        )
    generator = np.random.default_rng(REDRAWN_SEED)
    orders = [generator.permutation(IMAGES) for _ in kept]
    train, test = (
        _sop.split_of(
            [
                (product, [product.images[position] for position in np.sort(order[part])])
                for product, order in zip(kept, orders, strict=True)
            ]
        )
        for part in (slice(FOR_TRAINING), slice(FOR_TRAINING, None))
    )
    return train, test


def _authors(root: Path) -> tuple[_sop.Split, _sop.Split]:
    """The authors' lists, in their order."""
    folder = root / _sop.FOLDER / "sop_split2"
    train, test = (_authors_split(folder, split) for split in ("train", "test"))
    if set(train.fine.tolist()) != set(range(int(train.fine.max()) + 1)):
        raise UsageError(f"{folder / 'train_fine_label.json'}: its labels must be all of 0…{train.fine.max()}.")
    if not set(test.fine.tolist()) <= set(train.fine.tolist()):
        raise UsageError(f"{folder / 'test_fine_label.json'}: it has labels that are not in train_fine_label.json.")
    both = set(train.paths) & set(test.paths)
    if both:
        raise UsageError(f"{folder / 'test_path.json'}: {min(both)!r} is also in train_path.json.")
    return train, test


def _authors_split(folder: Path, split: str) -> _sop.Split:
    names = _sop.list_names(split)
    for name in names.values():
        if not (folder / name).is_file():
            raise MissingData(
                f"the authors' draw of SOP split 2 needs {folder / name}: take it from {_sop.AUTHORS}, or train on another "
                "draw with --set draw=redrawn (its results do not compare with the paper's)."
            )
    paths = _sop.read_list(folder / names["paths"], str)
    fine, coarse = (_sop.read_list(folder / names[part], int) for part in ("fine", "coarse"))
    for part, labels in (("fine", fine), ("coarse", coarse)):
        if not paths or len(labels) != len(paths):
            raise UsageError(
                f"{folder / names[part]}: it has {len(labels)} entries, {names['paths']} has {len(paths)}."
            )
    if max(coarse) >= len(_sop.COARSE):
        raise UsageError(f"{folder / names['coarse']}: label {max(coarse)} is outside 0…{len(_sop.COARSE) - 1}.")
    return _sop.Split(tuple(paths), np.array(fine, dtype=np.int64), np.array(coarse, dtype=np.int64))
