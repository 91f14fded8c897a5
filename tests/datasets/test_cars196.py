"""Cars196: both groupings on the genuine class names, the published labels, and files that are something else."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pytest
import scipy.io

from harness.datasets import cars196
from harness.errors import UsageError
from tests.datasets import genuine

PAPER = [18, 50, 36, 30, 29, 14, 7, 12]  # fine classes of each body type, appendix A.2, table 8
RELEASED = [18, 50, 36, 30, 29, 14, 6, 13]
# SHA-256 of the released code's map as 196 bytes: coarse class of each fine class, in order.
RELEASED_MAP = "b544a62d3f37a810"


@pytest.fixture(scope="module")
def published_once(tmp_path_factory):
    """The genuine devkit, and a file with the test images' labels made from what is public of them."""
    real = genuine.annotations("cars_devkit")
    root = tmp_path_factory.mktemp("published")
    folder = root / "stanford_cars"
    (folder / "devkit").mkdir(parents=True)
    for name in ("cars_meta.mat", "cars_train_annos.mat"):
        shutil.copy(real / name, folder / "devkit" / name)
    rows = scipy.io.loadmat(real / "cars_test_annos.mat", squeeze_me=True)["annotations"]
    labels = dict(line.split() for line in (real / "cars_test_labels.txt").read_text().splitlines() if line)
    names = [str(name) for name in rows["fname"]]
    boxes = [tuple(row)[:4] for row in rows]
    genuine.write_cars_annotations(
        folder / "cars_test_annos_withlabels.mat", names, [int(labels[name]) for name in names], boxes
    )
    return root


