"""Recall@K: does any of a test image's K nearest neighbours among the other test images have its fine label? (paper Sec. 4)

C rows of a chunk, N images, F features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.functional import normalize

CHUNK_BYTES = 128 * 2**20  # about what the similarities of one chunk and the masks over them take


@torch.no_grad()
def recall_at_k(features: Tensor, labels: Tensor, ks: Iterable[int] = (1, 2, 5, 10)) -> dict[int, float]:
    """The share of images with a neighbour of their own label among the K nearest by cosine similarity, per K.

    `features` (N, F) need not be normalised; `labels` (N,). The image itself is left out by its index. Equal similarities
    rank by index, so that encoders which map everything to one point score chance. Instead of sorting, it counts how many
    images are nearer than the nearest one of the same label; memory is bounded by a chunk, whatever N is.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features {tuple(features.shape)} must be (N, F) and labels {tuple(labels.shape)} (N,)")
    ks = list(ks)
    if not ks or min(ks) < 1:
        raise ValueError(f"ks={ks}: each K must be at least 1")
    if not torch.isfinite(features).all():
        raise ValueError("features hold NaN or infinity: recall is not defined for them")
    unit = normalize(features.float() if features.dtype in (torch.float16, torch.bfloat16) else features)
    chunk = max(1, CHUNK_BYTES // (12 * max(1, len(unit))))
    with torch.autocast(unit.device.type, enabled=False):
        ahead = torch.cat([_ahead(unit, labels, start, chunk) for start in range(0, len(unit), chunk)])  # (N,)
    return {k: (ahead < k).double().mean().item() for k in ks}


def _ahead(unit: Tensor, labels: Tensor, start: int, chunk: int) -> Tensor:
    """For each row of a chunk, how many images rank before its first one of the same label. (C,)"""
    rows = torch.arange(start, min(start + chunk, len(unit)), device=unit.device)
    similarity = unit[rows] @ unit.T  # (C, N)
    similarity[rows - start, rows] = -math.inf
    same = labels[rows, None] == labels[None, :]
    same[rows - start, rows] = False
    nearest_same = similarity.masked_fill(~same, -math.inf).amax(dim=1, keepdim=True)  # (C, 1)
    tied = similarity == nearest_same
    first = (same & tied).int().argmax(dim=1, keepdim=True)  # its index; (C, 1)
    tied_before = tied & (torch.arange(len(unit), device=unit.device) < first)
    ahead = (similarity > nearest_same).sum(dim=1) + tied_before.sum(dim=1)
    return torch.where(
        same.any(dim=1), ahead, torch.iinfo(ahead.dtype).max
    )  # no K is enough for a label that stands alone
