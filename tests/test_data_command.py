"""`harness data` as a user types it."""

from __future__ import annotations

import csv
import json
import tarfile

import pytest

from harness import config, datasets
from tests.datasets import genuine
from tests.sweep.commands import harness


@pytest.fixture
def here(tmp_path):
    """The folders of data and of decoded photographs, as the environment names them."""
    (tmp_path / "data").mkdir()
    return {"HARNESS_DATA": str(tmp_path / "data"), "HARNESS_CACHE": str(tmp_path / "decoded")}


def test_the_list_has_every_dataset_with_what_it_is_and_whether_it_is_here(tmp_path, here):
    genuine.write_cifar100(tmp_path / "data")
    done = harness("data", "list", "--json", workspace=tmp_path / "w", **here)
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert set(found) == set(datasets.names())
    assert found["cifar100"]["state"] == "there, but not the published files"
    assert found["cifar100"]["bytes"] > 200_000
    assert (found["sop-split1"]["train_images"], found["sop-split1"]["test_images"]) == (25_368, 25_278)
    assert (found["imagenet32"]["coarse_classes"], found["imagenet32"]["fine_classes"]) == (12, 1000)
    assert {found[name]["state"] for name in ("cars196", "cub20", "sop-split2")} == {"missing"}
    assert found["digits"]["state"] == "comes with a library"
    assert all(each["licence"] and each["source"] and each["how_to_get"] for each in found.values())
    shown = harness("data", "list", workspace=tmp_path / "w", COLUMNS="160", **here)
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in datasets.names())


def test_what_has_no_download_says_how_to_get_it(tmp_path, here):
    for name, words in (("cars196", "car_devkit.tgz"), ("imagenet32", "image-net.org")):
        for options in ([], ["--download"]):
            done = harness("data", name, *options, workspace=tmp_path / "w", **here)
            assert done.returncode in (1, 2)
            assert words in (done.stdout + done.stderr).replace("\n", " ")


def test_a_trial_on_missing_data_says_how_to_get_it(tmp_path, here):
    done = harness("train", "cars196", "maskcon", "--set", "initialisation=random", workspace=tmp_path / "w", **here)
    assert done.returncode == 2
    assert "stanford_cars/devkit/cars_meta.mat" in done.stderr
    assert "publishers' server is gone" in done.stderr


def test_photographs_are_decoded_on_request_and_can_be_verified(tmp_path, here):
    genuine.write_cars(tmp_path / "data")
    counted = harness("data", "cars196", workspace=tmp_path / "w", **here)
    assert "66 training and 36 test images" in counted.stdout
    assert not (tmp_path / "decoded").exists()
    decoded = harness("data", "cars196", "--decode", workspace=tmp_path / "w", **here)
    assert decoded.returncode == 0, decoded.stderr
    assert "All images can be read" in decoded.stdout
    (pixels,) = (tmp_path / "decoded").glob("*/pixels")
    content = bytearray(pixels.read_bytes())
    content[1000] ^= 1
    pixels.chmod(0o644)
    pixels.write_bytes(content)
    spoilt = harness("data", "cars196", "--verify", workspace=tmp_path / "w", **here)
    assert spoilt.returncode == 2
    assert "had changed on disk" in spoilt.stderr
    again = harness("data", "cars196", "--verify", workspace=tmp_path / "w", **here)
    assert again.returncode == 0, again.stderr


def test_an_image_that_belongs_to_no_list_is_named(tmp_path, here):
    genuine.write_cars(tmp_path / "data")
    genuine.write_photo(tmp_path / "data" / "stanford_cars" / "cars_train" / "99999.jpg", 1)
    done = harness("data", "cars196", "--decode", workspace=tmp_path / "w", **here)
    assert done.returncode == 2
    assert "99999.jpg" in done.stderr


