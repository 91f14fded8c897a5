"""Stanford Online Products: the rule against the authors' own lists, both draws of split 2, and malformed files."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import Counter

import numpy as np
import pytest

from harness.datasets import _sop, sop_split1, sop_split2
from harness.errors import MissingData, UsageError
from tests.datasets import genuine

FROM_TRAIN_FILE = 2_444  # of the 5,035 products: the first pass through the kinds in alphabetical order


def lists_of(folder):
    """The authors' six lists, by name."""
    return {path.name: json.loads(path.read_text()) for path in folder.glob("*.json")}


def write_ebay_files(root, lists):
    """Ebay_train.txt and Ebay_test.txt that have the products of split 1's lists, their images in order of number, and
    smaller products among them."""
    products = []
    for split in ("train", "test"):
        rows = zip(lists[f"{split}_path.json"], lists[f"{split}_coarse_label.json"], strict=True)
        for _, images in itertools.groupby(rows, key=lambda row: _sop.product_name(row[0])):
            images = list(images)
            by_number = sorted((path for path, _ in images), key=lambda path: int(path[:-4].rpartition("_")[2]))
            products.append((images[0][1] + 1, by_number))
            if len(products) % 3 == 0:
                products.append((images[0][1] + 1, [f"small_final/{len(products)}_{i}.JPG" for i in range(7)]))
    first = FROM_TRAIN_FILE + FROM_TRAIN_FILE // 3
    folder = root / "Stanford_Online_Products"
    folder.mkdir(parents=True)
    (folder / "Ebay_train.txt").write_text("\n".join(genuine.ebay_lines(products[:first])) + "\n")
    (folder / "Ebay_test.txt").write_text("\n".join(genuine.ebay_lines(products[first:], first + 1)) + "\n")
    return root


def check_against(listing, lists):
    """Paths and labels are exactly those of the lists."""
    for split in ("train", "test"):
        paths = [f"Stanford_Online_Products/{path}" for path in lists[f"{split}_path.json"]]
        assert list(getattr(listing, f"{split}_paths")) == paths
        assert getattr(listing, f"{split}_fine").tolist() == lists[f"{split}_fine_label.json"]
        assert getattr(listing, f"{split}_coarse").tolist() == lists[f"{split}_coarse_label.json"]


def test_rule_of_split_1_gives_the_authors_lists(tmp_path):
    real = genuine.annotations("sop_split1")
    lists = lists_of(real)
    write_ebay_files(tmp_path, lists)
    found = sop_split1.listing(tmp_path, "official", attributes=False)
    check_against(found, lists)
    assert (len(found.train_paths), len(found.test_paths)) == (25_368, 25_278)
    assert (len(set(found.train_fine)), len(set(found.test_fine))) == (2_517, 2_518)
    assert found.coarse_names[found.train_coarse[0]] == found.train_paths[0].split("/")[1].removesuffix("_final")
    for split in ("train", "test"):  # each label's name starts the path
        coarse = zip(getattr(found, f"{split}_paths"), getattr(found, f"{split}_coarse"), strict=True)
        assert all(path.split("/")[1] == f"{found.coarse_names[label]}_final" for path, label in coarse)
    assert all(found.fine_names[label] in path for label, path in zip(found.train_fine, found.train_paths, strict=True))
    assert (len(found.coarse_names), len(found.fine_names)) == sop_split1.classes
    shutil.copytree(real, tmp_path / "Stanford_Online_Products" / "sop_split1")
    assert sop_split1.listing(tmp_path, "official", attributes=False).train_paths == found.train_paths


