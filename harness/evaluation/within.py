"""Recall@K inside the coarse class: what an encoder tells apart beyond the coarse labels that it was trained on.

N images, F features.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from harness.evaluation.recall import checked, recall_at_k


@torch.no_grad()
def recall_within(
    features: Tensor, labels: Tensor, groups: Tensor, ks: Iterable[int] = (1, 2, 5, 10)
) -> dict[int, float]:
    """`recall_at_k` where an image's neighbours are taken among the images of its own group alone, per K.

    `features` (N, F), `labels` (N,), `groups` (N,) of integers. The mean is over all N images: one whose group has no other
    image of its label, or no other image at all, counts as not retrieved. Where K reaches the size of the group, any other
    image of the label counts. It is never less than `recall_at_k` where each label lies in one group.
    """
    ks = checked(features, labels, list(ks))
    if groups.shape != labels.shape:
        raise ValueError(f"groups {tuple(groups.shape)} must be (N,), as labels {tuple(labels.shape)} are")
    order = torch.argsort(groups, stable=True)  # stable: equal similarities rank by index here, too
    sizes = torch.unique_consecutive(groups[order], return_counts=True)[1].tolist()
    retrieved = dict.fromkeys(ks, 0)
    for rows in order.split(sizes):
        found = recall_at_k(features[rows], labels[rows], ks)
        for k in retrieved:
            retrieved[k] += round(found[k] * len(rows))
    return {k: count / len(labels) for k, count in retrieved.items()}