def test_leaving_images_out_makes_another_dataset(tmp_path, here, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", here["HARNESS_DATA"])
    genuine.write_cub(tmp_path / "data")
    before = datasets.local_digest("cub20")
    listing = datasets.listing(config.resolve("cub20", "selfcon"))
    (tmp_path / "data" / listing.train_paths[5]).write_bytes(b"\xff\xd8 broken")
    refused = harness("data", "cub20", "--decode", workspace=tmp_path / "w", **here)
    assert refused.returncode == 2
    assert listing.train_paths[5] in refused.stderr.replace("\n", "")
    assert "harness data cub20 --skip-unreadable" in refused.stderr.replace("\n", " ")
    skipped = harness("data", "cub20", "--skip-unreadable", workspace=tmp_path / "w", **here)
    assert skipped.returncode == 0, skipped.stderr
    assert datasets.local_digest("cub20") != before
    left = datasets.listing(config.resolve("cub20", "maskcon_attributes"))
    assert len(left.train_paths) == len(left.train_attributes) == len(listing.train_paths) - 1


def test_an_archive_that_the_user_fetched_is_checked_before_it_is_unpacked(tmp_path, here):
    (tmp_path / "x").write_text("x")
    with tarfile.open(tmp_path / "CUB_200_2011.tgz", "w:gz") as tar:
        tar.add(tmp_path / "x", "CUB_200_2011/x")
    done = harness("data", "cub200", "--archive", str(tmp_path / "CUB_200_2011.tgz"), workspace=tmp_path / "w", **here)
    assert done.returncode == 2
    assert "97eceeb196236b17998738112f37df78" in done.stderr
    assert not list((tmp_path / "data").iterdir())
    gone = harness("data", "cub200", "--archive", "nowhere.tgz", workspace=tmp_path / "w", **here)
    assert "there is no archive nowhere.tgz" in gone.stderr
    none = harness("data", "imagenet32", "--archive", str(tmp_path / "x"), workspace=tmp_path / "w", **here)
    assert "is not published as an archive" in none.stderr


def test_coarse_classes_from_attributes_and_from_features_can_be_trained_with(tmp_path, here):
    genuine.write_cub(tmp_path / "data")
    small = "encoder=small initialisation=random image_size=16 stored_side=32 epochs=1 batch_size=16 bank_size=32"
    words = [word for setting in small.split() for word in ("--set", setting)]
    target = tmp_path / "coarse.csv"
    made = harness(
        "data", "coarsen", "cub20", "--groups", "3", "--output", str(target), workspace=tmp_path / "w", **here
    )
    assert made.returncode == 0, made.stderr
    with target.open() as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["coarse"] for row in rows}) == 3
    trained = harness(
        "train", "cub20", "maskcon", *words, "--set", f"coarse={target}", workspace=tmp_path / "w", **here
    )
    assert trained.returncode == 0, trained.stderr
    (directory,) = (tmp_path / "w" / "trials").iterdir()
    last = json.loads((directory / "result.json").read_text())["metrics"][-1]
    assert any(name.startswith("recall_at_1_within_file-") for name in last)
    other = ["--trial", directory.name, "--output", str(tmp_path / "by-features.csv")]
    made = harness("data", "coarsen", "cub20", "--groups", "4", *other, workspace=tmp_path / "w", **here)
    assert made.returncode == 0, made.stderr
    with (tmp_path / "by-features.csv").open() as stream:
        assert len({row["coarse"] for row in csv.DictReader(stream)}) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["coarsen"], "which dataset"),
        (["coarsen", "cub20", "--groups", "1"], "at least 2"),
        (["coarsen", "cifar100", "--groups", "5"], "attributes"),
        (["cub20", "--set", "nonsense=1"], "nonsense"),
        (["nonsense"], "unknown dataset 'nonsense'"),
    ],
)
def test_wrong_words_are_answered(words, said, tmp_path, here):
    genuine.write_cub(tmp_path / "data")
    genuine.write_cifar100(tmp_path / "data")
    done = harness("data", *words, workspace=tmp_path / "w", **here)
    assert done.returncode == 2
    assert said in done.stderr