def test_split_1_without_the_authors_product_or_with_another_label_names_the_first_difference(tmp_path):
    genuine.write_sop(tmp_path)
    found = sop_split1.listing(tmp_path, "official", attributes=False)
    folder = tmp_path / "Stanford_Online_Products" / "sop_split1"
    folder.mkdir()
    (folder / "train_fine_label.json").write_text(json.dumps(found.train_fine.tolist()))
    sop_split1.listing(tmp_path, "official", attributes=False)
    (folder / "train_fine_label.json").write_text(json.dumps([*found.train_fine[:-1].tolist(), 99]))
    with pytest.raises(UsageError, match=rf"train_fine_label.json: entry {len(found.train_fine) - 1} is 99, and"):
        sop_split1.listing(tmp_path, "official", attributes=False)
    (folder / "train_fine_label.json").write_text(json.dumps(found.train_fine.tolist()[:-1]))
    with pytest.raises(UsageError, match=r"train_fine_label.json: it has \d+ entries, and \d+ by"):
        sop_split1.listing(tmp_path, "official", attributes=False)
    (folder / "train_fine_label.json").unlink()
    (folder / "test_path.json").write_text(json.dumps(["a/b.JPG"]))
    with pytest.raises(UsageError, match=r"test_path.json: entry 0 is 'a/b.JPG', and"):
        sop_split1.listing(tmp_path, "official", attributes=False)


def test_split_1_takes_products_of_eight_images_and_the_first_half_for_training(tmp_path):
    found = sop_split1.listing(genuine.write_sop(tmp_path), "official", attributes=False)
    sizes = Counter(found.train_fine.tolist())
    assert min(sizes.values()) == 8
    assert (len(sizes), len(set(found.test_fine.tolist()))) == (10, 11)  # 27 products, six of them too small
    numbers = [int(path[:-4].rpartition("_")[2]) for path in found.train_paths[:12]]
    assert numbers == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert found.closed == ()
    assert found.train_attributes is None
    for path in found.train_paths + found.test_paths:
        assert (tmp_path / path).is_file()


def test_authors_draw_of_split_2_is_read_as_it_is(tmp_path):
    real = genuine.annotations("sop_split2")
    shutil.copytree(real, tmp_path / "Stanford_Online_Products" / "sop_split2")
    found = sop_split2.listing(tmp_path, "official", attributes=False)
    check_against(found, lists_of(real))
    assert (len(found.train_paths), len(found.test_paths)) == (14_980, 2_996)
    assert (len(found.coarse_names), len(found.fine_names)) == sop_split2.classes == (12, 1498)
    assert set(Counter(found.train_fine.tolist()).values()) == {10}
    assert set(Counter(found.test_fine.tolist()).values()) == {2}
    for paths, labels in ((found.train_paths, found.train_fine), (found.test_paths, found.test_fine)):
        assert all(found.fine_names[label] in path for label, path in zip(labels, paths, strict=True))


def test_redrawn_split_2_has_the_products_of_the_authors_in_their_order_but_other_images(tmp_path):
    write_ebay_files(tmp_path, lists_of(genuine.annotations("sop_split1")))
    found = sop_split2.listing(tmp_path, "official", attributes=False, draw="redrawn")
    again = sop_split2.listing(tmp_path, "official", attributes=False, draw="redrawn")
    assert (len(found.train_paths), len(found.test_paths)) == (14_980, 2_996)
    assert found.train_paths == again.train_paths
    assert not set(found.train_paths) & set(found.test_paths)
    shutil.copytree(genuine.annotations("sop_split2"), tmp_path / "Stanford_Online_Products" / "sop_split2")
    authors = sop_split2.listing(tmp_path, "official", attributes=False, draw="authors")
    assert found.fine_names == authors.fine_names
    for part in ("train_fine", "train_coarse", "test_fine", "test_coarse"):
        np.testing.assert_array_equal(getattr(found, part), getattr(authors, part))
    assert set(found.train_paths) | set(found.test_paths) == set(authors.train_paths) | set(authors.test_paths)
    assert set(found.test_paths) != set(authors.test_paths)


