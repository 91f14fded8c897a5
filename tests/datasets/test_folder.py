"""The user's own images: both layouts, coarse classes and attributes from files, and what is said of mistakes in them."""

from __future__ import annotations

import json
import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from harness import config, datasets
from harness.errors import MissingData, UsageError
from tests.sweep.commands import harness

FINE = {"beagle": "dog", "collie": "dog", "siamese": "cat", "persian, long": "cat"}


def write_folder(root, per_class=20, tests=10):
    """Photographs of four fine classes, each in a colour of its own, in the layout of folders."""
    draw = np.random.default_rng(0)
    for position, fine in enumerate(FINE):
        for split, count in (("train", per_class), ("test", tests)):
            folder = root / split / fine
            folder.mkdir(parents=True)
            for number in range(count):
                shape = (24 + number % 5, 32, 3)
                pixels = draw.integers(0, 60, shape) + np.array([50 * position, 90, 180 - 40 * position])
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03}.jpg")
    return root


def write_coarse(path, mapping=FINE):
    """A CSV of coarse classes."""
    quoted = [f'"{fine}",{coarse}' for fine, coarse in mapping.items()]
    path.write_text("\n".join(["fine,coarse", *quoted]) + "\n")
    return path


def write_manifest(root, lines, head="path,fine,coarse,split"):
    """A CSV of images."""
    (root / "manifest.csv").write_text("\n".join([head, *lines]) + "\n")


def trial(root, method="maskcon", **settings):
    """A trial on the images below a root."""
    return config.resolve("folder", method, overrides={"initialisation": "random", "root": str(root), **settings})


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("own"))
    write_coarse(folder / "coarse.csv")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "decoded"))


def test_a_folder_per_fine_class_is_a_dataset(root):
    listing = datasets.listing(trial(root))
    assert listing.fine_names == ("beagle", "collie", "persian, long", "siamese")
    assert (len(listing.train_paths), len(listing.test_paths)) == (80, 40)
    assert np.bincount(listing.train_fine).tolist() == [20] * 4
    assert listing.train_paths[0] == "train/beagle/000.jpg"
    data = datasets.read(trial(root))
    assert data.coarse_names == ("cat", "dog")
    assert [data.coarse_names[number] for number in data.train_coarse[[0, 20, 40, 60]]] == ["dog", "dog", "cat", "cat"]
    assert (data.test_coarse == np.repeat([1, 1, 0, 0], 10)).all()


