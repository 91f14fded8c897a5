"""Recall@K once more as a double loop over floats: sort the others by similarity, stable by index, look at the first K."""

from __future__ import annotations

import math
from collections.abc import Sequence


def ranks_of_own_label(features: Sequence[Sequence[float]], labels: Sequence[int]) -> list[float]:
    """For each image, how many others are nearer than its first one of the same label; infinity where there is none."""
    directions = [_direction(vector) for vector in features]
    found: list[float] = []
    for i, query in enumerate(directions):
        similarities = [_dot(query, other) for other in directions]
        others = sorted((j for j in range(len(labels)) if j != i), key=lambda j: -similarities[j])
        own = [rank for rank, j in enumerate(others) if labels[j] == labels[i]]
        found.append(own[0] if own else math.inf)
    return found


def recall_at_k(features: Sequence[Sequence[float]], labels: Sequence[int], ks: Sequence[int]) -> dict[int, float]:
    """The share of images whose K nearest others hold one of their label."""
    ranks = ranks_of_own_label(features, labels)
    return {k: sum(rank < k for rank in ranks) / len(ranks) for k in ks}


def recall_within(
    features: Sequence[Sequence[float]], labels: Sequence[int], groups: Sequence[int], ks: Sequence[int]
) -> dict[int, float]:
    """The share of images whose K nearest others of their own group hold one of their label."""
    directions = [_direction(vector) for vector in features]
    retrieved = dict.fromkeys(ks, 0)
    for i, query in enumerate(directions):
        mates = [j for j in range(len(labels)) if j != i and groups[j] == groups[i]]
        similarities = {j: _dot(query, directions[j]) for j in mates}
        mates.sort(key=lambda j: -similarities[j])
        for k in ks:
            retrieved[k] += any(labels[j] == labels[i] for j in mates[:k])
    return {k: count / len(labels) for k, count in retrieved.items()}


def _direction(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in vector))
    return [value / length for value in vector] if length else list(vector)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))
