"""What a recorded step relies on: it works in place, on the batch's memory alone, at a rate that may be a tensor."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from harness.benchmarks import Speed
from harness.training.data import Batch
from harness.training.step import PARTS, Step, build_optimiser, build_step

from .builders import VARIANTS, learner_and_data, same_tensors, small, variant_id

STEPS = 6  # an epoch and a half
every_method = pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)


def prepared(method="maskcon", options=None, **changes):
    """A step whose bank is filled, and its batches."""
    trial = small(method, options=options or {}, **changes)
    learner, data = learner_and_data(trial)
    learner.start(data.batches(-1, {"key": "weak"}))
    batches = [batch for epoch in range(2) for batch in data.batches(epoch, learner.views)][:STEPS]
    return Step(learner, build_optimiser(trial, learner)), batches


def memory(step: Step) -> dict[str, Tensor]:
    """Every tensor that lives from step to step."""
    state = {**dict(step.learner.named_parameters()), **dict(step.learner.named_buffers())}
    for number, (_, buffers) in enumerate(step.optimiser.state.items()):
        state[f"momentum {number}"] = buffers["momentum_buffer"]
    return state


def copied(batch: Batch) -> Batch:
    return Batch(
        {name: view.clone() for name, view in batch.views.items()}, batch.labels.clone(), batch.indices.clone()
    )


def refill(buffer: Batch, batch: Batch) -> None:
    for name, view in batch.views.items():
        buffer.views[name].copy_(view)
    buffer.labels.copy_(batch.labels)
    buffer.indices.copy_(batch.indices)


@every_method
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_steps_on_one_buffer_that_is_refilled_are_the_steps_on_fresh_batches(method, options, precision):
    (fresh, batches), (refilled, _) = (prepared(method, options, precision=precision) for _ in range(2))
    buffer = copied(batches[0])
    for batch in batches:
        refill(buffer, batch)
        assert torch.equal(refilled.run(buffer), fresh.run(batch))
    assert same_tensors(memory(refilled), memory(fresh))


@every_method
def test_a_step_works_in_place(method, options):
    step, batches = prepared(method, options)
    step.run(batches[0])  # makes the optimiser's buffers
    before = {name: value.data_ptr() for name, value in memory(step).items()}
    values = {name: value.clone() for name, value in memory(step).items()}
    for batch in batches[1:]:
        step.run(batch)
    assert {name: value.data_ptr() for name, value in memory(step).items()} == before
    learning = {name for name, value in step.learner.named_parameters() if value.requires_grad}
    moved = {name for name, value in memory(step).items() if not torch.equal(value, values[name])}
    assert learning <= moved
    assert {"bank.keys", "bank.position"} <= moved or not step.learner.has_bank


@every_method
def test_a_step_leaves_its_batch_alone(method, options):
    step, batches = prepared(method, options)
    before = copied(batches[0])
    step.run(batches[0])
    assert same_tensors(batches[0].views, before.views)
    assert torch.equal(batches[0].labels, before.labels)
    assert torch.equal(batches[0].indices, before.indices)


def test_a_rate_in_a_tensor_is_the_rate():
    (number, batches), (tensor, _) = (prepared() for _ in range(2))
    rate = torch.zeros(())
    tensor.optimiser.param_groups[0]["lr"] = rate
    for count, batch in enumerate(batches, start=1):
        rate.fill_(0.1 / count)
        number(batch, 0.1 / count)
        tensor.run(batch)
    assert tensor.optimiser.param_groups[0]["lr"] is rate
    before, _ = prepared()
    for name, value in memory(number).items():
        torch.testing.assert_close(memory(tensor)[name], value, rtol=1e-4, atol=1e-6)
    pairs = zip(before.learner.encoder.parameters(), tensor.learner.encoder.parameters(), strict=True)
    assert all((now - then).abs().max() > 1e-3 for then, now in pairs)


def test_the_rate_of_a_step_is_the_one_it_is_called_with():
    (still, batches), (moving, _) = (prepared() for _ in range(2))
    before = {name: value.clone() for name, value in still.learner.named_parameters() if value.requires_grad}
    still(batches[0], 0.0)
    moving(batches[0], 0.1)
    assert same_tensors({name: value for name, value in still.learner.named_parameters() if name in before}, before)
    assert not any(
        torch.equal(value, before[name]) for name, value in moving.learner.named_parameters() if name in before
    )


@every_method
def test_the_parts_of_a_step_are_marked_once_in_their_order(method, options):
    step, batches = prepared(method, options)
    marks = []
    step(batches[0], 0.1, marks.append)
    assert marks == list(PARTS)


def test_the_loss_of_a_step_holds_no_graph():
    step, batches = prepared()
    losses = [step(batch, 0.1) for batch in batches]
    assert not any(loss.requires_grad for loss in losses)
    assert all(one != other for one, other in itertools.pairwise(losses))


def test_a_step_that_is_neither_compiled_nor_recorded_is_the_plain_one():
    step, _ = prepared()
    assert type(build_step(step.learner, step.optimiser, Speed())) is Step
    assert step.learner.encoder._compiled_call_impl is None
