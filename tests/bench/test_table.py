"""The tables of a benchmark, word for word."""

from __future__ import annotations

import subprocess
import sys

from harness.bench import table
from harness.config import TrialConfig

from .builders import measurement, seconds, spread, way, written

GOLDEN = """\
### Test CPU, 2 threads

`harness bench`, 2026-09-21, torch 2.11.0, commit 0123456789 with uncommitted changes. maskcon on cifar100, resnet18 at 32 \
px, batch 128, P = 8192; images: the dataset's. Load before: 0.1. Median [lowest – highest].

Matrix products, GFLOP/s

| precision | 2048³ | 4096³ |
| --- | --- | --- |
| fp32 | 4 [2 – 8] | 5 [2.5 – 10] |
| bf16 | 8 [4 – 16] |  |

The step: 1 GFLOP

| step | seconds | images/s | GFLOP/s | of the peak | against plain | start, s |
| --- | --- | --- | --- | --- | --- | --- |
| fp32 | 1 [0.5 – 2] | 128 | 1 | 20% | 2.00 | 0 |
| bf16, compiled | 0.25 [0.125 – 0.5] | 512 | 4 | 50% | 8.00 | 12.5 |
| torchvision-loader | 2 [1 – 4] | 64 | 0 | 10% | 1 |  |

Milliseconds by part

| step | data | query forward | backward |
| --- | --- | --- | --- |
| fp32 | 250.0 | 500.0 |  |
| bf16, compiled |  |  | 62.5 |
| torchvision-loader | 1000.0 |  |  |

Share of the step that goes to getting its batch: fp32 25.0%, bf16, compiled 0.0%, torchvision-loader 50.0%.

Of the time in operators (bf16, compiled): convolutions 75%, other 25%.

An epoch of 4 steps (bf16, compiled), without checkpoints: 10 [5 – 20] s, of which beyond the steps 1% [0.5 – 2]. \
An evaluation of 10,000 test images: 2 [1 – 4] s. \
An epoch of this trial with its share of such an evaluation: 1234.5 s (computed: 390 such steps and a 10th of an evaluation).

Recall@K of 50,000 × 512: 3 [1.5 – 6] s, the bare products 1.5 [0.75 – 3] s, ratio 2; extra memory 40.5 MiB.

A sweep's own seconds

|  | seconds |
| --- | --- |
| from the command to the first step | 4 [2 – 8] |
| per trial beside its training | 0.5 [0.25 – 1] |
| from the last trial to the end | 2 [1 – 4] |
| the same sweep again, nothing to do | 1 [0.5 – 2] |

Photographs, 400 of 640 × 480 and 81.1 kB, 2 threads: decoded into their cache at side 256, 300 [150 – 600] images/s; \
decode_jpeg alone 1000 [500 – 2000]; ratio 0.3.
"""
ALONE = """\
### NVIDIA H100

`harness bench`, 2026-09-21, torch 2.11.0. maskcon on cifar100, resnet18 at 32 px, batch 128, P = 8192; images: noise. \
Load before: None. Median [lowest – highest].

The step: 1 GFLOP

| step | seconds | images/s | GFLOP/s | of the peak | start, s |
| --- | --- | --- | --- | --- | --- |
| bf16 | 0.5 [0.25 – 1] | 256 | 2 |  | 3 |

Milliseconds by part

| step | loss |
| --- | --- |
| bf16 | 0.5 |

Share of the step that goes to getting its batch: bf16 0.0%.

The sweep's overhead was not measured: Ray is not installed.
"""
SHOW = """
import sys
from harness.cli import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    assert not {"torch", "numpy", "ray"} & set(sys.modules)
"""


def rates(median):
    return {name: 1e9 * value for name, value in spread(median).items()}


def everything():
    """A result with all parts; every figure a power of two or a round number, so that all of them can be checked by eye."""
    ways = {
        "fp32": way(1.0, precision="fp32", data=0.25, **{"query forward": 0.5}),
        "bf16, compiled": way(0.25, 12.5, compile=True, backward=0.0625),
    }
    result = measurement(TrialConfig(), ways, threads=2)
    ratio = {"fp32": 2.0, "bf16, compiled": 8.0}
    plain = {"seconds": seconds(2.0, data=1.0), "images_per_second": 64.0, "flops_per_second": 0.5e9}
    result["dirty"] = True
    result["step"]["against"] = {"pipeline": "torchvision-loader", "settings": {"workers": 1}, **plain, "ratio": ratio}
    result["step"]["operators"] = {"way": "bf16, compiled", "shares": {"convolutions": 0.75, "other": 0.25}}
    return result | {
        "products": {
            "fp32": {"flops_by_size": {"2048": rates(4.0), "4096": rates(5.0)}, "peak": 5e9},
            "bf16": {"flops_by_size": {"2048": rates(8.0)}, "peak": 8e9},
        },
        "epoch": {
            "precision": "bf16",
            "speed": {"compile": True, "cuda_graphs": False, "why": "soonest"},
            "steps": 4,
            "test_images": 10_000,
            "seconds": spread(10.0),
            "beyond_steps": spread(0.01),
            "evaluation_seconds": spread(2.0),
            "dataset_epoch_seconds": 1234.5,
            "dataset_epoch": "computed: 390 such steps and a 10th of an evaluation",
        },
        "recall": {
            "images": 50_000,
            "dimension": 512,
            "seconds": {"recall": spread(3.0), "bare products": spread(1.5)},
            "ratio": 2.0,
            "extra_mib": 40.5,
            "recall_at_1": 0.5,
        },
        "sweep": {
            "command_to_first_step": spread(4.0),
            "per_trial_beside_training": spread(0.5),
            "last_trial_to_end": spread(2.0),
            "nothing_to_do": spread(1.0),
        },
        "decoding": {
            "images": 400,
            "width": 640,
            "height": 480,
            "side": 256,
            "kilobytes": 81.1,
            "threads": 2,
            "images_per_second": {"cache": spread(300.0), "decode_jpeg": spread(1000.0)},
            "ratio": 0.3,
        },
    }


def test_every_part_is_a_table_or_a_sentence():
    assert table.markdown(everything()) == GOLDEN


def test_a_part_that_was_not_measured_is_left_out():
    result = measurement(TrialConfig(), {"bf16": way(0.5, 3, loss=0.0005)}, device="NVIDIA H100", device_type="cuda")
    result |= {"commit": None, "images": "noise", "sweep": {"not measured": "Ray is not installed"}}
    result["machine"]["load_before"] = None
    result["dirty"] = None
    assert table.markdown(result) == ALONE


def test_show_prints_the_tables_of_the_workspace_or_of_files_without_torch(tmp_path):
    path = written(tmp_path / "elsewhere", "whole", everything())
    for words in (["--file", str(path)], ["--workspace", str(tmp_path / "elsewhere")]):
        command = [sys.executable, "-c", SHOW, "bench", "--show", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(GOLDEN)
