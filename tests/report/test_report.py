"""Whole reports: which files, which trainings, what is missing, what is not published."""

import csv
import json
import re
import socket
from pathlib import Path

import pandas as pd
import pytest

from harness import compare, report, resources, results, spec, trials
from harness.errors import UsageError
from tests import builders

from . import made

FILES = {
    "main.md", "main.tex", "extra.md", "extra.tex", "within.md", "within.tex", "results.csv", "provenance.json",
    "cells.json", "report.md", "report.tex", "report.html", "report.pdf",
}  # fmt: skip  # of every report
PUBLISHED = {
    "verdicts.md", "verdicts.tex", "claims.md", "claims.tex", "selection.md", "selection.tex",
    "hyperparameters.md", "hyperparameters.tex", "dataset.md", "dataset.tex", "heatmap.pdf", "heatmap.png",
}  # fmt: skip


def rows(markdown):
    """The cells of a pipe table's rows."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[part.strip() for part in line.strip("|").split(" | ")] for line in lines[2:]]


def test_a_full_report_has_all_its_files(full):
    assert full.names() >= FILES | PUBLISHED
    assert full.written.folder == full.workspace / "reports" / "cifar100"
    assert (full.written.page.name, full.written.done, full.written.trainings) == ("report.html", 90, 90)
    assert full.written.notes == []


def test_the_tables_show_the_means_of_the_seeds(full):
    found = {(one.cell.label, one.metric): one for one in compare.compare(full.spec, full.workspace).compared}
    table = rows(full.text("extra.md"))
    assert len(table) == len(full.spec.cells()) == 42
    best = next(row for row in table if row[:3] == ["MaskCon", "1", "0.05"])
    one = found["maskcon weight=1 temperature=0.05", "recall_at_1"]
    assert best[3] == f"**{one.ours:.2f} ± {one.deviation:.2f}**"
    assert best[7:] == ["65.52", f"{one.difference:+.2f}".replace("-", "−")]
    main = {row[0]: row for row in rows(full.text("main.md"))}
    assert main["MaskCon"][1:3] == ["1", "0.05"]
    gain = one.ours - found["supce", "recall_at_1"].ours
    assert main["MaskCon"][3] == f"**{one.ours:.2f} ± {one.deviation:.2f}**"
    assert main["MaskCon"][7] == f"+{gain:.2f}"
    assert list(main) == ["SelfCon", "Grafit", "SupCon", "CoIns", "SupCE", "SupFINE (cross-entropy)", "MaskCon"]
    assert "**" not in "".join(main["SupFINE (cross-entropy)"])  # it trains with the fine labels


def test_captions_say_how_many_runs_and_by_which_rule(full, partial):
    for name in ("main.md", "extra.md", "report.md"):
        assert "n = 3 runs per cell" in full.text(name)
        assert "n = 1–2 runs per cell" in partial.text(name)
        assert "sample standard deviation over seeds (ddof = 1)" in full.text(name)
    assert "leave-one-seed-out: for each seed the cell that is best on the other seeds" in full.text("main.md")


def test_the_csv_holds_the_evaluated_epochs_of_every_finished_trial_and_reads_back(full):
    path = full.written.folder / "results.csv"
    again = pd.read_csv(path, dtype={"trial_id": str}, float_precision="round_trip")
    assert set(again["trial_id"]) == {trial.trial_id for trial in full.spec.trials()}
    frame = results.load([trials.directory(full.workspace, trial) for trial in full.spec.trials()], every_epoch=False)
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)
    with path.open(newline="") as stream:
        assert next(csv.reader(stream)) == list(results.COLUMNS)


def test_provenance_names_code_data_versions_devices_and_every_trial(full):
    known = json.loads(full.text("provenance.json"))
    assert known["data"]["published_digest"] == "acbb211f496112ed"
    assert known["sweep"]["cell_lists"][-1]["temperature"][-1] == "inf"
    assert known["versions"]["torch"]
    assert set(known["code"]) == {"commit", "dirty"}
    assert known["devices"] == ["Test CPU"]
    assert known["hours"] == {"training": pytest.approx(90 * 400 / 3600), "on_gpu": 0}
    assert [entry["trial_id"] for entry in known["trials"]] == [trial.trial_id for trial in full.spec.trials()]
    assert known["departures"] == []


def test_a_report_names_neither_host_nor_user_nor_folders(full, partial, awkward):
    secrets = ["secret-host-name", "secret-user", str(Path.home()), str(resources.PACKAGE.parent)]
    for one in (full, partial, awkward):
        for name in sorted(name for name in one.names() if not name.endswith((".png", ".pdf"))):
            text = one.text(name)
            assert [secret for secret in [*secrets, str(one.workspace)] if secret in text] == []
            if name != "report.html":  # pictures in base 64 hold every short word
                assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)


def test_a_damaged_trial_is_reported_without_the_path_of_the_workspace(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    directory = builders.unfinished_trial(tmp_path, sweep.trials()[0], epoch=1)
    (directory / trials.PROGRESS).write_text("{")
    found = made.write(tmp_path, sweep)
    assert "progress.json is damaged" in found.text("provenance.json")
    for name in ("provenance.json", "report.html"):
        assert str(tmp_path) not in found.text(name)


def test_what_is_missing_is_marked_and_counted(partial):
    hatched = 5  # MaskCon at w = 0.8 with finite τ; at τ = ∞ it is Grafit(0.8)
    extra = rows(partial.text("extra.md"))
    missing = [row[:3] for row in extra if row[3] == "*not trained*"]
    assert ["Grafit", "0.8", "–"] in missing
    assert sum(row[0] == "MaskCon" for row in missing) == hatched + 1
    assert len(missing) == hatched + 2
    for name in ("main.md", "extra.md", "report.md", "report.html"):
        assert f"{len(missing)} cells are not trained yet." in partial.text(name)
    assert partial.text("extra.tex").count(r"\emph{not trained}") == 4 * len(missing)
    assert (partial.written.done, partial.written.trainings) == (60 - 2 * 6 - 1, 60)
    assert f"{partial.written.done} of 60 distinct trainings are finished" in partial.text("report.html")
    assert partial.names() >= FILES | PUBLISHED
    states = [entry["state"] for entry in json.loads(partial.text("provenance.json"))["trials"]]
    assert {state: states.count(state) for state in set(states)} == {"done": 47, "missing": 12, "failed": 1}


def test_a_cell_with_fewer_seeds_than_planned_is_marked_and_counted(partial):
    table = {row[0]: row[3].strip("*") for row in rows(partial.text("extra.md"))}
    assert re.fullmatch(r"[\d.]+ ± [\d.]+", table["SupCE"])  # both seeds
    assert not re.fullmatch(r"[\d.]+", table["SupFINE (cross-entropy)"]), "nothing says that this is one run of two"
    footnotes = partial.text("extra.md").partition("Bold:")[2]
    assert re.search(r"\b1 (cell|run|seed)", footnotes)


def test_a_sweep_without_any_trial_has_a_whole_report_that_says_so(tmp_path):
    found = made.write(tmp_path, spec.load("digits", seeds=1))
    assert found.names() >= FILES
    assert found.written.notes == []
    assert "Nothing is trained yet." in found.text("report.html")
    assert "0 of 12 distinct trainings are finished" in found.text("report.md")
    assert "no finished runs" in found.text("main.md")
    assert "±" not in found.text("extra.md")
    assert all(row[3] == "*not trained*" for row in rows(found.text("extra.md")))
    assert len(found.text("results.csv").splitlines()) == 1
    assert json.loads(found.text("provenance.json"))["devices"] == []


def test_a_sweep_of_one_cell_and_one_seed_has_neither_figure_nor_deviation(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "maskcon"', seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    found = made.write(tmp_path, sweep)
    assert found.names() >= FILES
    assert "heatmap.pdf" not in found.names()
    assert found.written.notes == []
    assert "n = 1 run per cell" in found.text("main.md")
    assert "±" not in found.text("main.md") + found.text("extra.md")
    assert len(rows(found.text("main.md"))) == len(rows(found.text("extra.md"))) == 1


def test_one_seed_of_several_methods_has_no_deviation(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    found = made.write(tmp_path, sweep)
    assert len(rows(found.text("extra.md"))) == 3
    assert "±" not in found.text("report.md") + found.text("report.tex")


def test_a_report_written_again_is_the_same(tmp_path):
    sweep = builders.small_spec(
        tmp_path, "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", "temperature = [0, 1]"
    )
    builders.finished_sweep(tmp_path, sweep)
    once = made.write(tmp_path, sweep)
    stable = sorted(once.names() - {"provenance.json", "report.html", "report.tex", "report.pdf"})  # they have the date
    before = {name: (once.written.folder / name).read_bytes() for name in stable}
    made.write(tmp_path, sweep)
    assert {name: (once.written.folder / name).read_bytes() for name in stable} == before


def test_a_report_goes_where_it_is_asked_to(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    found = report.write(sweep, tmp_path, report.Asked(tmp_path / "deep" / "elsewhere"))
    assert found.page == tmp_path / "deep" / "elsewhere" / "report.html"
    assert found.page.is_file()
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("name", [trials.RESULT, trials.ENVIRONMENT])
def test_a_damaged_file_of_a_finished_trial_is_a_usage_error_that_names_it(tmp_path, name):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    damaged = builders.finished_trial(tmp_path, sweep.trials()[0], 0.5) / name
    damaged.write_text('{"device": ')
    with pytest.raises(UsageError) as refused:
        report.write(sweep, tmp_path)
    assert str(damaged) in str(refused.value)
