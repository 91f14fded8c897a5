"""The learner of the query, key and bank family: momentum encoder, own keys, precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness import methods
from harness.methods import ContrastiveInputs

from .builders import VARIANTS, learner_and_data, run, small, undisturbed, variant_id


def randomise(module: nn.Module) -> None:
    """Every parameter and every BatchNorm statistic to something else."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator))


def recorded(monkeypatch: pytest.MonkeyPatch, method: str) -> list[tuple[ContrastiveInputs, Tensor, bool]]:
    """Filled with (inputs, loss, whether autocast was on) whenever the method's loss is computed."""
    seen, loss = [], methods.load(method).loss

    def recording_loss(inputs: ContrastiveInputs, **others: Any) -> Tensor:
        seen.append((inputs, loss(inputs, **others), torch.is_autocast_enabled("cpu")))
        return seen[-1][1]

    monkeypatch.setattr(methods.load(method), "loss", recording_loss)
    return seen


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
def test_key_parameters_move_towards_the_querys_by_the_formula(momentum):
    learner, _ = learner_and_data(small(key_momentum=momentum))
    randomise(learner.encoder)
    randomise(learner.projector)
    pairs = [(learner.key_encoder, learner.encoder), (learner.key_projector, learner.projector)]
    expected = [
        momentum * key.double() + (1 - momentum) * query.double()
        for ours, theirs in pairs
        for key, query in zip(ours.parameters(), theirs.parameters(), strict=True)
    ]
    learner.before_step()
    moved = [parameter.double() for ours, _ in pairs for parameter in ours.parameters()]
    torch.testing.assert_close(moved, expected, rtol=1e-6, atol=1e-7)


def test_momentum_leaves_batchnorm_statistics_alone():
    learner, _ = learner_and_data(small(key_momentum=0.5))
    randomise(learner.encoder)
    before = {name: buffer.clone() for name, buffer in learner.key_encoder.named_buffers()}
    learner.before_step()
    after = dict(learner.key_encoder.named_buffers())
    assert len(before) == 9  # mean, variance and count of three BatchNorms
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_key_encoder_keeps_statistics_of_its_own_batches():
    learner, data = learner_and_data(small())
    learner.start(data.batches(-1, {"key": "weak"}))
    assert learner.key_encoder.body[1].num_batches_tracked == 4
    assert learner.encoder.body[1].num_batches_tracked == 0


def test_key_encoder_starts_as_the_query_encoder_and_gets_no_gradient():
    learner, data = learner_and_data(small())
    pairs = zip(learner.key_encoder.parameters(), learner.encoder.parameters(), strict=True)
    assert all(torch.equal(key, query) for key, query in pairs)
    learner.start(data.batches(-1, {"key": "weak"}))
    learner(next(iter(data.batches(0, learner.views)))).mean().backward()
    assert all(value.grad is None for value in learner.key_encoder.parameters())
    assert all(value.grad is not None for value in learner.encoder.parameters())


@pytest.mark.parametrize("bank_size", [64, 256, 700])
def test_own_keys_are_exactly_the_older_keys_of_the_same_image(monkeypatch, bank_size):
    learner, data = learner_and_data(small(bank_size=bank_size))
    entered = []  # image indices in the order of their keys

    def noting(batches):
        for batch in batches:
            entered.extend(batch.indices.tolist())
            yield batch

    learner.start(noting(batch for epoch in (-1, -2, -3) for batch in data.batches(epoch, {"key": "weak"})))
    del entered[-(-bank_size // 64) * 64 :]  # of the batch that was looked at when the bank was full
    seen = recorded(monkeypatch, "maskcon")
    for batch in data.batches(0, learner.views):
        learner(batch)
        own = seen[-1][0].own
        remembered = entered[-bank_size:]  # oldest first
        rows = [(int(learner.bank.position) + age) % bank_size for age in range(bank_size)]
        for sample, image in enumerate(batch.indices.tolist()):
            for row, older in zip(rows, remembered, strict=True):
                assert own[sample, row].item() == (image == older)
        learner.after_step()
        entered.extend(batch.indices.tolist())


def test_kept_own_keys_are_not_marked(monkeypatch, tmp_path):
    seen = recorded(monkeypatch, "maskcon")
    run(small(own_keys="keep", epochs=1), tmp_path)
    assert [inputs.own for inputs, _, _ in seen] == [None] * len(seen)


def test_keeping_own_keys_is_another_training():
    assert undisturbed(own_keys="keep").lines != undisturbed(own_keys="exclude").lines


def test_gradient_reaches_nothing_but_the_query():
    learner, data = learner_and_data(small())
    learner.start(data.batches(-1, {"key": "weak"}))
    learner(next(iter(data.batches(0, learner.views)))).mean().backward()
    assert not learner.bank.keys.requires_grad
    assert {name.partition(".")[0] for name, value in learner.named_parameters() if value.grad is not None} == {
        "encoder",
        "projector",
    }


@pytest.mark.parametrize(("method", "options"), VARIANTS, ids=variant_id)
def test_losses_are_single_precision_under_bf16(monkeypatch, tmp_path, method, options):
    seen = recorded(monkeypatch, method)
    run(small(method, options=options, precision="bf16", epochs=1), tmp_path)
    for inputs, loss, autocast in seen:
        tensors = [inputs.query, inputs.key, inputs.bank, inputs.logits, loss]
        assert {tensor.dtype for tensor in tensors if tensor is not None} == {torch.float32}
        assert not autocast


def test_networks_compute_in_bf16_where_that_is_asked():
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        learner, data = learner_and_data(small(precision=precision))
        found = []
        for module in (learner.projector, learner.key_projector):
            module.register_forward_hook(lambda module, inputs, output, found=found: found.append(output.dtype))
        learner(next(iter(data.batches(0, learner.views))))
        assert found == [dtype, dtype]


def test_training_in_bf16_learns_as_in_fp32():
    half, single = (undisturbed("supcon", precision=precision, epochs=4) for precision in ("bf16", "fp32"))
    assert half.lines[-1]["loss"] == pytest.approx(single.lines[-1]["loss"], rel=0.02)
    assert half.lines[-1]["loss"] < half.lines[0]["loss"]
    assert half.lines != single.lines
