"""Attributes in training: each image has its own, beside its key in the bank too, and the checkpoint needs none of them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness import datasets, methods
from harness.config import TrialConfig
from harness.datasets import ImageData
from harness.errors import UsageError
from harness.methods import ContrastiveInputs
from harness.training import train
from harness.training.data import TrialData
from harness.training.learner import build_learner
from harness.training.step import Step, build_optimiser

from .builders import assert_same_training, learner_and_data, run, same_weights, small, undisturbed

METHOD = "maskcon_attributes"


def with_fine_attributes(trial: TrialConfig) -> ImageData:
    """The trial's images, each with its fine label and its own number for attributes."""
    found = datasets.read(trial)
    count = len(found.train_fine)
    one_hot = np.eye(10, dtype=np.float32)[found.train_fine]
    return dataclasses.replace(found, train_attributes=np.c_[one_hot, np.arange(count, dtype=np.float32)])


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[ContrastiveInputs]:
    """Filled with copies of what each step's loss sees."""
    seen, loss = [], methods.load(METHOD).loss

    def copying_loss(inputs: ContrastiveInputs, **others: Any) -> Tensor:
        copies = {name: getattr(inputs, name).detach().clone() for name in ("bank", "bank_labels", "bank_attributes")}
        seen.append(dataclasses.replace(inputs, **copies))
        return loss(inputs, **others)

    monkeypatch.setattr(methods.load(METHOD), "loss", copying_loss)
    return seen


@pytest.mark.parametrize("bank_size", [64, 100, 256, 700])
def test_attributes_are_those_of_the_images_in_batch_and_bank_at_every_step(monkeypatch, bank_size):
    trial = small(METHOD, bank_size=bank_size)
    loaded = with_fine_attributes(trial)
    data = TrialData(trial, "coarse", torch.device("cpu"), loaded)
    learner = build_learner(trial, data).train()
    learner.start(batch for epoch in (-1, -2, -3) for batch in data.batches(epoch, {"key": "weak"}))
    image_of = {tuple(key): int(index) for key, index in zip(*keys_and_indices(learner), strict=True)}
    seen, step = recorded(monkeypatch), Step(learner, build_optimiser(trial, learner))
    for epoch in range(2):
        for batch in data.batches(epoch, learner.views):
            step(batch, 0.1)
            inputs = seen[-1]
            assert inputs.attributes[:, -1].tolist() == batch.indices.tolist()
            assert inputs.attributes[:, :10].argmax(1).tolist() == loaded.train_fine[batch.indices].tolist()
            # each key is followed by its value, however the bank is run: no index of the learner's takes part
            images = [image_of[tuple(key)] for key in inputs.bank.tolist()]
            assert inputs.bank_attributes[:, -1].tolist() == images
            assert inputs.bank_attributes[:, :10].argmax(1).tolist() == loaded.train_fine[images].tolist()
            assert inputs.bank_labels.tolist() == loaded.train_coarse[images].tolist()
            for key, image in zip(inputs.key.tolist(), batch.indices.tolist(), strict=True):
                image_of[tuple(key)] = image
    assert len(seen) == 8


def keys_and_indices(learner) -> tuple[list, list]:
    return learner.bank.keys.tolist(), learner.bank.indices.tolist()


def test_a_limited_training_has_the_attributes_of_the_images_that_are_left():
    (_, part), (_, whole) = (learner_and_data(small(METHOD, train_limit=limit)) for limit in (200, None))
    place_of = {image.numpy().tobytes(): place for place, image in enumerate(whole.train_images)}
    places = [place_of[image.numpy().tobytes()] for image in part.train_images]
    assert len(set(places)) == 200
    assert torch.equal(part.train_attributes, whole.train_attributes[places])


def test_attributes_are_no_part_of_the_state():
    learner, _ = learner_and_data(small(METHOD))
    other, _ = learner_and_data(small("maskcon"))
    assert learner.attributes.shape == (256, 7)
    assert learner.state_dict().keys() == other.state_dict().keys()


def test_a_method_that_needs_no_attributes_gets_none(monkeypatch):
    learner, data = learner_and_data(small("maskcon"))
    learner.start(data.batches(-1, {"key": "weak"}))
    seen, loss = [], methods.load("maskcon").loss
    monkeypatch.setattr(
        methods.load("maskcon"), "loss", lambda inputs, **others: [seen.append(inputs), loss(inputs, **others)][1]
    )
    learner(next(iter(data.batches(0, learner.views))))
    assert (seen[0].attributes, seen[0].bank_attributes) == (None, None)


def test_a_training_with_attributes_goes_on_exactly(tmp_path):
    options = {"attribute_weight": 0.7, "attribute_temperature": 0.05}
    trial = small(METHOD, options=options, epochs=3, bank_size=100)

    def interrupt(done, metrics):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(trial, tmp_path / "interrupted", report=interrupt)
    assert_same_training(run(trial, tmp_path / "interrupted"), run(trial, tmp_path / "undisturbed"))


@pytest.mark.parametrize(
    ("options", "temperature", "simple"),
    [
        ({"attribute_weight": 0.0}, 0.1, ("maskcon", {"temperature": 0.1})),
        ({"attribute_weight": 0.3, "attribute_temperature": math.inf}, math.inf, ("grafit", {})),
        ({"attribute_weight": 1.0, "attribute_temperature": math.inf}, 0.1, ("grafit", {})),
    ],
)
def test_special_case_trains_bit_for_bit_as_the_method_that_it_is(tmp_path, options, temperature, simple):
    trial = small(METHOD, options=options, temperature=temperature)
    name, changes = simple
    assert trial.trial_id == small(name, **changes).trial_id
    found, expected = run(trial, tmp_path), undisturbed(name, **changes)
    assert found.lines == expected.lines
    assert same_weights(found, expected)


def test_attributes_take_part_in_the_training(tmp_path):
    trainings = [
        run(small(METHOD, options={"attribute_weight": share}), tmp_path / str(share)) for share in (0.0, 0.5, 1.0)
    ]
    assert len({training.lines[-1]["loss"] for training in trainings}) == 3


def test_a_dataset_without_attributes_is_refused_with_those_that_have_some():
    trial = small(METHOD)
    without = dataclasses.replace(datasets.read(trial), train_attributes=None)
    data = TrialData(trial, "coarse", torch.device("cpu"), without)
    with pytest.raises(
        UsageError, match="the dataset digits has none; cub20, cub50 and cub200 do, and folder with --set"
    ):
        build_learner(trial, data)


def test_attributes_of_fewer_images_than_there_are_do_not_pass():
    trial = small(METHOD)
    loaded = datasets.read(trial)
    short = dataclasses.replace(loaded, train_attributes=loaded.train_attributes[:-1])
    with pytest.raises(AssertionError, match="one row for each training image"):
        TrialData(trial, "coarse", torch.device("cpu"), short)