def test_the_images_are_the_files(root):
    data = datasets.read(trial(root, stored_side=24))
    frames, sizes = data.train_images.frames(np.array([3]))
    with Image.open(root / "train" / "beagle" / "003.jpg") as image:
        width = 2 * round(image.width * 24 / image.height / 2)
        expected = np.asarray(image.resize((width, 24), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert sizes.tolist() == [[24, width]]
    assert abs(frames[0].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("toml", [False, True])
def test_coarse_classes_come_from_a_csv_or_a_toml_file(root, tmp_path, toml):
    swapped = {fine: "long-haired" if fine in ("collie", "persian, long") else "short-haired" for fine in FINE}
    if toml:
        path = tmp_path / "other.toml"
        path.write_text("\n".join(f'"{fine}" = "{coarse}"' for fine, coarse in swapped.items()))
    else:
        path = write_coarse(tmp_path / "other.csv", swapped)
    data = datasets.read(trial(root, coarse=str(path)))
    assert data.coarse_names == ("long-haired", "short-haired")
    assert data.train_coarse[[0, 20, 40, 60]].tolist() == [1, 0, 0, 1]


def test_a_manifest_says_what_is_what(root, tmp_path):
    lines = [
        f"{split}/{fine}/{number:03}.jpg,{fine[:4]},{coarse},{split}"
        for fine, coarse in list(FINE.items())[:3]
        for split, count in (("train", 15), ("test", 5))
        for number in range(count)
    ]
    manifest = tmp_path / "mine.csv"
    manifest.write_text("\n".join(["path,fine,coarse,split", *lines]))
    data = datasets.read(trial(root, manifest=str(manifest)))
    assert data.coarse_names == ("cat", "dog")
    assert data.fine_names == ("beag", "coll", "siam")
    assert len(data.train_images) == 45


def test_classes_that_only_the_test_images_have_make_an_open_set(root, tmp_path):
    lines = ["train/beagle/000.jpg,beagle,dog,train", "train/siamese/000.jpg,siamese,cat,train",
             "test/collie/000.jpg,collie,dog,test", "test/collie/001.jpg,collie,dog,test"]  # fmt: skip
    (tmp_path / "m.csv").write_text("\n".join(["path,fine,coarse,split", *lines]))
    listing = datasets.listing(trial(root, manifest=str(tmp_path / "m.csv")))
    assert listing.open_set
    data = datasets.read(trial(root, manifest=str(tmp_path / "m.csv"), coarse=str(write_coarse(tmp_path / "c.csv"))))
    ((name, groups),) = data.test_groups.items()
    assert name.startswith("file-")
    assert groups.tolist() == [1, 1], "both are dogs"
    assert listing.fine_names == ("beagle", "siamese")
    assert listing.test_fine.tolist() == [0, 0]


def test_the_digest_is_that_of_the_manifest(root, tmp_path):
    given = {"root": str(root)}
    first = datasets.local_digest("folder", given)
    assert first == datasets.local_digest("folder", given)
    other = write_folder(tmp_path / "copy")
    write_coarse(other / "coarse.csv")
    assert datasets.local_digest("folder", {"root": str(other)}) == first, "where it lies does not matter"
    edited = other / "train" / "collie" / "003.jpg"
    edited.write_bytes(edited.read_bytes()[:-3] + b"abc")
    assert datasets.local_digest("folder", {"root": str(other)}) != first, "as long as before, with another end"
    (other / "train" / "beagle" / "000.jpg").rename(other / "train" / "collie" / "100.jpg")
    assert datasets.local_digest("folder", {"root": str(other)}) != first


def test_attributes_are_those_of_the_image_whatever_their_order(root, tmp_path):
    paths = [str(path.relative_to(root)) for path in sorted(root.glob("train/*/*.jpg"), reverse=True)]
    values = {path: number / 100 for number, path in enumerate(paths)}
    lines = [f'"{path}",{value},1' for path, value in values.items()]
    (tmp_path / "a.csv").write_text("\n".join(["path,size,has_tail", *lines]))
    data = datasets.read(trial(root, "maskcon_attributes", attribute_file=str(tmp_path / "a.csv")))
    listing = datasets.listing(trial(root))
    np.testing.assert_allclose(data.train_attributes[:, 0], [values[path] for path in listing.train_paths], rtol=1e-6)
    import pandas as pd

    pd.DataFrame({"path": paths, "size": values.values(), "has_tail": 1}).to_parquet(tmp_path / "a.parquet")
    again = datasets.read(trial(root, "maskcon_attributes", attribute_file=str(tmp_path / "a.parquet")))
    assert (again.train_attributes == data.train_attributes).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,a\nx,1\n", "needs a column `path`"),
        ("path,a\nx,1\n", "train/beagle/000.jpg is not in it"),
        ("path,a\ntrain/beagle/000.jpg,red\n", "other things than numbers"),
    ],
)
def test_wrong_attributes_name_the_file_and_the_mistake(root, tmp_path, text, said):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        datasets.read(trial(root, "maskcon_attributes", attribute_file=str(tmp_path / "a.csv")))
    assert "a.csv" in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,coarse\n", "must name path,fine,split"),
        ("path,fine,split\na.jpg,x,validation\n", "line 2.*split is train or test"),
        ("path,fine,split\n../a.jpg,x,train\n", "must be a path below"),
        ("path,fine,split\n/a.jpg,x,train\n", "must be a path below"),
        ("path,fine,split\na.jpg,x,train\na.jpg,x,test\n", "line 3.*stands in it twice"),
        ("path,fine,split\na.jpg,x,train\n", "has no test images"),
        ("path,fine,coarse,split\na.jpg,x,c,train\nb.jpg,x,,test\n", "b.jpg has no coarse class"),
        ("path,fine,coarse,split\na.jpg,x,c,train\nb.jpg,x,d,test\n", "line 3: x is in c and in d"),
    ],
)
def test_a_wrong_manifest_is_named_with_its_line(tmp_path, text, said):
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        datasets.listing(trial(tmp_path, "selfcon"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fine,rough\n", "must be fine,coarse"),
        ("fine,coarse\nbeagle,dog\n", "no coarse class for collie, persian, long, siamese"),
        ("fine,coarse\nbeagle,dog\nbeagle,cat\n", "line 3: beagle is in dog and in cat"),
        ("fine,coarse\nbeagle,\n", "line 2: a fine and a coarse class are needed"),
    ],
)
def test_wrong_coarse_classes_are_named(root, tmp_path, text, said):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(UsageError, match=said):
        datasets.read(trial(root, coarse=str(tmp_path / "c.csv")))


def test_accents_may_be_written_in_either_way_and_blanks_after_commas(root, tmp_path):
    composed, apart = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    (tmp_path / "m.csv").write_text(
        f"path, fine, split\ntrain/beagle/000.jpg, {composed}, train\ntest/beagle/000.jpg, {composed}, test\n"
    )
    (tmp_path / "c.csv").write_text(f"fine, coarse\n{apart}, shop\n")
    data = datasets.read(trial(root, manifest=str(tmp_path / "m.csv"), coarse=str(tmp_path / "c.csv")))
    assert data.coarse_names == ("shop",)


