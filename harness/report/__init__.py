"""A sweep's report: tables (LaTeX, Markdown), figures (PDF, PNG), results.csv, provenance.json, one page, one LaTeX document.

Everything is a function of trial directories and of the published numbers; what is not trained yet is marked as such.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import compare, datasets, files, plan, presets, results, tracking, trials
from harness import workspace as workspaces
from harness.report.content import RECALL_AT, Content
from harness.spec import SweepSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Written:
    """What `write` wrote."""

    folder: Path
    page: Path
    done: int
    trainings: int
    notes: list[str]  # what could not be made, and why


def write(spec: SweepSpec, workspace: Path, output: Path | None = None, epoch_rule: str | None = None) -> Written:
    """Make the whole report in `output` (default: the sweep's folder under reports/ of the workspace)."""
    from harness.report import document, facts, figures, page, tables

    folder = output or workspaces.report_folder(workspace, spec)
    folder.mkdir(parents=True, exist_ok=True)
    content = gather(spec, workspace, epoch_rule)
    made = tables.all_tables(content)
    for table in made.values():
        files.write_text(folder / f"{table.name}.tex", table.latex())
        files.write_text(folder / f"{table.name}.md", table.markdown())
    drawn, not_drawn = figures.draw_all(content, folder)
    parts = [part for _, part in sorted((made | drawn).items())]
    files.write_text(folder / "results.csv", content.frame.to_csv(index=False))
    known = facts.gather(spec, workspace)
    files.write_json(folder / "provenance.json", known)
    files.write_text(folder / "report.md", document.markdown(content, parts, known))
    files.write_text(folder / "report.tex", document.latex_document(content, parts, known))
    files.write_text(folder / "report.html", page.render(content, parts, known, folder))
    notes = [*not_drawn, *_compile(folder)]
    return Written(folder, folder / "report.html", content.done, content.trainings, notes)


def gather(spec: SweepSpec, workspace: Path, epoch_rule: str | None = None) -> Content:
    """Everything that tables and figures need."""
    planned = plan.plan(spec, workspace)
    directories = {entry.trial.trial_id: entry.directory for entry in planned if entry.state.state == "done"}
    frame = results.load(list(directories.values()))
    rule = epoch_rule or presets.epoch_rule(spec.preset)
    compared = compare.from_frame(spec, frame, workspace, rule)
    return Content(spec, compared, frame, directories, len(planned), _within(spec, frame, rule))


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
