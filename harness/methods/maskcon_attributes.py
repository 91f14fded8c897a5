"""MaskCon + attributes: soft relations estimated from the key view and from attributes of the images, mixed (seed 000).

Inside the coarse class p = w1 · p_feature + w2 · p_attribute takes the place of p in Eq. 13; p_feature is that of Eq. 11 and
p_attribute a softmax over similarities of attribute vectors. Beyond that it is MaskCon (paper Eq. 13–15).

NOTE: seed 000 takes exp(−‖a − b‖² / 2) for a similarity and has no temperature beside it. Over hundreds of attributes that is
0 for all but equal vectors, so its softmax is uniform but for a factor e. Here similarities are scaled by the number of
attributes and `attribute_temperature` sharpens them.

N samples, P bank entries, A attributes.
"""

import math

from harness.settings import Setting

title = "MaskCon + attributes"
label_source = "coarse"
protocol = 1
needs_attributes = True
options = {
    "attribute_weight": Setting(0.5, "w2, share of the attributes in the soft relations", at_least=0, at_most=1),
    "attribute_similarity": Setting(
        "cosine", "how two attribute vectors are compared", choices=("cosine", "hamming", "euclidean")
    ),
    "attribute_temperature": Setting(
        0.1, "sharpness of the attributes' part, 0 to inf; ours, seed 000 has none", at_least=0, infinite=True
    ),
}


def uses(options):
    """Without features in the soft relations, no temperature for them."""
    alone = options.get("attribute_weight") == 1
    return {"weight", "bank"} if alone else {"weight", "temperature", "bank"}


def reduces_to(weight, temperature, *, attribute_weight=0.5, attribute_similarity="cosine", attribute_temperature=0.1):
    """SelfCon at w = 0, MaskCon without attributes, Grafit(w) where all that is mixed is uniform.

    Where the attributes' part is uniform, one similarity stands for all.
    """
    if weight == 0:
        return "selfcon", {}
    if attribute_weight == 0:
        return "maskcon", {}
    if math.isinf(attribute_temperature) and (attribute_weight == 1 or math.isinf(temperature)):
        return "grafit", {"weight": weight}
    if math.isinf(attribute_temperature) and attribute_similarity != "cosine":
        kept = {"attribute_weight": attribute_weight, "attribute_temperature": attribute_temperature}
        return "maskcon_attributes", {"options": kept}
    return None


def relations(
    inputs,
    *,
    weight,
    temperature,
    attribute_weight=0.5,
    attribute_similarity="cosine",
    attribute_temperature=0.1,
):
    """Z of Eq. 14 for the mixed p, mixed with the sample itself (Eq. 15)."""
    import torch

    from harness.methods import _contrastive, maskcon

    if weight == 0 or attribute_weight == 0:
        return maskcon.relations(inputs, weight=weight, temperature=temperature)
    if inputs.attributes is None or inputs.bank_attributes is None:
        raise ValueError(
            "MaskCon + attributes got no attributes. Give inputs.attributes (N, A) and inputs.bank_attributes (P, A): the "
            "datasets cub20, cub50 and cub200 have them, folder with --set attribute_file=FILE; attribute_weight=0 needs none."
        )
    with torch.no_grad():
        allowed = _contrastive.same_label(inputs)
        similarity = similarities(inputs.attributes, inputs.bank_attributes, attribute_similarity)
        mixed = _contrastive.closeness(similarity, allowed, attribute_temperature).to(inputs.key.dtype)  # (N, P)
        if attribute_weight < 1:
            mixed = _as_probabilities(mixed, attribute_weight)
            feature = _contrastive.closeness(inputs.key @ inputs.bank.T, allowed, temperature)
            mixed += _as_probabilities(feature, 1 - attribute_weight)
            largest = mixed.amax(dim=1, keepdim=True)  # 0 where nothing is allowed
            mixed /= largest.clamp_min(torch.finfo(mixed.dtype).tiny)  # Eq. 13
        return _contrastive.mixed_with_itself(_contrastive.normalised(mixed), weight)


def loss(inputs, *, weight, temperature, contrastive_temperature, **options):
    """Eq. 15 with attributes, in Eq. 5. (N,)"""
    from harness.methods import _contrastive

    found = relations(inputs, weight=weight, temperature=temperature, **options)
    return _contrastive.relation_loss(inputs, found, contrastive_temperature)


def similarities(attributes, others, kind):
    """Of each vector (N, A) to each other one (P, A), equal ones having 1: (N, P).

    cosine: 0 to a vector of zeros. hamming: 1 − mean |a − b|, which for attributes of 0 and 1 is 1 − the share of those that
    differ. euclidean: 1 − ‖a − b‖ / √A.
    """
    import torch

    if kind == "cosine":
        # products before norms: of attributes 0 and 1 they are exact, and so equal similarities stay equal
        similarity = attributes @ others.T
        smallest = torch.finfo(similarity.dtype).tiny
        similarity /= attributes.norm(dim=1).clamp_min(smallest)[:, None]
        similarity /= others.norm(dim=1).clamp_min(smallest)
        return similarity
    if kind == "hamming":
        return torch.cdist(attributes, others, p=1).div_(-attributes.shape[1]).add_(1)
    # NOTE: the way over a matrix product, cdist's own choice, gives equal vectors a distance
    distance = torch.cdist(attributes, others, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.div_(-math.sqrt(attributes.shape[1])).add_(1)


def _as_probabilities(closeness, share):
    """Rows of which the largest is 1 or all are 0, in place: divided by their sum, times a share."""
    return closeness.mul_(share / closeness.sum(dim=1, keepdim=True).clamp_min(1))
