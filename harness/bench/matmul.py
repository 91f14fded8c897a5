"""The machine's matrix-product rate, against which a step's own is set."""

from __future__ import annotations

from typing import Any

import torch

from harness.bench.timing import in_turn, once

SIZES = (2048, 4096, 8192)
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LONGEST_SECONDS = 10  # of one product: a larger size is left out


def measure(device: torch.device, repeats: int) -> dict[str, Any]:
    """FLOP/s of square products by precision and size, and the best of each precision ("peak")."""
    found: dict[str, Any] = {}
    for precision, dtype in TYPES.items():
        rates: dict[str, Any] = {}
        for size in SIZES:
            if rates and 8 * 2 * (size / 2) ** 3 / rates[str(size // 2)]["highest"] > LONGEST_SECONDS:
                break
            left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
            result = torch.empty_like(left)
            lap = once(lambda a=left, b=right, c=result: torch.mm(a, b, out=c), device)
            seconds = in_turn({"product": lap}, repeats)["product"]["total"]
            rates[str(size)] = {
                name: float(f"{2 * size**3 / seconds[other]:.5g}")
                for name, other in (("median", "median"), ("lowest", "highest"), ("highest", "lowest"))
            }
        found[precision] = {"flops_by_size": rates, "peak": max(rate["median"] for rate in rates.values())}
    return found
