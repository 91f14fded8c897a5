"""The losses of design/methods.md once more, as plain loops over floats: Eq. 2–15 of MaskCon (CVPR 2023).

Written from the formulas alone; nothing here comes from harness, and no tensor takes part in the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One sample i against the bank. P bank entries, M classes."""

    query: list[float]
    key: list[float]
    bank: list[list[float]]  # P vectors
    label: int
    bank_labels: list[int]  # P
    logits: list[float]  # M, the classifier's
    own: list[bool]  # P; Eq. 11 leaves these entries out
    attributes: list[float]  # A
    bank_attributes: list[list[float]]  # P vectors

    @property
    def bank_size(self) -> int:
        return len(self.bank)


@dataclass(frozen=True)
class Settings:
    """w, τ and τ0, and the options of ASCL, SupFINE and MaskCon + attributes."""

    weight: float
    temperature: float
    contrastive_temperature: float
    ascl_weighting: str = "authors"
    supfine_loss: str = "cross-entropy"
    attribute_weight: float = 0.5
    attribute_similarity: str = "cosine"
    attribute_temperature: float = 0.1


def _dot(left: list[float], right: list[float]) -> float:
    total = 0.0
    for a, b in zip(left, right, strict=True):
        total += a * b
    return total


def _log_sum_exp(values: list[float]) -> float:
    largest = max(values)
    total = 0.0
    for value in values:
        total += math.exp(value - largest)
    return largest + math.log(total)


def contrastive_logits(row: Row, settings: Settings) -> list[float]:
    """Eq. 3, 8: the sample itself, then the bank; own entries at −∞. 1+P values."""
    values = [_dot(row.query, row.key) / settings.contrastive_temperature]
    for entry, own in zip(row.bank, row.own, strict=True):
        values.append(-math.inf if own else _dot(row.query, entry) / settings.contrastive_temperature)
    return values


def contrastive_loss(row: Row, settings: Settings, relations: list[float]) -> float:
    """Eq. 5: −Σ_j Z_ij log softmax(ℓ_i)_j; what has Z_ij = 0 adds nothing, even at ℓ_ij = −∞."""
    logits = contrastive_logits(row, settings)
    partition = _log_sum_exp(logits)
    total = 0.0
    for relation, logit in zip(relations, logits, strict=True):
        if relation != 0.0:
            total -= relation * (logit - partition)
    return total


def cross_entropy(row: Row) -> float:
    """Eq. 2."""
    return _log_sum_exp(row.logits) - row.logits[row.label]


def _divided_by_sum(values: list[float]) -> list[float]:
    total = sum(values)
    return [value / total for value in values]


def _mixed(share: float, relations: list[float], rest: list[float]) -> list[float]:
    return [share * a + (1.0 - share) * b for a, b in zip(relations, rest, strict=True)]


def selfcon_relations(row: Row) -> list[float]:
    """Eq. 6."""
    return [1.0] + [0.0] * row.bank_size


def supcon_relations(row: Row) -> list[float]:
    """Eq. 7."""
    positives = []
    for label, own in zip(row.bank_labels, row.own, strict=True):
        positives.append(1.0 if label == row.label and not own else 0.0)
    return _divided_by_sum([1.0, *positives])


def soft_labels(row: Row, temperature: float, masked: bool) -> list[float]:
    """p of Eq. 11: a softmax of the key's similarities over the allowed entries, all 0 where none is allowed."""
    return _softmax(row, [_dot(row.key, entry) for entry in row.bank], temperature, masked)


def attribute_similarities(row: Row, kind: str) -> list[float]:
    """To every bank entry: the cosine, or 1 − the mean absolute or the root mean square difference. P values."""
    found = []
    for other in row.bank_attributes:
        differences = [abs(a - b) for a, b in zip(row.attributes, other, strict=True)]
        if kind == "hamming":
            found.append(1.0 - sum(differences) / len(differences))
        elif kind == "euclidean":
            found.append(1.0 - math.sqrt(sum(d * d for d in differences)) / math.sqrt(len(differences)))
        else:
            lengths = math.sqrt(_dot(row.attributes, row.attributes)) * math.sqrt(_dot(other, other))
            found.append(_dot(row.attributes, other) / lengths if lengths else 0.0)
    return found


