"""`harness bench`: what a step, an epoch, an evaluation and a sweep cost on the machine at hand.

Candidates are timed in turn and kept as median and range. The result is one JSON file with hardware, versions, settings and
date; it also tells later trials on this device which way of running a step is fastest, and `harness plan` how long they take.
"""

from __future__ import annotations

import datetime
import importlib.util
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import benchmarks, config, datasets, provenance, resources
from harness.config import TrialConfig
from harness.errors import UsageError

PARTS = ("products", "step", "precision", "epoch", "scaling", "recall", "sweep", "decoding", "report")
PIPELINES = ("torchvision-loader",)
RECALL_IMAGES = {"cpu": 10_000, "cuda": 50_000}
EPOCH_STEPS = {"cpu": 4, "cuda": 200}
RECALL_DIMENSION = 512
SWEEP_REPEATS = 3
REPORT_TRAININGS, REPORT_REPEATS = 10_000, 3


@dataclass(frozen=True)
class Options:
    """What is measured, and how often."""

    parts: tuple[str, ...] = PARTS
    repeats: int = 5
    against: str | None = None
    recall_images: int | None = None  # RECALL_IMAGES by default
    report_trainings: int = REPORT_TRAININGS

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise UsageError(f"--part {part}: a benchmark has the parts {', '.join(PARTS)}.")
        if self.against not in (None, *PIPELINES):
            raise UsageError(f"--against {self.against}: there is one other pipeline, {', '.join(PIPELINES)}.")


def resolve(dataset: str, method: str, overrides: dict[str, Any]) -> TrialConfig:
    """The trial whose cost is measured. Which weights it starts from makes no difference to it: they are random."""
    return config.resolve(dataset, method, overrides={"initialisation": "random", "precision": "bf16"} | overrides)


def run(
    trial: TrialConfig,
    options: Options,
    command: str,
    say: Callable[[str], None],
    keep: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Measure; `say` is told what is being measured, `keep` gets the result after every part.

    Raises UsageError where the plain pipeline cannot run the trial.
    """
    import torch

    from harness.bench import images as benchmark_images
    from harness.training.device import device_name, pick_device

    if options.against and (trial.method != "maskcon" or trial.temperature == 0):
        raise UsageError(f"--against {options.against} runs maskcon with a temperature above 0 only.")
    device = pick_device(trial)
    if trial.threads is not None:
        torch.set_num_threads(trial.threads)
    images, what = benchmark_images.find(trial)
    if options.against and datasets.of_photographs(trial.dataset):
        raise UsageError(f"--against {options.against}: it has its images in memory; {trial.dataset} has photographs.")
    if options.against and images.train_images.shape[1] != 3:
        raise UsageError(f"--against {options.against}: its transforms need colour images; {trial.dataset} has none.")
    result: dict[str, Any] = {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device_name(device),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "machine": provenance.machine() | {"gpus": provenance.gpus(), "load_before": provenance.load()},
        **provenance.git(),
        "versions": provenance.versions(),
        "settings": trial.to_dict(),
        "kind": benchmarks.kind(trial),
        "images": what,
    }
    for part in (part for part in PARTS if part in options.parts):
        say(f"measuring: {part}")
        result[part] = _PARTS[part](trial, images, device, options, result)
        keep(result)
    return result


def path_in(workspace: Path, result: dict[str, Any]) -> Path:
    """Where this workspace's trials and plans find a result; a run never replaces another one's."""
    words = [result["date"].partition("+")[0], result["device"], result["threads"], result["settings"]["dataset"]]
    words += [result["settings"]["method"], *result["kind"].values()]
    name = "".join(letter if letter.isalnum() else "-" for letter in "-".join(map(str, words))).lower()
    return benchmarks.folder(workspace) / f"{name}.json"


def plain_settings(device_type: str) -> dict[str, Any]:
    """The plain pipeline's own settings, chosen to be its best on a kind of device."""
    path = resources.folder("reports/benchmarks") / f"{PIPELINES[0]}.toml"
    return tomllib.loads(path.read_text())[device_type]


def _products(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import matmul

    return matmul.measure(device, options.repeats)


def _step(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import step

    return step.measure(
        trial, images, device, options.repeats, plain_settings(device.type) if options.against else None
    )


def _precision(
    trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]
) -> dict[str, Any]:
    from harness.bench import precision

    return precision.measure(trial, images, device, options.repeats)


def _scaling(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import scaling

    return scaling.measure(trial, images, device, options.repeats)


def _epoch(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import epoch

    steps = trial.epochs * (len(images.train_images) // trial.batch_size)
    known = [so_far] if "step" in so_far else []
    speed = benchmarks.choose(trial, so_far["device"], so_far["threads"], steps, known)
    return epoch.measure(trial, images, device, EPOCH_STEPS[device.type], options.repeats, speed)


def _recall(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import recall

    count = options.recall_images or RECALL_IMAGES[device.type]
    return recall.measure(count, RECALL_DIMENSION, options.repeats, device.type)


def _sweep(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    if importlib.util.find_spec("ray") is None:
        return {"not measured": "Ray is not installed"}
    from harness.sweep import overhead

    return overhead.measure(SWEEP_REPEATS, workers=2)["summary"]


def _decoding(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import decoding

    return decoding.measure(options.repeats)


def _report(trial: TrialConfig, images: Any, device: Any, options: Options, so_far: dict[str, Any]) -> dict[str, Any]:
    from harness.bench import report

    return report.measure(options.report_trainings, min(options.repeats, REPORT_REPEATS))


_PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "products": _products,
    "step": _step,
    "precision": _precision,
    "epoch": _epoch,
    "scaling": _scaling,
    "recall": _recall,
    "sweep": _sweep,
    "decoding": _decoding,
    "report": _report,
}


def read(paths: Sequence[Path], workspace: Path) -> dict[Path, dict[str, Any]]:
    """The results in these files; of the workspace and the committed ones where none is named."""
    if not paths:
        return benchmarks.of_workspace(workspace) | benchmarks.committed()
    return {path: benchmarks.read(path) for path in paths}
