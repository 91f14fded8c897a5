"""How far a method's relations Z are from the ideal ones: the d_z of the paper's Theorem 1 (Eq. 18), and the mass in between.

Z is row-stochastic, (N, 1+P): column 0 is the sample itself, the others are the bank's entries. The ideal Z of the problem,
which training does not know, relates a sample equally to itself and to every entry of its fine class.

N samples, P bank entries.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def against_fine(
    self_relation: Tensor, bank_relations: Tensor, fine: Tensor, bank_fine: Tensor, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Per sample ‖z − ẑ‖₂, whose mean is d_z, and the share of z on the right fine class. (N,), (N,)

    `self_relation` (N,) and `bank_relations` (N, P) are the two parts of Z; `fine` (N,) and `bank_fine` (P,) fine labels,
    −1 for an entry that is of no image. `own` (N, P) marks older keys of the sample itself that the method leaves out: ẑ
    does, too. ẑ is [1, 1[same fine class]] divided by its sum. The sample itself counts as of the right class: Z that has
    nothing but it, SelfCon's, has a share of 1.
    """
    same = (fine[:, None] == bank_fine[None, :]) & (bank_fine >= 0)
    if own is not None:
        same &= ~own
    ideal = same.to(bank_relations.dtype)
    total = 1 + ideal.sum(dim=1)
    share = self_relation + (bank_relations * ideal).sum(dim=1)
    on_bank = torch.linalg.vector_norm(bank_relations - ideal / total[:, None], dim=1)
    return torch.hypot(self_relation - 1 / total, on_bank), share