def _softmax(row: Row, scores: list[float], temperature: float, masked: bool) -> list[float]:
    allowed = []
    for j in range(row.bank_size):
        if not row.own[j] and (row.bank_labels[j] == row.label or not masked):
            allowed.append(j)
    soft = [0.0] * row.bank_size
    if not allowed:
        return soft
    similarities = {j: scores[j] for j in allowed}
    largest = max(similarities.values())
    for j in allowed:
        if temperature == 0:
            soft[j] = 1.0 if similarities[j] == largest else 0.0
        elif math.isinf(temperature):
            soft[j] = 1.0
        else:
            soft[j] = math.exp((similarities[j] - largest) / temperature)
    return _divided_by_sum(soft)


def soft_relations(row: Row, temperature: float, masked: bool) -> list[float]:
    """Eq. 11–14."""
    return _relations_of(soft_labels(row, temperature, masked))


def _relations_of(soft: list[float]) -> list[float]:
    """Eq. 13–14."""
    largest = max(soft)
    scaled = [value / largest for value in soft] if largest > 0 else soft
    return _divided_by_sum([1.0, *scaled])


def grafit_relations(row: Row, settings: Settings) -> list[float]:
    """Eq. 9."""
    return _mixed(settings.weight, supcon_relations(row), selfcon_relations(row))


def maskcon_relations(row: Row, settings: Settings) -> list[float]:
    """Eq. 15."""
    masked = soft_relations(row, settings.temperature, masked=True)
    return _mixed(settings.weight, masked, selfcon_relations(row))


def maskcon_attributes_relations(row: Row, settings: Settings) -> list[float]:
    """Eq. 13–15 for p = w1 · p_feature + w2 · p_attribute."""
    feature = soft_labels(row, settings.temperature, masked=True)
    scores = attribute_similarities(row, settings.attribute_similarity)
    attribute = _softmax(row, scores, settings.attribute_temperature, masked=True)
    share = settings.attribute_weight
    mixed = [(1.0 - share) * p + share * p_attribute for p, p_attribute in zip(feature, attribute, strict=True)]
    return _mixed(settings.weight, _relations_of(mixed), selfcon_relations(row))


def nnclr_relations(row: Row) -> list[float]:
    """Sec. 3.2: no mask, w = 1, τ = 0."""
    return soft_relations(row, 0.0, masked=False)


def normalised_entropy(soft: list[float]) -> float:
    """H(p)/log P; undefined for P = 1."""
    entropy = 0.0
    for value in soft:
        if value > 0:
            entropy -= value * math.log(value)
    return entropy / math.log(len(soft))


def ascl_relations(row: Row, settings: Settings) -> list[float]:
    """Sec. 3.2: the authors' Z ∝ [1, min(1, a·p)], a = 1 − H(p)/log P, or the paper's wording, w = H(p)/log P."""
    soft = soft_labels(row, settings.temperature, masked=False)
    entropy = normalised_entropy(soft)
    if settings.ascl_weighting == "authors":
        return _divided_by_sum([1.0, *(min(1.0, (1.0 - entropy) * value) for value in soft)])
    return _mixed(entropy, soft_relations(row, settings.temperature, masked=False), selfcon_relations(row))


RELATIONS: dict[str, Callable[[Row, Settings], list[float]]] = {
    "selfcon": lambda row, settings: selfcon_relations(row),
    "supcon": lambda row, settings: supcon_relations(row),
    "grafit": grafit_relations,
    "maskcon": maskcon_relations,
    "maskcon_attributes": maskcon_attributes_relations,
    "nnclr": lambda row, settings: nnclr_relations(row),
    "ascl": ascl_relations,
}


def loss(method: str, row: Row, settings: Settings) -> float:
    """The loss of one sample."""
    if method in RELATIONS:
        return contrastive_loss(row, settings, RELATIONS[method](row, settings))
    if method == "supce":
        return cross_entropy(row)
    if method == "coins":  # Eq. 10
        selfcon = contrastive_loss(row, settings, selfcon_relations(row))
        return settings.weight * cross_entropy(row) + (1.0 - settings.weight) * selfcon
    if method == "supfine" and settings.supfine_loss == "supcon":
        return contrastive_loss(row, settings, supcon_relations(row))
    if method == "supfine":
        return cross_entropy(row)
    raise ValueError(f"method={method!r} has no naive loop; allowed: {', '.join(METHODS)}")


METHODS = (*RELATIONS, "supce", "coins", "supfine")
