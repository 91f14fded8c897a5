"""A full bank at once: filling it takes P / N key forward passes, and its timing does not depend on what it holds."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from harness.training.data import TrialData


def fill_with_noise(learner: nn.Module, data: TrialData) -> None:
    """Random unit vectors, with the labels and indices of random images; nothing for a learner without a bank."""
    if not hasattr(learner, "bank"):
        return
    bank = learner.bank
    indices = torch.randint(len(data.train_images), bank.indices.shape, device=bank.indices.device)
    bank.keys.copy_(normalize(torch.randn_like(bank.keys)))
    bank.labels.copy_(data.train_labels[indices])
    bank.indices.copy_(indices)
