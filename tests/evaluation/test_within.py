"""Recall inside groups against a double loop, and beside recall over all images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.evaluation import recall, recall_at_k, recall_within

from ..training import processes
from . import naive

KS = (1, 2, 5, 10, 1000)
MIB = 2**20


def random_case(seed: int, count: int = 80, groups: int = 4, classes: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Random directions; every class lies in one group."""
    drawn = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, generator=drawn, dtype=torch.float64)
    labels = torch.randint(classes, (count,), generator=drawn)
    return features, labels, torch.randint(groups, (classes,), generator=drawn)[labels]


def crossed_case(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Labels that are spread over the groups."""
    features, labels, groups = random_case(seed)
    return features, labels, groups[torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))]


def repeated_case(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every feature an exact copy of one of seven."""
    features, labels, groups = random_case(seed)
    return features[torch.arange(len(features)) % 7], labels, groups


def lonely_case(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every third image alone in its group."""
    features, labels, groups = random_case(seed)
    groups[::3] = -1 - torch.arange(len(groups[::3]))
    return features, labels, groups


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", [random_case, crossed_case, repeated_case, lonely_case])
@pytest.mark.parametrize("seed", range(5))
def test_recall_within_equals_a_double_loop(case, seed, dtype):
    features, labels, groups = case(seed)
    features = features.to(dtype)
    expected = naive.recall_within(features.tolist(), labels.tolist(), groups.tolist(), KS)
    assert recall_within(features, labels, groups, KS) == expected


@pytest.mark.parametrize("count", [1, 2, 49, 80])
def test_one_group_is_recall_over_all_images(count):
    for case in (random_case, repeated_case):
        features, labels, _ = (values[:count] for values in case(0))
        one = torch.full_like(labels, 3)
        assert recall_within(features, labels, one, KS) == recall_at_k(features, labels, KS)


@pytest.mark.parametrize("case", [random_case, repeated_case])
@pytest.mark.parametrize("seed", range(20))
def test_it_is_never_less_than_recall_over_all_images_where_labels_lie_in_one_group(case, seed):
    features, labels, groups = case(seed)
    within, overall = recall_within(features, labels, groups, KS), recall_at_k(features, labels, KS)
    assert all(within[k] >= overall[k] for k in KS)
    assert within[1] > overall[1]


def test_finer_groups_never_lower_it():
    for seed in range(10):
        features, labels, groups = random_case(seed, groups=8)
        coarse, fine, finest = (recall_within(features, labels, each, KS) for each in (groups // 2, groups, labels))
        assert all(coarse[k] <= fine[k] <= finest[k] for k in KS)


def test_a_group_of_one_label_is_retrieved_wherever_its_images_lie():
    features, labels, _ = random_case(1)
    alone = sum((labels == label).sum() == 1 for label in labels)
    assert recall_within(features, labels, labels, KS) == dict.fromkeys(KS, 1 - int(alone) / 80)


def test_an_image_alone_in_its_group_is_not_retrieved():
    features, labels, _ = random_case(2)
    assert recall_within(features, labels, torch.arange(80), KS) == dict.fromkeys(KS, 0.0)
    assert recall_within(features[:1], labels[:1], labels[:1], (1,)) == {1: 0.0}


def test_k_beyond_the_group_asks_for_any_other_of_the_label():
    features = torch.eye(6)
    labels, groups = torch.tensor([0, 0, 1, 2, 3, 3]), torch.tensor([0, 0, 0, 1, 1, 1])
    assert recall_within(features, labels, groups, (2, 3, 100)) == dict.fromkeys((2, 3, 100), 4 / 6)


def test_order_of_images_and_names_of_groups_do_not_matter():
    features, labels, groups = random_case(3)
    expected = recall_within(features, labels, groups, KS)
    order = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    assert recall_within(features[order], labels[order], groups[order], KS) == expected
    assert recall_within(features, labels, torch.tensor([2**60, -5, 7, 0])[groups], KS) == expected


def test_size_of_a_block_does_not_matter(monkeypatch):
    case = crossed_case(4)
    expected = recall_within(*case, KS)
    monkeypatch.setattr(recall, "BLOCK", {"cpu": 7, "cuda": 7})
    assert recall_within(*case, KS) == expected


def test_inputs_are_left_as_they_are():
    inputs, untouched = crossed_case(5), crossed_case(5)
    recall_within(*inputs)
    assert all(torch.equal(one, other) for one, other in zip(inputs, untouched, strict=True))


@pytest.mark.parametrize("shape", [(79,), (80, 1), ()])
def test_groups_of_another_shape_are_an_error_that_names_it(shape):
    features, labels, _ = random_case(6)
    with pytest.raises(ValueError, match=r"groups .* must be \(N,\)"):
        recall_within(features, labels, torch.zeros(shape, dtype=torch.int64))


@pytest.mark.parametrize("ks", [(), (0,), (1, -1)])
def test_k_below_one_is_an_error(ks):
    with pytest.raises(ValueError, match="at least 1"):
        recall_within(*random_case(7), ks)


def test_features_that_are_not_finite_are_an_error():
    features, labels, groups = random_case(8)
    features[3, 2] = float("nan")
    with pytest.raises(ValueError, match="NaN or infinity"):
        recall_within(features, labels, groups)


def test_memory_is_bounded_by_chunks():
    count = 12_000
    growth = processes.peak_growth(evaluate, 100, count)
    assert growth < 350 * MIB < 4 * count**2  # bytes of all similarities: 549 MiB


def evaluate(count: int) -> None:
    """Nearly all images in one group."""
    features, labels, groups = random_case(9, count, groups=1)
    groups[:50] = 1
    recall_within(features.float(), labels, groups)
