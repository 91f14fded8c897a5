"""The command: see the package."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from harness import files, provenance
from harness.sweep.simulation import readme, scaling

WHAT = "simulated sweeps of trials that take an assumed time, with measured costs"


def main() -> None:
    """Measure what trials cost, or simulate sweeps with what was measured."""
    parser = argparse.ArgumentParser(prog="python -m harness.sweep.simulation", description="Sweeps, simulated.")
    parser.add_argument("--measure", action="store_true", help="measure the costs, under a Ray of this machine")
    parser.add_argument("--costs", type=Path, help="a file that --measure wrote")
    parser.add_argument("--output", type=Path, required=True, help="the file, or the folder of the simulation")
    options = parser.parse_args()
    if options.measure == bool(options.costs):
        parser.error("say either --measure or --costs FILE.json")
    if options.measure:
        from harness.sweep.simulation import measured

        files.check_writable(options.output, "--output")
        files.write_json(options.output, measured.measure(f"{parser.prog} --measure --output {options.output.name}"))
        return
    write(simulated(json.loads(options.costs.read_text()), options.costs.name), options.output)


def simulated(measured: dict[str, Any], name: str) -> dict[str, Any]:
    """The tables of `scaling.json`."""
    return {
        "what": WHAT,
        "command": f"python -m harness.sweep.simulation --costs {name} --output .",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **provenance.git(),
        "costs": measured,
        "tables": scaling.run(scaling.costs_of(measured)),
    }


def write(content: dict[str, Any], folder: Path) -> None:
    """`scaling.json`, `README.md` and `scaling.png`."""
    from harness.sweep.simulation import figure

    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "scaling.json", content)
    files.write_text(folder / "README.md", readme.markdown(content))
    figure.draw(content, folder / "scaling.png")


if __name__ == "__main__":
    main()
