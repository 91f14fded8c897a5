"""What one MaskCon training costs on each dataset of the paper, on paper: FLOPs, and hours at a measured rate.

    python -m harness.bench.costs [BENCHMARK.json …]

prints the table of `reports/benchmarks/README.md`; the rates are those of the committed benchmarks, or of the files named.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import benchmarks, config, resources
from harness.bench import images
from harness.bench.step import count_flops


@dataclass(frozen=True)
class Training:
    """One training of the paper: Sec. 4 and appendix A for images, batch and epochs, the released code for pixels."""

    dataset: str
    train_images: int
    image_size: int
    batch_size: int = 128
    epochs: int = 200

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.train_images // self.batch_size * self.epochs

    def flops(self) -> int:
        """Of the whole training, evaluation left out."""
        settings = {"initialisation": "random", "image_size": self.image_size, "batch_size": self.batch_size}
        trial = config.resolve("cifar100", "maskcon", overrides=settings)
        return self.steps * count_flops(trial, images.noise(self.batch_size, 2, 32))


PAPER = (
    Training("CIFARtoy", 40_000, 32),
    Training("CIFAR-100", 50_000, 32),
    Training("ImageNet32", 1_281_167, 32, batch_size=256, epochs=100),
    Training("SOP-split1", 25_368, 224),
    Training("SOP-split2", 14_980, 224),
    Training("Cars196", 8_144, 224),
)


def table(measured: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row per dataset, a column of hours per device, by the step measured at that image size or else at another."""
    of_steps = [content for content in measured if "step" in content]
    devices = list(dict.fromkeys(content["device"] for content in of_steps))
    head = ["dataset", "images", "px", "batch", "epochs", "steps", "PFLOP", *(f"hours, {device}" for device in devices)]
    lines = [head, ["---"] * len(head)]
    for training in PAPER:
        flops = training.flops()
        sizes = (training.train_images, training.image_size, training.batch_size, training.epochs, training.steps)
        hours = [f"{flops / _rate(of_steps, device, training.image_size) / 3600:.3g}" for device in devices]
        lines.append([training.dataset, *(f"{size:,}" for size in sizes), f"{flops / 1e15:,.0f}", *hours])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate(measured: Sequence[dict[str, Any]], device: str, image_size: int) -> float:
    """FLOP/s on a device, of the measurement whose images have this size, or else of the first."""
    here = [content for content in measured if content["device"] == device]
    return _fastest(next((content for content in here if content["kind"]["image_size"] == image_size), here[0]))


def _fastest(content: dict[str, Any]) -> float:
    return max(way["flops_per_second"] for way in content["step"]["ways"].values())


if __name__ == "__main__":
    named = [Path(text) for text in sys.argv[1:]] or sorted(resources.folder("reports/benchmarks").glob("*.json"))
    print(table([benchmarks.read(path) for path in named]))
