"""A sweep whose processes are killed at random, the driver among them, until it is done.

    python -m tests.sweep.chaos --trials 36 --kills 100 [--seed 0]

Every cell must be there once, with the numbers of an undisturbed sweep, in the trial directories and in MLflow.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import attempts
from tests.sweep import commands
from tests.sweep.test_faults import SPEC

EPOCHS = 40
PATIENCE_SECONDS = 1800
TRIAL = "a trial's, while it trained"


@dataclass
class Found:
    """What became of the sweep."""

    killed: collections.Counter[str]  # by the name of the process, or TRIAL
    runs: int  # of the command
    seconds: float
    deaths: int  # on record in trial directories
    numbers: dict[str, list[dict]]
    leftovers: list[Path]


def endure(folder: Path, trials: int, kills: int, seed: int, most_seconds: float = 2.0) -> Found:
    """Sweep, kill until `kills` processes are dead, half of them while they trained, and let it end.

    Processes die between steps, inside writes, anywhere.
    """
    spec = folder / "chaos.toml"
    spec.write_text(SPEC.format(seeds=trials, epochs=EPOCHS))
    workspace = folder / "workspace"
    drawn, killed, runs, deaths, begun = random.Random(seed), collections.Counter(), 0, 0, time.monotonic()

    def enough() -> bool:
        return killed.total() >= kills and 2 * killed[TRIAL] >= kills

    while True:
        assert time.monotonic() - begun < PATIENCE_SECONDS, f"still not done after {killed}"
        driver = _start(spec, workspace)
        runs += 1
        while driver.poll() is None:
            time.sleep(drawn.uniform(0.1, 1) * most_seconds)
            if not enough() and (name := _kill_one(driver.pid, workspace, drawn)):
                killed[name] += 1
        if driver.returncode == 0 and enough():
            break
        if driver.returncode == 0:  # done too early: take results away, as a lost disk would
            for path in drawn.sample(sorted((workspace / "trials").iterdir()), trials // 2):
                deaths += attempts.deaths(attempts.read(path))
                subprocess.run(["rm", "-rf", path], check=True)
    deaths += sum(attempts.deaths(attempts.read(path)) for path in (workspace / "trials").iterdir())
    leftovers = [path for path in (workspace / "trials").glob("*/.*") if path.suffix in (".new", ".stale")]
    leftovers += list((workspace / "trials").glob("*/lease.json"))
    return Found(killed, runs, time.monotonic() - begun, deaths, commands.numbers(workspace), leftovers)


def _start(spec: Path, workspace: Path) -> subprocess.Popen:
    """The command, with a checkpoint after every epoch: kills shall hit writes."""
    command = [sys.executable, "-m", "harness", "sweep", str(spec), "--workspace", str(workspace)]
    environment = os.environ | {"HARNESS_CHECKPOINT_SECONDS": "0"}
    with (workspace.parent / "said.txt").open("a") as said:
        return subprocess.Popen(command, stdout=said, stderr=said, env=environment, start_new_session=True)


def _kill_one(driver: int, workspace: Path, drawn: random.Random) -> str | None:
    """Kill one process of the sweep: one that is training if there is any, one time in twenty anything, the driver too."""
    try:
        if drawn.random() < 0.05:
            process = psutil.Process(driver)
            chosen = drawn.choice([process, *process.children(recursive=True)])
            name = "driver" if chosen.pid == driver else chosen.name()
        else:
            chosen, name = psutil.Process(drawn.choice(commands.leases(workspace))["pid"]), TRIAL
        chosen.send_signal(signal.SIGKILL)
        return name
    except (psutil.Error, IndexError):  # it has died meanwhile, or nothing trains
        return None


def undisturbed(folder: Path, trials: int) -> dict[str, list[dict]]:
    """The numbers of the same sweep without a kill."""
    spec = folder / "chaos.toml"
    spec.write_text(SPEC.format(seeds=trials, epochs=EPOCHS))
    return commands.train_here(spec, folder / "workspace")


def main() -> None:
    """Endure it and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=36)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = undisturbed(Path(one), options.trials)
        found = endure(Path(other), options.trials, options.kills, options.seed)
    assert found.numbers == expected, "the numbers differ"
    assert not found.leftovers, found.leftovers
    print(f"{len(expected)} trials, {found.killed.total()} kills in {found.runs} runs of the command: all there once,")
    print(f"with the numbers of the undisturbed sweep, after {found.seconds:.0f} s. Deaths on record: {found.deaths}.")
    print(", ".join(f"{count} × {name}" for name, count in found.killed.most_common()))


if __name__ == "__main__":
    main()
