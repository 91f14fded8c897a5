"""What a sweep costs beside its training: a benchmark.

    python -m harness.sweep.overhead [--repeats 5] [--output FILE.json]

Sweeps `digits` at one epoch in a fresh workspace, each time in a new process, as a user would type it, and reads from the
trial directories how long it took from the command to the first trial's first step, and how much of the rest was not
training. Then the same sweep again, with nothing left to train.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import files, provenance, trials

SWEEP = ["digits", "--seeds", "1", "--set", "epochs=1", "--set", "device=cpu"]


def once(workers: int) -> dict[str, float]:
    """One sweep in a fresh workspace. Seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness", "sweep", *SWEEP, "--workspace", folder, "--workers", str(workers)]
        begun = time.time()
        subprocess.run(command, check=True, capture_output=True)
        ended = time.time()
        subprocess.run(command, check=True, capture_output=True)
        again = time.time() - ended
        found = [trials.read_json(path / trials.RESULT) for path in trials.find(Path(folder))]
    first_step = min(result["first_step"] for result in found if result["first_step"])
    last_end = max(result["finished"] for result in found)
    training = sum(result["seconds"] for result in found)
    return {
        "command_to_first_step": first_step - begun,
        "per_trial_beside_training": (workers * (last_end - first_step) - training) / len(found),
        "last_trial_to_end": ended - last_end,
        "nothing_to_do": again,
        "trials": len(found),
    }


def measure(repeats: int, workers: int) -> dict[str, Any]:
    """Medians and ranges over repeats, with what they were measured on."""
    runs = [once(workers) for _ in range(repeats)]
    summary = {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        for name in runs[0]
        for values in [[run[name] for run in runs]]
    }
    return {
        "what": "seconds of a one-epoch sweep of digits beside its training",
        "command": f"python -m harness.sweep.overhead --repeats {repeats} --workers {workers}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": provenance.machine(),
        "versions": provenance.versions(),
        "summary": summary,
        "runs": runs,
    }


def main() -> None:
    """Measure, print, and keep the result where a file is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    found = measure(options.repeats, options.workers)
    print(json.dumps(found["summary"], indent=1))
    if options.output:
        files.write_json(options.output, found)


if __name__ == "__main__":
    main()
