"""The whole step as one CUDA graph: recorded once, then replayed, so that the host launches one thing per step.

NOTE: written after PyTorch's notes on whole-network capture, and not yet run on a GPU; `cuda_graphs` is off unless
`harness bench` has measured it on the device, or the setting asks for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from harness.training.data import Batch
from harness.training.step import Mark, Step, unmarked

EAGER_STEPS = 3  # real steps before the recording: libraries choose their kernels, the optimiser makes its buffers


class GraphedStep(Step):
    """A step that works on buffers of its own. Make it after the optimiser's state is loaded, which would replace them."""

    def __init__(self, learner: nn.Module, optimiser: torch.optim.Optimizer):
        super().__init__(learner, optimiser)
        self.taken = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.rate = torch.zeros((), device=next(learner.parameters()).device)
        self.stream = torch.cuda.Stream()  # of the eager steps
        for group in optimiser.param_groups:
            group["lr"] = self.rate

    def __call__(self, batch: Batch, rate: float, mark: Mark = unmarked) -> Tensor:
        self.rate.fill_(rate)
        self.taken += 1
        if self.taken <= EAGER_STEPS:
            return self._beside(batch)
        if self.graph is None:
            self._record(batch)
        for name, images in batch.views.items():
            self.batch.views[name].copy_(images)
        self.batch.labels.copy_(batch.labels)
        self.batch.indices.copy_(batch.indices)
        self.graph.replay()
        return self.loss

    def _beside(self, batch: Batch) -> Tensor:
        """A step on a stream of its own, as recording asks of the steps before it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            loss = self.run(batch)
        torch.cuda.current_stream().wait_stream(self.stream)
        return loss

    def _record(self, batch: Batch) -> None:
        """Record the step on copies of the batch. Recording runs nothing."""
        views = {name: images.clone() for name, images in batch.views.items()}
        self.batch = Batch(views, batch.labels.clone(), batch.indices.clone())
        self.optimiser.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        # thread_local: a loader's thread that pins memory meanwhile would spoil a recording that watches all threads
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.loss = self.run(self.batch)
