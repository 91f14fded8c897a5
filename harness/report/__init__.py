"""A sweep's report: tables (LaTeX, Markdown), figures (PDF, PNG), results.csv, provenance.json, one page, one LaTeX document.

Everything is a function of trial directories and of the published numbers; what is not trained yet is marked as such.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import compare, datasets, files, plan, presets, results, tracking, trials
from harness import workspace as workspaces
from harness.plan import Planned
from harness.report.content import RECALL_AT, Content
from harness.spec import SweepSpec

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 1_000_000  # of results.csv; a million take some ten seconds to write


@dataclass(frozen=True)
class Written:
    """What `write` wrote."""

    folder: Path
    page: Path
    done: int
    trainings: int
    notes: list[str]  # what could not be made, and why


def write(
    spec: SweepSpec,
    workspace: Path,
    output: Path | None = None,
    epoch_rule: str | None = None,
    also: Sequence[Path] = (),
) -> Written:
    """Make the whole report in `output` (default: the sweep's folder under reports/ of the workspace).

    Trials that only the workspaces `also` have finished are in it, too.
    """
    from harness.report import document, facts, figures, page, tables

    folder = output or workspaces.report_folder(workspace, spec)
    folder.mkdir(parents=True, exist_ok=True)
    planned, read = _read(spec, workspace, also)
    content = _content(spec, workspace, planned, read, epoch_rule, also)
    made = tables.all_tables(content)
    for table in made.values():
        files.write_text(folder / f"{table.name}.tex", table.latex())
        files.write_text(folder / f"{table.name}.md", table.markdown())
    parts = [part for _, part in sorted((made | figures.draw_all(content, folder)).items())]
    rows, notes = _rows(content)
    files.write_text(folder / "results.csv", rows.to_csv(index=False))
    known = facts.gather(spec, planned, read.about)
    files.write_text(folder / "provenance.json", facts.text(known))
    files.write_text(folder / "report.md", document.markdown(content, parts, known))
    files.write_text(folder / "report.tex", document.latex_document(content, parts, known))
    files.write_text(folder / "report.html", page.render(content, parts, known, folder))
    notes += _compile(folder)
    return Written(folder, folder / "report.html", content.done, content.trainings, notes)


def gather(spec: SweepSpec, workspace: Path, epoch_rule: str | None = None, also: Sequence[Path] = ()) -> Content:
    """Everything that tables and figures need."""
    planned, read = _read(spec, workspace, also)
    return _content(spec, workspace, planned, read, epoch_rule, also)


def _read(spec: SweepSpec, workspace: Path, also: Sequence[Path]) -> tuple[list[Planned], results.Read]:
    """The sweep's trainings, and the finished ones' evaluated epochs."""
    planned = plan.plan(spec, workspace, also, glance=True)
    return planned, results.read([entry.directory for entry in planned], every_epoch=False)


def _content(
    spec: SweepSpec,
    workspace: Path,
    planned: Sequence[Planned],
    read: results.Read,
    epoch_rule: str | None,
    also: Sequence[Path],
) -> Content:
    directories = {entry.trial.trial_id: entry.directory for entry in planned if entry.directory in read.about}
    rule = epoch_rule or presets.epoch_rule(spec.preset)
    compared = compare.from_frame(spec, read.frame, workspace, rule, also)
    return Content(spec, compared, read.frame, directories, len(planned), _within(spec, read.frame, rule))


def _rows(content: Content) -> tuple[pd.DataFrame, list[str]]:
    """What results.csv has: every evaluated epoch or, where that is too much, those that are reported, and a note on it."""
    import pandas as pd

    frame = content.frame
    if len(frame) <= MOST_ROWS:
        return frame, []
    rules = dict.fromkeys(("final", "last-evaluation", content.comparison.epoch_rule))
    shown = pd.concat([results.at_epoch(frame, rule) for rule in rules])
    shown = shown[~shown.index.duplicated()].sort_index()
    return shown, [
        f"results.csv has the evaluations that reports go by ({', '.join(rules)}), {len(shown):,} rows: all of them would be "
        f"{len(frame):,}. harness.results.load has all."
    ]


def _within(spec: SweepSpec, frame: pd.DataFrame, rule: str) -> dict[tuple[str, int], results.Summary]:
    """Recall among test images of the same coarse class, by the sweep's own coarse classes."""
    on_coarse = [trial for trial in spec.trials() if trial.label_source == "coarse"]
    group = datasets.group_name((on_coarse or spec.trials())[0])
    names = {trials.within_metric(k, group): k for k in RECALL_AT}
    found = results.summaries(frame, spec, tuple(names), rule)
    return {(summary.cell.label, names[summary.metric]): summary for summary in found}


def record(spec: SweepSpec, workspace: Path, folder: Path, uri: str | None) -> str | None:
    """Hand the report to the sweep's run in MLflow, where the sweep has one. Returns why it could not, if it could not."""
    target = uri or tracking.default_uri(workspace)
    if not tracking.has_run(workspace, spec, target):
        return None
    try:
        tracking.Recorder(workspace, spec, target).record_report(folder)
    except Exception as error:  # whatever a store that is down or full makes its client raise
        return tracking.problem(target, error)
    return None


def _compile(folder: Path) -> list[str]:
    """report.pdf, where a pdflatex is installed."""
    if shutil.which("pdflatex") is None:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            "pdflatex",
            "-interaction=nonstopmode",
            "-halt-on-error",
            f"-output-directory={scratch}",
            "report.tex",
        ]
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
        made = Path(scratch) / "report.pdf"
        if run.returncode == 0 and made.is_file():
            files.replace(folder / "report.pdf", lambda stream: stream.write(made.read_bytes()))
            return []
        log = run.stdout.decode(errors="replace")
    (folder / "report.pdf").unlink(missing_ok=True)
    reason = next((line for line in log.splitlines() if line.startswith("!")), "see report.tex")
    return [f"report.pdf was not made: pdflatex says {reason!r}"]
