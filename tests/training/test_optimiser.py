"""SGD as the field writes it, to the last bit in fp32; whatever PyTorch fuses."""

from __future__ import annotations

import torch

from harness.training.step import build_optimiser

from .builders import small

SIZES = (1, 3, 7, 10, 20, 33, 64, 100, 1290)  # the fused kernel rounds what is left over of eight otherwise


def trained(precision: str) -> tuple[torch.nn.ParameterList, list[torch.Tensor]]:
    """Parameters after ten steps of the trial's optimiser, and after the same steps written out."""
    trial = small(precision=precision)
    drawn = torch.Generator().manual_seed(0)
    learner = torch.nn.ParameterList([torch.randn(size, generator=drawn) for size in SIZES])
    expected = [parameter.detach().clone() for parameter in learner]
    speeds: list[torch.Tensor | None] = [None] * len(SIZES)
    optimiser = build_optimiser(trial, learner)
    for _ in range(10):
        for index, parameter in enumerate(learner):
            parameter.grad = torch.randn(parameter.shape, generator=drawn)
            gradient = parameter.grad.add(expected[index], alpha=trial.weight_decay)
            speed = speeds[index]
            speeds[index] = gradient if speed is None else speed.mul(trial.sgd_momentum).add(gradient)
            expected[index] = expected[index].add(speeds[index], alpha=-trial.lr)
        optimiser.step()
    return learner, expected


def test_fp32_is_the_textbook_to_the_last_bit():
    assert all(torch.equal(found, wanted) for found, wanted in zip(*trained("fp32"), strict=True))


def test_bf16_is_the_textbook_to_rounding():
    for found, wanted in zip(*trained("bf16"), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-7)
