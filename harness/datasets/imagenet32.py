"""ImageNet32: ImageNet-1K at 32 × 32 pixels, 1,000 fine classes in 12 coarse ones of the authors (paper Sec. 4.4).

The batches number the classes 1–1000 in an order of their own; the authors' first map brings them into the usual order
(sorted WordNet ids), their second one into coarse classes. Both lie beside the batches.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets import DataFile, ImageData, _cifar, _pickles, digest_of
from harness.errors import UsageError

title = "ImageNet32"
train_size, test_size = 1_281_167, 50_000
classes = (12, 1000)
source = "Downsampled ImageNet (Chrabaszcz et al. 2017), 32 × 32, python version; coarse classes of MaskCon's authors"
licence = "ImageNet's terms of access (non-commercial research); the maps: MIT"
url = None
how_to_get = (
    "Log in at https://image-net.org/download-images, fetch the 32 × 32 python version of downsampled ImageNet and put "
    "train_data_batch_1 … 10 and val_data into the folder imagenet32/; put imagenet32_to_fine.json and "
    "imagenet_fine_to_coarse.json from https://github.com/MrChenFeng/MaskCon_CVPR2023 beside them."
)
groupings = ("official",)
settings: dict = {"epochs": 100, "batch_size": 256}
mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
views = _cifar.views

COARSE = (
    "Invertebrate",
    "Domestic animal",
    "Bird",
    "Mammal",
    "Reptile/Aquatic vertebrate",
    "Device",
    "Vehicle",
    "Container",
    "Instrument",
    "Artifact",
    "Clothing",
    "Others",
)
FINE = 1000
PIXELS = 3 * 32 * 32

# NOTE: the lists of md5s that go round for the batches are those of the 16 × 16 version.
_MD5 = {
    **{f"train_data_batch_{number}": None for number in range(1, 11)},
    "val_data": None,
    "imagenet32_to_fine.json": "9f5ff69dd4b8e1b458c897eac0c1f351",
    "imagenet_fine_to_coarse.json": "c527bc6c4a7bbc33d98fa5474daff739",
}
digest = digest_of(list(_MD5.values()))


def files() -> tuple[DataFile, ...]:
    """Ten training batches, the validation images and the two maps."""
    return tuple(DataFile(f"imagenet32/{name}", md5) for name, md5 in _MD5.items())


def is_whole(root: Path) -> bool:
    """Whether the batches are as long as the published ones: their pixels, and little beside them."""
    sizes = {name: (root / "imagenet32" / name).stat().st_size / PIXELS for name, md5 in _MD5.items() if md5 is None}
    test = sizes.pop("val_data")
    return 0 <= sum(sizes.values()) / train_size - 1 < 0.01 and 0 <= test / test_size - 1 < 0.01


def read(root: Path, grouping: str) -> ImageData:
    """All images (3.7 GiB) and labels. Fine labels are in the usual order, 0–999."""
    folder = root / "imagenet32"
    to_fine = _to_fine(folder / "imagenet32_to_fine.json")
    to_coarse = _to_coarse(folder / "imagenet_fine_to_coarse.json")
    train_images, train_labels = _batches([folder / f"train_data_batch_{number}" for number in range(1, 11)])
    test_images, test_labels = _batches([folder / "val_data"])
    train_fine, test_fine = to_fine[train_labels - 1], to_fine[test_labels - 1]
    return ImageData(
        train_images=train_images,
        train_fine=train_fine,
        train_coarse=to_coarse[train_fine],
        test_images=test_images,
        test_fine=test_fine,
        test_coarse=to_coarse[test_fine],
        fine_names=tuple(str(number) for number in range(FINE)),  # the files have no names
        coarse_names=COARSE,
    )


def _batches(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of batches that follow one another. (N, 3, 32, 32) uint8, (N,) int64 in 1…1000.

    A file has at least 3,072 bytes an image, which bounds their number before any is read: so the images are never held
    twice, and what is asked for in excess is never touched and costs no memory.
    """
    images = np.empty((sum(path.stat().st_size for path in paths) // PIXELS, PIXELS), dtype=np.uint8)
    labels: list[np.ndarray] = []
    count = 0
    for path in paths:
        batch = _pickles.read(path, "an ImageNet32 batch")
        pixels, own = _pixels(path, batch), _labels(path, batch)
        if len(pixels) != len(own):
            raise UsageError(f"{path} has {len(pixels)} images and {len(own)} labels: fetch it again.")
        images[count : count + len(pixels)] = pixels
        labels.append(own)
        count += len(pixels)
    return images[:count].reshape(-1, 3, 32, 32), np.concatenate(labels)


def _pixels(path: Path, batch: dict[str, Any]) -> np.ndarray:
    """(n, 3072) uint8"""
    pixels = batch.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        got = f"{pixels.dtype} {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise UsageError(
            f"{path}: data is {got}, in an ImageNet32 batch it is uint8 of shape (images, {PIXELS}). The 16 × 16 and "
            "64 × 64 versions have other shapes."
        )
    return pixels


def _labels(path: Path, batch: dict[str, Any]) -> np.ndarray:
    """(n,) int64 in 1…1000"""
    labels = np.asarray(batch.get("labels", ()))
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        raise UsageError(f"{path}: its labels are no list of whole numbers: fetch it again.")
    wrong = labels[(labels < 1) | (labels > FINE)]
    if len(wrong):
        raise UsageError(f"{path}: label {wrong[0]} is outside 1…{FINE}: it is no ImageNet32 batch.")
    return labels.astype(np.int64)


def _to_fine(path: Path) -> np.ndarray:
    """(1000,) int64, a permutation"""
    mapped = _map(path)
    if len(set(mapped.tolist())) != FINE or mapped.min() != 0 or mapped.max() != FINE - 1:
        raise UsageError(f"{path}: it must map 0…{FINE - 1} onto themselves, each once. Take the authors' own file.")
    return mapped


def _to_coarse(path: Path) -> np.ndarray:
    """(1000,) int64 in 0…11"""
    mapped = _map(path)
    found = sorted(set(mapped.tolist()))
    if found != list(range(len(COARSE))):
        raise UsageError(
            f"{path}: it maps to {len(found)} coarse classes ({found[0]}…{found[-1]}), the authors have "
            f"{len(COARSE)} (0…{len(COARSE) - 1}). Take the authors' own file."
        )
    return mapped


def _map(path: Path) -> np.ndarray:
    """A JSON map of all class numbers 0…999 (as text) to whole numbers. (1000,) int64"""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise UsageError(f"{path} cannot be read as JSON ({error}). Take the authors' own file.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: it holds a {type(content).__name__}, not a map of class numbers.")
    expected = {str(number) for number in range(FINE)}
    if content.keys() != expected:
        odd = sorted(expected ^ content.keys(), key=lambda key: (len(key), key))[0]
        raise UsageError(f"{path}: class {odd} is {'missing' if odd in expected else 'unknown'}; it maps 0…{FINE - 1}.")
    values = [content[str(number)] for number in range(FINE)]
    if not all(type(value) is int for value in values):
        raise UsageError(f"{path}: it must map to whole numbers. Take the authors' own file.")
    return np.array(values, dtype=np.int64)
