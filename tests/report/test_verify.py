"""A written report held against the trial directories: a planted wrong number is found wherever it stands."""

import json
import re
import shutil

import pytest

from harness import report, trials
from harness.errors import UsageError
from tests import builders

from . import made


@pytest.fixture
def written(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=3)
    builders.finished_sweep(tmp_path, sweep)
    return made.write(tmp_path, sweep)


def wrong(found):
    return report.check(found.spec, found.workspace).wrong


def planted(found, name, old, new):
    """The report with one text replaced, once; `old` must be there."""
    path = found.written.folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return wrong(found)


def test_a_report_as_it_was_written_is_right(written):
    verified = report.check(written.spec, written.workspace)
    assert verified.wrong == ()
    assert verified.trials == 9
    assert verified.numbers > 20


@pytest.mark.parametrize("name", ["main.md", "main.tex", "report.md", "report.tex", "report.html"])
def test_a_planted_number_is_found_and_its_trials_are_named(written, name):
    row = next(line for line in written.text("main.md").splitlines() if line.startswith("| SupCE"))
    number = re.findall(r"\d+\.\d+", row)[0]
    found = planted(written, name, number, "99.99")
    assert found
    assert any(name in line for line in found)
    if name in ("main.md", "main.tex"):
        ids = [trial.trial_id for trial in written.spec.trials() if trial.method == "supce"]
        assert all(one in found[0] for one in ids)
        assert "99.99" in found[0]
        assert number in found[0]


def test_a_planted_number_in_a_table_of_the_page_names_its_cell_and_trials(written):
    table = written.text("report.html").partition('<figure id="main"')[2].partition("</table>")[0]
    number = re.findall(r"\d+\.\d+ ± \d+\.\d+", table)[0]
    found = planted(written, "report.html", table, table.replace(number, "99.99 ± 0.01"))
    assert "report.html, main, SupCE – –, Recall@1: “99.99 ± 0.01”" in found[0]
    assert f"by the trials “{number}” (trials " in found[0]


def test_a_planted_line_of_the_csv_is_found(written):
    line = written.text("results.csv").splitlines()[5]
    (found,) = planted(written, "results.csv", line, line.replace("digits", "digits2"))
    assert found.startswith("results.csv")


def test_a_result_that_was_changed_later_is_found(written):
    trial = written.spec.trials()[0]
    path = trials.directory(written.workspace, trial) / trials.RESULT
    builders.edited(path, lambda content: content["metrics"][-1].update(recall_at_1=0.999))
    found = wrong(written)
    assert any(trial.trial_id in line and "metrics.jsonl" in line for line in found)
    assert any("main.md" in line for line in found)


def test_a_missing_table_and_a_missing_report_are_named(written):
    (written.written.folder / "main.tex").unlink()
    assert wrong(written) == ("main.tex is missing",)
    shutil.rmtree(written.written.folder)
    with pytest.raises(UsageError, match="holds no report"):
        wrong(written)


def test_every_number_of_the_tables_names_its_trials(written):
    cells = json.loads(written.text("cells.json"))["cells"]
    supce = next(cell for cell in cells if cell["table"] == "main" and cell["row"].startswith("SupCE"))
    assert supce["trials"] == [trial.trial_id for trial in written.spec.trials() if trial.method == "supce"]
    assert supce["shown"] in written.text("main.md")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("report.md", "n = 3 runs per cell", "n = 30 runs per cell"),
        ("report.tex", "sample standard deviation", "standard error"),
        ("cells.json", '"SupCE', '"SupFINE'),
        ("provenance.json", "Test CPU", "Another GPU"),
    ],
)
def test_words_and_origins_are_checked_as_well(written, name, old, new):
    assert any(line.startswith(name) for line in planted(written, name, old, new))


def test_damage_and_lost_files_are_named_and_end_nothing(written):
    folder = written.written.folder
    (folder / "provenance.json").write_text("{")
    (folder / "main.md").write_bytes(b"\xff")
    (folder / "report.md").unlink()
    (folder / "sensitivity.pdf").unlink()
    trials.directory(written.workspace, written.spec.trials()[0]).joinpath(trials.METRICS).write_text("{\n")
    found = "\n".join(wrong(written))
    for phrase in (
        "provenance.json: ",
        "main.md: ",
        "report.md is missing",
        "sensitivity.pdf is missing",
        "line 1 is damaged",
    ):
        assert phrase in found


def test_recalls_that_no_ranking_can_have_are_found(written):
    directory = trials.directory(written.workspace, written.spec.trials()[0])
    result = builders.edited(
        directory / trials.RESULT, lambda content: content["metrics"][-1].update(recall_at_1=0.999)
    )
    trials.write_metrics(directory / trials.METRICS, trials.read_json(result)["metrics"])
    assert any("recall at a larger K is lower" in line for line in wrong(written))
