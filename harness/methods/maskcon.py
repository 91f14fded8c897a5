"""MaskCon(w, τ): soft relations inside the coarse class, estimated from the key view (paper Eq. 11–15)."""

import math

title = "MaskCon"
label_source = "coarse"
protocol = 1
uses = frozenset({"weight", "temperature", "bank"})


def reduces_to(weight, temperature):
    """MaskCon(0, ·) is SelfCon, MaskCon(w, ∞) Grafit(w)."""
    if weight == 0:
        return "selfcon", {}
    return ("grafit", {"weight": weight}) if math.isinf(temperature) else None


def relations(inputs, *, weight, temperature):
    """Z of Eq. 14, mixed with the sample itself (Eq. 15)."""
    from harness.methods import _contrastive

    if weight == 0:
        return _contrastive.only_itself(inputs)
    soft = _contrastive.by_similarity(inputs, _contrastive.same_label(inputs), temperature)
    return _contrastive.mixed_with_itself(soft, weight)


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 15. (N,)"""
    from harness.methods import _contrastive

    return _contrastive.relation_loss(
        inputs, relations(inputs, weight=weight, temperature=temperature), contrastive_temperature
    )
