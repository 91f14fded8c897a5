"""SupFINE: trained with the fine labels, the upper reference (paper Sec. 4).

The paper does not say with which loss: cross-entropy (the default) or SupCon on the fine labels. Tables name which.
"""

from harness.settings import Setting

title = "SupFINE"
label_source = "fine"
protocol = 1
options = {
    "supfine_loss": Setting(
        "cross-entropy",
        "the loss on the fine labels; the paper does not say which",
        choices=("cross-entropy", "supcon"),
    ),
}


def uses(options):
    """A classifier for cross-entropy, the bank for SupCon."""
    return {"classifier"} if options.get("supfine_loss", "cross-entropy") == "cross-entropy" else {"bank"}


def relations(inputs, *, weight, temperature, supfine_loss="cross-entropy"):
    """Z of Eq. 7 on fine labels, for supfine_loss="supcon"; cross-entropy has none."""
    from harness.methods import supcon

    return supcon.relations(inputs, weight=weight, temperature=temperature)


def loss(inputs, *, weight, temperature, contrastive_temperature, supfine_loss="cross-entropy"):
    """Eq. 2 or Eq. 7 on fine labels. (N,)"""
    from harness.methods import supce, supcon

    chosen = supce if supfine_loss == "cross-entropy" else supcon
    return chosen.loss(inputs, weight=weight, temperature=temperature, contrastive_temperature=contrastive_temperature)
