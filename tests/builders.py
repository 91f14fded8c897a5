"""Trial directories as `harness.training` leaves them, without training: finished, failed and unfinished ones.

`tests/report/test_export.py` holds them against real ones, so that they cannot drift apart.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness import attempts, datasets, files, trials
from harness import spec as specs
from harness.config import TrialConfig
from harness.spec import SweepSpec

STARTED = 1_790_000_000.0  # when every built trial began
EPOCH_SECONDS = 2.0
_TYPICAL = {"selfcon": 0.40, "grafit": 0.55, "supcon": 0.58, "coins": 0.56, "supce": 0.47, "supfine": 0.71}


def finished_trial(
    workspace: Path,
    trial: TrialConfig,
    recalls: Mapping[int, float] | float,
    *,
    seconds: float | None = None,
    device: str = "Test CPU",
    device_type: str = "cpu",
    notes: tuple[str, ...] = (),
) -> Path:
    """A finished trial whose Recall@1 is `recalls` at the evaluated epochs (a number: at the last one)."""
    evaluated = recalls if isinstance(recalls, Mapping) else {trial.epochs: recalls}
    assert trial.epochs in evaluated, "the last epoch is always evaluated"
    directory = trials.directory(workspace, trial)
    trials.prepare(directory, trial)
    whole = trial.epochs * EPOCH_SECONDS if seconds is None else seconds
    lines = metric_lines(trial, evaluated, whole)
    trials.write_metrics(directory / trials.METRICS, lines)
    files.write_json(directory / trials.ENVIRONMENT, environment(device))
    module = datasets.load(trial.dataset)
    result = {
        "trial_id": trial.trial_id,
        "epochs": trial.epochs,
        "seconds": whole,
        "train_images": datasets.train_size(trial),
        "validation_images": min(trial.train_limit or module.train_size, module.train_size)
        - datasets.train_size(trial),
        "test_images": min(trial.test_limit or module.test_size, module.test_size),
        "fine_per_coarse": fine_per_coarse(trial),
        "parameters": 92_896,
        "device": device,
        "device_type": device_type,
        "precision": trial.precision,
        "speed": {"compile": False, "cuda_graphs": False, "why": "not measured on this device"},
        "first_step": STARTED + 1,
        "finished": STARTED + whole + 1,
        "notes": list(notes),
        "attempts": 1,
        "deaths": 0,
        "metrics": lines,
    }
    files.write_json(directory / trials.RESULT, result)
    begun = {"began": STARTED, "host": "test", "run": None, "checkpoint": 0}
    ended = {"ended": "finished", "time": STARTED + whole + 1}
    (directory / attempts.NAME).write_text(f"{json.dumps(begun)}\n{json.dumps(ended)}\n")
    return directory


def fine_per_coarse(trial: TrialConfig) -> dict[str, int]:
    """The fine classes spread evenly over coarse classes without names of their own."""
    coarse, fine = datasets.load(trial.dataset).classes or (0, 0)
    return {f"class {place}": fine // coarse + (place < fine % coarse) for place in range(coarse)}


def metric_lines(trial: TrialConfig, recalls: Mapping[int, float], seconds: float) -> list[dict[str, Any]]:
    """One line per epoch; recall at K grows with K, from the given Recall@1."""
    lines = []
    for epoch in range(1, trial.epochs + 1):
        line: dict[str, Any] = {"epoch": epoch, "loss": 4.0 / epoch, "lr": trial.lr * (1 - epoch / (trial.epochs + 1))}
        if "bank" in trial.canonical().uses:  # these have relations
            line |= {"relation_error": 0.1 + 0.4 / epoch, "fine_mass": 0.8 - 0.3 / epoch}
        if epoch in recalls:
            line |= {f"recall_at_{k}": recall_at(k, recalls[epoch]) for k in (1, 2, 5, 10, 50, 100)}
            groups = datasets.load(trial.dataset).groupings
            if trial.label_source == "coarse":
                groups = (datasets.group_name(trial),)
            for group in groups:
                within = {k: recall_at(k, (1 + recalls[epoch]) / 2) for k in (1, 2, 5, 10)}
                line |= {trials.within_metric(k, group): value for k, value in within.items()}
            line |= validation_recalls(trial, recalls[epoch])
        passed = seconds * epoch / trial.epochs
        lines.append(line | {"seconds": round(passed, 3), "time": STARTED + passed})
    return lines


def validation_recalls(trial: TrialConfig, recall_at_1: float) -> dict[str, float]:
    """Those of the held-out images, where there are any: a little below the test images', the coarse ones above."""
    if trial.validation_fraction == 0:
        return {}
    found = {trials.validation_metric(k): recall_at(k, 0.9 * recall_at_1) for k in (1, 2, 5, 10)}
    if trial.label_source == "coarse":
        coarse = 0.5 + 0.5 * recall_at_1
        found |= {trials.validation_coarse_metric(k): recall_at(k, coarse) for k in (1, 2, 5, 10)}
    return found


