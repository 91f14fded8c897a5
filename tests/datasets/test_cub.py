"""CUB: species kept, both groupings, attributes aligned to the training images, and malformed lines."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from harness import datasets
from harness.datasets import _cub, _cub_student, cub20, cub50, cub200
from harness.errors import MissingData, UsageError
from tests.datasets import genuine


def facts() -> dict:
    """The student's table as it was taken from the public code, or a skip."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "facts"
    path = Path(os.environ.get("HARNESS_FACTS", beside)) / "cub_student_coarse.json"
    if not path.is_file():
        pytest.skip("needs cub_student_coarse.json below HARNESS_FACTS")
    return json.loads(path.read_text())["class_to_coarse"]


@pytest.fixture
def folder(tmp_path):
    return genuine.write_cub(tmp_path) / "CUB_200_2011"


def write_lines(path: Path, changes: dict[int, str | None]) -> None:
    """Other text in some lines (numbered from 1); None takes a line out."""
    lines = dict(enumerate(path.read_text().splitlines(), start=1)) | changes
    path.write_text("".join(f"{lines[number]}\n" for number in sorted(lines) if lines[number] is not None))


@pytest.mark.parametrize(("module", "groups"), [(cub20, 4), (cub50, 11), (cub200, 34)])
def test_groupings_of_the_genuine_names_have_the_declared_counts(module, groups):
    names = sorted(facts())[: module.classes[1]]
    coarse, known = _cub._coarse(names, "last-word")
    assert (len(known), len(coarse)) == module.classes
    assert list(known) == sorted(known)
    assert all(name.endswith(known[label]) for name, label in zip(names, coarse, strict=True))
    assert len(_cub._coarse(names, "student")[1]) == groups


def test_student_table_is_that_of_the_public_code():
    table = facts()
    assert list(_cub_student.GROUPS) == [table[name] for name in sorted(table)]


@pytest.mark.parametrize(("name", "sizes"), [("cub20", (80, 40)), ("cub50", (96, 48)), ("cub200", (96, 48))])
def test_first_species_are_kept_in_the_published_split(tmp_path, folder, name, sizes):
    module = datasets.load(name)
    found = module.listing(tmp_path, "last-word", attributes=False)
    assert (len(found.train_paths), len(found.test_paths)) == sizes
    assert len(found.fine_names) == min(24, module.classes[1])
    assert not set(found.train_paths) & set(found.test_paths)
    for paths, fine in ((found.train_paths, found.train_fine), (found.test_paths, found.test_fine)):
        for path, label in zip(paths, fine, strict=True):
            assert path.startswith(f"CUB_200_2011/images/{found.fine_names[label]}/")
            assert (tmp_path / path).is_file()
    assert found.train_attributes is None
    assert found.closed == ()


def test_last_word_groups_are_numbered_alphabetically(tmp_path, folder):
    found = cub20.listing(tmp_path, "last-word", attributes=False)
    assert found.coarse_names == (
        ("Albatross", "Ani", "Auklet", "Blackbird", "Bobolink", "Bunting", "Cardinal", "Catbird", "Chat")
    )
    assert len(found.coarse_names) == cub20.classes[0]
    assert found.train_coarse[::4].tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7, 7, 8]


def test_student_groups_are_renumbered_from_0(tmp_path, folder):
    found = cub20.listing(tmp_path, "student", attributes=False)
    assert found.coarse_names == ("group 1", "group 2", "group 3", "group 4")
    assert found.train_coarse[::4].tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 2, 3, 3, 3]


def test_attributes_belong_to_the_training_images_in_their_order(tmp_path, folder):
    found = cub20.listing(tmp_path, "student", attributes=True)
    images = np.array([int(path[:-4].rpartition("_")[2]) for path in found.train_paths])
    expected = (images[:, None] + np.arange(1, 313)) % 3 == 0
    assert found.train_attributes is not None
    assert found.train_attributes.dtype == np.float32
    np.testing.assert_array_equal(found.train_attributes, expected)


