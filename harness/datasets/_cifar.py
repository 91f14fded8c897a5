"""Reading and fetching the python version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009)."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UsageError

MEAN_10, STD_10 = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
MEAN_100, STD_100 = (0.507, 0.487, 0.441), (0.267, 0.256, 0.276)

# What the published pickles need to be read, and nothing more.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which the published files never do")
        return super().find_class(module, name)


def read_pickle(path: Path) -> dict[str, Any]:
    """One batch file. Raises UsageError that names the file where it is not what it should be."""
    try:
        return _Unpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UsageError(
            f"{path} cannot be read as a CIFAR batch ({type(error).__name__}: {error}). Remove it and fetch it again."
        ) from error


def images(batch: dict[str, Any]) -> np.ndarray:
    """The pixels of a batch. (N, 3, 32, 32) uint8"""
    return np.asarray(batch["data"], dtype=np.uint8).reshape(-1, 3, 32, 32)


def labels(batch: dict[str, Any], kind: str) -> np.ndarray:
    """Labels of a batch; `kind` is its key in the file. (N,) int64"""
    return np.asarray(batch[kind], dtype=np.int64)


def views(trial: Any) -> dict[str, tuple]:
    """Both views at 32 px (paper appendix A.1): weak is crop and flip, strong adds AutoAugment's CIFAR-10 policy."""
    weak: tuple = (("random_resized_crop", {"size": trial.image_size, "scale": (0.2, 1.0)}), ("horizontal_flip", {}))
    return {"weak": weak, "strong": (*weak, ("autoaugment", {"policy": trial.policy}))}


def download(url: str, md5: str, root: Path) -> None:
    """Fetch a .tar.gz, check its md5, and unpack it below `root`; nothing appears there before all of it is right."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as scratch:
        archive = Path(scratch) / "archive.tar.gz"
        with urllib.request.urlopen(url, timeout=60) as response, archive.open("wb") as stream:
            shutil.copyfileobj(response, stream)
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != md5:
            raise UsageError(f"{url} has md5 {found}, the published archive has {md5}: nothing was unpacked.")
        with tarfile.open(archive) as tar:
            tar.extractall(Path(scratch) / "unpacked", filter="data")
        for folder in (Path(scratch) / "unpacked").iterdir():
            for file in folder.iterdir():
                (root / folder.name).mkdir(exist_ok=True)
                file.replace(root / folder.name / file.name)
