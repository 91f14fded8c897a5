"""`harness compare --self-test`: the error rates of the verdicts, measured by simulation."""

from __future__ import annotations

from rich.console import Console


def run(out: Console, as_json: bool) -> int:
    """Print the error rates."""
    raise NotImplementedError
