"""CIFARtoy: eight classes of CIFAR-10 in two coarse ones, 40,000 + 8,000 images (paper Sec. 4.2).

Groupings: `good` (things and animals) and `bad` as the paper's text has them; `bad-released` is the bad split of the
released code, which exchanges bird and dog.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.datasets import DataFile, ImageData, _archives, _cifar, digest_of

title = "CIFARtoy"
train_size, test_size = 40_000, 8_000
classes = (2, 8)
source = "CIFAR-10 (Krizhevsky 2009), the python version, without deer and frog"
licence = "none is stated"
url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
how_to_get = "Fetch the archive at the URL and unpack it: it brings the folder cifar-10-batches-py/."
archives = {"c58f30108f718f92721af3b95e74349a": "."}
settings: dict = {}
mean, std = _cifar.MEAN_10, _cifar.STD_10
views = _cifar.views

CLASS_A = {
    "good": ("airplane", "truck", "automobile", "ship"),
    "bad": ("airplane", "automobile", "bird", "cat"),
    "bad-released": ("airplane", "automobile", "cat", "dog"),
}
groupings = tuple(CLASS_A)
CLASSES = ("airplane", "automobile", "bird", "cat", "dog", "horse", "ship", "truck")
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
digest = digest_of(list(_MD5.values()))


def files() -> tuple[DataFile, ...]:
    """The seven files of CIFAR-10's standard layout."""
    return tuple(DataFile(f"cifar-10-batches-py/{name}", md5) for name, md5 in _MD5.items())


def read(root: Path, grouping: str) -> ImageData:
    """The images of the eight classes; coarse class 0 is the paper's class A, 1 its class B."""
    folder = root / "cifar-10-batches-py"
    train = [_cifar.read_pickle(folder / f"data_batch_{number}") for number in range(1, 6)]
    train_images, train_fine = _eight_classes(train)
    test_images, test_fine = _eight_classes([_cifar.read_pickle(folder / "test_batch")])
    coarse = coarse_of_fine(grouping)
    return ImageData(
        train_images=train_images,
        train_fine=train_fine,
        train_coarse=coarse[train_fine],
        test_images=test_images,
        test_fine=test_fine,
        test_coarse=coarse[test_fine],
        fine_names=CLASSES,
        coarse_names=("A", "B"),
    )


def coarse_of_fine(grouping: str) -> np.ndarray:
    """0 for class A, 1 for class B. (8,)"""
    return np.array([0 if name in CLASS_A[grouping] else 1 for name in CLASSES])


def download(root: Path) -> None:
    """Fetch the published archive of CIFAR-10 (163 MiB)."""
    (md5,) = archives
    _archives.fetch(url, md5, root)


def _eight_classes(batches: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """The batches' images and labels without deer and frog. (N, 3, 32, 32) uint8, (N,) int64 in 0…7"""
    images = np.concatenate([_cifar.images(batch) for batch in batches])
    labels = np.concatenate([_cifar.labels(batch, "labels") for batch in batches])
    position = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in _CIFAR10])
    kept = position[labels] >= 0
    return images[kept], position[labels[kept]]
