"""A trial's images, and its batches of augmented views.

Small images are on the device, whole. Photographs stay in their cache; their batches are gathered while the one before
them is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from harness import augment, datasets
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.seeds import generator
from harness.training.images import StoredImages, gathered, images_on

# On CUDA: batches augmented in one go, up to so many pixels. A recipe is many small kernels, and launching them costs the
# host the same for one batch as for eight. A CPU gains nothing (CIFAR-100, batches of 128: 0.43 s for 32 either way).
AHEAD = 8
AHEAD_PIXELS = 2**20  # 8 batches of 128 images of 32 × 32; intermediates in float64 take 100 bytes and more a pixel


@dataclass(frozen=True)
class Validation:
    """V training images that the trial holds out, and their labels, which take part in no training."""

    images: Tensor | StoredImages  # (V, C, H, W) uint8, or photographs
    fine: Tensor  # (V,)
    coarse: Tensor  # (V,)


@dataclass(frozen=True)
class Batch:
    """N images as the learner sees them."""

    views: dict[str, Tensor]  # (N, C, H, W) float32, normalised, by view name
    labels: Tensor  # (N,) of the method's label source
    indices: Tensor  # (N,) which training images


class TrialData:
    """A dataset on one device. `train_labels` are all that a method may train on, the fine ones only where it declares it.

    `diagnosis_fine` holds the fine labels of training images for every method. They are for `harness.training.diagnosis`,
    which reads them after an epoch; no batch carries them, and no learner may look at them.
    """

    def __init__(
        self, trial: TrialConfig, label_source: str | None, device: torch.device, loaded: ImageData | None = None
    ):
        """`loaded` takes the place of the dataset's own images."""
        loaded, module = loaded or datasets.read(trial), datasets.load(trial.dataset)
        self.trial = trial
        self.recipes = module.views(trial)
        self.device = device
        self.train_images = images_on(loaded.train_images, device)  # (N, C, H, W) uint8, or photographs
        self.test_images = images_on(loaded.test_images, device)
        self.test_fine = torch.from_numpy(loaded.test_fine).to(device)
        self.test_groups = {name: torch.from_numpy(groups).to(device) for name, groups in loaded.test_groups.items()}
        self.validation = _validation(loaded, device)
        self.fine_per_coarse = _fine_per_coarse(loaded)
        self.channels = len(module.mean)
        labels = {"coarse": loaded.train_coarse, "fine": loaded.train_fine, None: 0 * loaded.train_coarse}[label_source]
        self.train_labels = torch.from_numpy(labels).to(device)
        self.diagnosis_fine = torch.from_numpy(loaded.train_fine).to(device)  # (N,)
        attributes = loaded.train_attributes
        assert attributes is None or len(attributes) == len(loaded.train_images), "one row for each training image"
        self.train_attributes = None if attributes is None else torch.from_numpy(attributes).to(device)  # (N, A)
        names = {"coarse": loaded.coarse_names, "fine": loaded.fine_names, None: ("",)}[label_source]
        self.classes = len(names)
        self.mean = torch.tensor(module.mean, device=device).view(1, -1, 1, 1) * 255
        self.std = torch.tensor(module.std, device=device).view(1, -1, 1, 1) * 255

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of an epoch; the incomplete last one is dropped."""
        return len(self.train_images) // self.trial.batch_size

    def batches(self, epoch: int, views: dict[str, str], ahead: int | None = None) -> Iterator[Batch]:
        """One epoch. `views` maps a view's name to its recipe; each view has a random stream of its own.

        `ahead` batches are augmented in one go (None: as many as pay), which changes no batch.
        """
        seed, size = self.trial.seed, self.trial.batch_size
        order = torch.randperm(len(self.train_images), generator=generator(seed, "order", epoch))
        parts_of_epoch = order[: self.steps_per_epoch * size].split(size * (ahead or self._ahead()))
        streams = {name: generator(seed, f"{name}-view", epoch) for name in views}
        for indices, images, sizes in gathered(self.train_images, parts_of_epoch, self.device):
            steps = len(indices) // size
            augmented = {
                name: self.normalise(augment.augment(images, self.recipes[recipe], streams[name], steps, sizes)).split(
                    size
                )
                for name, recipe in views.items()
            }
            for step, of_step in enumerate(indices.split(size)):
                parts = {name: view[step] for name, view in augmented.items()}
                yield Batch(parts, self.train_labels[of_step], of_step)

    def _ahead(self) -> int:
        pixels = self.trial.batch_size * self.trial.image_size**2
        return max(1, min(AHEAD, AHEAD_PIXELS // pixels)) if self.device.type == "cuda" else 1

    def normalise(self, images: Tensor) -> Tensor:
        """Grey levels 0–255 → zero mean and unit deviation per channel, in the layout convolutions prefer."""
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def _fine_per_coarse(loaded: ImageData) -> dict[str, int]:
    """How many fine classes of the training images each coarse class has, by its name; a report prints it."""
    pairs = set(zip(loaded.train_coarse.tolist(), loaded.train_fine.tolist(), strict=True))
    return {name: sum(coarse == place for coarse, _ in pairs) for place, name in enumerate(loaded.coarse_names)}


def _validation(loaded: ImageData, device: torch.device) -> Validation | None:
    """None where nothing is held out."""
    if loaded.validation_images is None or loaded.validation_fine is None or loaded.validation_coarse is None:
        return None
    labels = (torch.from_numpy(found).to(device) for found in (loaded.validation_fine, loaded.validation_coarse))
    return Validation(images_on(loaded.validation_images, device), *labels)
