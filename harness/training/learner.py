"""What the query, key and bank methods train: encoder and projector, their momentum copies, the bank, a classifier.

The loop asks a learner for: `views` {name: recipe}, `start(batches)` before the first step, `before_step()`,
`forward(batch, mark) -> per-sample losses (N,)`, `after_step()`, `encoder`, and `networks()` that may be compiled. A method
outside this family brings its own through `build_learner(trial, data)` in its file. `relations(batch)` is for methods that have
some, and for `harness.training.diagnosis` alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from harness import methods
from harness.config import TrialConfig
from harness.errors import UsageError
from harness.methods import ContrastiveInputs
from harness.seeds import stream_seed
from harness.training.bank import MemoryBank
from harness.training.data import Batch, TrialData
from harness.training.encoder import build_encoder
from harness.training.step import Mark, unmarked


def build_learner(trial: TrialConfig, data: TrialData) -> nn.Module:
    """The module that a method trains."""
    build = getattr(methods.load(trial.method), "build_learner", ContrastiveLearner)
    return build(trial, data)


class ContrastiveLearner(nn.Module):
    """Methods from SelfCon to ASCL. N samples, F features, D projection dimensions, P bank entries, A attributes."""

    def __init__(self, trial: TrialConfig, data: TrialData):
        super().__init__()
        self.trial = trial
        self.method = methods.load(trial.method)
        self.has_bank = "bank" in trial.uses
        self.views = {"query": "strong", "key": "weak"} if self.has_bank else {"query": "strong"}
        self.encoder, features = build_encoder(trial, data.channels)
        if "classifier" in trial.uses:
            torch.manual_seed(stream_seed(trial.seed, "classifier"))
            self.classifier = nn.Linear(features, data.classes)
        if self.has_bank:
            torch.manual_seed(stream_seed(trial.seed, "projector"))
            self.projector = nn.Sequential(
                nn.Linear(features, trial.projector_hidden),
                nn.ReLU(inplace=True),
                nn.Linear(trial.projector_hidden, trial.projection_dimension),
            )
            self.key_encoder = copy.deepcopy(self.encoder).requires_grad_(False)
            self.key_projector = copy.deepcopy(self.projector).requires_grad_(False)
            self.bank = MemoryBank(trial.bank_size, trial.projection_dimension)
            self._entering: tuple[Tensor, Tensor, Tensor] | None = None
        self.has_attributes = getattr(self.method, "needs_attributes", False)
        if self.has_attributes:
            # of all training images; looked up by the bank's image indices, they cannot be out of step with its keys
            self.register_buffer("attributes", _attributes(trial, data), persistent=False)

    @torch.no_grad()
    def start(self, batches: Iterable[Batch]) -> None:
        """Fill the bank before the first step, by passes over the images without gradient."""
        if not self.has_bank:
            return
        filled = 0
        for batch in batches:
            if filled >= self.trial.bank_size:
                return
            self.bank.enqueue(self._key(batch), batch.labels, batch.indices)
            filled += len(batch.labels)

    @torch.no_grad()
    def before_step(self) -> None:
        """θ_k ← m·θ_k + (1−m)·θ_q: parameters alone; the key encoder keeps its own BatchNorm statistics."""
        if not self.has_bank:
            return
        key = [*self.key_encoder.parameters(), *self.key_projector.parameters()]
        query = [*self.encoder.parameters(), *self.projector.parameters()]
        torch._foreach_lerp_(key, query, 1 - self.trial.key_momentum)

    def networks(self) -> list[nn.Module]:
        """The parts that take most of the time."""
        return [self.encoder, self.key_encoder] if self.has_bank else [self.encoder]

    def forward(self, batch: Batch, mark: Mark = unmarked) -> Tensor:
        """Per-sample losses of a batch, in fp32 whatever the precision of the networks. (N,)"""
        with self._precision():
            feature = self.encoder(batch.views["query"])  # (N, F)
            logits = self.classifier(feature) if "classifier" in self.trial.uses else None
            projection = self.projector(feature) if self.has_bank else None  # (N, D)
        mark("query forward")
        key = self._entering_key(batch) if self.has_bank else None
        mark("key forward")
        query = None if projection is None else normalize(projection.float())
        inputs = self._inputs(batch, query, key, None if logits is None else logits.float())
        return self.method.loss(
            inputs,
            weight=self.trial.weight,
            temperature=self.trial.temperature,
            contrastive_temperature=self.trial.contrastive_temperature,
            **self.trial.method_options,
        )

    @torch.no_grad()
    def after_step(self) -> None:
        """The batch's keys enter the bank, after the loss that must not see them there and its backward pass."""
        if self.has_bank:
            self.bank.enqueue(*self._entering)

    @torch.no_grad()
    def relations(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Z as the loss would have it for this batch now: (N,) and (N, P), see `harness.methods._contrastive`; own keys (N, P).

        Nothing enters the bank; the key encoder's BatchNorm statistics count the batch.
        """
        key = self._key(batch)
        inputs = self._inputs(batch, key, key, None)
        options = {"weight": self.trial.weight, "temperature": self.trial.temperature, **self.trial.method_options}
        return *self.method.relations(inputs, **options), inputs.own

    def _inputs(
        self, batch: Batch, query: Tensor | None, key: Tensor | None, logits: Tensor | None
    ) -> ContrastiveInputs:
        """What the loss sees of a batch."""
        return ContrastiveInputs(
            query=query,
            key=key,
            bank=self.bank.keys if self.has_bank else None,
            labels=batch.labels,
            bank_labels=self.bank.labels if self.has_bank else None,
            logits=logits,
            own=self._own(batch) if self.has_bank and self.trial.own_keys == "exclude" else None,
            attributes=self.attributes[batch.indices] if self.has_attributes else None,
            bank_attributes=self.attributes[self.bank.indices] if self.has_attributes else None,
        )

    @torch.no_grad()
    def _own(self, batch: Batch) -> Tensor:
        """Which bank entries are older keys of the batch's images. (N, P) bool"""
        return batch.indices[:, None] == self.bank.indices[None, :]

    @torch.no_grad()
    def _entering_key(self, batch: Batch) -> Tensor:
        """The batch's keys (N, D), kept for `after_step`."""
        key = self._key(batch)
        self._entering = key, batch.labels, batch.indices
        return key

    def _key(self, batch: Batch) -> Tensor:
        """Projections of the key view by the key encoder, which normalises by its own batch. (N, D)"""
        with self._precision():
            projection = self.key_projector(self.key_encoder(batch.views["key"]))
        return normalize(projection.float())

    def _precision(self) -> AbstractContextManager:
        if self.trial.precision == "fp32":
            return nullcontext()
        return torch.autocast(next(self.encoder.parameters()).device.type, torch.bfloat16)


def _attributes(trial: TrialConfig, data: TrialData) -> Tensor:
    """Of every training image. (all, A)"""
    if data.train_attributes is None:
        raise UsageError(
            f"{trial.method} needs attributes of the images, and the dataset {trial.dataset} has none; cub20, cub50 and "
            "cub200 do, and folder with --set attribute_file=FILE."
        )
    return data.train_attributes
