"""NNCLR as the paper places it (Sec. 3.2): MaskCon without the mask, w = 1, τ = 0.

The sample itself and its nearest bank entry are positives, half each.
"""

title = "NNCLR"
label_source = None
protocol = 1
uses = frozenset({"bank"})


def relations(inputs, *, weight, temperature):
    """Z with the nearest entry of the whole bank; `weight` and `temperature` have no part in it."""
    from harness.methods import _contrastive

    return _contrastive.by_similarity(inputs, _contrastive.others(inputs), 0)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Sec. 3.2 in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    return _contrastive.relation_loss(
        inputs, relations(inputs, weight=weight, temperature=temperature), contrastive_temperature
    )
