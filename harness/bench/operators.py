"""What the time of a step goes to, by kind of operator: convolutions, normalisation and so on, from PyTorch's profiler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

KINDS = {  # the first whose words occur in an operator's or kernel's name
    "convolutions": ("conv", "cudnn", "implicit_gemm", "wgrad", "dgrad", "fprop"),
    "products": ("mm", "gemm", "cutlass"),
    "normalisation": ("batch_norm", "batchnorm", "bn_fw", "bn_bw"),
    "optimiser and momentum": ("sgd", "lerp", "multi_tensor"),
    "activations and sums": ("relu", "threshold", "add", "triton", "cpp_fused"),
}


def shares(work: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Each kind's share of the time that operators take."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=activities) as profiled:
        work()
    found = dict.fromkeys((*KINDS, "other"), 0.0)
    for entry in profiled.key_averages():
        spent = entry.self_device_time_total if device.type == "cuda" else entry.self_cpu_time_total
        found[_kind(entry.key.lower())] += spent
    whole = sum(found.values())
    return {kind: round(spent / whole, 4) for kind, spent in found.items()}


def _kind(name: str) -> str:
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")
