"""The methods: one file each, found by its name.

A method file declares, without importing torch:

    title         how tables print it
    label_source  what `labels` holds for it: "coarse", "fine" or None
    protocol      an integer that grows whenever the same settings would train differently than before
    uses          the groups of settings that matter to it ("weight", "temperature", "bank", "classifier"),
                  a set, or a function of its options
    options       settings of its own, {name: harness.settings.Setting} (may be left out)
    needs_attributes  True where the losses compare attributes of the images (may be left out)
    reduces_to    (weight, temperature, **options) -> (method, changed settings) or None: the same training under a
                  simpler name (may be left out)

and it brings `loss(inputs, *, weight, temperature, contrastive_temperature, **options) -> Tensor (N,)`. One with a bank brings
`relations(inputs, *, weight, temperature, **options)` beside it, its Z in the two parts of `_contrastive`; where it does, each
epoch's metrics tell how far Z is from the fine classes. A method that is not of the query, key and bank family brings
`build_learner` as well (see `harness.training.learner`).
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import errors, resources

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ContrastiveInputs:
    """One batch as the losses see it. N samples, P bank entries, D projection dimensions, M classes, A attributes.

    `query`, `key` and `bank` have unit-norm rows. `own` marks the bank entries that are older keys of the row's own image;
    Eq. 11 leaves them out: their logit is −∞ and their target 0.
    """

    query: Tensor  # (N, D), with gradient
    key: Tensor  # (N, D), without
    bank: Tensor  # (P, D), without
    labels: Tensor  # (N,), of the method's label_source
    bank_labels: Tensor  # (P,)
    logits: Tensor | None = None  # (N, M), the classifier's
    own: Tensor | None = None  # (N, P) bool
    attributes: Tensor | None = None  # (N, A)
    bank_attributes: Tensor | None = None  # (P, A)


def names() -> list[str]:
    """Every method that can be trained."""
    return resources.modules("methods")


@functools.cache  # asked for once a setting and trial
def load(name: str) -> ModuleType:
    """The method's module; an unknown name lists the known ones."""
    if name not in names():
        raise errors.unknown("method", name, names())
    return importlib.import_module(f"harness.methods.{name}")


def uses(name: str, options: dict[str, Any]) -> frozenset[str]:
    """The groups of settings that matter to this method under these options."""
    declared = load(name).uses
    return frozenset(declared(options) if callable(declared) else declared)


def options(name: str) -> dict[str, Any]:
    """The settings that only this method has, {name: Setting}."""
    return getattr(load(name), "options", {})
