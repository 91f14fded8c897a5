"""The memory bank: the last P keys with their labels and image indices, first in, first out (MoCo; paper Sec. 3.1.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """P rows of unit norm in fp32; kept contiguous by row, so that one batch of keys is one slice."""

    def __init__(self, size: int, dimension: int):
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, dimension))  # (P, D)
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))  # (P,)
        self.register_buffer("indices", torch.full((size,), -1, dtype=torch.int64))  # (P,) of the images
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))  # of the oldest row

    def enqueue(self, keys: Tensor, labels: Tensor, indices: Tensor) -> None:
        """Put N ≤ P new rows in the place of the oldest."""
        rows = (self.position + torch.arange(len(keys), device=keys.device)) % len(self.keys)
        self.keys[rows] = keys
        self.labels[rows] = labels
        self.indices[rows] = indices
        self.position.copy_((self.position + len(keys)) % len(self.keys))