def test_text_that_is_not_utf8_is_named(root, tmp_path):
    (tmp_path / "m.csv").write_bytes("path,fine,split\ntrain/é.jpg,é,train\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"m.csv' cannot be read as UTF-8 text"):
        trial(root, manifest=str(tmp_path / "m.csv"))


def test_folders_behind_links_belong_to_the_dataset_and_stray_images_do_not(root, tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for fine in ("beagle", "siamese"):
            (tmp_path / split / fine).symlink_to(root / split / fine)
    write_coarse(tmp_path / "coarse.csv")
    assert datasets.listing(trial(tmp_path)).fine_names == ("beagle", "siamese")
    (tmp_path / "train" / "stray.jpg").write_bytes(b"")
    with pytest.raises(UsageError, match=r"train/stray.jpg lies in no class's folder"):
        datasets.listing(trial(tmp_path))


def test_an_edit_in_the_middle_of_an_uncompressed_image_is_seen(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
        Image.new("RGB", (100, 100), "red").save(tmp_path / split / "a" / "1.bmp")
    before = datasets.local_digest("folder", {"root": str(tmp_path)})
    path = tmp_path / "train" / "a" / "1.bmp"
    content = bytearray(path.read_bytes())
    content[15_000] ^= 255
    path.write_bytes(content)
    assert datasets.local_digest("folder", {"root": str(tmp_path)}) != before


def test_a_misspelt_test_class_is_pointed_out(root, tmp_path):
    copy = write_folder(tmp_path / "copy", per_class=3, tests=2)
    write_coarse(copy / "coarse.csv")
    (copy / "test" / "beagle").rename(copy / "test" / "baegle")
    done = harness("data", "folder", "--root", str(copy), workspace=tmp_path / "w", COLUMNS="200")
    assert "Test classes that training does not have: baegle" in done.stdout


def test_no_coarse_classes_are_enough_for_methods_without(tmp_path):
    write_folder(tmp_path / "plain", per_class=2, tests=1)
    assert datasets.read(trial(tmp_path / "plain", "selfcon")).coarse_names == ()
    with pytest.raises(UsageError, match="add --set coarse=FILE"):
        datasets.read(trial(tmp_path / "plain", "maskcon"))


def test_a_missing_folder_says_so(tmp_path):
    with pytest.raises(UsageError, match="add --set root=FOLDER"):
        datasets.local_digest("folder", {})
    with pytest.raises(MissingData, match="is no folder"):
        datasets.local_digest("folder", {"root": str(tmp_path / "nowhere")})
    with pytest.raises(UsageError, match=r"neither manifest\.csv nor the folder train"):
        datasets.local_digest("folder", {"root": str(tmp_path)})


def test_coarse_classes_that_changed_since_are_refused(root, tmp_path):
    path = write_coarse(tmp_path / "c.csv")
    before = trial(root, coarse=str(path))
    write_coarse(path, dict.fromkeys(FINE, "animal"))
    with pytest.raises(UsageError, match="is not the file any more"):
        datasets.read(before)


def test_the_command_reports_counts_balance_and_unreadable_files(root, tmp_path):
    whole = harness("data", "folder", "--root", str(root), workspace=tmp_path / "w")
    assert whole.returncode == 0, whole.stderr
    assert "80 training and 40 test images, 4 fine classes in 2 coarse ones" in whole.stdout
    assert any(line.split() == ["cat", "2", "40", "20–20", "20"] for line in whole.stdout.splitlines())
    assert "All images can be read" in whole.stdout
    damaged = write_folder(tmp_path / "damaged", per_class=8, tests=3)
    write_coarse(damaged / "coarse.csv")
    (damaged / "train" / "beagle" / "001.jpg").write_bytes(b"no image")
    refused = harness("data", "folder", "--root", str(damaged), workspace=tmp_path / "w")
    assert refused.returncode == 2
    assert "train/beagle/001.jpg" in refused.stderr
    assert "--skip-unreadable" in refused.stderr
    skipped = harness("data", "folder", "--root", str(damaged), "--skip-unreadable", workspace=tmp_path / "w")
    assert skipped.returncode == 0, skipped.stderr
    assert (damaged / "unreadable-folder.txt").read_text() == "train/beagle/001.jpg\n"
    assert len(datasets.read(trial(damaged)).train_images) == 31


def test_a_sweep_of_ones_own_images_runs_from_its_file_alone(root, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        f"""
        title = "My own images"
        dataset = "folder"
        seeds = 1
        [settings]
        root = "{os.path.relpath(root, tmp_path)}"
        encoder = "small"
        initialisation = "random"
        image_size = 16
        stored_side = 24
        epochs = 1
        batch_size = 16
        bank_size = 64
        [[cells]]
        method = "selfcon"
        [[cells]]
        method = "maskcon"
        """
    )
    swept = harness("sweep", str(path), workspace=tmp_path / "w")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    reported = harness("report", str(path), workspace=tmp_path / "w")
    assert reported.returncode == 0, reported.stderr
    within = next((tmp_path / "w" / "reports").glob("*/within.md")).read_text()
    assert "MaskCon" in within
    assert "not trained" not in within
    results = [json.loads(found.read_text()) for found in (tmp_path / "w" / "trials").glob("*/result.json")]
    assert {result["train_images"] for result in results} == {80}
