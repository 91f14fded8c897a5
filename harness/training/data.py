"""The images on the trial's device, and its batches of augmented views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import augment, datasets
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.seeds import generator


@dataclass(frozen=True)
class Batch:
    """N images as the learner sees them."""

    views: dict[str, Tensor]  # (N, C, H, W) float32, normalised, by view name
    labels: Tensor  # (N,) of the method's label source
    indices: Tensor  # (N,) which training images


class TrialData:
    """A dataset on one device. Fine labels of training images are kept only for a method that trains on them."""

    def __init__(
        self, trial: TrialConfig, label_source: str | None, device: torch.device, loaded: ImageData | None = None
    ):
        """`loaded` takes the place of the dataset's own images."""
        loaded, module = loaded or datasets.read(trial), datasets.load(trial.dataset)
        self.trial = trial
        self.recipes = module.views(trial)
        self.train_images = torch.from_numpy(loaded.train_images).to(device)  # (N, C, H, W) uint8
        self.test_images = torch.from_numpy(loaded.test_images).to(device)
        self.test_fine = torch.from_numpy(loaded.test_fine).to(device)
        self.channels = self.train_images.shape[1]
        labels = {"coarse": loaded.train_coarse, "fine": loaded.train_fine, None: 0 * loaded.train_coarse}[label_source]
        self.train_labels = torch.from_numpy(labels).to(device)
        names = {"coarse": loaded.coarse_names, "fine": loaded.fine_names, None: ("",)}[label_source]
        self.classes = len(names)
        self.mean = torch.tensor(module.mean, device=device).view(1, -1, 1, 1) * 255
        self.std = torch.tensor(module.std, device=device).view(1, -1, 1, 1) * 255

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch; the incomplete last one is dropped."""
        return len(self.train_images) // self.trial.batch_size

    def batches(self, epoch: int, views: dict[str, str]) -> Iterator[Batch]:
        """One epoch. `views` maps a view's name to its recipe; each view has a random stream of its own."""
        seed, size = self.trial.seed, self.trial.batch_size
        order = torch.randperm(len(self.train_images), generator=generator(seed, "order", epoch))
        streams = {name: generator(seed, f"{name}-view", epoch) for name in views}
        for step in range(self.steps_per_epoch):
            indices = order[step * size : (step + 1) * size].to(self.train_images.device)
            images = self.train_images[indices]
            augmented = {
                name: self.normalise(augment.augment(images, self.recipes[recipe], streams[name]))
                for name, recipe in views.items()
            }
            yield Batch(augmented, self.train_labels[indices], indices)

    def normalise(self, images: Tensor) -> Tensor:
        """Grey levels 0–255 → zero mean and unit deviation per channel, in the layout convolutions prefer."""
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
