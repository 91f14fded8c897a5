"""Small datasets in their genuine layouts, and the real files where HARNESS_DATA and HARNESS_ANNOTATIONS name them.

Every `write_…` gives at least 64 training and 32 test images in two or more coarse classes.
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest


def real_data(folder: str) -> Path:
    """The folder of real files, or a skip (a failure in CI, which has them)."""
    root = Path(os.environ.get("HARNESS_DATA", "data")).resolve()
    if not (root / folder).is_dir():
        pytest.skip(f"needs {folder} below HARNESS_DATA")
    return root


def annotations(folder: str) -> Path:
    """A folder of the authors' and publishers' real annotation files, or a skip (a failure in CI, which has them)."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data" / "annotations"
    root = Path(os.environ.get("HARNESS_ANNOTATIONS", beside))
    if not (root / folder).is_dir():
        pytest.skip(f"needs {folder} below HARNESS_ANNOTATIONS")
    return root / folder


def write_photo(path: Path, seed: int, width: int = 40, height: int = 32) -> None:
    """A JPEG of noise around a colour that `seed` decides."""
    from PIL import Image

    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 192, 3) + draw.integers(0, 64, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG")


def write_cifar100(root: Path, count: int = 40, seed: int = 0) -> Path:
    """`count` training and test images of random pixels in the standard python layout."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for split in ("train", "test"):
        batch = {
            "filenames": [f"{number}.png" for number in range(count)],
            "batch_label": f"{split} batch",
            "fine_labels": [number % 100 for number in range(count)],
            "coarse_labels": [number % 20 for number in range(count)],
            "data": draw.integers(0, 256, (count, 3072), dtype=np.uint8),
        }
        (folder / split).write_bytes(pickle.dumps(batch, protocol=2))
    names = {
        "fine_label_names": [f"f{i}" for i in range(100)],
        "coarse_label_names": [f"c{i}" for i in range(20)],
    }
    (folder / "meta").write_bytes(pickle.dumps(names, protocol=2))
    return root


def write_cifar10(root: Path, count: int = 50) -> Path:
    """Five batches and a test batch of `count` images each; label i of each batch is i modulo 10."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]:
        data = np.repeat(np.arange(count, dtype=np.uint8)[:, None], 3072, axis=1)
        batch = {"labels": [number % 10 for number in range(count)], "data": data, "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["x"] * 10}, protocol=2))
    return root


def write_imagenet32(root: Path, count: int = 8, seed: int = 0) -> Path:
    """Ten batches of `count` images, val_data of five times as many, and maps: one backwards, one modulo 12."""
    folder = root / "imagenet32"
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    sizes = {**{f"train_data_batch_{number}": count for number in range(1, 11)}, "val_data": 5 * count}
    for name, size in sizes.items():
        data = draw.integers(0, 256, (size, 3072), dtype=np.uint8)
        batch = {"data": data, "labels": [1 + (number % 8) * 100 for number in range(size)]}
        if name != "val_data":
            batch["mean"] = data.mean(axis=0)
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "imagenet32_to_fine.json").write_text(json.dumps({str(i): 999 - i for i in range(1000)}))
    (folder / "imagenet_fine_to_coarse.json").write_text(json.dumps({str(i): i % 12 for i in range(1000)}))
    return root


def ebay_lines(products: list[tuple[int, list[str]]], first_class: int = 1, first_image: int = 1) -> list[str]:
    """A list as Stanford Online Products has them: header, then a line per image. products: super class and images."""
    lines = ["image_id class_id super_class_id path"]
    for number, (kind, images) in enumerate(products, start=first_class):
        lines += [f"{first_image + len(lines) - 1 + i} {number} {kind} {path}" for i, path in enumerate(images)]
    return lines


def write_sop(root: Path) -> Path:
    """27 products of three kinds, 18 of them with twelve images, with the authors' lists of split 2."""
    folder = root / "Stanford_Online_Products"
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {1: "bicycle", 2: "cabinet", 12: "toaster"}
    counts = {"train": (12, 8, 12, 12, 3), "test": (12, 12, 5, 12)}  # images of the products of a kind
    lists: dict[str, list] = {name: [] for name in _sop_lists()}
    label = first_image = 0
    for half, sizes in counts.items():
        products = []
        for kind, name in kinds.items():
            for position, size in enumerate(sizes):
                product = f"{name}_final/{kind + 10:03d}{position}{len(half)}"
                images = [f"{product}_{number}.JPG" for number in range(size)]
                products.append((kind, images))
                for number, path in enumerate(images):
                    write_photo(folder / path, seed=100 * kind + 10 * position + number % 3)
                if size == 12:
                    _add_to_lists(lists, images, label, kind - 1)
                    label += 1
        lines = ebay_lines(products, 1 if half == "train" else 16, first_image + 1)
        first_image += len(lines) - 1
        (folder / f"Ebay_{half}.txt").write_text("\n".join(lines) + "\n")
    (folder / "sop_split2").mkdir(exist_ok=True)
    for name, content in lists.items():
        (folder / "sop_split2" / name).write_text(json.dumps(content))
    return root


def _sop_lists() -> list[str]:
    return [f"{split}_{part}.json" for split in ("train", "test") for part in ("path", "fine_label", "coarse_label")]


def _add_to_lists(lists: dict[str, list], images: list[str], fine: int, coarse: int) -> None:
    """The last ten images of a product for training, the first two for testing."""
    for split, paths in (("train", images[2:][::-1]), ("test", images[:2])):
        lists[f"{split}_path.json"] += paths
        lists[f"{split}_fine_label.json"] += [fine] * len(paths)
        lists[f"{split}_coarse_label.json"] += [coarse] * len(paths)
