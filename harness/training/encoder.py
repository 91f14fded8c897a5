"""The encoders: torchvision's ResNets, with the stem for small images that the paper describes (Sec. 4), and a small one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from harness import files, weights
from harness.config import TrialConfig
from harness.errors import UsageError
from harness.seeds import stream_seed

SMALL_IMAGE = 64  # pixels a side up to which the first convolution is 3 × 3 with stride 1 and there is no max-pool


def build_encoder(trial: TrialConfig, channels: int) -> tuple[nn.Module, int]:
    """The trial's encoder, (N, channels, H, W) → (N, F), and F. Its initial weights depend on the seed alone."""
    torch.manual_seed(stream_seed(trial.seed, "encoder"))
    encoder = SmallEncoder(channels) if trial.encoder == "small" else _resnet(trial, channels)
    if trial.initialisation == "checkpoint":
        load_weights(encoder, trial)
    return encoder.to(memory_format=torch.channels_last), encoder.feature_dimension


class SmallEncoder(nn.Module):
    """Three 3 × 3 convolutions with BatchNorm and ReLU, then the mean over the image: for digits, tests and dry runs."""

    feature_dimension = 128

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            *self._stage(channels, 32, stride=1), *self._stage(32, 64, stride=2), *self._stage(64, 128, stride=2)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images).mean(dim=(2, 3))

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def load_weights(encoder: nn.Module, trial: TrialConfig) -> None:
    """Start from the weights of the trial's `checkpoint`: a finished trial's encoder.pt, an export, or torchvision's.

    A classifier in it is left out, and so is a first convolution for images of another size, as with ImageNet weights.
    Raises UsageError where the file is not the one the trial was set up with, or holds another network.
    """
    path = Path(str(trial.checkpoint))
    if files.digest(path, "checkpoint") != trial.checkpoint_digest:
        raise UsageError(f"{path} is not the file any more that this trial was set up with: train another trial.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file raises nearly anything
        raise UsageError(f"checkpoint={str(path)!r} cannot be read ({type(error).__name__}).") from None
    own = encoder.state_dict()
    given = {name: value for name, value in state.items() if not name.startswith("fc.")}
    if "conv1.weight" in own and "conv1.weight" in given and own["conv1.weight"].shape != given["conv1.weight"].shape:
        given["conv1.weight"] = own["conv1.weight"]
    wrong = [name for name in own.keys() | given.keys() if name not in own or name not in given]
    wrong += [name for name in own.keys() & given.keys() if own[name].shape != given[name].shape]
    if wrong:
        raise UsageError(
            f"checkpoint={str(path)!r} holds other weights than encoder={trial.encoder!r}: {sorted(wrong)[0]} and "
            f"{len(wrong) - 1} more differ. Choose the encoder that it was made with."
        )
    encoder.load_state_dict(given)


def _resnet(trial: TrialConfig, channels: int) -> nn.Module:
    from torchvision import models

    network = getattr(models, trial.encoder)()
    if trial.initialisation == "imagenet":
        network.load_state_dict(torch.load(weights.find(trial.encoder), weights_only=True))
    network.feature_dimension = network.fc.in_features
    network.fc = nn.Identity()
    if trial.image_size <= SMALL_IMAGE or channels != 3:
        # NOTE: also with ImageNet weights: this layer alone starts at random, as in the released code.
        small = trial.image_size <= SMALL_IMAGE
        network.conv1 = nn.Conv2d(channels, 64, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
        nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    if trial.image_size <= SMALL_IMAGE:
        network.maxpool = nn.Identity()
    return network
