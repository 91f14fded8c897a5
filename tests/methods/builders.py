"""Random inputs for the losses, by what is special about them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from harness import methods
from harness.methods import ContrastiveInputs

from . import naive

WEIGHTS = (0.0, 0.2, 0.5, 0.8, 1.0)
TEMPERATURES = (0.0, 1e-4, 0.01, 0.05, 0.1, 0.5, float("inf"))
VARIANTS = [
    *((name, {}) for name in naive.METHODS),
    ("ascl", {"ascl_weighting": "section-3.2"}),
    ("supfine", {"supfine_loss": "supcon"}),
    ("maskcon_attributes", {"attribute_similarity": "hamming"}),
    ("maskcon_attributes", {"attribute_similarity": "euclidean"}),
]
CONTRASTIVE = [(name, options) for name, options in VARIANTS if name in naive.RELATIONS or "supfine_loss" in options]
WITH_RELATIONS = [name for name in naive.RELATIONS if hasattr(methods.load(name), "relations")]
MASKED = ["supcon", "grafit", "maskcon", "maskcon_attributes"]
CLASSES = 3
ATTRIBUTES = 5


def variant_id(value: Any) -> str:
    """What pytest prints for a half of a variant."""
    return value if isinstance(value, str) else "-".join(value.values()) or "default"


def random_inputs(
    seed: int, samples: int = 6, bank_size: int = 24, dimension: int = 4, classes: int = CLASSES, **changes: Any
) -> ContrastiveInputs:
    """Independent directions, double precision, every class alike, no own keys."""
    generator = torch.Generator().manual_seed(seed)

    def directions(count: int) -> Tensor:
        return normalize(torch.randn(count, dimension, generator=generator, dtype=torch.float64), dim=1)

    inputs = ContrastiveInputs(
        query=directions(samples),
        key=directions(samples),
        bank=directions(bank_size),
        labels=torch.randint(classes, (samples,), generator=generator),
        bank_labels=torch.randint(classes, (bank_size,), generator=generator),
        logits=3 * torch.randn(samples, classes, generator=generator, dtype=torch.float64),
        attributes=torch.rand(samples, ATTRIBUTES, generator=generator, dtype=torch.float64),
        bank_attributes=torch.rand(bank_size, ATTRIBUTES, generator=generator, dtype=torch.float64),
    )
    return dataclasses.replace(inputs, **changes)


def with_own(inputs: ContrastiveInputs, seed: int = 0) -> ContrastiveInputs:
    """A third of the entries own at random; row 0's whole class own; the last of several rows owns the whole bank."""
    shape = (len(inputs.query), len(inputs.bank))
    own = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 1 / 3
    own[0] |= inputs.bank_labels == inputs.labels[0]
    if len(own) > 1:
        own[-1] = True
    return dataclasses.replace(inputs, own=own)


def with_lonely_row(inputs: ContrastiveInputs) -> ContrastiveInputs:
    """Row 0's class has no entry in the bank."""
    others = torch.where(inputs.bank_labels == inputs.labels[0], (inputs.labels[0] + 1) % CLASSES, inputs.bank_labels)
    return dataclasses.replace(inputs, bank_labels=others)


def with_duplicates(inputs: ContrastiveInputs, copies: int) -> ContrastiveInputs:
    """Row 0's key lies in the bank `copies` times, spread over it, under row 0's label: ties for the nearest entry."""
    places = torch.linspace(0, len(inputs.bank) - 1, copies).round().long()
    bank, bank_labels = inputs.bank.clone(), inputs.bank_labels.clone()
    bank[places] = inputs.key[0]
    bank_labels[places] = inputs.labels[0]
    return dataclasses.replace(inputs, bank=bank, bank_labels=bank_labels)


def with_planted_neighbours(inputs: ContrastiveInputs) -> ContrastiveInputs:
    """Row i's nearest entry is bank entry i, of its class and by a wide margin, so that no τ meets a tie."""
    count = len(inputs.query)
    bank, bank_labels = inputs.bank.clone(), inputs.bank_labels.clone()
    bank[:count] = normalize(inputs.key + 0.3 * inputs.bank[:count], dim=1)
    bank_labels[:count] = inputs.labels
    query = normalize(inputs.key + 0.5 * inputs.query, dim=1)
    return dataclasses.replace(inputs, query=query, bank=bank, bank_labels=bank_labels)


def as_dtype(inputs: ContrastiveInputs, dtype: torch.dtype) -> ContrastiveInputs:
    """The same numbers in another floating type."""
    names = ("query", "key", "bank", "logits", "attributes", "bank_attributes")
    floats = {name: getattr(inputs, name).to(dtype) for name in names}
    return dataclasses.replace(inputs, **floats)


def loss(
    method: str,
    inputs: ContrastiveInputs,
    weight: float = 0.5,
    temperature: float = 0.1,
    contrastive_temperature: float = 0.1,
    **options: Any,
) -> Tensor:
    """The project's loss, (N,)."""
    settings = {"weight": weight, "temperature": temperature, "contrastive_temperature": contrastive_temperature}
    return methods.load(method).loss(inputs, **settings, **options)


def rows(inputs: ContrastiveInputs) -> list[naive.Row]:
    """The inputs as the naive loops take them."""
    count, bank_size = len(inputs.query), len(inputs.bank)
    own = [[False] * bank_size] * count if inputs.own is None else inputs.own.tolist()
    names = ("query", "key", "labels", "logits", "attributes")
    query, key, labels, logits, attributes = (getattr(inputs, name).tolist() for name in names)
    bank, bank_labels, others = inputs.bank.tolist(), inputs.bank_labels.tolist(), inputs.bank_attributes.tolist()
    return [
        naive.Row(query[i], key[i], bank, labels[i], bank_labels, logits[i], own[i], attributes[i], others)
        for i in range(count)
    ]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


_SINGLE = as_dtype(random_inputs(31, samples=16, bank_size=257, dimension=32), torch.float32)
FEW = {
    "plain": random_inputs(30),
    "single precision": _SINGLE,
    "own keys": with_own(random_inputs(32)),
    "own keys, single precision": with_own(_SINGLE),
    "no entry of a row's class": with_lonely_row(random_inputs(33)),
    "ties": with_duplicates(random_inputs(34), copies=3),
}