def test_split_2_without_the_authors_lists_names_the_other_draw(tmp_path):
    folder = genuine.write_sop(tmp_path) / "Stanford_Online_Products" / "sop_split2"
    (folder / "test_coarse_label.json").unlink()
    with pytest.raises(MissingData, match=r"sop_split2/test_coarse_label.json.*--set draw=redrawn"):
        sop_split2.listing(tmp_path, "official", attributes=False)
    assert len(sop_split2.listing(tmp_path, "official", attributes=False, draw="redrawn").train_paths) == 180


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train_path.json", "{", "cannot be read as JSON"),
        ("train_path.json", "{}", "holds a dict"),
        ("train_path.json", "[1]", "entry 0 is 1"),
        ("train_path.json", '["../x"]', "entry 0 is '../x'"),
        ("train_fine_label.json", "[0]", "has 1 entries, train_path.json has 180"),
        ("train_fine_label.json", "[true]", "entry 0 is True"),
        ("train_fine_label.json", json.dumps([0] * 179 + [17]), "all of 0…17"),
        ("test_fine_label.json", json.dumps([0] * 35 + [18]), "not in train_fine_label"),
        ("test_coarse_label.json", json.dumps([12] * 36), "outside 0…11"),
    ],
)
def test_authors_list_that_cannot_be_is_named(tmp_path, name, content, said):
    folder = genuine.write_sop(tmp_path) / "Stanford_Online_Products" / "sop_split2"
    (folder / name).write_text(content)
    with pytest.raises(UsageError, match=f"{name}.*{said}"):
        sop_split2.listing(tmp_path, "official", attributes=False)


def test_image_in_both_lists_is_named(tmp_path):
    folder = genuine.write_sop(tmp_path) / "Stanford_Online_Products" / "sop_split2"
    paths = json.loads((folder / "test_path.json").read_text())
    paths[3] = json.loads((folder / "train_path.json").read_text())[0]
    (folder / "test_path.json").write_text(json.dumps(paths))
    with pytest.raises(UsageError, match=r"test_path.json: '.*' is also in train_path.json"):
        sop_split2.listing(tmp_path, "official", attributes=False)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
def test_line_endings_of_windows_and_a_missing_last_one_are_read_alike(tmp_path, ending, final):
    expected = sop_split1.listing(genuine.write_sop(tmp_path), "official", attributes=False)
    for name in ("Ebay_train.txt", "Ebay_test.txt"):
        path = tmp_path / "Stanford_Online_Products" / name
        lines = path.read_text().splitlines()
        path.write_bytes((ending.join(lines) + (ending if final else "")).encode())
    assert sop_split1.listing(tmp_path, "official", attributes=False).train_paths == expected.train_paths


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (1, "image_id class_id path", "line 1: the header must be"),
        (3, "2 1 1", "line 3: it has 3 fields"),
        (3, "2 1 1 a b.JPG", "line 3: it has 5 fields"),
        (3, "", "line 3: it has 0 fields"),
        (4, "x 1 1 a_0.JPG", "line 4: its first three fields must be whole numbers"),
        (4, "3 -1 1 a_0.JPG", "line 4: its first three fields must be whole numbers"),
        (4, "3 1 13 a_0.JPG", "line 4: super class 13 is outside 1…12"),
        (4, "3 1 0 a_0.JPG", "line 4: super class 0 is outside"),
        (4, "3 1 2 a_0.JPG", "line 4: product 1 is of super class 1 further up"),
        (5, "4 1 1 ../a_0.JPG", "line 5: the path '../a_0.JPG' leads out"),
        (5, "4 1 1 /etc/a_0.JPG", "line 5: the path '/etc/a_0.JPG' leads out"),
    ],
)
def test_malformed_line_is_named_with_its_number(tmp_path, line, text, said):
    path = genuine.write_sop(tmp_path) / "Stanford_Online_Products" / "Ebay_train.txt"
    lines = path.read_text().splitlines()
    lines[line - 1] = text
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match=rf"Ebay_train.txt, {said}"):
        sop_split1.listing(tmp_path, "official", attributes=False)


def test_empty_list_and_too_few_products_are_named(tmp_path):
    folder = genuine.write_sop(tmp_path) / "Stanford_Online_Products"
    header = "image_id class_id super_class_id path\n"
    for name in ("Ebay_train.txt", "Ebay_test.txt"):
        (folder / name).write_text(header)
    with pytest.raises(UsageError, match="0 products with 8 images"):
        sop_split1.listing(tmp_path, "official", attributes=False)
    with pytest.raises(UsageError, match="no product with 12 images"):
        sop_split2.listing(tmp_path, "official", attributes=False, draw="redrawn")
    (folder / "Ebay_test.txt").write_text("")
    with pytest.raises(UsageError, match=r"Ebay_test.txt, line 1"):
        sop_split1.listing(tmp_path, "official", attributes=False)
