"""SupCE: cross-entropy of a linear classifier on the encoder's feature, coarse labels (paper Eq. 2)."""

title = "SupCE"
label_source = "coarse"
protocol = 1
uses = frozenset({"classifier"})


def loss(inputs, *, weight, temperature, contrastive_temperature):
    """Eq. 2; needs `inputs.logits` and `inputs.labels` alone. (N,)"""
    from torch.nn.functional import cross_entropy

    return cross_entropy(inputs.logits, inputs.labels, reduction="none")
