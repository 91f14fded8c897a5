"""The report of a search: what it found, best so far over hours, the surface, which setting matters, every point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import files, plan, results
from harness.report import document, facts, figures, page, verify
from harness.report.figures import Figure
from harness.report.search import best_so_far, found, importances, surface, tables
from harness.report.search.found import Found
from harness.report.table import Table
from harness.spec import SweepSpec

if TYPE_CHECKING:
    from harness.report import Written
    from harness.report.verify import Verified

FIGURES = (best_so_far, surface, importances)


def write(spec: SweepSpec, workspace: Path, folder: Path, also: Sequence[Path]) -> Written:
    """Make the whole report of a search."""
    from harness.report import Written

    folder.mkdir(parents=True, exist_ok=True)
    what = found.gather(spec, workspace, also)
    made = tables.all_tables(what)
    for table in made.values():
        files.write_text(folder / f"{table.name}.tex", table.latex())
        files.write_text(folder / f"{table.name}.md", table.markdown())
        files.write_text(folder / f"{table.name}.csv", table.csv())
    for module in FIGURES:
        path = folder / _name(module)
        if module.needs(what):
            figures.save(module, what, path)
        else:
            path.with_suffix(".pdf").unlink(missing_ok=True)
            path.with_suffix(".png").unlink(missing_ok=True)
    parts, known = _parts(what), _known(what, workspace)
    frame = found.frame_of(what).frame
    files.write_text(folder / "results.csv", results.to_csv(frame))
    files.write_text(folder / verify.CELLS, verify.cells_text(list(made.values())))
    files.write_text(folder / "provenance.json", facts.text(known))
    files.write_text(folder / "report.md", document.markdown(what, parts, known))
    files.write_text(folder / "report.tex", document.latex_document(what, parts, known))
    files.write_text(folder / "report.html", page.render_search(what, parts, known, folder))
    done = sum(point.state.state == "done" for point in what.points)
    return Written(folder, folder / "report.html", done, len(what.points), document.compile_latex(folder))


def check(spec: SweepSpec, workspace: Path, folder: Path, also: Sequence[Path]) -> Verified:
    """Hold a written report against the trial directories."""
    what = found.gather(spec, workspace, also)
    rows = results.to_csv(found.frame_of(what).frame)
    return verify.verify_search(what, _parts(what), rows, folder, _known(what, workspace))


def _parts(what: Found) -> list[Table | Figure]:
    """Tables and figures in the order of the report."""
    parts: dict[int, Table | Figure] = dict(tables.all_tables(what))
    for module in FIGURES:
        if module.needs(what):
            text = module.caption(what), module.alternative(what)
            parts[module.position] = Figure(_name(module), module.heading, *text)
    return [part for _, part in sorted(parts.items())]


def _known(what: Found, workspace: Path) -> dict[str, Any]:
    """provenance.json; hours are of all points, those that were stopped included."""
    planned = plan.plan(what.spec, workspace, glance=True)
    known = facts.gather(what.spec, planned, found.frame_of(what).about)
    hours = sum(point.seconds for point in what.points) / 3600
    on_gpu = hours if known["hours"]["on_gpu"] else 0.0
    return known | {"hours": {"training": hours, "on_gpu": on_gpu}}


def _name(module: Any) -> str:
    return str(module.__name__).rpartition(".")[2]
