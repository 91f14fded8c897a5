"""SupCon: every bank entry of the same coarse class is a positive (paper Eq. 7)."""

title = "SupCon"
label_source = "coarse"
protocol = 1
uses = frozenset({"bank"})


def relations(inputs, *, weight, temperature):
    """Z of Eq. 7; `weight` and `temperature` have no part in it."""
    from harness.methods import _contrastive

    return _contrastive.equally(_contrastive.same_label(inputs), inputs.key)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 7 in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    return _contrastive.relation_loss(
        inputs, relations(inputs, weight=weight, temperature=temperature), contrastive_temperature
    )
