"""What can be known to be missing before a sweep starts is said before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import datasets, errors, weights
from harness import workspace as workspaces
from harness.config import TrialConfig
from harness.spec import SweepSpec

FREE_BYTES = 2**30  # below this a sweep does not start: a ResNet-18 trial writes checkpoints of about 140 MB


def check(spec: SweepSpec, workspace: Path, examples: Sequence[TrialConfig]) -> None:
    """Raises MissingData or UsageError where the trials could not train."""
    missing = [state for state in datasets.states(spec.dataset) if state.state == "missing"]
    if missing:
        raise datasets.missing_error(spec.dataset, missing)
    encoders = {trial.encoder for trial in examples if trial.initialisation == "imagenet"}
    for encoder in sorted(encoders):
        weights.find(encoder)
    free = workspaces.free_bytes(workspace)
    if free < FREE_BYTES:
        raise errors.UsageError(
            f"{workspace} has {workspaces.describe(free)} free, a sweep needs at least "
            f"{workspaces.describe(FREE_BYTES)}: free some (`harness clean NAME`) or choose another --workspace."
        )
