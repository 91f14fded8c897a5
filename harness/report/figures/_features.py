"""What trained encoders made of the test images, and the images themselves. T test images, F features."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import datasets, errors, trials
from harness.compare import PRIMARY
from harness.config import TrialConfig
from harness.report.content import Content
from harness.report.figures import NotDrawn, _style

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Stored:
    """The features of a method's trial: of its chosen cell, at the lowest seed that has finished."""

    method: str
    title: str  # with w and τ
    trial: TrialConfig
    path: Path

    def labels(self) -> np.ndarray:
        """Fine classes (T,)."""
        return _read(self.path, "labels")

    def features(self) -> np.ndarray:
        """(T, F) float32"""
        return _read(self.path, "features").astype("float32")


@dataclass(frozen=True)
class TestImages:
    """The test images as a trial has them; `coarse` is None where they have no coarse classes."""

    fine: np.ndarray  # (T,)
    coarse: np.ndarray | None  # (T,)
    fine_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    picture: Callable[[int], np.ndarray]  # (H, W, 3) or (H, W) uint8

    def fine_name(self, label: int) -> str:
        """Of a fine class, or its number."""
        return self.fine_names[label].replace("_", " ") if label < len(self.fine_names) else f"class {label}"


def stored(content: Content, methods: Sequence[str]) -> list[Stored]:
    """Of those methods that have features, in this order; each training once, and all of the same test images."""
    found: list[Stored] = []
    for method in methods:
        selected = content.chosen.get(method)
        entry = content.find(selected.cell, PRIMARY) if selected is not None and selected.cell is not None else None
        if entry is None or not entry.runs:
            continue
        trial_id = min(zip(entry.seeds, entry.trial_ids, strict=True))[1]
        path = content.directories[trial_id] / trials.FEATURES
        if path.is_file() and all(one.trial.trial_id != trial_id for one in found):
            trial = next(trial for trial in entry.cell.trials if trial.trial_id == trial_id)
            found.append(Stored(method, _style.named(content, entry.cell), trial, path))
    return [one for one in found if _of_the_same_images(one, found[0])]


def test_images(content: Content, trial: TrialConfig) -> TestImages:
    """From the disk. Raises NotDrawn where they are not there."""
    try:
        return content.once(f"test images of {trial.trial_id}", lambda: _images(trial))
    except (errors.MissingData, errors.UsageError) as error:
        raise NotDrawn(str(error)) from None


def directions(features: np.ndarray) -> np.ndarray:
    """Features of length 1, so that products are cosines; a zero one stays."""
    import numpy as np

    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def collapsed(features: np.ndarray) -> bool:
    """Whether the encoder says the same of all images."""
    return bool((features.max(axis=0) - features.min(axis=0)).max() < 1e-4)


def _images(trial: TrialConfig) -> TestImages:
    if datasets.of_photographs(trial.dataset):
        return _photographs(trial)
    data = datasets.read(trial)
    images: Any = data.test_images
    names = data.test_fine_names or data.fine_names

    def picture(index: int) -> Any:
        return images[index].transpose(1, 2, 0).squeeze()

    return TestImages(data.test_fine, data.test_coarse, names, data.coarse_names, picture)


def _photographs(trial: TrialConfig) -> TestImages:
    """Straight from their files: they need not be decoded for training."""
    found = datasets.listing(trial)
    kept = datasets.within_limit(len(found.test_paths), trial.test_limit)
    known = bool(found.coarse_names) and not trial.coarse
    names = found.test_fine_names if found.open_set else found.fine_names

    def picture(index: int) -> Any:
        return _thumbnail(found.root / found.test_paths[kept[index]])

    return TestImages(
        found.test_fine[kept], found.test_coarse[kept] if known else None, names, found.coarse_names, picture
    )


def _thumbnail(path: Path, side: int = 96) -> Any:
    """(H, W, 3), the longer side at most `side`."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * side, 2 * side))
            shown = image.convert("RGB")
            shown.thumbnail((side, side))
            return np.asarray(shown)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotDrawn(f"{path} cannot be read: {error}") from None


def _read(path: Path, name: str) -> np.ndarray:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as content:
            found = content[name]
        if len(found) != trials.read_result(path.parent)["test_images"] or not np.isfinite(found).all():
            raise ValueError(f"{len(found)} rows, which are not those of the test images, or not numbers")
        return found
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, trials.DamagedFile) as error:
        raise NotDrawn(f"{path.parent.name}/{path.name} is damaged: {error}") from None


def _of_the_same_images(one: Stored, other: Stored) -> bool:
    first, second = one.labels(), other.labels()
    return first.shape == second.shape and bool((first == second).all())
