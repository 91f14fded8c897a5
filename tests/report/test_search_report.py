"""The report of a search, from trial directories that were built: its numbers, its figures, its check."""

from __future__ import annotations

import math
import re
import statistics

import pytest

from harness import files, points, report, spec, trials
from harness.report import search as search_reports
from harness.report.search import best_so_far, found, importances, surface, tables
from tests import builders

FILE = """
title = "A search"
dataset = "digits"
[settings]
epochs = 9
eval_every = 1
validation_fraction = 0.3
[search]
method = "maskcon"
trials = 12
grace_epochs = 1
grid = "grid.toml"
[search.space]
weight = {low = 0, high = 1}
temperature = {low = 0.01, high = 1, log = true, also = [0, inf]}
"""
GRID = """
dataset = "digits"
[settings]
epochs = 9
validation_fraction = 0.3
eval_every = 1
[[cells]]
method = "maskcon"
weight = [0.1, 0.9]
temperature = [0.05, 0.5]
[[cells]]
method = "coins"
weight = [0.9]
"""


def recall(places):
    """Highest, 0.9, at (0.7, 0.3)."""
    return 0.9 - (places[0] - 0.7) ** 2 - (places[1] - 0.3) ** 2


def build(folder, seeds=1, grid=True):
    """A search of 12 points per seed, every third of which was stopped after an epoch; and its grid, each training a minute."""
    (folder / "s.toml").write_text(FILE)
    (folder / "grid.toml").write_text(GRID)
    of = spec.load(folder / "s.toml", seeds=seeds)
    study = points.Study(of, folder)
    for seed in range(seeds):
        for number in range(12):
            asked = study.ask(seed, number, ((number * 5 % 12 + 0.5) / 12, (number * 7 % 12 + 0.5 + seed / 10) / 12))
            trial, value = asked.trial, recall(asked.places)
            by_epoch = {epoch: value * (0.5 + epoch / 18) for epoch in range(1, 10)}
            if number % 3 == 2:
                stop(asked.directory, trial, by_epoch)
            else:
                builders.finished_trial(folder, trial, by_epoch, seconds=9.0)
    if grid:
        for trial in spec.load(folder / "grid.toml", seeds=seeds).trials():
            if trial.method == "maskcon":
                builders.finished_trial(folder / "elsewhere", trial, 0.8, seconds=60.0)
    return of


