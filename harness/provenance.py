"""What produced a result: commit, whether the code was changed since, versions, hardware. Torch-free."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from harness import __version__, resources

LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "ray",
    "mlflow",
    "optuna",
    "pandas",
    "matplotlib",
    "scikit-learn",
)


def git() -> dict[str, Any]:
    """The commit of this checkout and whether files differ from it; both None for an installed copy."""
    root = resources.PACKAGE.parent
    if not (root / ".git").exists() or shutil.which("git") is None:
        return {"commit": None, "dirty": None}
    commit = _git(root, "rev-parse", "HEAD")
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain")) if commit else None}


def versions() -> dict[str, str | None]:
    """Installed versions of what results depend on; None where a library is missing."""
    found: dict[str, str | None] = {"harness": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def machine() -> dict[str, Any]:
    """This machine, without its name."""
    return {"platform": platform.platform(), "processor": processor(), "cpus": os.cpu_count()}


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load() -> float | None:
    """Processes that ran or waited for a CPU over the last minute; above a few tenths, timings are disturbed."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def gpus() -> list[dict[str, str]]:
    """The NVIDIA GPUs that the driver reports: name, memory, driver version."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    rows = [line.split(", ") for line in answer.stdout.splitlines() if line.count(", ") == 2]
    return [dict(zip(("name", "memory", "driver"), row, strict=True)) for row in rows]


def _git(root: Path, *arguments: str) -> str | None:
    answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else None
