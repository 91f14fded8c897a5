"""Small datasets in their genuine layouts, and the real files where HARNESS_DATA and HARNESS_ANNOTATIONS name them.

The writers in `WRITERS` give at least 64 training and 32 test images in two or more coarse classes.
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


CARS = (
    "Audi A5 Coupe 2012",
    "Audi S4 Sedan 2012",
    "BMW M5 Sedan 2010",
    "BMW X5 SUV 2007",
    "Ford E-Series Wagon Van 2012",
    "Acura TL Type-S 2008",
)


def write_cars(root: Path, train: int = 66, test: int = 36) -> Path:
    """Six models in torchvision's layout; the class of image i, from 0, is i modulo 6."""
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True, exist_ok=True)
    write_cars_meta(folder / "devkit" / "cars_meta.mat", CARS)
    for split, count in (("train", train), ("test", test)):
        names = [f"{number:05d}.jpg" for number in range(1, count + 1)]
        labels = [number % len(CARS) + 1 for number in range(count)]
        for name, label in zip(names, labels, strict=True):
            write_photo(folder / f"cars_{split}" / name, seed=label)
        path = "devkit/cars_train_annos.mat" if split == "train" else "cars_test_annos_withlabels.mat"
        write_cars_annotations(folder / path, names, labels)
    return root


def write_cars_meta(path: Path, names: tuple[str, ...]) -> None:
    """cars_meta.mat: a cell array of one row."""
    import scipy.io

    cells = np.empty((1, len(names)), dtype=object)
    cells[0] = names
    scipy.io.savemat(path, {"class_names": cells})


def write_cars_annotations(path: Path, names: list[str], labels: list[int] | None, boxes: list | None = None) -> None:
    """A struct array of one row, as in the devkit; without labels it is as cars_test_annos.mat has it."""
    import scipy.io

    columns: dict[str, list] = {
        name: [box[position] for box in boxes] if boxes else [1 + position] * len(names)
        for position, name in enumerate(("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"))
    }
    if labels is not None:
        columns["class"] = [np.uint8(label) for label in labels]
    columns["fname"] = names
    rows = np.empty((1, len(names)), dtype=[(name, object) for name in columns])
    for name, column in columns.items():
        rows[name][0] = column
    scipy.io.savemat(path, {"annotations": rows})


BIRDS = (
    "Black_footed_Albatross",
    "Laysan_Albatross",
    "Sooty_Albatross",
    "Groove_billed_Ani",
    "Crested_Auklet",
    "Least_Auklet",
    "Parakeet_Auklet",
    "Rhinoceros_Auklet",
    "Brewer_Blackbird",
    "Red_winged_Blackbird",
    "Rusty_Blackbird",
    "Yellow_headed_Blackbird",
    "Bobolink",
    "Indigo_Bunting",
    "Lazuli_Bunting",
    "Painted_Bunting",
    "Cardinal",
    "Spotted_Catbird",
    "Gray_Catbird",
    "Yellow_breasted_Chat",
    "Eastern_Towhee",
    "Chuck_will_Widow",
    "Brandt_Cormorant",
    "Red_faced_Cormorant",
)


def write_cub(root: Path) -> Path:
    """The first 24 species with four training and two test images each; attribute a of image i is seen where 3 | i + a."""
    folder = root / "CUB_200_2011"
    (folder / "attributes").mkdir(parents=True, exist_ok=True)
    classes = [f"{number:03d}.{bird}" for number, bird in enumerate(BIRDS, start=1)]
    tables: dict[str, list[str]] = {
        "classes.txt": [f"{number} {name}" for number, name in enumerate(classes, start=1)],
        "images.txt": [],
        "image_class_labels.txt": [],
        "train_test_split.txt": [],
        "attributes/image_attribute_labels.txt": [],
    }
    for number, name in enumerate(classes, start=1):
        for position in range(6):
            image = (number - 1) * 6 + position + 1
            path = f"{name}/{name[4:]}_{image:04d}.jpg"
            write_photo(folder / "images" / path, seed=number)
            tables["images.txt"].append(f"{image} {path}")
            tables["image_class_labels.txt"].append(f"{image} {number}")
            tables["train_test_split.txt"].append(f"{image} {int(position % 3 != 2)}")
            tables["attributes/image_attribute_labels.txt"] += _attribute_lines(image)
    for file, lines in tables.items():
        (folder / file).write_text("\n".join(lines) + "\n")
    return root


def _attribute_lines(image: int) -> list[str]:
    """As published, two more fields in one of fifty lines."""
    more = ["", " 0"]
    return [
        f"{image} {a} {int((image + a) % 3 == 0)}{more[a % 50 == 0]} {1 + a % 4} {a % 7 + 0.5:.3f}{more[a % 50 == 0]}"
        for a in range(1, 313)
    ]


WRITERS = {
    "imagenet32": write_imagenet32,
    "sop-split1": write_sop,
    "sop-split2": write_sop,
    "cars196": write_cars,
    "cub20": write_cub,
    "cub50": write_cub,
    "cub200": write_cub,
}