def stop(directory, trial, by_epoch):
    """As halving leaves it after the first epoch."""
    lines = builders.metric_lines(trial, by_epoch, 9.0)[:1]
    trials.write_metrics(directory / trials.METRICS, lines)
    files.write_json(directory / trials.STOPPED, {"kind": trials.SEARCH, "reason": "behind", "epoch": 1})


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A search, its grid in another workspace, and its report."""
    folder = tmp_path_factory.mktemp("one")
    of = build(folder)
    asked = report.Asked(also=(folder / "elsewhere",))
    return of, folder, asked, report.write(of, folder, asked)


def what(made):
    of, folder, asked, _ = made
    return found.gather(of, folder, asked.also)


def test_the_best_point_stands_beside_the_grids_best_and_the_hours_of_both(one):
    table = tables.all_tables(what(one))[10]
    (row,) = table.groups[0]
    values = dict(zip(table.columns, row, strict=True))
    known = what(one)
    best = max((point for point in known.points if point.state.state == "done"), key=lambda point: point.value)
    assert values["Held-out R@1"].value == pytest.approx(90 * recall(best.places))  # built a tenth below the test's
    assert values["Test R@1"].value == pytest.approx(100 * recall(best.places))
    assert (values["Points"].text, values["Stopped early"].text) == ("12", "4")
    assert values["Device-minutes"].value == pytest.approx((8 * 9 + 4 * 1) / 60)
    assert values["Grid: device-minutes"].value == pytest.approx(4.0)
    assert values["Grid: held-out R@1"].value == pytest.approx(72.0)
    assert "of 4 of its trainings" in " ".join(table.footnotes) or "4 of 4 of its trainings" in " ".join(
        table.footnotes
    )


def test_the_outcome_is_the_difference_and_the_share_of_hours(one):
    known = what(one)
    (apart, share), *_ = known.compared()
    assert apart == pytest.approx(100 * known.best(0).value - 72.0)
    assert share == pytest.approx((8 * 9 + 4) / 240)
    assert "1 of 1 are within 0.5 points" in known.outcome()


def test_a_grid_that_is_not_trained_has_estimated_hours_and_no_best(tmp_path):
    of = build(tmp_path, grid=False)
    known = found.gather(of, tmp_path, ())
    assert known.compared() == []
    assert known.outcome() == ""
    assert not known.grid[0].is_measured
    assert known.grid[0].seconds == pytest.approx(4 * 9 * 1.0)  # four trainings of nine epochs of a second
    row = dict(zip(tables.all_tables(known)[10].columns, tables.all_tables(known)[10].groups[0][0], strict=True))
    assert row["Grid: held-out R@1"].missing
    assert "(estimated)" in row["Grid: device-minutes"].plain()


def test_a_stopped_point_counts_with_what_it_would_have_reached(one):
    known = what(one)
    gains = [one.value - one.values[1] for one in known.points if one.value is not None]
    middle = sorted(gains)[len(gains) // 2 - 1 : len(gains) // 2 + 1]
    for point in known.points:
        if point.state.state == "stopped":
            assert known.expected[point.trial.trial_id] == pytest.approx(point.values[1] + sum(middle) / 2)


def test_best_so_far_rises_over_the_seconds_of_all_points(one):
    own = what(one).own(0)
    line = best_so_far._line(own)
    assert [best for _, best in line] == sorted(best for _, best in line)
    assert line[-1][0] == pytest.approx(8 * 9 + 4)
    assert line[-1][1] == pytest.approx(100 * max(point.value for point in own if point.value is not None))


def test_the_setting_that_alone_matters_is_the_important_one(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "recall", lambda places: 0.9 - (places[0] - 0.7) ** 2)
    of = build(tmp_path, seeds=2)
    measured = importances.of(found.gather(of, tmp_path, ()))
    assert statistics.fmean(measured["weight"]) > 2 * statistics.fmean(measured["temperature"])


def test_points_that_are_all_alike_tell_of_no_importance(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "recall", lambda places: 0.5)
    of = build(tmp_path, grid=False)
    assert importances.of(found.gather(of, tmp_path, ())) == {}
    assert not (search_reports.write(of, tmp_path, tmp_path / "r", ()).folder / "importances.png").exists()


def test_the_surface_is_highest_near_the_top(one):
    import numpy as np

    sides = np.linspace(0, 1, 41)
    high = surface._model(what(one), sides)
    up, right = np.unravel_index(high.argmax(), high.shape)
    assert sides[up] == pytest.approx(0.7, abs=0.15)
    assert sides[right] == pytest.approx(0.3, abs=0.15)


def test_zero_and_infinity_stand_at_the_ends_of_the_axis(one):
    (_, axis), _ = surface._sides(what(one))
    ticks = surface._ticks(axis)
    assert (ticks[0], ticks[-1]) == ((0.05, "0"), (0.95, "∞"))
    assert [label for _, label in ticks[1:-1]] == ["0.02", "0.05", "0.1", "0.2", "0.5"]  # no two lie upon another


def test_the_report_has_every_part_in_every_form(one):
    folder = one[3].folder
    names = {path.name for path in folder.iterdir()}
    for name in ("search", "points"):
        assert {f"{name}.tex", f"{name}.md", f"{name}.csv"} <= names
    for name in ("best_so_far", "surface", "importances"):
        assert {f"{name}.pdf", f"{name}.png"} <= names
    assert {"report.html", "report.md", "report.tex", "report.pdf", "results.csv", "provenance.json"} <= names
    page = (folder / "report.html").read_text()
    for heading in ("What was found", "Best so far", "The surface", "Which setting matters", "Every point"):
        assert heading in page
    assert "REPRODUCED" not in page


def test_a_report_of_a_search_that_was_changed_is_found_out(tmp_path):
    of = build(tmp_path)
    asked = report.Asked()
    written = report.write(of, tmp_path, asked)
    assert report.check(of, tmp_path, asked).wrong == ()
    path = written.folder / "search.md"
    number = re.search(r"\d\d\.\d\d", path.read_text())[0]
    path.write_text(path.read_text().replace(number, "99.99", 1))
    wrong = report.check(of, tmp_path, asked).wrong
    assert len(wrong) == 1
    assert "99.99" in wrong[0]


def test_several_searches_have_a_row_each_and_their_means(tmp_path):
    of = build(tmp_path, seeds=3)
    known = found.gather(of, tmp_path, (tmp_path / "elsewhere",))
    rows, (mean,) = tables.all_tables(known)[10].groups
    column = tables.all_tables(known)[10].columns.index("Held-out R@1")
    assert len(rows) == 3
    values = [row[column].value for row in rows]
    assert mean[column].value == pytest.approx(sum(values) / 3)
    assert len(known.compared()) == 3
    assert "(n = 3)" in known.outcome()
    assert report.write(of, tmp_path, report.Asked(also=(tmp_path / "elsewhere",))).notes == []


def test_a_search_of_nothing_yet_has_a_report_that_says_so(tmp_path):
    (tmp_path / "s.toml").write_text(FILE)
    (tmp_path / "grid.toml").write_text(GRID)
    of = spec.load(tmp_path / "s.toml")
    written = report.write(of, tmp_path, report.Asked())
    assert written.done == 0
    assert "asked for 0 of 12 points" in (written.folder / "report.md").read_text()
    assert not (written.folder / "surface.png").exists()


def test_one_setting_or_choices_alone_are_a_search_too(tmp_path):
    text = FILE.replace("weight = {low = 0, high = 1}\n", "weight = [0.5, 1]\n").replace('grid = "grid.toml"\n', "")
    (tmp_path / "s.toml").write_text(text)
    of = spec.load(tmp_path / "s.toml")
    study = points.Study(of, tmp_path)
    for number in range(8):
        asked = study.ask(0, number, (number % 2 / 2 + 0.25, number / 8))
        builders.finished_trial(tmp_path, asked.trial, recall(asked.places))
    assert search_reports.write(of, tmp_path, tmp_path / "r", ()).notes == []
    assert (tmp_path / "r" / "surface.png").is_file()
    assert math.isinf(dict(points.Study(of, tmp_path).search.space)["temperature"].above)
