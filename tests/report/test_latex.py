"""LaTeX: what is special is escaped, every table compiles by itself, and so does the whole document."""

import pytest

from harness import report, trials
from harness.report import document, table, tables
from tests import builders

from . import made

PREAMBLE = (
    r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\usepackage{lmodern,booktabs,siunitx}"
)
SHOWN = r"50 % of R&D_costs #1 {in} $ ~ ^ \ |"  # of the awkward title, as a PDF's words give it back


@pytest.mark.parametrize(
    ("character", "escaped"),
    [
        ("&", r"\&"), ("%", r"\%"), ("$", r"\$"), ("#", r"\#"), ("_", r"\_"), ("{", r"\{"), ("}", r"\}"),
        ("~", r"\textasciitilde{}"), ("^", r"\textasciicircum{}"), ("\\", r"\textbackslash{}"), ("τ", r"$\tau$"),
        ("∞", r"$\infty$"), ("±", r"$\pm$"), ("−", "$-$"), ("<", r"\textless{}"), ("a", "a"), ("é", "é"),
    ],
)  # fmt: skip
def test_a_special_character_is_escaped_once(character, escaped):
    assert table.latex(character) == escaped
    assert table.latex(2 * character) == 2 * escaped


@pytest.mark.parametrize("which", ["full", "partial", "awkward"])
def test_every_table_compiles_by_itself(request, tmp_path, which):
    found = request.getfixturevalue(which)
    tables = [found.text(name) for name in sorted(found.names()) if name.endswith(".tex") and name != "report.tex"]
    assert len(tables) >= 3
    text = made.pdf_text(
        made.pdflatex(tmp_path, "\n".join([PREAMBLE, r"\begin{document}", *tables, r"\end{document}"]))
    )
    assert "Recall@10" in text
    assert "MaskCon" in text


def copy_figures(found, folder):
    for path in found.written.folder.glob("*.pdf"):
        (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("which", ["full", "partial", "awkward"])
def test_the_document_compiles_as_it_is(request, tmp_path, which):
    found = request.getfixturevalue(which)
    assert found.written.notes == []
    copy_figures(found, tmp_path)
    text = made.pdf_text(made.pdflatex(tmp_path, found.text("report.tex")))
    assert "Where the paper’s text and the released code differ" in text
    assert "Table 3" in text
    assert "Figure 1" in text


def test_a_title_of_special_characters_is_printed_as_it_is(awkward):
    text = made.pdf_text(awkward.written.folder / "report.pdf")
    assert SHOWN in text
    assert "<b>" in text
    for symbol in ("τ", "∞", "±", "é"):
        assert symbol in text


def test_what_is_not_trained_is_said_in_the_document(partial):
    text = made.pdf_text(partial.written.folder / "report.pdf")
    assert "not trained" in text
    assert "7 cells are not trained yet." in text


def test_no_table_is_wider_than_the_page(full, tmp_path):
    copy_figures(full, tmp_path)
    made.pdflatex(tmp_path, full.text("report.tex"))
    assert "Overfull \\hbox" not in (tmp_path / "document.log").read_text(errors="replace")


def test_a_title_that_latex_cannot_print_is_a_note_and_leaves_no_old_pdf(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1, title="細粒度")
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.pdf").write_bytes(b"of an earlier report")
    (note,) = report.write(sweep, tmp_path, report.Asked(folder)).notes
    assert "report.pdf was not made" in note
    assert not (folder / "report.pdf").exists()
    assert "細粒度" in (folder / "report.html").read_text()


def test_a_table_longer_than_a_page_is_named_and_not_squeezed(full, monkeypatch):
    rows = max(sum(map(len, table.groups)) for table in tables.all_tables(full.content).values())
    parts = list(tables.all_tables(full.content).values())
    known = trials.read_json(full.written.folder / "provenance.json")
    assert "longer than a page" not in document.latex_document(full.content, parts, known)
    monkeypatch.setattr(document, "MOST_ROWS", rows - 1)
    text = document.latex_document(full.content, parts, known)
    assert r"This table is longer than a page; see \texttt{extra.md}." in text
    assert r"\label{tab:extra}" not in text
    assert r"\label{tab:main}" in text
