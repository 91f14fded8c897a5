"""What the time of a step goes to, by kind of operator: convolutions, normalisation and so on, from PyTorch's profiler."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

KINDS = {  # the first whose words occur in an operator's or kernel's name
    "normalisation": ("batch_norm", "batchnorm", "bn_fw", "bn_bw", "cudnn::bn"),
    "convolutions": ("conv", "cudnn", "implicit_gemm", "wgrad", "dgrad", "fprop"),
    "products": ("mm", "gemm", "cutlass", "nvjet"),
    "optimiser and momentum": ("sgd", "lerp", "multi_tensor"),
    "activations and sums": ("relu", "threshold", "add", "triton", "cpp_fused"),
}


def shares(work: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Each kind's share of the time that operators take; on a GPU, that its kernels take. Empty where nothing was seen."""
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        work()
    found = dict.fromkeys((*KINDS, "other"), 0.0)
    for entry in profiled.key_averages():
        if not on_gpu:
            found[_kind(entry.key.lower())] += entry.self_cpu_time_total
        elif entry.device_type == DeviceType.CUDA and not entry.is_user_annotation:
            found[_kind(entry.key.lower())] += entry.self_device_time_total
    whole = sum(found.values())
    return {kind: round(spent / whole, 4) for kind, spent in found.items()} if whole else {}


def _kind(name: str) -> str:
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "other")
