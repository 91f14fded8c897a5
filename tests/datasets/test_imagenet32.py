"""ImageNet32: the authors' maps, the order of images and labels, and what is said of files that are something else."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest

from harness import config, datasets
from harness.datasets import imagenet32
from harness.errors import UsageError
from tests.datasets import genuine


def change(path, **parts):
    """Other parts in a pickled batch."""
    path.write_bytes(pickle.dumps({**pickle.loads(path.read_bytes()), **parts}))


def test_real_maps_have_the_declared_md5s_and_12_coarse_classes(tmp_path):
    real = genuine.annotations("imagenet32")
    md5s = {file.path.rpartition("/")[2]: file.md5 for file in imagenet32.files()}
    genuine.write_imagenet32(tmp_path)
    for name in ("imagenet32_to_fine.json", "imagenet_fine_to_coarse.json"):
        assert hashlib.md5((real / name).read_bytes()).hexdigest() == md5s[name]
        shutil.copy(real / name, tmp_path / "imagenet32" / name)
    data = imagenet32.read(tmp_path, "official")
    # the batches' classes 1 and 101 are the 279th and 339th in the usual order
    to_fine = json.loads((real / "imagenet32_to_fine.json").read_text())
    assert data.train_fine[:2].tolist() == [278, to_fine["100"]]
    assert data.coarse_names[data.train_coarse[0]] == "Mammal"
    to_coarse = json.loads((real / "imagenet_fine_to_coarse.json").read_text())
    assert imagenet32.COARSE[to_coarse["300"]] == "Invertebrate"  # the tiger beetle
    assert imagenet32.COARSE[to_coarse["207"]] == "Domestic animal"  # the golden retriever
    assert imagenet32.COARSE[to_coarse["7"]] == "Bird"  # the cock
    assert imagenet32.COARSE[to_coarse["0"]] == "Reptile/Aquatic vertebrate"  # the tench
    assert imagenet32.COARSE[to_coarse["404"]] == "Vehicle"  # the airliner
    assert imagenet32.COARSE[to_coarse["399"]] == "Clothing"  # the abaya


def test_images_and_labels_keep_the_order_of_the_batches(tmp_path):
    data = imagenet32.read(genuine.write_imagenet32(tmp_path), "official")
    assert (data.train_images.shape, data.test_images.shape) == ((80, 3, 32, 32), (40, 3, 32, 32))
    assert data.train_images.dtype == np.uint8
    batches = [
        pickle.loads((tmp_path / "imagenet32" / f"train_data_batch_{number}").read_bytes()) for number in range(1, 11)
    ]
    np.testing.assert_array_equal(
        data.train_images.reshape(80, -1), np.concatenate([batch["data"] for batch in batches])
    )
    labels = np.concatenate([batch["labels"] for batch in batches])
    np.testing.assert_array_equal(data.train_fine, 999 - (labels - 1))
    np.testing.assert_array_equal(data.train_coarse, data.train_fine % 12)
    assert len(data.fine_names) == 1000
    assert len(data.coarse_names) == 12


def test_pickles_of_python_2_are_read_alike(tmp_path):
    genuine.write_imagenet32(tmp_path)
    expected = imagenet32.read(tmp_path, "official")
    for path in (tmp_path / "imagenet32").glob("*data*"):
        path.write_bytes(pickle.dumps(pickle.loads(path.read_bytes()), protocol=2))
    found = imagenet32.read(tmp_path, "official")
    np.testing.assert_array_equal(found.train_images, expected.train_images)
    np.testing.assert_array_equal(found.test_fine, expected.test_fine)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"data": np.zeros((8, 768), dtype=np.uint8)}, r"uint8 \(8, 768\).*16 × 16"),
        ({"data": np.zeros((8, 3072))}, "float64"),
        ({"data": [0]}, "data is list"),
        ({"labels": [1] * 7}, "8 images and 7 labels"),
        ({"labels": [0] * 8}, "label 0 is outside 1…1000"),
        ({"labels": [1001] * 8}, "label 1001 is outside"),
        ({"labels": ["a"] * 8}, "no list of whole numbers"),
    ],
)
def test_batch_of_another_kind_is_named_with_what_is_wrong(tmp_path, parts, said):
    genuine.write_imagenet32(tmp_path)
    change(tmp_path / "imagenet32" / "train_data_batch_3", **parts)
    with pytest.raises(UsageError, match=f"train_data_batch_3.*{said}"):
        imagenet32.read(tmp_path, "official")


def test_damaged_batch_is_named(tmp_path):
    genuine.write_imagenet32(tmp_path)
    path = tmp_path / "imagenet32" / "val_data"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UsageError, match="val_data cannot be read as an ImageNet32 batch"):
        imagenet32.read(tmp_path, "official")
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UsageError, match="it holds a list"):
        imagenet32.read(tmp_path, "official")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("imagenet32_to_fine.json", {str(i): 5 for i in range(1000)}, "onto themselves"),
        ("imagenet32_to_fine.json", {str(i): i for i in range(999)}, "class 999 is missing"),
        ("imagenet32_to_fine.json", {str(i): i for i in range(1001)}, "class 1000 is unknown"),
        ("imagenet32_to_fine.json", [1], "holds a list"),
        ("imagenet_fine_to_coarse.json", {str(i): i % 13 for i in range(1000)}, "13 coarse classes"),
        ("imagenet_fine_to_coarse.json", {str(i): i % 11 for i in range(1000)}, "11 coarse classes"),
        ("imagenet_fine_to_coarse.json", {str(i): 0.5 for i in range(1000)}, "whole numbers"),
    ],
)
def test_other_map_than_the_authors_is_named(tmp_path, name, content, said):
    genuine.write_imagenet32(tmp_path)
    (tmp_path / "imagenet32" / name).write_text(json.dumps(content))
    with pytest.raises(UsageError, match=f"{name}.*{said}"):
        imagenet32.read(tmp_path, "official")


def test_map_that_is_no_json_is_named(tmp_path):
    genuine.write_imagenet32(tmp_path)
    (tmp_path / "imagenet32" / "imagenet32_to_fine.json").write_text("<html>")
    with pytest.raises(UsageError, match=r"imagenet32_to_fine.json cannot be read as JSON"):
        imagenet32.read(tmp_path, "official")


def test_only_maps_are_hashed_and_other_maps_are_other_data(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_imagenet32(tmp_path)))
    states = datasets.states("imagenet32")
    assert [state.state for state in states] == ["intact"] * 11 + ["differs"] * 2
    assert [state.md5 for state in states][:11] == [None] * 11
    assert datasets.local_digest("imagenet32") not in (None, imagenet32.digest)


def test_settings_are_those_of_the_paper():
    trial = config.resolve("imagenet32", "maskcon")
    assert (trial.epochs, trial.batch_size, trial.image_size, trial.bank_size) == (100, 256, 32, 8192)
    assert config.resolve("imagenet32", "maskcon", preset="released-code").bank_size == 16384
