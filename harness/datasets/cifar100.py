"""CIFAR-100: 50,000 + 10,000 images of 32 × 32 pixels, 100 fine classes in 20 coarse ones (paper Sec. 4.3)."""

from __future__ import annotations

from pathlib import Path

from harness.datasets import DataFile, ImageData, _archives, _cifar, digest_of

title = "CIFAR-100"
train_size, test_size = 50_000, 10_000
classes = (20, 100)
source = "Krizhevsky 2009, the python version"
licence = "none is stated"
url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
how_to_get = "Fetch the archive at the URL and unpack it: it brings the folder cifar-100-python/."
groupings = ("official",)
archives = {"eb9058c3a382ffc7106e4002c42a8d85": "."}
settings: dict = {}
mean, std = _cifar.MEAN_100, _cifar.STD_100
views = _cifar.views

_MD5 = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
digest = digest_of(list(_MD5.values()))


def files() -> tuple[DataFile, ...]:
    """The three files of the standard layout."""
    return tuple(DataFile(f"cifar-100-python/{name}", md5) for name, md5 in _MD5.items())


def read(root: Path, grouping: str) -> ImageData:
    """All images and labels; the coarse classes are the published ones."""
    train, test, meta = (_cifar.read_pickle(root / "cifar-100-python" / name) for name in ("train", "test", "meta"))
    return ImageData(
        train_images=_cifar.images(train),
        train_fine=_cifar.labels(train, "fine_labels"),
        train_coarse=_cifar.labels(train, "coarse_labels"),
        test_images=_cifar.images(test),
        test_fine=_cifar.labels(test, "fine_labels"),
        test_coarse=_cifar.labels(test, "coarse_labels"),
        fine_names=tuple(meta["fine_label_names"]),
        coarse_names=tuple(meta["coarse_label_names"]),
    )


def download(root: Path) -> None:
    """Fetch the published archive (161 MiB)."""
    (md5,) = archives
    _archives.fetch(url, md5, root)
