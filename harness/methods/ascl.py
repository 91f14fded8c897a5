"""ASCL (adaptive soft contrastive learning): no mask, neighbours weighted by how confident the sample is about them.

`authors` is the form of its own paper and code: Z ∝ [1, min(1, a·p)], p a softmax of key–bank similarities at τ = 0.05 and
a = 1 − H(p) / log P. `section-3.2` is the wording of MaskCon's Sec. 3.2: MaskCon without the mask, with w = H(p) / log P.
"""

from harness.settings import Setting

title = "ASCL"
label_source = None
protocol = 1
uses = frozenset({"temperature", "bank"})
options = {
    "ascl_weighting": Setting("authors", "how a sample's confidence enters", choices=("authors", "section-3.2")),
}


def relations(inputs, *, weight, temperature, ascl_weighting="authors"):
    """Z with per-sample confidence; `weight` has no part in it."""
    import math

    import torch

    from harness.methods import _contrastive

    with torch.no_grad():
        allowed = _contrastive.others(inputs)
        soft = _contrastive.by_similarity(inputs, allowed, temperature)
        # p of Eq. 11: the relations to others, without the sample itself, scaled to sum to 1
        total = soft[1].sum(dim=1, keepdim=True)  # 0 only where every entry is the sample's own
        p = (soft[1] / total).masked_fill(total == 0, 0)  # (N, P)
        entropy = torch.special.entr(p).sum(dim=1) / math.log(max(p.shape[1], 2))  # (N,)
        entropy = entropy.clamp(max=1)  # rounding can carry it past log P
        if ascl_weighting == "section-3.2":
            return _contrastive.mixed_with_itself(soft, entropy)
        return _contrastive.normalised((1 - entropy)[:, None] * p)


def loss(inputs, *, weight, temperature, contrastive_temperature, ascl_weighting="authors"):
    """Sec. 3.2 in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    found = relations(inputs, weight=weight, temperature=temperature, ascl_weighting=ascl_weighting)
    return _contrastive.relation_loss(inputs, found, contrastive_temperature)
