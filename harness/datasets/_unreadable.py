"""Photographs that cannot be read and are left out: named in a file of the data folder, one path a line.

`harness data NAME --skip-unreadable` writes it. A dataset without them has a digest of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness import files

if TYPE_CHECKING:
    from harness.datasets import Listing


def file_of(root: Path, dataset: str) -> Path:
    """Where they are named."""
    return root / f"unreadable-{dataset}.txt"


def names(root: Path, dataset: str) -> frozenset[str]:
    """Their paths below the root."""
    path = file_of(root, dataset)
    return frozenset(path.read_text().splitlines()) - {""} if path.is_file() else frozenset()


def add(root: Path, dataset: str, paths: Iterable[str]) -> Path:
    """Leave these out from now on, too. The file that names them."""
    path = file_of(root, dataset)
    files.write_text(path, "".join(f"{name}\n" for name in sorted(names(root, dataset) | set(paths))))
    return path


def without(listing: Listing, left_out: frozenset[str]) -> Listing:
    """The listing of all other photographs."""
    if not left_out:
        return listing
    train = [number for number, path in enumerate(listing.train_paths) if path not in left_out]
    test = [number for number, path in enumerate(listing.test_paths) if path not in left_out]
    attributes = listing.train_attributes
    return dataclasses.replace(
        listing,
        train_paths=tuple(listing.train_paths[number] for number in train),
        train_fine=listing.train_fine[train],
        train_coarse=listing.train_coarse[train],
        train_attributes=None if attributes is None else attributes[train],
        test_paths=tuple(listing.test_paths[number] for number in test),
        test_fine=listing.test_fine[test],
        test_coarse=listing.test_coarse[test],
    )
