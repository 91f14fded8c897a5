"""Operations of a step, counted by PyTorch, against products counted by hand from the code of networks and losses.

N samples, C channels, S pixels a side, F features, H hidden, D projection dimensions, P bank entries, M classes.
"""

from __future__ import annotations

import math

import pytest

from harness import datasets
from harness.bench import step

from ..datasets import genuine
from ..training.builders import small

F = 128  # features of the small encoder
FORWARD, AND_WEIGHTS, AND_INPUT = 1, 1, 1


def counted(trial):
    return step.count_flops(trial, datasets.read(trial))


def convolutions(trial, channels):
    """Multiply-adds of each convolution's forward pass: 3 × 3, strides 1, 2, 2."""
    side, found = trial.image_size, []
    for inputs, outputs, stride in ((channels, 32, 1), (32, 64, 2), (64, 128, 2)):
        side //= stride
        found.append(trial.batch_size * side**2 * outputs * inputs * 9)
    return found


def projector(trial):
    return trial.batch_size * (F * trial.projector_hidden + trial.projector_hidden * trial.projection_dimension)


def encoder_learning(trial, channels):
    """Forward, gradient of the weights, gradient of the input; the first convolution's input, the image, needs none."""
    first, *others = convolutions(trial, channels)
    return (FORWARD + AND_WEIGHTS) * first + (FORWARD + AND_WEIGHTS + AND_INPUT) * sum(others)


def by_hand(trial, bank_products, channels=1):
    """Operations of a step whose loss takes so many products of N × P × D."""
    key_side = sum(convolutions(trial, channels)) + projector(trial)
    of_loss = bank_products * trial.batch_size * trial.bank_size * trial.projection_dimension
    return 2 * (encoder_learning(trial, channels) + 3 * projector(trial) + key_side + of_loss)


@pytest.mark.parametrize(
    ("method", "changes", "bank_products"),
    [  # always: logits, their gradient by the query, the mean of the positives; with a temperature: similarities of keys
        ("selfcon", {}, 3),
        ("supcon", {}, 3),
        ("grafit", {}, 3),
        ("maskcon", {"temperature": math.inf}, 3),
        ("maskcon", {"weight": 0.0}, 3),
        ("maskcon", {"temperature": 0.1}, 4),
        ("maskcon", {"temperature": 0.0}, 4),
        ("nnclr", {}, 4),
        ("ascl", {}, 4),
    ],
)
def test_a_step_with_a_bank_counts_its_products(method, changes, bank_products):
    trial = small(method, **changes)
    assert counted(trial) == by_hand(trial, bank_products)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 32},
        {"bank_size": 192},
        {"projector_hidden": 24},
        {"projection_dimension": 8},
        {"image_size": 16},
        {"precision": "bf16"},
        {"own_keys": "keep"},
    ],
)
def test_every_size_of_a_step_counts(changes):
    trial = small(**changes)
    assert counted(trial) == by_hand(trial, 4)


@pytest.mark.parametrize(("method", "classes"), [("supce", 2), ("supfine", 10)])
def test_a_step_with_a_classifier_alone_counts_its_products(method, classes):
    trial = small(method)
    classifier = trial.batch_size * F * classes
    assert counted(trial) == 2 * (encoder_learning(trial, 1) + 3 * classifier)


def test_colour_images_count_their_channels():
    genuine.real_data("cifar-100-python")
    trial = small(dataset="cifar100", image_size=32)
    assert counted(trial) == by_hand(trial, 4, channels=3)
