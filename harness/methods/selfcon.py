"""SelfCon: self-supervised contrast with a memory bank (paper Eq. 6; MoCo)."""

title = "SelfCon"
label_source = None
protocol = 1
uses = frozenset({"bank"})


def relations(inputs, *, weight, temperature):
    """Z of Eq. 6; `weight` and `temperature` have no part in it."""
    from harness.methods import _contrastive

    return _contrastive.only_itself(inputs)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 6 in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    return _contrastive.relation_loss(
        inputs, relations(inputs, weight=weight, temperature=temperature), contrastive_temperature
    )