@pytest.fixture
def published(published_once, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(published_once, tmp_path, dirs_exist_ok=True)


@pytest.mark.parametrize(("grouping", "counts"), [("paper", PAPER), ("released", RELEASED)])
def test_body_types_have_the_published_counts_of_fine_classes(published, grouping, counts):
    found = cars196.listing(published, grouping, attributes=False)
    pairs = set(zip(found.train_fine.tolist(), found.train_coarse.tolist(), strict=True))
    assert len(pairs) == 196
    assert np.bincount([coarse for _, coarse in pairs]).tolist() == counts
    assert set(zip(found.test_fine.tolist(), found.test_coarse.tolist(), strict=True)) == pairs
    bodies = {found.fine_names[fine]: found.coarse_names[coarse] for fine, coarse in pairs}
    assert bodies["Ford E-Series Wagon Van 2012"] == {"paper": "Wagon", "released": "Van"}[grouping]
    assert bodies["Ram C/V Cargo Van Minivan 2012"] == "Van"
    assert bodies["Ford Ranger SuperCab 2011"] == "Cab"
    assert bodies["Rolls-Royce Phantom Drophead Coupe Convertible 2012"] == "Convertible"
    assert bodies["Chevrolet Corvette ZR1 2012"] == "Convertible"
    assert bodies["FIAT 500 Abarth 2012"] == "Hatchback"


def test_groupings_differ_in_one_class_alone(published):
    paper, released = (cars196.listing(published, grouping, attributes=False) for grouping in cars196.groupings)
    differing = {paper.fine_names[fine] for fine in paper.train_fine[paper.train_coarse != released.train_coarse]}
    assert differing == {"Ford E-Series Wagon Van 2012"}


def test_released_grouping_is_that_of_the_released_code_class_by_class(published):
    found = cars196.listing(published, "released", attributes=False)
    coarse = dict(zip(found.train_fine.tolist(), found.train_coarse.tolist(), strict=True))
    in_order = bytes(coarse[fine] for fine in range(196))
    assert hashlib.sha256(in_order).hexdigest()[:16] == RELEASED_MAP


def test_published_labels_and_names_are_read_in_order(published):
    found = cars196.listing(published, "paper", attributes=False)
    assert (len(found.train_paths), len(found.test_paths)) == (8_144, 8_041)
    assert (len(found.coarse_names), len(found.fine_names)) == cars196.classes
    assert found.train_paths[:2] == ("stanford_cars/cars_train/00001.jpg", "stanford_cars/cars_train/00002.jpg")
    assert found.test_paths[-1] == "stanford_cars/cars_test/08041.jpg"
    assert found.closed == ("stanford_cars/cars_train", "stanford_cars/cars_test")
    real = genuine.annotations("cars_devkit")
    for split, fine in (("train", found.train_fine), ("test", found.test_fine)):
        lines = (real / f"cars_{split}_labels.txt").read_text().split()
        assert fine.tolist() == [int(label) - 1 for label in lines[1::2]]


def test_genuine_devkit_has_the_declared_md5s():
    real = genuine.annotations("cars_devkit")
    declared = {file.path.rpartition("/")[2]: file.md5 for file in cars196.files()}
    for name in ("cars_meta.mat", "cars_train_annos.mat"):
        assert hashlib.md5((real / name).read_bytes()).hexdigest() == declared[name]


def test_written_annotations_have_the_structure_of_the_genuine_ones(published):
    real, written = (
        scipy.io.loadmat(path)["annotations"]
        for path in (
            published / "stanford_cars" / "devkit" / "cars_train_annos.mat",
            published / "stanford_cars" / "cars_test_annos_withlabels.mat",
        )
    )
    assert real.dtype == written.dtype
    assert (real.shape, written.shape) == ((1, 8144), (1, 8041))
    assert [entry.shape for entry in real[0, 0]] == [entry.shape for entry in written[0, 0]]


def test_small_version_is_read_and_its_photographs_are_there(tmp_path):
    found = cars196.listing(genuine.write_cars(tmp_path), "paper", attributes=False)
    assert (len(found.train_paths), len(found.test_paths)) == (66, 36)
    assert found.fine_names == genuine.CARS
    assert [found.coarse_names[coarse] for coarse in found.train_coarse[:6]] == (
        ["Coupe", "Sedan", "Sedan", "SUV", "Wagon", "Sedan"]
    )
    released = cars196.listing(tmp_path, "released", attributes=False)
    assert released.coarse_names[released.train_coarse[4]] == "Van"  # the E-Series Wagon Van: its last body word
    for path in found.train_paths + found.test_paths:
        assert (tmp_path / path).is_file()


def test_devkits_own_test_annotations_are_refused_for_lack_of_classes(published):
    folder = published / "stanford_cars"
    shutil.copy(genuine.annotations("cars_devkit") / "cars_test_annos.mat", folder / "cars_test_annos_withlabels.mat")
    with pytest.raises(UsageError, match=r"cars_test_annos_withlabels.mat: its annotations lack the field 'class'"):
        cars196.listing(published, "paper", attributes=False)


def test_exchanged_annotations_are_named(published):
    folder = published / "stanford_cars"
    test, train = folder / "cars_test_annos_withlabels.mat", folder / "devkit" / "cars_train_annos.mat"
    kept = train.read_bytes()
    shutil.copy(test, train)
    with pytest.raises(UsageError, match=r"cars_train_annos.mat: it has 8,041 images, the published one 8,144"):
        cars196.listing(published, "paper", attributes=False)
    test.write_bytes(kept)
    train.write_bytes(kept)
    with pytest.raises(UsageError, match=r"withlabels.mat: it has 8,144 images, the published one 8,041"):
        cars196.listing(published, "paper", attributes=False)


@pytest.mark.parametrize(
    ("names", "labels", "said"),
    [
        (["1.jpg", "2.jpg"], [1, 0], "class of image 2 is .*0.*, outside 1…6"),
        (["1.jpg", "2.jpg"], [7, 1], "class of image 1 is .*7.*, outside 1…6"),
        (["1.jpg", "../2.jpg"], [1, 1], "name of image 2 is '../2.jpg'"),
        (["1.jpg", "1.jpg"], [1, 2], "image 1.jpg twice"),
    ],
)
def test_wrong_class_or_name_is_named(tmp_path, names, labels, said):
    path = genuine.write_cars(tmp_path) / "stanford_cars" / "devkit" / "cars_train_annos.mat"
    genuine.write_cars_annotations(path, names, labels)
    with pytest.raises(UsageError, match=f"cars_train_annos.mat.*{said}"):
        cars196.listing(tmp_path, "paper", attributes=False)


def test_single_image_is_read(tmp_path):
    path = genuine.write_cars(tmp_path) / "stanford_cars" / "devkit" / "cars_train_annos.mat"
    genuine.write_cars_annotations(path, ["1.jpg"], [2])
    found = cars196.listing(tmp_path, "paper", attributes=False)
    assert found.train_paths == ("stanford_cars/cars_train/1.jpg",)
    assert found.train_fine.tolist() == [1]


def test_class_without_a_body_type_is_named(tmp_path):
    path = genuine.write_cars(tmp_path) / "stanford_cars" / "devkit" / "cars_meta.mat"
    genuine.write_cars_meta(path, (*genuine.CARS[:5], "Trabant 601 1964"))
    with pytest.raises(UsageError, match=r"cars_meta.mat: the class 'Trabant 601 1964' has no body type"):
        cars196.listing(tmp_path, "paper", attributes=False)


def test_files_that_are_no_matlab_files_or_lack_their_content_are_named(tmp_path):
    path = genuine.write_cars(tmp_path) / "stanford_cars" / "devkit" / "cars_meta.mat"
    whole = path.read_bytes()
    for content in (b"<html>", b"", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"cars_meta.mat"):
            cars196.listing(tmp_path, "paper", attributes=False)
    scipy.io.savemat(path, {"names": 1})
    with pytest.raises(UsageError, match=r"cars_meta.mat: it has no class_names"):
        cars196.listing(tmp_path, "paper", attributes=False)
