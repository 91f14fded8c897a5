"""Grafit(w): w · SupCon + (1 − w) · SelfCon (paper Eq. 9)."""

title = "Grafit"
label_source = "coarse"
protocol = 1
uses = frozenset({"weight", "bank"})


def reduces_to(weight, temperature):
    """Grafit(0) is SelfCon, Grafit(1) SupCon."""
    return {0.0: ("selfcon", {}), 1.0: ("supcon", {})}.get(weight)


def relations(inputs, *, weight, temperature):
    """Z of Eq. 9; `temperature` has no part in it."""
    from harness.methods import _contrastive

    if weight == 0:
        return _contrastive.only_itself(inputs)
    coarse = _contrastive.equally(_contrastive.same_label(inputs), inputs.key)
    return _contrastive.mixed_with_itself(coarse, weight)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 9 in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    return _contrastive.relation_loss(
        inputs, relations(inputs, weight=weight, temperature=temperature), contrastive_temperature
    )
