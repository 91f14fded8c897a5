"""Recall@K against a double loop over every structure of labels that its blocks treat differently."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness.evaluation import recall, recall_at_k

from . import naive

KS = (1, 2, 3, 5, 10, 50, 100)
COUNT, DIMENSION = 60, 6


def _halves(drawn: torch.Generator) -> Tensor:
    return (torch.arange(COUNT) >= COUNT // 2).long()


LABELS: dict[str, Callable[[torch.Generator], Tensor]] = {
    "all equal": lambda drawn: torch.full((COUNT,), 7),
    "all different": lambda drawn: torch.randperm(COUNT, generator=drawn),
    "two, sorted": _halves,
    "two, reversed": lambda drawn: _halves(drawn).flip(0),
    "two, mixed": lambda drawn: torch.randint(2, (COUNT,), generator=drawn),
    "two, one of them once": lambda drawn: (
        torch.arange(COUNT) == int(torch.randint(COUNT, (1,), generator=drawn))
    ).long(),
    "pairs, far apart": lambda drawn: torch.arange(COUNT) % (COUNT // 2),
    "pairs, side by side": lambda drawn: torch.arange(COUNT) // 2,
    "one large, others alone": lambda drawn: (torch.arange(COUNT) - COUNT // 2).clamp_min(0),
    "negative and huge": lambda drawn: torch.tensor([-(2**62), -1, 0, 2**62])[
        torch.randint(4, (COUNT,), generator=drawn)
    ],
    "ten, mixed": lambda drawn: torch.randint(10, (COUNT,), generator=drawn),
}


def directions(drawn: torch.Generator) -> Tensor:
    return torch.randn(COUNT, DIMENSION, generator=drawn, dtype=torch.float64)


def with_copies(drawn: torch.Generator) -> Tensor:
    return directions(drawn)[torch.randint(COUNT // 3, (COUNT,), generator=drawn)]


def nearly_copies(drawn: torch.Generator) -> Tensor:
    """Similarities apart by about 1e-7: too little for single precision, far more than TIE."""
    noise = torch.randn(COUNT, DIMENSION, generator=drawn, dtype=torch.float64)
    return with_copies(drawn) + 3e-4 * noise


def nearly_one_point(drawn: torch.Generator) -> Tensor:
    return torch.ones(COUNT, DIMENSION, dtype=torch.float64) + 1e-4 * directions(drawn)


FEATURES = {
    "directions": directions,
    "copies": with_copies,
    "nearly copies": nearly_copies,
    "nearly one point": nearly_one_point,
}


def in_blocks_of(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(recall, "BLOCK", {"cpu": size, "cuda": size})
    monkeypatch.setattr(recall, "EXACT_BYTES", 8 * COUNT * 3)


@pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_every_structure_of_labels_equals_the_double_loop_in_blocks_of_any_size(monkeypatch, labels, features):
    drawn = torch.Generator().manual_seed(0)
    case = features(drawn), labels(drawn)
    expected = naive.recall_at_k(case[0].tolist(), case[1].tolist(), KS)
    for size in (1024, 30, 17, 4):
        in_blocks_of(monkeypatch, size)
        assert recall_at_k(*case, KS) == expected


@pytest.mark.parametrize("seed", range(40))
def test_random_cases_equal_the_double_loop(monkeypatch, seed):
    drawn = torch.Generator().manual_seed(seed)
    count, dimension, classes, copies, size = (
        int(torch.randint(1, most, (1,), generator=drawn)) for most in (50, 9, 20, 50, 20)
    )
    features = torch.randn(count, dimension, generator=drawn)[
        torch.randint(min(copies, count), (count,), generator=drawn)
    ]
    labels = torch.randint(classes, (count,), generator=drawn)
    in_blocks_of(monkeypatch, size)
    assert recall_at_k(features, labels, KS) == naive.recall_at_k(features.tolist(), labels.tolist(), KS)


def test_blocks_without_a_shared_label_are_counted_as_well(monkeypatch):
    # two labels, sorted, blocks of one label each: what is nearer lies in the blocks beside the diagonal alone
    features = torch.eye(2).repeat(8, 1)  # 16 images in two directions
    features[8:] = features[8:].flip(1) + torch.tensor([0.0, 0.01])
    labels = (torch.arange(16) >= 8).long()
    expected = naive.recall_at_k(features.tolist(), labels.tolist(), KS)
    in_blocks_of(monkeypatch, 8)
    assert recall_at_k(features, labels, KS) == expected


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_order_of_the_images_does_not_matter_where_none_are_equal(monkeypatch, labels):
    drawn = torch.Generator().manual_seed(3)
    features, found = directions(drawn), labels(drawn)
    order = torch.randperm(COUNT, generator=drawn)
    in_blocks_of(monkeypatch, 7)
    assert recall_at_k(features[order], found[order], KS) == recall_at_k(features, found, KS)
