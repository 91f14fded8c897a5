"""The plain pipeline that `harness bench --against torchvision-loader` runs: how released contrastive code is usually written.

PIL transforms in DataLoader workers, fp32, channels-first tensors, both target matrices materialised and multiplied by a full
log-softmax, a momentum update parameter by parameter. Same networks, same loss (a test says so), none of our speed.

N samples, D projection dimensions, P bank entries.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize, one_hot
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from harness import datasets
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.training.data import Batch
from harness.training.step import Mark, unmarked


def prepare_device() -> None:
    """PyTorch's defaults, TF32 in cuDNN among them, and the usual line that lets cuDNN choose its kernels."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = False


class TwoViews(Dataset):
    """Training images as PIL images, each with a strong and a weak view of torchvision's transforms (CIFAR's)."""

    def __init__(self, trial: TrialConfig, images: ImageData):
        module = datasets.load(trial.dataset)
        self.images = [Image.fromarray(image.transpose(1, 2, 0)) for image in images.train_images]
        self.labels = images.train_coarse.tolist()
        weak = [transforms.RandomResizedCrop(trial.image_size, (0.2, 1.0)), transforms.RandomHorizontalFlip()]
        policy = transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10)
        finish = [transforms.ToTensor(), transforms.Normalize(module.mean, module.std)]
        self.strong = transforms.Compose([*weak, policy, *finish])
        self.weak = transforms.Compose([*weak, *finish])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int, int]:
        image = self.images[index]
        return self.strong(image), self.weak(image), self.labels[index], index


def batches(trial: TrialConfig, images: ImageData, workers: int, device: torch.device) -> Iterator[Batch]:
    """Batches without end, as a DataLoader gives them."""
    loader = DataLoader(
        TwoViews(trial, images),
        trial.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )
    while True:
        for strong, weak, labels, indices in loader:
            views = {"query": strong.to(device, non_blocking=True), "key": weak.to(device, non_blocking=True)}
            yield Batch(views, labels.to(device, non_blocking=True), indices.to(device, non_blocking=True))


class PlainLearner(nn.Module):
    """MaskCon as a script would have it; made from a `ContrastiveLearner`, whose networks and bank it uses."""

    def __init__(self, learner: Any):
        super().__init__()
        self.trial = learner.trial
        self.query = nn.Sequential(learner.encoder, learner.projector).to(memory_format=torch.contiguous_format)
        self.key = nn.Sequential(learner.key_encoder, learner.key_projector).to(memory_format=torch.contiguous_format)
        self.bank = learner.bank
        self.entering: tuple[Tensor, Tensor, Tensor] | None = None

    @torch.no_grad()
    def before_step(self) -> None:
        """The momentum update, parameter by parameter, each a new tensor."""
        momentum = self.trial.key_momentum
        for key, query in zip(self.key.parameters(), self.query.parameters(), strict=True):
            key.data = key.data * momentum + query.data * (1 - momentum)

    def forward(self, batch: Batch, mark: Mark = unmarked) -> Tensor:
        """Per-sample losses (N,): own keys in the bank are kept, as the released code does."""
        query = normalize(self.query(batch.views["query"]))  # (N, D)
        mark("query forward")
        with torch.no_grad():
            key = normalize(self.key(batch.views["key"]))
        mark("key forward")
        self.entering = key, batch.labels, batch.indices
        bank = self.bank.keys.T.contiguous()  # (D, P)
        own = torch.einsum("nd,nd->n", query, key)[:, None]
        logits = torch.cat([own, torch.einsum("nd,dp->np", query, bank)], dim=1) / self.trial.contrastive_temperature
        mixed = self._targets(key, bank, batch.labels)
        return -(mixed * log_softmax(logits, dim=1)).sum(dim=1)

    @torch.no_grad()
    def after_step(self) -> None:
        """The keys enter the bank."""
        assert self.entering is not None
        self.bank.enqueue(*self.entering)

    @torch.no_grad()
    def _targets(self, key: Tensor, bank: Tensor, labels: Tensor) -> Tensor:
        """Z of Eq. 15, every matrix written out. (N, 1+P)"""
        classes = int(max(labels.max(), self.bank.labels.max())) + 1
        mask = one_hot(labels, classes).float() @ one_hot(self.bank.labels, classes).float().T  # (N, P)
        similarity = torch.einsum("nd,dp->np", key, bank)
        soft = torch.softmax((similarity / self.trial.temperature).masked_fill(mask == 0, -math.inf), dim=1)
        soft = soft / soft.max(dim=1, keepdim=True).values
        ones = torch.ones(len(key), 1, device=key.device)
        coarse = torch.cat([ones, soft], dim=1)
        coarse = coarse / coarse.sum(dim=1, keepdim=True)
        itself = torch.cat([ones, torch.zeros_like(soft)], dim=1)
        return self.trial.weight * coarse + (1 - self.trial.weight) * itself
