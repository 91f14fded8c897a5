"""What the query, key and bank methods share: one loss, and relations Z that differ by method (paper Eq. 3–8, 11–14).

Every method of the family is a row-stochastic Z of shape (N, 1+P), column 0 being the sample itself. It is kept as two
parts, `self_relation` (N,) and `bank_relations` (N, P), and the loss reads

    −Σ_j Z_ij log softmax(ℓ_i)_j  =  logsumexp_j ℓ_ij − Σ_j Z_ij ℓ_ij  =  logsumexp_j ℓ_ij − q_i·v_i / τ0

because a row of Z sums to 1 and ℓ is linear in q: v_i = Σ_j Z_ij x_j over the key and the bank is one vector per sample and
needs no gradient, so the backward pass keeps a single (N, P) buffer.

N samples, P bank entries, D projection dimensions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.methods import ContrastiveInputs

Relations = tuple[Tensor, Tensor]  # self_relation (N,), bank_relations (N, P); each row sums to 1 over both


def relation_loss(inputs: ContrastiveInputs, relations: Relations, contrastive_temperature: float) -> Tensor:
    """Eq. 5 for given relations. Shape (N,)."""
    self_relation, bank_relations = relations
    with torch.no_grad():
        positive = self_relation[:, None] * inputs.key + bank_relations @ inputs.bank  # (N, D)
    agreement = (inputs.query * positive).sum(dim=1) / contrastive_temperature
    return log_partition(inputs, contrastive_temperature) - agreement


def log_partition(inputs: ContrastiveInputs, contrastive_temperature: float) -> Tensor:
    """logsumexp over the logits of Eq. 8, own bank entries left out. Shape (N,)."""
    self_similarity = (inputs.query * inputs.key.detach()).sum(dim=1, keepdim=True)
    bank_similarity = inputs.query @ inputs.bank.detach().T
    if inputs.own is not None:
        bank_similarity = bank_similarity.masked_fill(inputs.own, -math.inf)
    similarity = torch.cat([self_similarity, bank_similarity], dim=1)  # (N, 1+P)
    return torch.logsumexp(similarity / contrastive_temperature, dim=1)


@torch.no_grad()
def only_itself(inputs: ContrastiveInputs) -> Relations:
    """Eq. 6: the sample's own key is its one positive."""
    return inputs.key.new_ones(len(inputs.key)), inputs.key.new_zeros(len(inputs.key), len(inputs.bank))


@torch.no_grad()
def equally(allowed: Tensor, like: Tensor) -> Relations:
    """Eq. 7: the sample itself and every allowed entry (N, P) are equally positive."""
    return normalised(allowed.to(like.dtype))


@torch.no_grad()
def by_similarity(inputs: ContrastiveInputs, allowed: Tensor, temperature: float) -> Relations:
    """Eq. 11–14: allowed entries weighted by the key's similarity to them, the closest as positive as the sample itself.

    τ = ∞ weighs all allowed entries equally; τ = 0 keeps the closest.
    """
    if math.isinf(temperature):
        return equally(allowed, inputs.key)
    return normalised(closeness(inputs.key @ inputs.bank.T, allowed, temperature))


@torch.no_grad()
def closeness(similarity: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """p / max p of Eq. 11 and 13 over the allowed entries, 0 elsewhere; a softmax is it, divided by its sum. (N, P)

    It is exp((s − max s) / τ), which neither overflows nor needs the sum of Eq. 11.
    """
    if math.isinf(temperature):
        return allowed.to(similarity.dtype)
    similarity = similarity.masked_fill(~allowed, -math.inf)
    gap = similarity - similarity.amax(dim=1, keepdim=True)  # ≤ 0; NaN where nothing is allowed
    if temperature == 0:
        # NOTE: equal bank entries can get products that differ in the last bits, by their place in the matrix product; a
        # gap of a few units in the last place is a tie.
        strength = (gap >= -8 * torch.finfo(gap.dtype).eps).to(gap.dtype)
    else:
        strength = torch.exp(gap / temperature)
    return torch.where(allowed, strength, torch.zeros_like(strength))


def normalised(strength: Tensor) -> Relations:
    """Rows [1, strength] divided by their sum; a row without any strength has only itself."""
    total = 1 + strength.sum(dim=1)
    return 1 / total, strength / total[:, None]


def mixed_with_itself(relations: Relations, weight: float | Tensor) -> Relations:
    """Eq. 9 and 15: weight · relations + (1 − weight) · itself, as one Z. `weight` is a number or (N,)."""
    self_relation, bank_relations = relations
    per_row = weight[:, None] if isinstance(weight, Tensor) else weight
    return weight * self_relation + (1 - weight), per_row * bank_relations


@torch.no_grad()
def same_label(inputs: ContrastiveInputs) -> Tensor:
    """The mask 1[c_j = y_i] of Eq. 7 and 11, own entries left out. (N, P) bool."""
    return others(inputs, inputs.labels[:, None] == inputs.bank_labels[None, :])


@torch.no_grad()
def others(inputs: ContrastiveInputs, allowed: Tensor | None = None) -> Tensor:
    """The allowed entries (all of them by default) that are not the sample's own. (N, P) bool."""
    if allowed is None:
        allowed = inputs.labels.new_ones(len(inputs.key), len(inputs.bank), dtype=torch.bool)
    return allowed if inputs.own is None else allowed & ~inputs.own
