"""The memory bank against a deque, alone and as a training fills it."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import pytest
import torch
from torch import Tensor

from harness import methods
from harness.methods import ContrastiveInputs
from harness.training.bank import MemoryBank

from .builders import STEPS, learner_and_data, run, small


def oldest_first(bank: MemoryBank) -> list[tuple[tuple[float, ...], int, int]]:
    """Its rows as (key, label, index), from the oldest to the newest."""
    rows = zip(bank.keys.tolist(), bank.labels.tolist(), bank.indices.tolist(), strict=True)
    found = deque((tuple(key), label, index) for key, label, index in rows)
    found.rotate(-int(bank.position))
    return list(found)


def recorded_inputs(monkeypatch: pytest.MonkeyPatch, directory: Any, **settings: Any) -> list[dict[str, Tensor]]:
    """What the loss of every step of a SupCon training saw, copied, for the bank does not stand still."""
    seen, loss = [], methods.load("supcon").loss

    def copying_loss(inputs: ContrastiveInputs, **others: Any) -> Tensor:
        names = ("key", "bank", "labels", "bank_labels")
        seen.append({name: getattr(inputs, name).detach().clone() for name in names})
        return loss(inputs, **others)

    monkeypatch.setattr(methods.load("supcon"), "loss", copying_loss)
    run(small("supcon", **settings), directory)
    return seen


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (10, 10), (4, 7, 1, 10, 2), (1,) * 25])
def test_bank_is_a_queue_of_fixed_length(sizes):
    bank = MemoryBank(10, 4)
    expected = deque(oldest_first(bank), maxlen=10)
    generator = torch.Generator().manual_seed(0)
    for size, start in zip(sizes, itertools.accumulate(sizes), strict=True):
        keys, indices = torch.randn(size, 4, generator=generator), start + torch.arange(size)
        bank.enqueue(keys, indices % 3, indices)
        expected.extend(zip(map(tuple, keys.tolist()), (indices % 3).tolist(), indices.tolist(), strict=True))
        assert oldest_first(bank) == list(expected)


def test_bank_takes_no_keys_of_less_than_single_precision():
    with pytest.raises(RuntimeError, match="dtypes match"):
        MemoryBank(4, 2).enqueue(torch.ones(2, 2).bfloat16(), torch.zeros(2, dtype=torch.int64), torch.arange(2))


@pytest.mark.parametrize("bank_size", [64, 100, 256, 1000])
def test_bank_is_full_of_unit_vectors_before_the_first_step(monkeypatch, tmp_path, bank_size):
    first = recorded_inputs(monkeypatch, tmp_path, bank_size=bank_size, epochs=1)[0]
    assert len(first["bank"]) == bank_size
    torch.testing.assert_close(first["bank"].norm(dim=1), torch.ones(bank_size))
    assert set(first["bank_labels"].tolist()) == {0, 1}


def test_filling_the_bank_records_label_and_index_of_every_key():
    learner, data = learner_and_data(small("supcon", bank_size=300))
    batches = [batch for epoch in (-1, -2) for batch in data.batches(epoch, {"key": "weak"})]
    learner.start(batches)
    entered = torch.cat([batch.indices for batch in batches[:5]])[-300:]  # five batches of 64 fill it
    indices = [index for _, _, index in oldest_first(learner.bank)]
    assert indices == entered.tolist()
    assert [label for _, label, _ in oldest_first(learner.bank)] == data.train_labels[entered].tolist()


def test_filling_the_bank_changes_no_weight():
    learner, data = learner_and_data(small())
    before = {name: value.clone() for name, value in learner.named_parameters()}
    learner.start(data.batches(-1, {"key": "weak"}))
    assert all(torch.equal(value, before[name]) for name, value in learner.named_parameters())


@pytest.mark.parametrize("bank_size", [64, 100, 256])
def test_keys_enter_the_bank_after_their_loss_in_the_place_of_the_oldest(monkeypatch, tmp_path, bank_size):
    steps = recorded_inputs(monkeypatch, tmp_path, bank_size=bank_size)
    assert len(steps) == 2 * STEPS
    position = -(-bank_size // 64) * 64 % bank_size  # after whole batches have filled it
    for step, following in itertools.pairwise(steps):
        assert not (step["key"][:, None] == step["bank"]).all(dim=2).any()  # no key of the batch is in the bank yet
        rows = (position + torch.arange(64)) % bank_size
        step["bank"][rows], step["bank_labels"][rows] = step["key"], step["labels"]
        assert torch.equal(following["bank"], step["bank"])
        assert torch.equal(following["bank_labels"], step["bank_labels"])
        position = (position + 64) % bank_size
