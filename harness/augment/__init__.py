"""Augmentation of whole batches in torch, on the device the images are on, each sample with its own parameters.

Every operation gives the pixels that PIL gives for the same parameters, so that results compare with pipelines that
augment image by image (paper appendix A.1 lists torchvision transforms on PIL images).

An augmentation is one file, found by its name. It brings

    draw(count, height, width, generator, *, <its parameters>) -> Drawn

which draws for `count` images of that size and returns an operation and its parameters. The operation, called as
`operation(images, *parameters)`, takes and returns float32 tensors (N, C, H, W) that hold integer grey levels 0..255,
with C = 1 or 3; every parameter is a tensor on the host with a row per image. The operation itself depends on nothing
that was drawn, so that one call can serve several batches. An augmentation that takes a parameter `size`, a number or
(height, width), returns images of that size; all others keep theirs.

Photographs of different sizes come in the middle of black frames of one size, with whole-pixel margins. To mirror or
turn the frame is to mirror or turn the image. An augmentation whose file says `takes_sizes = True` gets their sizes as
the parameter `sizes` and leaves no margins; one such must stand in their recipe, and whatever works by position, colour
or neighbourhood comes after it.

All choices are drawn on the host, from a CPU generator, in a number of draws that depends on N alone. An operation
reads nothing back from its images' device and copies to it by `devices.send` only: nothing waits for the device, and
what one sample draws never depends on what another drew.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness import resources

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Drawn = tuple[Callable[..., "Tensor"], tuple["Tensor", ...]]
Recipe = Sequence[tuple[str, Mapping[str, Any]]]


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


def augment(
    images: Tensor, recipe: Recipe, generator: torch.Generator, batches: int = 1, sizes: Tensor | None = None
) -> Tensor:
    """Apply a recipe of (name, parameters), in its order, to so many equal batches that follow one another.

    images: (N, C, H, W) uint8, on any device; generator: on the CPU. One batch draws after the other, so pixels and
    generator end up as from a call per batch, but each operation runs once. N must be a multiple of `batches`.
    sizes: (N, 2) int64 on the host, height and width of the image in the middle of each frame; None: they are filled.
    Returns (N, C, h, w) float32 integer grey levels 0..255. They are exact, hence no autocast and no gradient in here.
    """
    import torch

    if batches < 1 or len(images) % batches:
        raise ValueError(f"{len(images)} images are not {batches} equal batches; their number must be a multiple of it")
    count, _, height, width = len(images) // batches, *images.shape[1:]
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        of_batch = [None] * batches if sizes is None else sizes.split(count)
        drawn = [_draw(recipe, count, height, width, generator, each) for each in of_batch]
        images = images.to(torch.float32)
        for of_batches in zip(*drawn, strict=True):
            operation, _ = of_batches[0]
            parameters = zip(*(parameters for _, parameters in of_batches), strict=True)
            images = operation(images, *(torch.cat(rows) for rows in parameters))
    return images


def _draw(
    recipe: Recipe, count: int, height: int, width: int, generator: torch.Generator, sizes: Tensor | None
) -> list[Drawn]:
    """What one batch of `count` images draws, an entry per operation of the recipe."""
    drawn = []
    for name, parameters in recipe:
        module = load(name)
        extra = {}
        if sizes is not None and getattr(module, "takes_sizes", False):
            extra, sizes = {"sizes": sizes}, None
        drawn.append(module.draw(count, height, width, generator, **parameters, **extra))
        size = parameters.get("size", (height, width))
        height, width = (size, size) if isinstance(size, int) else size
    if sizes is not None:
        named = ", ".join(name for name, _ in recipe)
        raise ValueError(f"images of different sizes need a recipe that crops them to one; this one has {named}")
    return drawn
