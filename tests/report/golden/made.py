"""A small committed results frame, and the tables that a report makes of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness import compare, spec
from harness.report import tables
from harness.report.content import Content

FOLDER = Path(__file__).parent


def content() -> Content:
    """The report's content from frame.csv alone: a cell without one seed, another without any."""
    sweep = spec.load(FOLDER / "golden.toml")
    frame = pd.read_csv(FOLDER / "frame.csv", dtype={"trial_id": str}, float_precision="round_trip")
    found = compare.from_frame(sweep, frame, FOLDER / "no workspace", "final")
    return Content(sweep, found, frame, {}, len(sweep.trials()))


def files() -> dict[str, str]:
    """Each table, in Markdown and in LaTeX."""
    made = {}
    for table in tables.all_tables(content()).values():
        made |= {f"{table.name}.md": table.markdown(), f"{table.name}.tex": table.latex()}
    return made
