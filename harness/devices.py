"""Moving tensors from the host to a device without making the host wait."""

from __future__ import annotations

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Host `values` on `device`, as `dtype` where one is given. On CUDA the host goes on while they travel.

    From pageable memory it would wait for everything that it has asked of the device; the pinned copy's memory is not
    used again before the transfer is over.
    """
    if device.type != "cuda":
        return values.to(device, dtype)
    return values.to(dtype).pin_memory().to(device, non_blocking=True)
