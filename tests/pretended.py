"""A GPU that is not there: what would make the host wait for it is noticed all the same."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode

HOLDS_NUMBERS = (torch.where, torch.tensor, torch.as_tensor, torch.scalar_tensor)


class PretendedCUDA(TorchFunctionMode):
    """CUDA tensors without CUDA and without values; whatever would make the host wait for the device raises.

    Reading a value, or a shape that depends on values, raises in FakeTensorMode, as does a host tensor among those of
    the device. A copy must come from pinned memory, not block and not lead back; a number must not become a tensor.
    """

    def __init__(self):
        super().__init__()
        self.fake = FakeTensorMode(allow_non_fake_inputs=True)
        self.pinned, self.copies = [], 0

    def __torch_function__(self, function, types, arguments=(), named=None):
        named = named or {}
        everything = [*arguments, *named.values()]
        if function is Tensor.pin_memory:
            self.pinned.append(arguments[0].clone())  # kept: ids of freed tensors come again
            return self.pinned[-1]
        to_device = any(isinstance(each, torch.device) and each.type == "cuda" for each in everything)
        if not to_device and not any(isinstance(each, FakeTensor) for each in everything):
            return function(*arguments, **named)
        if function is Tensor.to and to_device and not isinstance(arguments[0], FakeTensor):
            assert any(arguments[0] is each for each in self.pinned)
            assert named["non_blocking"]
            self.copies += 1
        if function in HOLDS_NUMBERS:
            assert all(isinstance(each, Tensor) for each in everything)
        with self.fake:
            result = function(*arguments, **named)
        assert not isinstance(result, FakeTensor) or result.device.type == "cuda"
        return result
