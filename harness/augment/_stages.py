"""Operations one after the other, of which each image has its own choice and its own order.

N images, S stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from harness.devices import send

# (images (n, C, H, W), values (n,) on the host) -> images
Operation = Callable[[Tensor, Tensor], Tensor]


def apply_stages(images: Tensor, chosen: Tensor, values: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Stage after stage. chosen, values: (N, S) on the host; see `apply_stage`."""
    for stage in range(chosen.shape[1]):
        images = apply_stage(images, chosen[:, stage], values[:, stage], operations)
    return images


def apply_stage(images: Tensor, chosen: Tensor, values: Tensor, operations: Sequence[Operation]) -> Tensor:
    """Apply each operation once, to all images that chose it: they are sorted by operation, then sorted back.

    chosen: (N,) int64, indices into `operations`, or their number: nothing; values: (N,), what each one is called with.
    """
    order = torch.argsort(chosen, stable=True)  # (N,)
    back = torch.argsort(order)
    sizes = torch.bincount(chosen, minlength=len(operations) + 1).tolist()
    *groups, untouched = images.index_select(0, send(order, images.device)).split(sizes)
    *parts, _ = values[order].split(sizes)
    work = zip(operations, groups, parts, strict=True)
    done = [operation(group, part) for operation, group, part in work if len(group)]
    return torch.cat([*done, untouched]).index_select(0, send(back, images.device))
