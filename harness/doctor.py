"""`harness doctor`: what this machine has, and what is missing for which purpose."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import datasets, provenance
from harness import workspace as workspaces

PROGRAMS = {"pdflatex": "report.pdf", "git": "the commit in provenance.json", "nvidia-smi": "listing NVIDIA GPUs"}


def gather(workspace: Path) -> dict[str, Any]:
    """Everything that is shown, ready for JSON."""
    return {
        "machine": provenance.machine() | {"memory": _memory()},
        "gpus": provenance.gpus(),
        "versions": provenance.versions(),
        "code": provenance.git(),
        "workspace": {"path": str(workspace), "free": workspaces.describe(workspaces.free_bytes(workspace))},
        "data_folders": [str(root) for root in datasets.roots()],
        "data": {name: _summary(name) for name in datasets.names()},
        "programs": {name: shutil.which(name) is not None for name in PROGRAMS},
    }


def run(out: Console, workspace: Path, as_json: bool) -> int:
    """Print it. 1 where something that every sweep needs is missing."""
    found = gather(workspace)
    lacking = [name for name in ("torch", "torchvision", "ray", "mlflow", "pandas") if found["versions"][name] is None]
    if as_json:
        out.print_json(json.dumps(found))
        return 1 if lacking else 0
    machine = found["machine"]
    out.print(f"[bold]Machine[/bold]    {machine['processor']}, {machine['cpus']} CPUs, {machine['memory']} memory")
    for gpu in found["gpus"]:
        out.print(f"           {gpu['name']}, {gpu['memory']}, driver {gpu['driver']}")
    if not found["gpus"]:
        out.print("           no NVIDIA GPU: training runs on the CPU; the paper's sweeps want a GPU")
    out.print(
        f"[bold]Workspace[/bold]  {found['workspace']['path']}, {found['workspace']['free']} free", soft_wrap=True
    )
    out.print(
        "[bold]Libraries[/bold]  "
        + ", ".join(f"{name} {version or '[red]missing[/red]'}" for name, version in found["versions"].items())
    )
    out.print(f"[bold]Data[/bold]       looked for in {', '.join(found['data_folders'])}", soft_wrap=True)
    for name, state in found["data"].items():
        out.print(f"           {name}: {state}")
    for name, there in found["programs"].items():
        out.print(f"[bold]{name}[/bold]  {'found' if there else 'not found'} (for {PROGRAMS[name]})")
    if lacking:
        out.print(f"[red]Missing for sweeps:[/red] {', '.join(lacking)}; `pip install harness` brings them.")
    return 1 if lacking else 0


def _summary(name: str) -> str:
    states = [state.state for state in datasets.states(name)]
    if "missing" in states:
        return f"missing; harness data {name}"
    if "differs" in states:
        return "there, but not the published files"
    return "there and intact" if states else "comes with a library"


def _memory() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return workspaces.describe(pages * size)
