"""Recall@K: does any of a test image's K nearest neighbours among the other ones have its fine label? (paper Sec. 4)

Nothing is sorted. An image is retrieved at K if fewer than K others are nearer than the nearest one of its own label, so the
similarities are only compared and counted, block by block, and each block serves both its rows and its columns: cosine
similarity is symmetric. The images stand in the order of their labels, so that few blocks hold two images of one label.

N images, F features; C rows and D columns of a block.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

BLOCK = {"cpu": 1024, "cuda": 4096}  # rows and columns of a block: about what a CPU's cache holds
EXACT_BYTES = 32 * 2**20  # of the similarities in float64 that are held at a time
TIE = 1e-12  # cosine similarities in float64 that are closer than this are equal: images stand in test sets twice
NEVER = torch.iinfo(torch.int64).max
DOUBT = (
    4e-6  # in float32 the order of two similarities of 512 features is certain when they are further apart than this
)


@torch.no_grad()
def recall_at_k(features: Tensor, labels: Tensor, ks: Iterable[int] = (1, 2, 5, 10)) -> dict[int, float]:
    """The share of images with a neighbour of their own label among the K nearest by cosine similarity, per K.

    `features` (N, F) need not be normalised; `labels` (N,). The image itself is left out by its index. Equal similarities
    rank by index, so that an encoder that maps everything to one point scores chance. Exact: float32 decides where it can,
    rows in which it cannot are computed again in float64. Beside a copy of the features and a few
    numbers per image, memory does not grow with N.
    """
    ks = checked(features, labels, list(ks))
    with torch.autocast(features.device.type, enabled=False), _no_tf32(features.device):
        order = torch.argsort(labels, stable=True)
        fewest, most = _between(_unit(features, order), labels[order])
        ahead = torch.empty_like(fewest).index_copy_(0, order, fewest)
        doubtful = torch.stack([(fewest < k) & (k <= most) for k in ks]).any(dim=0)
        for rows in order[doubtful].split(max(1, EXACT_BYTES // (8 * len(labels)))):
            ahead[rows] = _exactly(features, labels, rows)
    return {k: (ahead < k).double().mean().item() for k in ks}


@contextlib.contextmanager
def _no_tf32(device: torch.device) -> Iterator[None]:
    """DOUBT is that of float32: a caller's TF32 is put aside."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def checked(features: Tensor, labels: Tensor, ks: list[int]) -> list[int]:
    """`ks`, where recall can be computed; otherwise ValueError says why not."""
    if features.ndim != 2 or labels.shape != features.shape[:1] or len(features) == 0:
        raise ValueError(
            f"features {tuple(features.shape)} must be (N, F) and labels {tuple(labels.shape)} (N,), N > 0"
        )
    if not ks or min(ks) < 1:
        raise ValueError(f"ks={ks}: each K must be at least 1")
    if not torch.isfinite(features).all():
        raise ValueError("features hold NaN or infinity: recall is not defined for them")
    return ks


def _unit(features: Tensor, rows: Tensor) -> Tensor:
    """Some rows with unit norm, in float32; a row of zeros stays one. (len(rows), F)"""
    return torch.cat([_unit_exactly(features[part]).float() for part in rows.split(BLOCK["cuda"])])


def _unit_exactly(features: Tensor) -> Tensor:
    """Rows of unit norm in float64, whatever their scale."""
    features = features.double()
    features = features / features.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    return features / features.norm(dim=1, keepdim=True).clamp_min(1e-300)


def _between(unit: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """At least and at most how many images are nearer than the nearest of the image's own label. (N,), (N,)

    Of images in the order of their labels.
    """
    nearest = unit.new_full((len(unit),), -math.inf)  # of the image's own label
    for rows, columns, similarity, same in _blocks(unit, labels, all_of_them=False):
        similarity.masked_fill_(~same, -math.inf)
        nearest[rows] = torch.maximum(nearest[rows], similarity.amax(dim=1))
        nearest[columns] = torch.maximum(nearest[columns], similarity.amax(dim=0))
    fewest, most = torch.zeros(2, len(unit), dtype=torch.int64, device=unit.device)
    doubt = DOUBT * max(1, unit.shape[1] / 512)
    for rows, columns, similarity, same in _blocks(unit, labels, all_of_them=True):
        if same is not None:
            similarity.masked_fill_(same, -math.inf)
        mark = torch.empty_like(similarity)
        for count, border in ((fewest, nearest + doubt), (most, nearest - doubt)):
            # NOTE: sums of ones in float32 are exact here, and 6 times as fast as sums of bool
            count[rows] += torch.gt(similarity, border[rows, None], out=mark).sum(dim=1).long()
            if rows != columns:
                count[columns] += torch.gt(similarity, border[None, columns], out=mark).sum(dim=0).long()
    alone = torch.isinf(nearest)  # no K is enough for a label that stands alone
    return fewest.masked_fill_(alone, NEVER), most.masked_fill_(alone, NEVER)


def _blocks(unit: Tensor, labels: Tensor, *, all_of_them: bool) -> Iterator[tuple[slice, slice, Tensor, Tensor | None]]:
    """The blocks on and above the diagonal: rows, columns, similarities (C, D), which pairs share a label (C, D).

    The last is None for a block without such a pair; without `all_of_them` those blocks are left out, and an image does not
    share a label with itself.
    """
    size = BLOCK.get(unit.device.type, BLOCK["cuda"])
    parts = [slice(start, min(start + size, len(unit))) for start in range(0, len(unit), size)]
    first = [labels[part.start].item() for part in parts]
    last = [labels[part.stop - 1].item() for part in parts]
    for above, rows in enumerate(parts):
        for below, columns in enumerate(parts[above:], start=above):
            shared = first[below] <= last[above]
            if not shared and not all_of_them:
                break
            same = labels[rows, None] == labels[None, columns] if shared else None
            if rows == columns and not all_of_them:
                same.fill_diagonal_(False)
            yield rows, columns, unit[rows] @ unit[columns].T, same


def _exactly(features: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """How many images rank before the first one of the row's own label, equal ones by their index. (C,)"""
    unit = _unit_exactly(features[rows])
    columns = [unit @ _unit_exactly(part).T for part in features.split(BLOCK["cuda"])]
    similarity = torch.cat(columns, dim=1)  # (C, N)
    same = labels[rows, None] == labels[None, :]
    place = torch.arange(len(rows), device=rows.device)
    similarity[place, rows] = -math.inf
    same[place, rows] = False
    nearest_same = similarity.masked_fill(~same, -math.inf).amax(dim=1, keepdim=True)
    tied = (similarity - nearest_same).abs_() <= TIE
    first = (same & tied).int().argmax(dim=1, keepdim=True)  # (C, 1)
    before = tied & (torch.arange(len(labels), device=labels.device) < first)
    return ((similarity > nearest_same) & ~tied).sum(dim=1) + (before & ~same).sum(dim=1)
