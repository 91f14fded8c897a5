"""What a reader must not miss: reduced runs, other data, settings that are not the paper's."""

import html

import pytest

from harness import plan, protocol, spec
from tests import builders

from . import made

WARNING = "A reduced run, not the paper's: "


def test_data_that_is_not_the_published_data_is_a_warning_wherever_numbers_are(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(builders.wrong_cifar100(tmp_path / "data")))
    path = builders.written_spec(tmp_path, 'dataset = "cifar100"', "seeds = 1", "[[cells]]", 'method = "supce"')
    sweep = plan.load_spec(str(path), [], None, tmp_path)
    builders.finished_sweep(tmp_path, sweep)
    found = made.write(tmp_path, sweep)
    words = "are not the published ones"
    warned = {
        name for name in ("report.md", "report.html", "report.tex", "provenance.json") if words in found.text(name)
    }
    assert warned == {"report.md", "report.html", "report.tex", "provenance.json"}
    # a table is pasted into papers and slides by itself
    assert [name for name in ("main.md", "main.tex", "extra.md", "extra.tex") if words not in found.text(name)] == []


def test_a_reduced_run_says_so_in_page_tables_figure_and_markdown(awkward):
    for name in ("report.html", "report.md", "main.md", "extra.md", "main.tex", "extra.tex", "report.tex"):
        assert f"{WARNING}encoder small, epochs 2." in html.unescape(awkward.text(name))
    for name in ("heatmap.pdf", "report.pdf"):
        assert f"{WARNING}encoder small, epochs 2." in made.pdf_text(awkward.written.folder / name).replace("’", "'")
    assert 'class="warning"' in awkward.text("report.html")


def test_a_full_run_is_not_called_reduced(full):
    assert all(WARNING not in full.text(name) for name in ("report.html", "report.md", "main.md", "extra.tex"))
    assert WARNING not in made.pdf_text(full.written.folder / "heatmap.pdf")


@pytest.mark.parametrize("longer", ["epochs=400", "encoder=resnet50"])
def test_a_run_that_trained_no_less_than_the_paper_is_not_called_reduced(longer):
    assert protocol.reduced(spec.load("cifar100", overrides=[longer], seeds=1)) == ""


def test_settings_that_are_not_the_papers_are_listed(tmp_path):
    sweep = spec.load("digits", overrides=["lr=0.5", "weight=1", "temperature=0.05"], seeds=1)
    found = made.write(tmp_path, sweep)
    for name in ("report.md", "report.html"):
        assert "lr 0.5 (paper: 0.02)" in found.text(name)
    assert "Changed on the command line: lr = 0.5" in found.text("report.md")


def test_the_protocol_says_what_the_sweep_did_where_paper_and_code_differ(full):
    found = {row[0]: row[1:] for row in protocol.ledger(full.spec)}
    assert found["projection dimension D"] == ("128", "256", "128")
    assert found["own keys in the bank"] == ("exclude", "keep", "exclude")
    assert found["encoder initialisation"] == ("not stated", "imagenet", "imagenet")
    assert found["seeds"] == ("not stated", "1228, one run", "0–2, 3 runs")
    assert not any("CIFARtoy" in name or "ImageNet32" in name for name in found)


def test_the_protocol_names_the_split_of_cifartoy_and_nothing_else():
    found = {row[0]: row[3] for row in protocol.ledger(spec.load("cifartoy-bad", seeds=1))}
    assert found["coarse classes of CIFARtoy's bad split"] == "bad"
