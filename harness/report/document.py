"""The report as one Markdown file and as one LaTeX document that compiles as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness import protocol
from harness.report.content import Content
from harness.report.figures import Figure
from harness.report.table import Entry, Table, latex


def sentences(content: Content, known: dict[str, Any]) -> list[str]:
    """What stands under the title: how much is done, what was run, what to beware of."""
    spec = content.spec
    found = [
        f"{content.done} of {content.trainings} distinct trainings are finished, for {len(content.cells())} cells and "
        f"{spec.seeds} {'seed' if spec.seeds == 1 else 'seeds'}.",
        f"Preset “{spec.preset}”. "
        + ("Changed on the command line: " + ", ".join(f"{k} = {v}" for k, v in spec.overrides.items()) + "." if spec.overrides else ""),
    ]
    devices = ", ".join(known["devices"]) or "no device yet"
    found.append(f"{known['hours']['training']:.2f} hours of training ({known['hours']['on_gpu']:.2f} on GPUs), on {devices}.")
    return [sentence.strip() for sentence in found]


def warnings(content: Content, known: dict[str, Any]) -> list[str]:
    """What a reader must not miss."""
    return [text for text in (protocol.reduced(content.spec), known["data"]["warning"]) if text]


def ledger(content: Content) -> Table:
    """Where the paper's text and the released code differ, and what this sweep did."""
    rows = [tuple(Entry(text=part) for part in row) for row in protocol.ledger(content.spec)]
    return Table("protocol", "Where text and released code differ", ("Setting", "Paper", "Released code", "This sweep"), (tuple(rows),))


def departures(known: dict[str, Any]) -> list[str]:
    """Settings that are not the preset `paper`."""
    return list(known["departures"])


def markdown(content: Content, tables: Sequence[Table], figures: Sequence[Figure], known: dict[str, Any]) -> str:
    """report.md"""
    lines = [f"# {content.spec.title}", "", *sentences(content, known), ""]
    lines += [f"> {text}\n" for text in warnings(content, known)]
    for figure in figures:
        lines += [f"![{figure.alternative}]({figure.name}.png)", "", figure.caption, ""]
    lines += [part for table in [*tables, ledger(content)] for part in (table.markdown(), "")]
    if departures(known):
        lines += ["**Settings that are not the paper's**", "", *(f"- {text}" for text in departures(known)), ""]
    return "\n".join(lines)


def latex_document(
    content: Content, tables: Sequence[Table], figures: Sequence[Figure], known: dict[str, Any]
) -> str:
    """report.tex"""
    parts = [
        r"\documentclass[11pt]{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{lmodern,booktabs,graphicx}",
        r"\usepackage[margin=2cm]{geometry}",
        rf"\title{{{latex(content.spec.title)}}}",
        rf"\date{{{known['made'][:10]}}}",
        r"\begin{document}",
        r"\maketitle",
        *(latex(text) + "\n" for text in sentences(content, known)),
        *(rf"\textbf{{{latex(text)}}}" + "\n" for text in warnings(content, known)),
    ]
    for figure in figures:
        parts += [
            r"\begin{figure}[htbp]\centering",
            rf"\includegraphics[width=0.7\linewidth]{{{figure.name}.pdf}}",
            rf"\caption{{{latex(figure.caption)}}}\end{{figure}}",
        ]
    parts += [_fitting(table) for table in [*tables, ledger(content)]]
    if departures(known):
        listed = "".join(rf"\item {latex(text)}" + "\n" for text in departures(known))
        parts += [r"\paragraph{Settings that are not the paper's}", rf"\begin{{itemize}}{listed}\end{{itemize}}"]
    return "\n".join([*parts, r"\end{document}", ""])


def _fitting(table: Table) -> str:
    """A table no wider than the page."""
    opened = table.latex().replace(r"\begin{tabular}", r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{\begin{tabular}")
    return opened.replace(r"\end{tabular}", r"\end{tabular}}")
