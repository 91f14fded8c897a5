"""What people train an encoder for: features of their own images, and the encoder as a file to hand on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__, datasets, files, methods, trials
from harness.config import TrialConfig
from harness.errors import UnreadableImages, UsageError

if TYPE_CHECKING:
    import torch

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def embed(workspace: Path, name: str, folder: Path, output: Path) -> int:
    """Write the features of every image below `folder`, by path; returns how many. One that cannot be read is an error."""
    import numpy as np
    import torch

    if output.suffix not in (".parquet", ".npz"):
        raise UsageError(f"--output {output}: its ending must be .parquet or .npz.")
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise UsageError(f"{folder} holds no images ({', '.join(ENDINGS)}).")
    encoder, trial = load_encoder(workspace, name)
    prepared = _as_tested if datasets.of_photographs(trial.dataset) else _square
    features = []
    for path in paths:
        try:
            pixels = prepared(path, trial)
        except (OSError, UnreadableImages) as error:
            raise UsageError(f"{path} cannot be read as an image: {error}") from None
        with torch.no_grad():
            features.append(encoder(_normalised(pixels, trial))[0].numpy())
    rows = np.stack(features).astype(np.float32)
    names = [str(path.relative_to(folder)) for path in paths]
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".npz":
        files.replace(output, lambda stream: np.savez_compressed(stream, path=np.array(names), features=rows))
    else:
        import pandas as pd

        table = pd.DataFrame({"path": names, "features": list(rows)})
        files.replace(output, lambda stream: table.to_parquet(stream, index=False))
    return len(paths)


def export(workspace: Path, name: str, output: Path | None) -> Path:
    """Write encoder.safetensors and a model card (README.md) into a folder; returns the folder."""
    from safetensors.torch import save_file

    encoder, trial = load_encoder(workspace, name)
    directory = trials.locate(workspace, name)
    folder = output or Path(f"exported-{trial.trial_id}")
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in encoder.state_dict().items()}
    scratch = folder / ".encoder.safetensors.new"
    save_file(state, scratch, metadata={"trial_id": trial.trial_id, "encoder": trial.encoder, "format": "pt"})
    scratch.replace(folder / "encoder.safetensors")
    files.write_json(folder / "config.json", trial.to_dict())
    files.write_text(folder / "README.md", model_card(trial, trials.read_json(directory / trials.RESULT)))
    return folder


def load_encoder(workspace: Path, name: str) -> tuple[torch.nn.Module, TrialConfig]:
    """The trained encoder of a finished trial, ready to embed, and the trial's settings."""
    from harness.training import checkpoint
    from harness.training.encoder import build_encoder

    directory = trials.locate(workspace, name)
    trial = trials.read_config(directory)
    state = trials.state(directory)
    if state.state != "done":
        raise UsageError(f"trial {trial.trial_id} is {state.state}: only a finished trial has a trained encoder.")
    # its weights are replaced at once
    fresh = trial.replace(initialisation="random", checkpoint=None, checkpoint_digest=None)
    encoder, _ = build_encoder(fresh, len(datasets.load(trial.dataset).mean))
    path = directory / trials.ENCODER
    if not path.is_file():
        raise UsageError(f"{path} is missing: this finished trial was kept without its encoder.")
    try:
        encoder.load_state_dict(checkpoint.load(path))
    except Exception as error:  # a damaged file raises nearly anything
        raise UsageError(f"{path} cannot be read as this trial's encoder ({type(error).__name__}).") from error
    return encoder.eval(), trial


def model_card(trial: TrialConfig, result: dict[str, Any]) -> str:
    """What the encoder is, how good it is, how to load it."""
    module = datasets.load(trial.dataset)
    last = result["metrics"][-1]
    recall = "\n".join(f"| {k} | {100 * value:.2f} |" for k, value in trials.recalls(last).items())
    settings = "\n".join(f"| {name} | {value} |" for name, value in trial.identity().items())
    small = "" if trial.encoder != "small" else " A small encoder for demonstrations, not the paper's network."
    return f"""# {methods.load(trial.method).title} encoder ({trial.encoder}) trained on {module.title}

Trial `{trial.trial_id}`, {trial.epochs} epochs on {result["train_images"]:,} training images ({module.source}).{small}
One run, seed {trial.seed}. Written by harness {__version__}.

## Recall@K on {result["test_images"]:,} test images, percent

| K | recall |
|---|---|
{recall}

## Input

{trial.image_size} × {trial.image_size} pixels, {len(module.mean)} channel(s), values in [0, 1], normalised with mean
{module.mean} and deviation {module.std}. Output: features before the projector; compare them by cosine similarity.

## Loading

```python
from harness.config import from_dict
from harness.training.encoder import build_encoder
from safetensors.torch import load_file
import json

settings = json.load(open("config.json")) | {{"initialisation": "random", "checkpoint": None}}
trial = from_dict(settings)
encoder, feature_dimension = build_encoder(trial, channels={len(module.mean)})
encoder.load_state_dict(load_file("encoder.safetensors"))
encoder.eval()
```

## Settings that differ from the defaults

| setting | value |
|---|---|
{settings}
"""


def _as_tested(path: Path, trial: TrialConfig) -> Any:
    """As the trial's own test photographs: stored, then resized as it says. (1, 3, h, w) grey levels"""
    import numpy as np
    import torch

    from harness.datasets import _decode
    from harness.datasets._photographs import Photographs
    from harness.training.images import images_on, resized

    try:
        height, width = _decode.measure(path, trial.stored_side)
        pixels = np.frombuffer(_decode.pixels(path, height, width), np.uint8)
    except _decode.Unreadable as error:
        raise UnreadableImages(str(error)) from None
    stored = Photographs(pixels, np.zeros(1, np.int64), np.array([[height, width]], np.int64))
    ((_, levels),) = resized(images_on(stored, torch.device("cpu")), trial.image_size, trial.test_resize)
    return levels


def _square(path: Path, trial: TrialConfig) -> Any:
    """Shorter side to the trial's size, then the centre. (1, C, size, size) uint8"""
    import numpy as np
    import torch
    from PIL import Image

    size, channels = trial.image_size, len(datasets.load(trial.dataset).mean)
    with Image.open(path) as opened:
        image = opened.convert("RGB" if channels == 3 else "L")
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    pixels = np.atleast_3d(np.asarray(image.crop((left, top, left + size, top + size))))  # (size, size, C)
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy())


def _normalised(pixels: torch.Tensor, trial: TrialConfig) -> torch.Tensor:
    import torch

    module = datasets.load(trial.dataset)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) * 255 for values in (module.mean, module.std))
    return (pixels.float() - mean) / std
