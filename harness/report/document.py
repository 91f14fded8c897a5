"""The report as one Markdown file and as one LaTeX document that compiles as it is."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from harness import files, protocol
from harness.report import errata
from harness.report.figures import Figure
from harness.report.table import Entry, Table, latex
from harness.spec import SweepSpec


class Shown(Protocol):
    """What a report is of: the cells of a sweep (`Content`), or what a search found."""

    @property
    def spec(self) -> SweepSpec: ...
    def introduction(self) -> str: ...


MOST_ROWS = 60  # of a table on one page; pdflatex takes 15 s for four of 1,000


def sentences(content: Shown, known: dict[str, Any]) -> list[str]:
    """What stands under the title: how much is done, what was run, what to beware of."""
    spec = content.spec
    changed = ", ".join(f"{name} = {value}" for name, value in spec.overrides.items())
    found = [
        content.introduction(),
        f"Preset “{spec.preset}”." + (f" Changed on the command line: {changed}." if changed else ""),
    ]
    devices = ", ".join(known["devices"]) or "no device yet"
    hours, on_gpu = known["hours"]["training"], known["hours"]["on_gpu"]
    found.append(f"{_time(hours)} of training" + (f" ({_time(on_gpu)} on GPUs)" if on_gpu else "") + f", on {devices}.")
    return found


def warnings(content: Shown, known: dict[str, Any]) -> list[str]:
    """What a reader must not miss."""
    return [text for text in (protocol.reduced(content.spec), known["data"]["warning"]) if text]


def ledger(content: Shown) -> Table:
    """Where the paper's text and the released code differ, and what this sweep did."""
    rows = [tuple(Entry(text=part) for part in row) for row in protocol.ledger(content.spec)]
    return Table(
        name="protocol",
        heading="Protocol",
        caption="Where the paper's text and the released code differ, and what this sweep did",
        columns=("Setting", "Paper", "Released code", "This sweep"),
        groups=(tuple(rows),),
    )


def closing(content: Shown) -> list[Table]:
    """What stands below the tables and figures: the ledger, and the errata where there are any."""
    corrected = errata.table(content.spec)
    return [ledger(content), *([corrected] if corrected else [])]


def departures(known: dict[str, Any]) -> list[str]:
    """Settings that are not the preset `paper`."""
    return list(known["departures"])


def markdown(content: Shown, parts: Sequence[Table | Figure], known: dict[str, Any]) -> str:
    """report.md"""
    lines = [f"# {content.spec.title}", "", "\n\n".join(sentences(content, known)), ""]
    lines += [f"> {text}\n" for text in warnings(content, known)]
    for part in [*parts, *closing(content)]:
        shown = (
            part.markdown()
            if isinstance(part, Table)
            else f"![{part.alternative}]({part.name}.png)\n\n{part.caption}\n"
        )
        lines += [f"## {part.heading}", "", shown]
    if departures(known):
        lines += ["**Settings that are not the paper's**", "", *(f"- {text}" for text in departures(known)), ""]
    return "\n".join(lines)


def latex_document(content: Shown, parts: Sequence[Table | Figure], known: dict[str, Any]) -> str:
    """report.tex"""
    lines = [
        r"\documentclass[11pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{lmodern,booktabs,siunitx,graphicx}",
        r"\usepackage[margin=2cm]{geometry}",
        rf"\title{{{latex(content.spec.title)}}}",
        rf"\date{{{known['made'][:10]}}}",
        r"\begin{document}",
        r"\maketitle",
        *(latex(text) + "\n" for text in sentences(content, known)),
        *(rf"\textbf{{{latex(text)}}}" + "\n" for text in warnings(content, known)),
    ]
    if departures(known):
        listed = "".join(rf"\item {latex(text)}" + "\n" for text in departures(known))
        lines += [r"\paragraph{Settings that are not the paper's}", rf"\begin{{itemize}}{listed}\end{{itemize}}"]
    lines += [_fitting(part) if isinstance(part, Table) else _figure(part) for part in [*parts, *closing(content)]]
    return "\n".join([*lines, r"\end{document}", ""])


def compile_latex(folder: Path) -> list[str]:
    """report.pdf, where a pdflatex is installed. Returns why it was not made, if it was not."""
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


def _figure(figure: Figure) -> str:
    graphic = rf"\includegraphics[width=0.7\linewidth]{{{figure.name}.pdf}}"
    return rf"\begin{{figure}}[htbp]\centering{graphic}\caption{{{latex(figure.caption)}}}\end{{figure}}"


def _fitting(table: Table) -> str:
    """A table no wider than the page; of one that is longer, where it is."""
    if sum(map(len, table.groups)) > MOST_ROWS:
        place = rf"\texttt{{{latex(table.name)}.md}}"
        return rf"\paragraph{{{latex(table.heading)}}} This table is longer than a page; see {place}."
    width = r"\ifdim\width>\linewidth\linewidth\else\width\fi"
    opened = table.latex().replace(r"\begin{tabular}", rf"\resizebox{{{width}}}{{!}}{{\begin{{tabular}}")
    return opened.replace(r"\end{tabular}", r"\end{tabular}}")


def _time(hours: float) -> str:
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
