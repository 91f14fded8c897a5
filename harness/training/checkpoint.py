"""Checkpoints: the state at an epoch's end, replaced atomically, read back without executing anything.

They carry the metric lines they cover. No generator state is needed: every stream starts anew with its epoch.
"""

from __future__ import annotations

import io
import os
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from harness import files, trials
from harness.config import TrialConfig
from harness.training.device import out_of_memory

EVERY_SECONDS = float(os.environ.get("HARNESS_CHECKPOINT_SECONDS", 60))


class Checkpoints:
    """Keeps the newest state in memory and writes it to disk every minute at the most often, or when asked to."""

    def __init__(self, directory: Path, trial: TrialConfig, learner: nn.Module, optimiser: torch.optim.Optimizer):
        self.path = directory / trials.CHECKPOINT
        self.trial_id = trial.trial_id
        self.learner, self.optimiser = learner, optimiser
        self.written = time.monotonic()
        self.unwritten: dict[str, Any] | None = None

    def epoch_done(self, epoch: int, seconds: float, lines: list[dict[str, Any]], speed: dict[str, Any]) -> None:
        """Take the state after `epoch` epochs; write it if the last one was written long enough ago."""
        self.unwritten = {
            "trial_id": self.trial_id,
            "epoch": epoch,
            "seconds": seconds,
            "lines": list(lines),
            "speed": speed,
            "learner": _copy(self.learner.state_dict()),
            "optimiser": _copy(self.optimiser.state_dict()),
        }
        if time.monotonic() - self.written >= EVERY_SECONDS:
            self.write()

    def write(self) -> None:
        """Put the newest state on disk, unless it is there."""
        if self.unwritten is not None:
            save(self.path, self.unwritten)
            self.unwritten, self.written = None, time.monotonic()

    def resume(self) -> tuple[dict[str, Any] | None, str | None]:
        """Put learner and optimiser into the state on disk. Returns it, or what is wrong with it (it is then set aside).

        What is no fault of the file, a disk that is away or too little memory, is raised, and the file left alone.
        """
        if not self.path.is_file():
            return None, None
        content = self.path.read_bytes()
        before = _copy(self.learner.state_dict(), "cpu"), _copy(self.optimiser.state_dict(), "cpu")
        try:
            state = load(io.BytesIO(content))
            if missing := {"trial_id", "epoch", "seconds", "lines", "speed", "learner", "optimiser"} - set(state):
                raise ValueError(f"it has no {', '.join(sorted(missing))}")
            if state["trial_id"] != self.trial_id:
                raise ValueError(f"it belongs to trial {state['trial_id']}")
            self.learner.load_state_dict(state["learner"])
            self.optimiser.load_state_dict(state["optimiser"])
        except Exception as error:  # whatever a damaged file makes the reader raise
            if isinstance(error, MemoryError) or out_of_memory(error):
                raise
            self.learner.load_state_dict(before[0])
            self.optimiser.load_state_dict(before[1])
            aside = files.set_aside(self.path)
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
            return None, f"{self.path} is damaged ({reason}); kept as {aside.name}"
        return state, None

    def remove(self) -> None:
        """A finished trial needs its checkpoint no longer."""
        self.path.unlink(missing_ok=True)


def save(path: Path, state: Any) -> None:
    """Put a state in a file's place at once."""
    # NOTE: torch.save turns an exception inside its stream, Ctrl-C or a full disk, into a RuntimeError of its own
    content = io.BytesIO()
    torch.save(state, content)
    files.replace(path, lambda stream: stream.write(content.getbuffer()))


def load(source: Path | BinaryIO) -> Any:
    """Read a state into main memory without executing anything. Raises ValueError where its checksums do not fit: torch
    checks none."""
    with zipfile.ZipFile(source) as archive:
        if broken := archive.testzip():
            raise ValueError(f"the checksum of {broken} does not fit")
    if not isinstance(source, Path):
        source.seek(0)
    return torch.load(source, map_location="cpu", weights_only=True)


def _copy(state: Any, device: str | None = None) -> Any:
    """The same structure with copies of its tensors, on their own device or another one."""
    if isinstance(state, torch.Tensor):
        return state.detach().to(device or state.device, copy=True)
    if isinstance(state, dict):
        return {name: _copy(value, device) for name, value in state.items()}
    return [_copy(value, device) for value in state] if isinstance(state, list) else state
