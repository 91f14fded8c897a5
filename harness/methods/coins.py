"""CoIns(w): w · SupCE + (1 − w) · SelfCon (paper Eq. 10)."""

title = "CoIns"
label_source = "coarse"
protocol = 1
uses = frozenset({"weight", "bank", "classifier"})


def reduces_to(weight, temperature):
    """CoIns(0) is SelfCon, CoIns(1) SupCE."""
    return {0.0: ("selfcon", {}), 1.0: ("supce", {})}.get(weight)


def relations(inputs, *, weight, temperature):
    """Z of its contrastive part, Eq. 6; the classifier has none."""
    from harness.methods import _contrastive

    return _contrastive.only_itself(inputs)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 10. (N,)"""
    from harness.methods import selfcon, supce

    shared = {"weight": weight, "temperature": temperature, "contrastive_temperature": contrastive_temperature}
    if weight == 1:  # no query, key or bank is needed then
        return supce.loss(inputs, **shared)
    if weight == 0:
        return selfcon.loss(inputs, **shared)
    return weight * supce.loss(inputs, **shared) + (1 - weight) * selfcon.loss(inputs, **shared)
