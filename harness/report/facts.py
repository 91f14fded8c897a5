"""provenance.json: what produced the numbers of a report."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from harness import datasets, protocol, provenance, trials
from harness.errors import UsageError
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


def gather(spec: SweepSpec, workspace: Path) -> dict[str, Any]:
    """Code, data, settings and hardware behind a sweep, and each of its trials."""
    entries = [_trial(trials.directory(workspace, trial), trial.trial_id) for trial in spec.trials()]
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
        "devices": sorted({entry["environment"].get("device", "unknown") for entry in finished}),
        "trials": entries,
    }


def _data(spec: SweepSpec) -> dict[str, Any]:
    """The data's digest, and a warning where it is not the published one."""
    module = datasets.load(spec.dataset)
    warning = protocol.other_data(spec)
    return {"name": spec.dataset, "source": module.source, "published_digest": module.digest, "warning": warning}


def _trial(directory: Path, trial_id: str) -> dict[str, Any]:
    state = trials.state(directory)
    found: dict[str, Any] = {
        "trial_id": trial_id,
        "state": state.state,
        "note": state.note,
        "seconds": None,
        "notes": [],
        "environment": {},
    }
    if state.state == "done":
        result = trials.read_json(directory / trials.RESULT)
        found |= {name: result[name] for name in ("seconds", "device_type", "train_images", "test_images", "notes")}
        found |= {name: result[name] for name in ("precision", "speed") if name in result}
        path = directory / trials.ENVIRONMENT
        try:
            known = trials.read_json(path) if path.is_file() else {}
        except trials.DamagedFile as error:
            raise UsageError(f"{error}. Remove it: the report goes without it.") from None
        found["environment"] = {name: known[name] for name in _OF_A_TRIAL if name in known}
    return found
