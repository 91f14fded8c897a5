"""A sweep's report: tables (LaTeX, Markdown), figures (PDF, PNG), results.csv, provenance.json, one page, one LaTeX document.

Everything is a function of trial directories and of the published numbers; what is not trained yet is marked as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import compare, files, plan, presets, results, tracking
from harness import workspace as workspaces
from harness.plan import Planned
from harness.report.content import Content
from harness.spec import SweepSpec

if TYPE_CHECKING:
    from harness.report.verify import Verified


@dataclass(frozen=True)
class Written:
    """What `write` wrote."""

    folder: Path
    page: Path
    done: int
    trainings: int
    notes: list[str]  # what could not be made, and why


@dataclass(frozen=True)
class Asked:
    """How a report is wanted; whoever checks it asks in the same way."""

    output: Path | None = None  # default: the sweep's folder under reports/ of the workspace
    epoch_rule: str | None = None  # default: the preset's
    uri: str | None = None  # an MLflow whose runs the page links, without asking it; default: the workspace's
    also: Sequence[Path] = ()  # workspaces whose finished trials count, too

    def folder(self, workspace: Path, spec: SweepSpec) -> Path:
        """Where the report is."""
        return self.output or workspaces.report_folder(workspace, spec)

    def runs(self, workspace: Path, spec: SweepSpec) -> tracking.Runs:
        """The trials' runs in MLflow."""
        return tracking.runs(workspace, spec, self.uri or tracking.default_uri(workspace))


def write(spec: SweepSpec, workspace: Path, asked: Asked = Asked()) -> Written:
    """Make the whole report."""
    from harness.report import document, facts, figures, page, search, tables, verify

    if spec.search:
        return search.write(spec, workspace, asked.folder(workspace, spec), asked.also)
    folder = asked.folder(workspace, spec)
    folder.mkdir(parents=True, exist_ok=True)
    planned, read = _read(spec, workspace, asked.also)
    content = _content(spec, workspace, planned, read, asked)
    made = tables.all_tables(content)
    for table in made.values():
        files.write_text(folder / f"{table.name}.tex", table.latex())
        files.write_text(folder / f"{table.name}.md", table.markdown())
    drawn, not_drawn = figures.draw_all(content, folder)
    parts = [part for _, part in sorted((made | drawn).items())]
    rows, notes = content.rows()
    files.write_text(folder / "results.csv", results.to_csv(rows))
    files.write_text(folder / verify.CELLS, verify.cells_text(list(made.values())))
    known = facts.gather(spec, planned, read.about)
    files.write_text(folder / "provenance.json", facts.text(known))
    files.write_text(folder / "report.md", document.markdown(content, parts, known))
    files.write_text(folder / "report.tex", document.latex_document(content, parts, known))
    files.write_text(folder / "report.html", page.render(content, parts, known, folder, asked.runs(workspace, spec)))
    notes += [*not_drawn, *document.compile_latex(folder)]
    return Written(folder, folder / "report.html", content.done, content.trainings, notes)


def check(spec: SweepSpec, workspace: Path, asked: Asked = Asked()) -> Verified:
    """Hold a written report against the trial directories."""
    from harness.report import facts, search, verify

    if spec.search:
        return search.check(spec, workspace, asked.folder(workspace, spec), asked.also)
    planned, read = _read(spec, workspace, asked.also)
    content = _content(spec, workspace, planned, read, asked)
    fresh = facts.gather(spec, planned, read.about)
    return verify.verify(content, asked.folder(workspace, spec), fresh, asked.runs(workspace, spec))


def gather(spec: SweepSpec, workspace: Path, asked: Asked = Asked()) -> Content:
    """Everything that tables and figures need."""
    planned, read = _read(spec, workspace, asked.also)
    return _content(spec, workspace, planned, read, asked)


def _read(spec: SweepSpec, workspace: Path, also: Sequence[Path]) -> tuple[list[Planned], results.Read]:
    """The sweep's trainings, and the finished ones' evaluated epochs."""
    planned = plan.plan(spec, workspace, also, glance=True)
    return planned, results.read([entry.directory for entry in planned], every_epoch=False)


def _content(spec: SweepSpec, workspace: Path, planned: Sequence[Planned], read: results.Read, asked: Asked) -> Content:
    directories = {entry.trial.trial_id: entry.directory for entry in planned if entry.directory in read.about}
    rule = asked.epoch_rule or presets.epoch_rule(spec.preset)
    compared = compare.from_frame(spec, read.frame, workspace, rule, asked.also)
    return Content(spec, compared, read.frame, directories, len(planned))


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
