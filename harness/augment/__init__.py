"""Augmentation of whole batches in torch, on the device the images are on, each sample with its own parameters.

Every operation gives the pixels that PIL gives for the same parameters, so that results compare with pipelines that
augment image by image (paper appendix A.1 lists torchvision transforms on PIL images).

An augmentation is one file, found by its name. It brings `apply(images, generator, **parameters) -> images` on float32
tensors (N, C, H, W) that hold integer grey levels 0..255, with C = 1 or 3. All choices are drawn on the host, from a
CPU generator, in a number of draws that depends on N alone: nothing waits for the device, and what one sample draws
never depends on what another drew.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import resources

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def names() -> list[str]:
    """Every augmentation that a recipe can name."""
    return resources.modules("augment")


@functools.cache  # augment() asks for every batch
def load(name: str) -> ModuleType:
    """The augmentation's module; an unknown name lists the known ones."""
    if name not in names():
        from harness import errors

        raise errors.unknown("augmentation", name, names())
    return importlib.import_module(f"harness.augment.{name}")


def augment(images: Tensor, recipe: Sequence[tuple[str, Mapping[str, Any]]], generator: torch.Generator) -> Tensor:
    """Apply a recipe of (name, parameters), in its order.

    images: (N, C, H, W) uint8, on any device; generator: on the CPU.
    Returns (N, C, h, w) float32 integer grey levels 0..255. They are exact, hence no autocast and no gradient in here.
    """
    import torch

    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        images = images.to(torch.float32)
        for name, parameters in recipe:
            images = load(name).apply(images, generator, **parameters)
    return images
