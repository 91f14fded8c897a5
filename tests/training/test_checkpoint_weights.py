"""Starting from a checkpoint: a finished trial's encoder, an export, torchvision's file; and what is said of a wrong one."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from harness.errors import UsageError
from harness.training import train
from harness.training.encoder import build_encoder

from .builders import small


def started(path, **changes):
    """The encoder of a trial that starts from a file."""
    return build_encoder(small(initialisation="checkpoint", checkpoint=str(path), **changes), 1)[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trials") / "trial"
    train(small(epochs=1), directory, lambda *report: None)
    return directory / "encoder.pt"


def test_a_trial_starts_from_another_ones_encoder(trained, tmp_path):
    expected = torch.load(trained, weights_only=True)
    expected = expected.get("encoder", expected)
    encoder = started(trained)
    assert all(torch.equal(value, expected[name]) for name, value in encoder.state_dict().items())
    save_file({name: value.contiguous() for name, value in expected.items()}, tmp_path / "encoder.safetensors")
    again = started(tmp_path / "encoder.safetensors")
    assert all(torch.equal(value, expected[name]) for name, value in again.state_dict().items())


def test_training_goes_on_from_it_and_is_another_trial(trained, tmp_path):
    trial = small(initialisation="checkpoint", checkpoint=str(trained), epochs=1)
    assert trial.trial_id != small(epochs=1).trial_id
    result = train(trial, tmp_path / "trial", lambda *report: None)
    assert result["trial_id"] == trial.trial_id


def test_torchvisions_file_starts_a_resnet_but_for_its_first_convolution_at_32_pixels(tmp_path):
    network = models.resnet18()
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    changes = {"encoder": "resnet18", "image_size": 32}
    trial = small(initialisation="checkpoint", checkpoint=str(tmp_path / "resnet18.pth"), **changes)
    encoder, _ = build_encoder(trial, 3)
    own, given = encoder.state_dict(), network.state_dict()
    assert own["conv1.weight"].shape == (64, 3, 3, 3)
    assert all(torch.equal(own[name], given[name]) for name in own if name != "conv1.weight")
    large, _ = build_encoder(trial.replace(image_size=224), 3)
    assert torch.equal(large.state_dict()["conv1.weight"], given["conv1.weight"])


def test_another_networks_weights_are_refused_by_name(tmp_path):
    torch.save(models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    with pytest.raises(UsageError, match="holds other weights than encoder='small'"):
        started(tmp_path / "resnet18.pth")


def test_a_damaged_or_changed_file_is_refused(tmp_path, trained):
    (tmp_path / "noise.pt").write_bytes(b"noise")
    with pytest.raises(UsageError, match=r"noise.pt' cannot be read"):
        started(tmp_path / "noise.pt")
    path = tmp_path / "encoder.pt"
    path.write_bytes(trained.read_bytes())
    trial = small(initialisation="checkpoint", checkpoint=str(path))
    path.write_bytes(trained.read_bytes() + b" ")
    with pytest.raises(UsageError, match="is not the file any more"):
        build_encoder(trial, 1)
