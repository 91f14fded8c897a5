"""What the commands say of a search, from trial directories that were built."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from harness import live, points, search_display, spec, trials
from tests import builders
from tests.report.test_search_report import build
from tests.sweep import commands
from tests.test_search import FILE


@pytest.fixture
def out():
    """A wide console that keeps what is printed."""
    return Console(record=True, width=200)


@pytest.fixture
def half(tmp_path):
    """A search of four points, of which two are trained and one is asked for."""
    path = tmp_path / "s.toml"
    path.write_text(FILE.format(trials=4))
    study = points.Study(spec.load(path), tmp_path)
    for number, recall in enumerate((0.5, 0.7)):
        asked = study.ask(0, number, (0.25 + number / 2, 0.5))
        builders.finished_trial(tmp_path, asked.trial, recall, seconds=36.0)
    study.ask(0, 2, (0.4, 0.95))
    return spec.load(path), tmp_path


def test_the_head_says_what_is_searched_how_and_by_what(half, out):
    search_display.head(out, *half)
    said = " ".join(out.export_text().split())
    assert "4 points, 3 asked for so far, 2 of them over" in said
    assert "temperature: 0, 0.01 to 1 on a log scale, inf" in said
    assert "Recall@1 of held-out training images by their fine labels; sampler gp" in said
    assert (
        "after 1, 3 of 9 epochs a point goes on that is among the best 1 in 3 of those that got there before it" in said
    )
    assert "A reduced run" in said


def test_status_has_a_row_per_point_and_fails_until_the_search_is_complete(half, out):
    of, workspace = half
    assert search_display.status(out, of, workspace, as_json=False) == 1
    said = out.export_text()
    assert "63.00" in said  # 0.9 × 70 %: built trials have that among held-out images
    assert "missing" in said
    assert "3 of 4 points asked for, 2 trained to the end" in said
    study = points.Study(of, workspace)
    for point in (study.look()[2], study.ask(0, 3, (0.1, 0.1))):
        builders.finished_trial(workspace, point.trial, 0.4)
    assert search_display.status(out, of, workspace, as_json=False) == 0


def test_status_as_json_has_infinity_as_text(half, capsys):
    search_display.status(Console(), *half, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["asked"], found["complete"]) == (3, False)
    assert [point["settings"]["temperature"] for point in found["points"]] == [0.1, 0.1, "inf"]
    assert found["points"][1]["validation"] == pytest.approx(0.63)


def test_the_plan_is_as_if_no_point_were_stopped(half, out):
    assert search_display.plan(out, *half, as_json=False) == 0
    assert "1.2 min of one trial at a time" in " ".join(out.export_text().split())  # two more trainings of 36 s


def test_the_outcome_names_the_best_and_how_to_go_on(half, out):
    assert search_display.outcome(out, *half, again="s.toml") == 1
    said = " ".join(out.export_text().split())
    assert "weight = 0.75, temperature = 0.1: held-out Recall@1 63.00 %" in said
    assert "harness sweep s.toml" in said


def test_the_live_view_of_a_search_shows_the_best_so_far(half):
    of, workspace = half
    seen = live.Watch(of, workspace)
    console = Console(record=True, width=160, height=40)
    console.print(live.view(seen, console))
    said = console.export_text()
    assert said.index("63.00") < said.index("45.00")
    assert "3 of 4 points asked for" in said
    assert not seen.is_complete()
    points.Study(of, workspace).ask(0, 3, (0.1, 0.1))
    seen.look()
    assert len(seen.tried) == 4


def test_the_live_view_of_several_searches_shows_the_best_of_each(tmp_path):
    of = build(tmp_path, seeds=2, grid=False)
    seen = live.Watch(of, tmp_path)
    console = Console(record=True, width=160, height=40)
    console.print(live.view(seen, console))
    assert "24 of 24 points asked for" in console.export_text()
    assert seen.is_complete()


def test_a_search_is_not_compared(half):
    _, workspace = half
    done = commands.harness("compare", str(workspace / "s.toml"), workspace=workspace)
    assert done.returncode == 2
    assert "harness report" in done.stderr


def test_a_point_whose_question_is_damaged_is_named(half, out):
    search, workspace = half
    path = points.Study(search, workspace).look()[0].directory / trials.ASKED
    path.write_text("nonsense")
    search_display.status(out, search, workspace, False)
    said = " ".join(out.export_text().split())
    assert f"{path} is damaged" in said
    assert "2 of 4 points asked for" in said
    assert "known to it of other sweeps, or of this one with another space: 1." in said