def recall_at(k: int, recall_at_1: float) -> float:
    """The recall at K that a built trial has beside its Recall@1."""
    return recall_at_1 + (1 - recall_at_1) * (1 - 1 / k**0.5)


def environment(device: str = "Test CPU") -> dict[str, Any]:
    """Where a built trial claims to have run: a machine whose name and command must not be published."""
    return {
        "host": "secret-host-name",
        "platform": "Linux-6.1",
        "python": "3.12.1",
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.1.0",
        "harness": "0.1.0",
        "commit": "0" * 40,
        "dirty": False,
        "device": device,
        "cpus": 8,
        "threads": 2,
        "command": "harness sweep --workspace /home/secret-user/workspace",
        "started": "2026-09-21T14:13:20+00:00",
    }


def failed_trial(workspace: Path, trial: TrialConfig, message: str = "the loss is nan in epoch 1") -> Path:
    """A trial that cannot go on."""
    directory = trials.directory(workspace, trial)
    trials.prepare(directory, trial)
    trials.write_metrics(directory / trials.METRICS, [])
    content = {
        "kind": "diverged",
        "message": message,
        "epoch": 1,
        "last_metrics": None,
        "traceback": "",
        "time": STARTED,
    }
    files.write_json(directory / trials.FAILURE, content)
    return directory


def unfinished_trial(workspace: Path, trial: TrialConfig, epoch: int) -> Path:
    """A trial that was interrupted after some epochs."""
    directory = trials.directory(workspace, trial)
    trials.prepare(directory, trial)
    trials.write_metrics(directory / trials.METRICS, metric_lines(trial, {}, EPOCH_SECONDS * trial.epochs)[:epoch])
    files.write_json(directory / trials.PROGRESS, {"epoch": epoch, "fraction": epoch / trial.epochs})
    return directory


def wrong_cifar100(folder: Path) -> Path:
    """A data folder with all of CIFAR-100's files, none of them the published one."""
    root = folder / "cifar-100-python"
    root.mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (root / name).write_bytes(b"not the published bytes")
    return folder


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A JSON file with a change made to its content."""
    content = trials.read_json(path)
    change(content)
    files.write_json(path, content)
    return path


def encoder_files(directory: Path) -> Any:
    """Give a finished trial an encoder with uneven BatchNorm statistics, and its features; returns the encoder."""
    import numpy as np
    import torch

    from harness.training.encoder import build_encoder

    trial = trials.read_config(directory)
    channels = len(datasets.load(trial.dataset).mean)
    encoder, dimension = build_encoder(trial, channels)
    images = torch.randn(16, channels, trial.image_size, trial.image_size, generator=torch.Generator().manual_seed(1))
    encoder.train()(2 * images + 1)
    torch.save({name: value.cpu() for name, value in encoder.state_dict().items()}, directory / trials.ENCODER)
    half, labels = np.zeros((4, dimension), np.float16), np.zeros(4, np.int64)
    np.savez_compressed(directory / trials.FEATURES, features=half, labels=labels)
    return encoder.eval()


def finished_sweep(workspace: Path, spec: SweepSpec, keep: Callable[[TrialConfig], bool] = lambda trial: True) -> None:
    """Every training of a sweep that `keep` wants, finished, with a plausible Recall@1."""
    for trial in spec.trials():
        if keep(trial):
            last = plausible_recall(trial)
            finished_trial(workspace, trial, {max(1, trial.epochs - 10): last - 0.01, trial.epochs: last})


def plausible_recall(trial: TrialConfig) -> float:
    """A Recall@1 that depends on the trial alone; MaskCon is best at w = 1, τ = 0.05."""
    noise = random.Random(trial.trial_id).uniform(-0.004, 0.004)
    if trial.method != "maskcon":
        return _TYPICAL.get(trial.method, 0.5) + noise
    return 0.50 + 0.15 * trial.weight - 0.3 * abs(min(trial.temperature, 0.5) - 0.05) + noise


def written_spec(folder: Path, *lines: str, name: str = "mine") -> Path:
    """A sweep's file with these lines."""
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def small_spec(
    folder: Path, *lines: str, title: str = "A small sweep", seeds: int = 2, name: str = "mine"
) -> SweepSpec:
    """A sweep of digits: by default SupCE and MaskCon at two weights, two epochs."""
    head = [f"title = {json.dumps(title)}", 'dataset = "digits"', f"seeds = {seeds}", "[settings]", "epochs = 2"]
    cells = lines or ("[[cells]]", 'method = "supce"', "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]")
    return specs.load(written_spec(folder, *head, *cells, name=name))