def test_attributes_follow_images_that_are_listed_in_another_order(tmp_path, folder):
    lines = (folder / "images.txt").read_text().splitlines()
    np.random.default_rng(1).shuffle(lines)
    (folder / "images.txt").write_text("\n".join(lines))
    test_attributes_belong_to_the_training_images_in_their_order(tmp_path, folder)


def test_attribute_lines_may_stand_in_any_order(tmp_path, folder):
    path = folder / "attributes" / "image_attribute_labels.txt"
    expected = cub20.listing(tmp_path, "student", attributes=True).train_attributes
    lines = path.read_text().splitlines()
    np.random.default_rng(0).shuffle(lines)
    path.write_text("\n".join(lines))
    np.testing.assert_array_equal(cub20.listing(tmp_path, "student", attributes=True).train_attributes, expected)


def test_attribute_file_is_needed_only_where_it_is_asked_for(tmp_path, folder):
    (folder / "attributes" / "image_attribute_labels.txt").unlink()
    cub20.listing(tmp_path, "student", attributes=False)
    with pytest.raises(MissingData, match=r"attributes/image_attribute_labels.txt, which comes with"):
        cub20.listing(tmp_path, "student", attributes=True)


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (5, "1 5 x 3 1.0", "line 5: it must start with an image, an attribute from 1 to 312"),
        (5, "1 5", "line 5: it must start with"),
        (5, "1 313 0 3 1.0", "line 5: it must start with"),
        (5, "1 0 0 3 1.0", "line 5: it must start with"),
        (5, "1 5 2 3 1.0", "line 5: it must start with"),
        (5, "1 5.5 1 3 1.0", "line 5: it must start with"),
        (5, "1 4 1 3 1.0", "image 1 has attribute 4 2 times, not once"),
        (5, None, "image 1 has attribute 5 0 times, not once"),
    ],
)
def test_malformed_attribute_line_is_named(tmp_path, folder, line, text, said):
    write_lines(folder / "attributes" / "image_attribute_labels.txt", {line: text})
    with pytest.raises(UsageError, match=rf"image_attribute_labels.txt[:,] {said}"):
        cub20.listing(tmp_path, "student", attributes=True)


@pytest.mark.parametrize(
    ("file", "line", "text", "said"),
    [
        ("images.txt", 3, "3", "line 3: it must be a whole number and one word"),
        ("images.txt", 3, "3 a b.jpg", "line 3: it must be a whole number and one word"),
        ("images.txt", 3, "x a.jpg", "line 3: it must be a whole number and one word"),
        ("images.txt", 3, "2 a.jpg", "line 3: 2 was there before"),
        ("images.txt", 3, "3 ../a.jpg", r"line 3: the path '\.\./a.jpg' leads out"),
        ("image_class_labels.txt", 3, "3 25", "image 3 has '25', which is no whole number from 1 to 24"),
        ("image_class_labels.txt", 3, "3 a", "image 3 has 'a'"),
        ("image_class_labels.txt", 3, None, "image 3 is only in one of it and images.txt"),
        ("train_test_split.txt", 3, "3 2", "image 3 has '2', which is no whole number from 0 to 1"),
        ("train_test_split.txt", 3, "999 1", "image 3 is only in one of it and images.txt"),
        ("classes.txt", 3, None, "its classes must be numbered from 1 on without a gap"),
    ],
)
def test_malformed_table_is_named(tmp_path, folder, file, line, text, said):
    write_lines(folder / file, {line: text})
    with pytest.raises(UsageError, match=f"{file}[:,] {said}"):
        cub20.listing(tmp_path, "last-word", attributes=False)


def test_split_without_test_images_is_named(tmp_path, folder):
    write_lines(folder / "train_test_split.txt", {image: f"{image} 1" for image in range(1, 145)})
    with pytest.raises(UsageError, match=r"120 training images and 0 test images"):
        cub20.listing(tmp_path, "last-word", attributes=False)


def test_line_endings_of_windows_are_read_alike(tmp_path, folder):
    expected = cub20.listing(tmp_path, "last-word", attributes=False)
    for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt", "classes.txt"):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n").rstrip())
    found = cub20.listing(tmp_path, "last-word", attributes=False)
    assert (found.train_paths, found.fine_names) == (expected.train_paths, expected.fine_names)
