"""provenance.json: what produced the numbers of a report."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import datasets, protocol, provenance
from harness.plan import Planned
from harness.spec import SweepSpec

_OF_A_TRIAL = (
    "commit",
    "dirty",
    "device",
    "threads",
    "cpus",
    "platform",
    "python",
    "torch",
    "torchvision",
    "harness",
    "started",
)


def gather(spec: SweepSpec, planned: Sequence[Planned], about: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """Code, data, settings and hardware behind a sweep, and each of its trials; `about` is that of `harness.results.read`."""
    entries = [_trial(entry, about.get(entry.directory)) for entry in planned]
    finished = [entry for entry in entries if entry["state"] == "done"]
    gpu_seconds = [entry["seconds"] for entry in finished if entry["device_type"] == "cuda"]
    return {
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "sweep": spec.to_dict(),
        "code": provenance.git(),
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "data": _data(spec),
        "departures": [str(entry) for entry in protocol.departures(spec)],
        "hours": {
            "training": sum(entry["seconds"] for entry in finished) / 3600,
            "on_gpu": sum(gpu_seconds) / 3600,
        },
        "devices": sorted({str(entry["environment"].get("device", "unknown")) for entry in finished}),
        "trials": entries,
    }


def text(known: dict[str, Any]) -> str:
    """What was gathered as provenance.json: a line per trial, which is quick to write and to search."""
    before = json.dumps(known | {"trials": []}, indent=1, allow_nan=False).removesuffix("[]\n}")
    lines = ",\n".join(f"  {json.dumps(entry, allow_nan=False)}" for entry in known["trials"])
    return f"{before}[\n{lines}\n ]\n}}\n"


def _data(spec: SweepSpec) -> dict[str, Any]:
    """The data's digest, and a warning where it is not the published one."""
    module = datasets.load(spec.dataset)
    warning = protocol.other_data(spec)
    return {"name": spec.dataset, "source": module.source, "published_digest": module.digest, "warning": warning}


def _trial(planned: Planned, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """One training: `result` is what a finished one says of itself."""
    found: dict[str, Any] = {
        "trial_id": planned.trial.trial_id,
        "state": planned.state.state,
        "note": planned.state.note,
        "seconds": None,
        "notes": [],
        "environment": {},
    }
    if result is not None:
        found |= {name: result[name] for name in ("seconds", "device_type", "train_images", "test_images", "notes")}
        found |= {name: result[name] for name in ("precision", "speed") if name in result}
        known = result["environment"]
        found["environment"] = {name: known[name] for name in _OF_A_TRIAL if name in known}
    return found
