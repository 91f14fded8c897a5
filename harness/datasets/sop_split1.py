"""SOP split 1: 5,035 products with eight images or more, 2,517 to train on and 2,518 others to test on (paper Sec. 4.5.1).

The authors' lists follow a rule, which is used here so that nobody needs them: all products in the order of
Ebay_train.txt and Ebay_test.txt, those with at least eight images, the first half (rounded down) for training; images
sorted as text. Where their six lists lie in Stanford_Online_Products/sop_split1/, both must agree.

Training and test products are different ones, and both are numbered from 0, as in the authors' lists: fine label 0 is one
product in training and another in testing. `fine_names` are those of training.
"""

from __future__ import annotations

from pathlib import Path

from harness.datasets import Listing, _sop, digest_of
from harness.errors import UsageError

title = "SOP split 1"
train_size, test_size = 25_368, 25_278
classes = (12, 2517)
source = f"{_sop.SOURCE}, the products with eight images or more"
licence = _sop.LICENCE
url = _sop.URL
archives = {_sop.MD5: "."}
how_to_get = f"Fetch the archive at the URL and unpack it: it brings the folder {_sop.FOLDER}/."
groupings = ("official",)
settings: dict = {"image_size": 224}
mean, std = _sop.MEAN, _sop.STD
views, files, download = _sop.views, _sop.files, _sop.download
digest = digest_of([file.md5 for file in files()])

AT_LEAST = 8  # images of a product


def listing(root: Path, grouping: str, *, attributes: bool) -> Listing:
    """Both halves of the products; the coarse classes are the published ones."""
    kept = [product for product in _sop.products(root) if len(product.images) >= AT_LEAST]
    half = len(kept) // 2
    if not half:
        raise UsageError(
            f"{root / _sop.FOLDER}: its two lists have {len(kept)} products with {AT_LEAST} images or more; two are "
            "needed, the published ones have 5,035."
        )
    train, test = (
        _sop.split_of([(product, product.images) for product in part]) for part in (kept[:half], kept[half:])
    )
    _compare(root / _sop.FOLDER / "sop_split1", {"train": train, "test": test})
    return Listing(
        root=root,
        train_paths=_sop.below_root(train),
        train_fine=train.fine,
        train_coarse=train.coarse,
        test_paths=_sop.below_root(test),
        test_fine=test.fine,
        test_coarse=test.coarse,
        fine_names=tuple(product.name for product in kept[:half]),
        coarse_names=_sop.COARSE,
        open_set=True,
    )


def _compare(folder: Path, splits: dict[str, _sop.Split]) -> None:
    """The authors' lists, as far as they are there, must say the same as the rule."""
    for split, ours in splits.items():
        for part, name in _sop.list_names(split).items():
            if (folder / name).is_file():
                theirs = _sop.read_list(folder / name, str if part == "paths" else int)
                _compare_lists(folder / name, theirs, list(getattr(ours, part)))


def _compare_lists(path: Path, theirs: list, ours: list) -> None:
    for position, (there, here) in enumerate(zip(theirs, ours, strict=False)):
        if there != here:
            raise UsageError(
                f"{path}: entry {position} is {there!r}, and {here!r} by Ebay_train.txt and Ebay_test.txt. One of these "
                "files is not the published one; without the folder the rule alone decides."
            )
    if len(theirs) != len(ours):
        raise UsageError(f"{path}: it has {len(theirs)} entries, and {len(ours)} by Ebay_train.txt and Ebay_test.txt.")
