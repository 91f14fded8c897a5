"""Coarse classes for a dataset that has none: fine classes whose images look alike to an encoder, in groups.

    means = class_means(features, fine)
    write_csv(path, fine_names, groups_of(means, 20))

N images, M fine classes, F features.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness import files
from harness.errors import UsageError


def class_means(features: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """The mean feature of each fine class: features (N, F), fine (N,) from 0 → (M, F) float64.

    Raises UsageError for a class without images and for features that are not finite.
    """
    if features.ndim != 2 or fine.shape != features.shape[:1] or len(fine) == 0:
        raise ValueError(f"features {features.shape} must be (N, F) and fine {fine.shape} (N,), N > 0")
    if not np.isfinite(features).all():
        raise UsageError("the features hold NaN or infinity: classes cannot be compared by them.")
    counts = np.bincount(fine)
    if (counts == 0).any():
        missing = np.flatnonzero(counts == 0)
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UsageError(
            f"{len(missing)} fine classes have no image: {', '.join(map(str, missing[:5]))}{more}. Take features of all "
            "classes, those of the training images for one, or number the classes without gaps."
        )
    rows_of = np.split(np.argsort(fine, kind="stable"), np.cumsum(counts)[:-1])
    return np.stack([features[rows].mean(axis=0, dtype=np.float64) for rows in rows_of])


def groups_of(means: np.ndarray, count: int) -> np.ndarray:
    """The coarse class of each fine one, from 0: Ward's clustering of the directions of the means (M, F). (M,) int64

    Nothing in it is random. Groups are numbered in the order of their first fine class. Raises UsageError unless
    2 ≤ `count` < M.
    """
    from sklearn.cluster import AgglomerativeClustering

    if not 2 <= count < len(means):
        raise UsageError(
            f"{count} coarse classes cannot be made of {len(means)} fine ones: take at least 2, and fewer than there are "
            "fine classes."
        )
    if not np.isfinite(means).all():
        raise UsageError(
            "the class means hold NaN or infinity: a class without images, or features that are not finite."
        )
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    directions = means / np.where(lengths > 0, lengths, 1)
    found = AgglomerativeClustering(n_clusters=count, linkage="ward").fit_predict(directions)
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group].astype(np.int64)


def write_csv(path: Path, fine_names: Sequence[str], groups: np.ndarray) -> None:
    """A table of columns fine and coarse, a line for each fine class; the coarse ones are called group-1, group-2, …"""
    if len(fine_names) != len(groups):
        raise ValueError(f"{len(fine_names)} names of fine classes do not fit {len(groups)} groups")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("fine", "coarse"))
    table.writerows((name, f"group-{group + 1}") for name, group in zip(fine_names, groups, strict=True))
    files.write_text(path, text.getvalue())
