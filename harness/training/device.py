"""The device of a trial: which one, its name, and how its libraries compute."""

from __future__ import annotations

import socket
from pathlib import Path

import torch

from harness import errors, provenance
from harness.config import TrialConfig

DRIVER = Path("/dev/nvidiactl")


def pick_device(trial: TrialConfig) -> torch.device:
    """The device a trial asks for. Raises UsageError where it is not there or cannot run as asked."""
    if trial.device == "cuda" and not torch.cuda.is_available():
        raise errors.UsageError("device='cuda': no CUDA device is visible here; use --set device=cpu.")
    wants_cuda = trial.device == "cuda" or (trial.device == "auto" and torch.cuda.is_available())
    if trial.cuda_graphs == "on" and not wants_cuda:
        raise errors.UsageError("cuda_graphs='on': this trial runs on a CPU; use --set cuda_graphs=auto.")
    return torch.device("cuda" if wants_cuda else "cpu")


def check_gpu() -> None:
    """Before a trial that was given a GPU. Raises UsageError where there is one that CUDA cannot use: it would take days."""
    if DRIVER.exists() and not torch.cuda.is_available():
        raise errors.UsageError(
            f"{socket.gethostname()} has an NVIDIA GPU that PyTorch {torch.__version__} cannot use (see `nvidia-smi` there): "
            "mend it, or train on the CPU with --set device=cpu."
        )


def device_name(device: torch.device) -> str:
    """The hardware by name, for records."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return provenance.processor()


def prepare_device(trial: TrialConfig) -> None:
    """fp32 is the exact reference: no TF32 inside it, no kernel chosen by timing. In bf16 cuDNN may try which is fastest."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = trial.precision == "bf16"
    torch.backends.cudnn.deterministic = trial.precision == "fp32"


def out_of_memory(failure: BaseException | None) -> bool:
    """Whether a GPU had too little memory: as PyTorch's allocator says it, or CUDA, cuBLAS and cuDNN beside it."""
    seen: set[int] = set()  # a cause may lead back to itself
    while failure is not None and id(failure) not in seen:
        seen.add(id(failure))
        words = str(failure)
        if isinstance(failure, torch.cuda.OutOfMemoryError):
            return True
        if isinstance(failure, RuntimeError) and ("CUDA error: out of memory" in words or "ALLOC_FAILED" in words):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
