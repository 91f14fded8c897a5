"""Coarse classes by clustering: planted ones are found, numbered by their first class, and read back from the file."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from harness.coarsen import class_means, groups_of, write_csv
from harness.errors import UsageError


def planted(groups, dimension: int = 16, spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """Means whose directions lie around that of their group, of any length. (M, F)"""
    drawn = np.random.default_rng(seed)
    centres = np.linalg.qr(drawn.standard_normal((dimension, dimension)))[0][: max(groups) + 1]
    means = centres[np.array(groups)] + spread * drawn.standard_normal((len(groups), dimension))
    return means * drawn.uniform(0.1, 30, (len(groups), 1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "groups", [[0, 0, 1, 1], [0, 1, 0, 1, 2, 2, 2], [*range(8)] * 5, [0] * 20 + [1], [0, 1, 2, 3, 3]]
)
def test_planted_groups_are_found(groups, seed):
    assert groups_of(planted(groups, seed=seed), max(groups) + 1).tolist() == groups


@pytest.mark.parametrize("seed", range(10))
def test_groups_are_numbered_in_the_order_of_their_first_class(seed):
    order = np.random.default_rng(seed).permutation(12)
    groups = np.arange(12) // 3
    assert groups_of(planted(groups.tolist())[order], 4).tolist() == _renumbered(groups[order])


def _renumbered(groups: np.ndarray) -> list[int]:
    seen = list(dict.fromkeys(groups.tolist()))
    return [seen.index(group) for group in groups.tolist()]


def test_every_count_gives_so_many_groups_without_gaps():
    means = np.random.default_rng(0).standard_normal((30, 8))
    for count in range(2, 30):
        found = groups_of(means, count)
        assert found.dtype == np.int64
        assert found.tolist() == _renumbered(found)
        assert set(found.tolist()) == set(range(count))


def test_more_groups_are_parts_of_fewer():
    means = np.random.default_rng(1).standard_normal((40, 8))
    few, many = groups_of(means, 4), groups_of(means, 12)
    assert len(set(zip(few.tolist(), many.tolist(), strict=True))) == 12


def test_the_same_means_give_the_same_groups_whatever_their_lengths():
    drawn = np.random.default_rng(2)
    means = drawn.standard_normal((50, 8))
    expected = groups_of(means, 7)
    np.random.seed(5)  # noqa: NPY002 (a global state that must not matter)
    assert np.array_equal(groups_of(means, 7), expected)
    assert np.array_equal(groups_of(means * 2.0 ** drawn.integers(-5, 6, (50, 1)), 7), expected)


def test_a_mean_of_zeros_is_no_error():
    means = planted([0, 0, 1, 1])
    assert len(groups_of(np.concatenate([means, np.zeros((1, 16))]), 3)) == 5


@pytest.mark.parametrize("count", [-1, 0, 1, 10, 11])
def test_too_few_or_too_many_groups_are_refused_with_what_is_allowed(count):
    with pytest.raises(UsageError, match=f"{count} coarse classes cannot be made of 10 fine ones: take at least 2"):
        groups_of(np.random.default_rng(0).standard_normal((10, 3)), count)


def test_means_that_are_not_finite_are_refused():
    means = planted([0, 0, 1, 1])
    means[1] = np.nan
    with pytest.raises(UsageError, match="NaN or infinity"):
        groups_of(means, 2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_class_means_equal_a_loop(dtype):
    drawn = np.random.default_rng(3)
    features, fine = drawn.standard_normal((200, 5)).astype(dtype), drawn.permutation(np.arange(200) % 9)
    found = class_means(features, fine)
    assert (found.shape, found.dtype) == ((9, 5), np.float64)
    for label in range(9):
        rows = [row for row, of_row in zip(features.tolist(), fine.tolist(), strict=True) if of_row == label]
        np.testing.assert_allclose(found[label], np.sum(rows, axis=0) / len(rows), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("fine", "says"), [([0, 2, 2, 3], "1 fine classes have no image: 1"), ([9, 9, 9, 9], "4 more")]
)
def test_classes_without_images_are_refused_and_named(fine, says):
    with pytest.raises(UsageError, match=says):
        class_means(np.ones((4, 3)), np.array(fine))


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(UsageError, match="NaN or infinity"):
        class_means(np.array([[1.0], [np.inf]]), np.array([0, 1]))


@pytest.mark.parametrize(("features", "fine"), [((4,), (4,)), ((4, 2), (3,)), ((0, 2), (0,))])
def test_wrong_shapes_are_an_error_that_names_them(features, fine):
    with pytest.raises(ValueError, match=r"must be \(N, F\)"):
        class_means(np.ones(features), np.zeros(fine, np.int64))


def test_from_features_to_groups():
    drawn = np.random.default_rng(4)
    groups = [0, 1, 1, 0, 2, 2]
    means, fine = planted(groups), np.arange(600) % 6
    features = means[fine] + 0.05 * drawn.standard_normal((600, 16))
    assert groups_of(class_means(features, fine), 3).tolist() == groups


def test_the_file_reads_back_whatever_the_names_hold(tmp_path):
    names = ["plain", "with, comma", 'with "quotes"', "Müller’s gull", " space ", "two\nlines", "'single'", ""]
    groups = np.array([0, 1, 0, 2, 1, 1, 2, 0])
    write_csv(tmp_path / "coarse.csv", names, groups)
    with (tmp_path / "coarse.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["fine"] for row in rows] == names
    assert [row["coarse"] for row in rows] == [f"group-{group + 1}" for group in groups]
    assert list(rows[0]) == ["fine", "coarse"]


def test_names_that_do_not_fit_the_groups_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="2 names of fine classes do not fit 3 groups"):
        write_csv(tmp_path / "coarse.csv", ["a", "b"], np.array([0, 1, 0]))
    assert not list(tmp_path.iterdir())
