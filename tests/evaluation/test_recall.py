"""Recall@K against a double loop, and what it must not depend on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.evaluation import recall, recall_at_k

from ..training import processes
from . import naive

KS = (1, 2, 5, 10, 1000)
MIB = 2**20


def random_case(count: int, dimension: int = 16, classes: int = 8, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features in random directions, labels without any relation to them."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, dimension, generator=generator, dtype=torch.float64)
    return features, torch.randint(classes, (count,), generator=generator)


def repeated_case(count: int, directions: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Every feature is an exact copy of one of a few."""
    features, labels = random_case(count, 33, seed=seed)
    copies = torch.randint(directions, (count,), generator=torch.Generator().manual_seed(seed + 1))
    return features[copies], labels


def assert_equals_the_double_loop(features: Tensor, labels: Tensor, ks: tuple[int, ...] = KS) -> None:
    """The loop counts in double precision what the function may compute in single."""
    assert recall_at_k(features, labels, ks) == naive.recall_at_k(features.tolist(), labels.tolist(), ks)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("count", [3, 50, 101])
def test_recall_equals_a_double_loop(count, dtype):
    features, labels = random_case(count)
    assert_equals_the_double_loop(features.to(dtype), labels)


def test_equal_similarities_rank_by_index():
    # unit vectors of halves: every similarity is a multiple of a quarter, exact in any order of summation
    generator = torch.Generator().manual_seed(0)
    features = torch.randint(2, (80, 4), generator=generator).double() - 0.5
    labels = torch.randint(6, (80,), generator=generator)
    for dtype in (torch.float64, torch.float32, torch.float16):
        assert_equals_the_double_loop(features.to(dtype), labels)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("directions", [1, 3, 20])
def test_copies_of_a_feature_rank_by_index(directions, dtype):
    features, labels = repeated_case(203, directions)
    assert_equals_the_double_loop(features.to(dtype), labels)


def test_features_without_direction_rank_by_index():
    features, labels = random_case(60)
    features[::3] = 0
    assert_equals_the_double_loop(features, labels)


def test_label_that_stands_alone_is_never_recalled():
    features, labels = random_case(40)
    labels[::4] = 100 + torch.arange(10)
    assert_equals_the_double_loop(features, labels)
    assert recall_at_k(features, torch.arange(40), (1, 39, 1000)) == {1: 0.0, 39: 0.0, 1000: 0.0}


def test_k_beyond_all_images_asks_for_any_other_of_the_label():
    features, labels = random_case(12, classes=4)
    alone = sum((labels == label).sum() == 1 for label in labels)
    assert recall_at_k(features, labels, (11, 12, 10**9)) == dict.fromkeys((11, 12, 10**9), 1 - alone.item() / 12)


def test_single_image_has_no_neighbour():
    assert recall_at_k(torch.ones(1, 3), torch.zeros(1), (1, 5)) == {1: 0.0, 5: 0.0}


@pytest.mark.parametrize(("labels", "expected"), [((7, 7), 1.0), ((7, 8), 0.0)])
def test_two_images_are_each_others_neighbour(labels, expected):
    features = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert recall_at_k(features, torch.tensor(labels), (1, 2)) == {1: expected, 2: expected}


def test_an_image_is_not_its_own_neighbour():
    features = torch.eye(4).repeat_interleave(2, dim=0)  # pairs of copies, of different labels
    labels = torch.tensor([0, 1] * 4)
    assert recall_at_k(features, labels, (1,)) == {1: 0.0}


@pytest.mark.parametrize("exponent", [-100, -60, -10, 10, 60, 100])
def test_scale_of_the_features_does_not_matter(exponent):
    features, labels = random_case(64)
    features = features.float()
    assert recall_at_k(features * 2.0**exponent, labels, KS) == recall_at_k(features, labels, KS)


def test_scale_of_each_feature_does_not_matter():
    features, labels = random_case(64)
    lengths = 2.0 ** torch.randint(-6, 7, (64, 1), generator=torch.Generator().manual_seed(0))
    assert recall_at_k(features * lengths, labels, KS) == recall_at_k(features, labels, KS)


@pytest.mark.parametrize("size", [1, 7, 45, 89, 90, 91])
@pytest.mark.parametrize(
    "case", [random_case(90), repeated_case(90, 1), repeated_case(90, 12)], ids=["random", "one", "few"]
)
def test_size_of_a_block_does_not_matter(monkeypatch, case, size):
    whole = naive.recall_at_k(*(values.tolist() for values in case), KS)
    monkeypatch.setattr(recall, "BLOCK", {"cpu": size, "cuda": size})
    monkeypatch.setattr(recall, "EXACT_BYTES", 8 * 90 * size)
    assert recall_at_k(*case, KS) == whole


def test_autocast_does_not_matter():
    features, labels = random_case(101)
    expected = recall_at_k(features.float(), labels, KS)
    with torch.autocast("cpu", torch.bfloat16):
        assert recall_at_k(features.float(), labels, KS) == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_not_finite_are_an_error(bad):
    features, labels = random_case(10)
    features[3, 2] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        recall_at_k(features, labels)


@pytest.mark.parametrize(("features", "labels"), [((5,), (5,)), ((5, 3), (4,)), ((5, 3), (5, 1)), ((5, 3, 2), (5,))])
def test_wrong_shapes_are_an_error_that_names_them(features, labels):
    with pytest.raises(ValueError, match=r"must be \(N, F\)"):
        recall_at_k(torch.ones(features), torch.ones(labels))


def test_no_images_at_all_are_an_error():
    with pytest.raises(ValueError):
        recall_at_k(torch.ones(0, 3), torch.ones(0))


@pytest.mark.parametrize("ks", [(), (0,), (1, -1)])
def test_k_below_one_is_an_error(ks):
    with pytest.raises(ValueError, match="at least 1"):
        recall_at_k(*random_case(5), ks)


def test_memory_is_bounded_by_chunks():
    count = 12_000
    matrix = 4 * count**2  # bytes of all similarities: 549 MiB
    growth = processes.peak_growth(evaluate, 100, count)
    assert 10 * MIB < growth < 350 * MIB < matrix


def evaluate(count: int) -> None:
    """Recall of `count` features in single precision."""
    features, labels = random_case(count)
    recall_at_k(features.float(), labels)
