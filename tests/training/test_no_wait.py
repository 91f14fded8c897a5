"""Nothing in a step makes the host wait for the GPU: no value is read back, nothing is copied from pageable memory.

NOTE: under a pretended GPU autograd's backward pass and the fused optimiser cannot run (both ask the driver). The backward
pass is run on the meta device instead, where a value cannot be read either; the optimiser is PyTorch's own.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from harness.training.data import Batch
from harness.training.step import Step, build_optimiser

from ..pretended import PretendedCUDA
from .builders import VARIANTS, learner_and_data, small

CUDA = torch.device("cuda")
MORE = [
    ("ascl", {"options": {"ascl_weighting": "section-3.2"}}),
    ("maskcon", {"temperature": 0.0}),
    ("maskcon", {"weight": 0.0}),
    ("maskcon", {"own_keys": "keep"}),
    ("maskcon_attributes", {"options": {"attribute_similarity": "hamming", "attribute_temperature": 0.0}}),
    ("maskcon_attributes", {"options": {"attribute_weight": 1.0, "attribute_temperature": math.inf}}),
]
CASES = [*((method, {"options": options}) for method, options in VARIANTS), *MORE]
every_case = pytest.mark.parametrize(("method", "changes"), CASES, ids=[f"{name} {changes}" for name, changes in CASES])


def empty(value: Tensor) -> Tensor:
    return torch.empty(value.shape, dtype=value.dtype, device=CUDA)


def on_pretended_cuda(learner: nn.Module, cuda: PretendedCUDA) -> nn.Module:
    """The learner with all that it holds on a GPU that is not there."""
    for module in learner.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            with cuda.fake:
                setattr(module, name, nn.Parameter(empty(value), requires_grad=value.requires_grad))
        for name, value in list(module.named_buffers(recurse=False)):
            setattr(module, name, empty(value))
    return learner


def batch_on(device: torch.device, views: dict[str, str]) -> Batch:
    images = {name: torch.empty(64, 1, 8, 8, device=device) for name in views}
    labels, indices = (torch.empty(64, dtype=torch.int64, device=device) for _ in range(2))
    return Batch(images, labels, indices)


@every_case
def test_the_host_never_waits_before_the_backward_pass_or_after_it(method, changes):
    learner, _ = learner_and_data(small(method, **changes))
    with PretendedCUDA() as cuda:
        learner, batch = on_pretended_cuda(learner, cuda), batch_on(CUDA, learner.views)
        learner.start([batch] * 4 if learner.has_bank else [])
        for _ in range(2):
            learner.before_step()
            losses = learner(batch)
            learner.after_step()
    assert losses.device.type == "cuda"
    assert losses.shape == (64,)
    assert losses.requires_grad


@every_case
def test_the_backward_pass_reads_no_value(method, changes):
    learner, _ = learner_and_data(small(method, **changes))
    learner.to("meta")
    learner(batch_on(torch.device("meta"), learner.views)).mean().backward()
    learning = [value for value in learner.parameters() if value.requires_grad]
    assert all(value.grad is not None and value.grad.device.type == "meta" for value in learning)


@pytest.mark.parametrize(
    "waits",
    [
        lambda learner, batch: int(batch.labels.max()),
        lambda learner, batch: learner.bank.keys[learner.bank.labels == 1],
        lambda learner, batch: learner.bank.keys[int(learner.bank.position) :],
        lambda learner, batch: learner.bank.keys + torch.ones(256, 1),
        lambda learner, batch: learner(batch).mean().item(),
    ],
)
def test_a_learner_that_waits_would_be_noticed(waits):
    learner, _ = learner_and_data(small())
    with PretendedCUDA() as cuda:
        learner, batch = on_pretended_cuda(learner, cuda), batch_on(CUDA, learner.views)
        with pytest.raises((AssertionError, RuntimeError)):
            waits(learner, batch)


if torch.cuda.is_available():  # CI counts a skip as a failure, and has no GPU

    @every_case
    def test_cuda_itself_sees_no_wait_in_a_whole_step(method, changes):
        trial = small(method, **changes)
        learner, _ = learner_and_data(trial)
        step = Step(learner.cuda(), build_optimiser(trial, learner))
        batch = batch_on(CUDA, learner.views)
        for value in (*batch.views.values(), batch.labels, batch.indices):
            value.zero_()
        step(batch, 0.1)  # libraries load their code, the optimiser makes its buffers
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            step(batch, 0.1)
        finally:
            torch.cuda.set_sync_debug_mode("default")
