"""A written report and ways to look into it."""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import report
from harness.report import Written
from harness.report.content import Content
from harness.spec import SweepSpec

AWKWARD = r"""50 % of R&D_costs #1 {in} $ ~ ^ \ | * <b>"q"</b> 'τ' ∞ ± × – “é”"""

SERVER = "https://someone:hunter2@tracking.example:5000/"


@dataclass(frozen=True)
class Made:
    """A sweep, its workspace, and the report of it."""

    spec: SweepSpec
    workspace: Path
    written: Written

    @functools.cached_property
    def content(self) -> Content:
        """What its tables and figures are functions of."""
        return report.gather(self.spec, self.workspace)

    def text(self, name: str) -> str:
        """One of the report's files."""
        return (self.written.folder / name).read_text()

    def names(self) -> set[str]:
        """The report's files."""
        return {path.name for path in self.written.folder.iterdir()}


def write(workspace: Path, sweep: SweepSpec, uri: str | None = None) -> Made:
    """Write the report of a sweep."""
    return Made(sweep, workspace, report.write(sweep, workspace, report.Asked(uri=uri)))


def pdf_text(path: Path) -> str:
    """The words of a PDF, line breaks as spaces."""
    answer = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, check=True, text=True)
    return " ".join(answer.stdout.split())


def pdflatex(folder: Path, document: str) -> Path:
    """Compile a document; its log is the message where it fails."""
    (folder / "document.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    run = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]
    return folder / "document.pdf"
