"""Which failures mean that a GPU had too little memory. The words are CUDA's, cuBLAS's and cuDNN's own."""

from __future__ import annotations

import pytest
import torch

from harness.training.device import out_of_memory


def raised(inner: Exception) -> Exception:
    """An exception whose cause is another one."""
    outer = RuntimeError("a hook failed")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "failure",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        raised(torch.OutOfMemoryError("CUDA out of memory.")),
    ],
)
def test_what_a_larger_share_can_mend(failure):
    assert out_of_memory(failure)


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        ValueError("CUDA error: out of memory"),
        raised(RuntimeError("mat1 and mat2 shapes cannot be multiplied")),
    ],
)
def test_what_it_cannot(failure):
    assert not out_of_memory(failure)
