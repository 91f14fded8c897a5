"""Recall@K: does any of a test image's K nearest neighbours among the other ones have its fine label? (paper Sec. 4)

C rows of a chunk, N images, F features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

CHUNK_BYTES = 64 * 2**20  # about what the similarities of one chunk and the masks over them take
TIE = 1e-12  # cosine similarities in float64 that are closer than this are equal: images stand in test sets twice
NEVER = torch.iinfo(torch.int64).max
DOUBT = 4e-6  # in float32 the order of two similarities is certain when they are further apart than this


@torch.no_grad()
def recall_at_k(features: Tensor, labels: Tensor, ks: Iterable[int] = (1, 2, 5, 10)) -> dict[int, float]:
    """The share of images with a neighbour of their own label among the K nearest by cosine similarity, per K.

    `features` (N, F) need not be normalised; `labels` (N,). The image itself is left out by its index. Equal similarities
    rank by index, so that an encoder that maps everything to one point scores chance. Exact: float32 decides where it can,
    rows in which it cannot are computed again in float64. Memory is bounded by a chunk, whatever N is.
    """
    ks = _checked(features, labels, list(ks))
    with torch.autocast(features.device.type, enabled=False):
        exact = _unit(features)  # (N, F) float64
        unit = exact.float()
        chunk = max(1, CHUNK_BYTES // (14 * len(unit)))
        ahead = torch.empty(len(unit), dtype=torch.int64, device=unit.device)
        for rows in torch.arange(len(unit), device=unit.device).split(chunk):
            fewest, most = _between(unit, labels, rows)
            ahead[rows] = fewest
            doubtful = torch.stack([(fewest < k) & (k <= most) for k in ks]).any(dim=0)
            for again in rows[doubtful].split(max(1, chunk // 2)):
                ahead[again] = _exactly(exact, labels, again)
    return {k: (ahead < k).double().mean().item() for k in ks}


def _checked(features: Tensor, labels: Tensor, ks: list[int]) -> list[int]:
    if features.ndim != 2 or labels.shape != features.shape[:1] or len(features) == 0:
        raise ValueError(
            f"features {tuple(features.shape)} must be (N, F) and labels {tuple(labels.shape)} (N,), N > 0"
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"ks={ks}: each K must be at least 1")
    if not torch.isfinite(features).all():
        raise ValueError("features hold NaN or infinity: recall is not defined for them")
    return ks


def _unit(features: Tensor) -> Tensor:
    """Rows of unit norm in float64, whatever their scale; a row of zeros stays one. (N, F)"""
    features = features.double()
    features = features / features.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    return features / features.norm(dim=1, keepdim=True).clamp_min(1e-300)


def _similarity(unit: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows to all images: cosine (C, N), the same label (C, N), and the cosine of the nearest such one (C, 1)."""
    similarity = unit[rows] @ unit.T
    same = labels[rows, None] == labels[None, :]
    place = torch.arange(len(rows), device=unit.device)
    similarity[place, rows] = -math.inf
    same[place, rows] = False
    return similarity, same, similarity.masked_fill(~same, -math.inf).amax(dim=1, keepdim=True)


def _between(unit: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """At least and at most how many images are nearer than the nearest of the row's own label. (C,), (C,)

    Counting them needs no sorting.
    """
    similarity, same, nearest_same = _similarity(unit, labels, rows)
    fewest = (similarity > nearest_same + DOUBT).sum(dim=1)
    most = ((similarity >= nearest_same - DOUBT) & ~same).sum(dim=1)
    alone = torch.isinf(nearest_same[:, 0])  # no K is enough for a label that stands alone
    return fewest.masked_fill(alone, NEVER), most.masked_fill(alone, NEVER)


def _exactly(unit: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """How many images rank before the first one of the row's own label, equal ones by their index. (C,)"""
    similarity, same, nearest_same = _similarity(unit, labels, rows)
    tied = (similarity - nearest_same).abs() <= TIE
    first = (same & tied).int().argmax(dim=1, keepdim=True)  # (C, 1)
    before = tied & (torch.arange(len(unit), device=unit.device) < first)
    return ((similarity > nearest_same) & ~tied).sum(dim=1) + (before & ~same).sum(dim=1)
