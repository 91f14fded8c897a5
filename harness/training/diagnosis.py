"""Does Theorem 1 explain a method? At each epoch's end: how far its relations Z are from those of the fine classes.

`relation_error` is d_z of Eq. 18, and `fine_mass` the mean share of a row of Z, the sample itself included, that lies on
the right fine class (see `harness.evaluation.relations`). Both are over the same ANCHORS training images in the same views
at every epoch, which depend on the seed alone, with the bank and the key encoder as the epoch left them.

Training is the same bit for bit with and without: the views have a random stream of their own, nothing enters the bank, and
the key encoder's BatchNorm statistics are put back. Fine labels of training images are used here, and reach no loss.

Cost: a key forward pass of ANCHORS images and Z, whatever the size of the epoch. On one core, 73 ms beside 5.2 s for 4,096
images of CIFAR-100 with the small encoder (1.4 %), 10 ms beside 213 ms for the digits (5 %: an epoch has 1,280 of them).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from harness import augment, methods
from harness.config import TrialConfig
from harness.evaluation.relations import against_fine
from harness.seeds import generator
from harness.training import TrainingFailed
from harness.training.data import Batch, TrialData
from harness.training.images import gathered

ANCHORS = 256


def build_diagnosis(trial: TrialConfig, data: TrialData, learner: nn.Module) -> Diagnosis | None:
    """None for a method without relations: it, or what it is canonically, has no bank."""
    simplest = trial.canonical()
    has_relations = "bank" in simplest.uses and hasattr(methods.load(simplest.method), "relations")
    return Diagnosis(trial, data, learner) if has_relations else None


class Diagnosis:
    """The anchors' views, as grey levels on the device (38 MB at 224 pixels); photographs are read for them once."""

    def __init__(self, trial: TrialConfig, data: TrialData, learner: Any):
        self.data, self.learner = data, learner
        order = torch.randperm(len(data.train_images), generator=generator(trial.seed, "anchors"))
        self.count = min(ANCHORS, len(order))
        self.starts = batch_starts(self.count, trial.batch_size)
        parts = [order[start : start + trial.batch_size] for start in self.starts]
        recipe, stream = data.recipes[learner.views["key"]], generator(trial.seed, "anchor-view")
        # what `augment` returns are integer grey levels: uint8 keeps them in a quarter of the room
        self.batches = [
            (indices, augment.augment(images, recipe, stream, 1, sizes).to(torch.uint8))
            for indices, images, sizes in gathered(data.train_images, parts, data.device)
        ]

    @torch.no_grad()
    def measure(self, epoch: int) -> dict[str, float]:
        """Both metrics now. Raises TrainingFailed where they are not finite: then the network is not."""
        error = torch.zeros(self.starts[-1] + len(self.batches[-1][0]), device=self.data.device)
        share = torch.zeros_like(error)
        bank = self.learner.bank.indices
        bank_fine = self.data.diagnosis_fine[bank].masked_fill(bank < 0, -1)  # (P,)
        with _restored(self.learner.key_encoder), torch.compiler.set_stance("force_eager"):
            for start, (indices, levels) in zip(self.starts, self.batches, strict=True):
                views = {"key": self.data.normalise(levels)}
                relations = self.learner.relations(Batch(views, self.data.train_labels[indices], indices))
                rows = slice(start, start + len(indices))
                error[rows], share[rows] = _of_batch(relations, self.data.diagnosis_fine[indices], bank_fine)
        found = {
            "relation_error": error[: self.count].double().mean().item(),
            "fine_mass": share[: self.count].double().mean().item(),
        }
        if not all(math.isfinite(value) for value in found.values()):
            raise TrainingFailed(f"the relations hold NaN or infinity after epoch {epoch}")
        return found


def batch_starts(count: int, size: int) -> list[int]:
    """Where batches of `size` begin that cover `count` anchors.

    All are whole, since the key encoder normalises by its batch: the last one reaches back, or beyond the anchors if they
    are fewer than a batch.
    """
    last = max(count - size, 0)
    return [*range(0, last, size), last]


def _of_batch(
    relations: tuple[Tensor, Tensor, Tensor | None], fine: Tensor, bank_fine: Tensor
) -> tuple[Tensor, Tensor]:
    self_relation, bank_relations, own = relations
    return against_fine(self_relation, bank_relations, fine, bank_fine, own)


@contextlib.contextmanager
def _restored(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in training mode; afterwards its mode and statistics are what they were, in place."""
    modes = {module: module.training for module in network.modules()}
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    network.train()
    try:
        yield
    finally:
        for buffer, before in buffers:
            buffer.copy_(before)
        for module, mode in modes.items():
            module.training = mode
