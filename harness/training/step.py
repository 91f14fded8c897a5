"""One training step: momentum update, forward, backward, optimiser, bank. Nothing in it waits for the device.

`mark(name)` is called as each part of a step ends; a benchmark takes the time there, training does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.training.data import Batch

Mark = Callable[[str], None]
PARTS = ("momentum", "query forward", "key forward", "loss", "backward", "optimiser", "bank")


def unmarked(part: str) -> None:
    """The `mark` of a step that nobody measures."""


def build_optimiser(trial: TrialConfig, learner: nn.Module) -> torch.optim.SGD:
    """SGD over everything that learns.

    Fused in bf16, and for a CUDA graph, which needs its rate on the device: on a CPU it takes the 62 tensors of a ResNet-18 in
    15 ms instead of 21. NOTE: fp32, the exact reference, has the plain one: the fused one rounds the last entries of a tensor
    otherwise where their number is no multiple of 8.
    """
    return torch.optim.SGD(
        [parameter for parameter in learner.parameters() if parameter.requires_grad],
        lr=trial.lr,
        momentum=trial.sgd_momentum,
        weight_decay=trial.weight_decay,
        fused=True if trial.precision == "bf16" or trial.cuda_graphs == "on" else None,
    )


class Step:
    """A step of a learner and its optimiser."""

    def __init__(self, learner: nn.Module, optimiser: torch.optim.Optimizer):
        self.learner, self.optimiser = learner, optimiser

    def __call__(self, batch: Batch, rate: float, mark: Mark = unmarked) -> Tensor:
        """Learn from a batch at a learning rate; the mean loss, a scalar on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return self.run(batch, mark)

    def run(self, batch: Batch, mark: Mark = unmarked) -> Tensor:
        """The step at the rate that the optimiser has."""
        self.learner.before_step()
        mark("momentum")
        loss = self.learner(batch, mark).mean()
        mark("loss")
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        mark("backward")
        self.optimiser.step()
        mark("optimiser")
        self.learner.after_step()
        mark("bank")
        return loss.detach()


def build_step(learner: nn.Module, optimiser: torch.optim.Optimizer, speed: Speed) -> Step:
    """The step that runs as `speed` says. The learner's networks are compiled in place; their state keeps its names.

    A trial that began with a graph and goes on on a CPU goes on without.
    """
    if speed.compile:
        for network in learner.networks():
            network.compile(dynamic=False)
    if speed.cuda_graphs and next(learner.parameters()).is_cuda:
        from harness.training.graphed import GraphedStep

        return GraphedStep(learner, optimiser)
    return Step(learner, optimiser)
