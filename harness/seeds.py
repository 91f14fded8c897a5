"""Random streams: each is seeded by (seed, stream name, epoch) and by nothing else.

Trials of one seed therefore share their initial weights, batch order and augmentation whatever their method, weight or
temperature: their differences are paired. A checkpoint at an epoch's end needs no generator state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream_seed(seed: int, stream: str, epoch: int = 0) -> int:
    """A 63-bit seed for one stream of one epoch."""
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, stream: str, epoch: int = 0) -> torch.Generator:
    """A CPU generator at the start of one stream."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, stream, epoch))
