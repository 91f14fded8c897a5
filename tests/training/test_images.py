"""A trial's photographs: batches from the cache, and test images resized as the trial says, against PIL."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional

from harness import datasets
from harness.training import images as stored
from harness.training.data import TrialData
from harness.training.images import AT_ONCE, StoredImages, gathered, images_on, resized

CPU = torch.device("cpu")


@pytest.fixture
def trial(photographs):
    return photographs


def stored_alone(images: StoredImages, index: int) -> Image.Image:
    """One stored photograph, without a frame."""
    frames, sizes = images.frames(torch.tensor([index]))
    assert sizes.tolist() == [list(frames.shape[2:])]
    return Image.fromarray(frames[0].permute(1, 2, 0).numpy())


@pytest.mark.parametrize("way", ["shorter", "square", "centre"])
def test_test_images_are_resized_as_pil_resizes_the_stored_ones(trial, way, monkeypatch):
    monkeypatch.setattr(stored, "PHOTOGRAPHS_AT_ONCE", 5)
    images = TrialData(trial, "coarse", CPU).test_images
    seen = []
    for indices, levels in resized(images, 20, way):
        for index, found in zip(indices.tolist(), levels, strict=True):
            picture = stored_alone(images, index)
            expected = functional.resize(picture, [20, 20] if way == "square" else 20)
            if way == "centre":
                left, top = (expected.width - 20) // 2, (expected.height - 20) // 2
                expected = expected.crop((left, top, left + 20, top + 20))
            off = np.abs(found.permute(1, 2, 0).numpy() - np.asarray(expected))
            # rows first in Pillow 13, where the height shrinks by more than the width: see augment._resample
            assert off.max() <= (1 if picture.height > picture.width else 0)
            seen.append(index)
    assert sorted(seen) == list(range(len(images)))


def test_small_images_come_in_their_order():
    images = images_on(np.arange(1200 * 12, dtype=np.int64).astype(np.uint8).reshape(1200, 3, 2, 2), CPU)
    parts = list(resized(images, 2, "shorter"))
    assert [len(indices) for indices, _ in parts] == [AT_ONCE, AT_ONCE, 200]
    assert torch.equal(torch.cat([levels for _, levels in parts]), images.float())


def test_photographs_are_gathered_one_part_ahead_and_are_the_asked_ones(trial):
    images = TrialData(trial, "coarse", CPU).train_images
    parts = torch.randperm(len(images)).split(16)
    found = list(gathered(images, parts, CPU))
    assert len(found) == len(parts)
    for part, (indices, frames, sizes) in zip(parts, found, strict=True):
        expected, expected_sizes = images.frames(part)
        assert torch.equal(indices, part)
        assert torch.equal(frames, expected)
        assert torch.equal(sizes, expected_sizes)


def test_a_reader_that_stops_early_leaves_no_thread_behind(trial):
    images = TrialData(trial, "coarse", CPU).train_images
    source = gathered(images, torch.arange(64).split(16), CPU)
    next(source)
    source.close()
    assert list(gathered(images, (), CPU)) == []


def test_batches_of_photographs_are_the_same_in_every_run(trial):
    first, second = (
        [batch.views["query"] for batch in TrialData(trial, "coarse", CPU).batches(0, {"query": "strong"})]
        for _ in "ab"
    )
    assert len(first) == 66 // 16
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert first[0].shape == (16, 3, 20, 20)


def test_a_part_of_the_images_keeps_their_labels(trial):
    whole = datasets.read(trial)
    part = datasets.read(trial.replace(train_limit=20, test_limit=10))
    assert (len(part.train_images), len(part.test_images), len(part.test_groups["paper"])) == (20, 10, 10)
    frames = {whole.train_images.frames(np.array([n]))[0].tobytes(): n for n in range(len(whole.train_images))}
    for number in range(20):
        origin = frames[part.train_images.frames(np.array([number]))[0].tobytes()]
        assert part.train_fine[number] == whole.train_fine[origin]
