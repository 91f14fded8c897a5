"""What is finished in other workspaces counts, and nothing in them is changed."""

import json

import pytest

from harness import compare, plan, report, trials
from harness.errors import UsageError
from tests import builders
from tests.sweep import commands


@pytest.fixture
def apart(tmp_path):
    """A sweep of one cell and four seeds: near has the first finished and the second unfinished; far the first two, with
    other numbers, and the third."""
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=4)
    first, second, third, _ = sweep.trials()
    builders.finished_trial(tmp_path / "near", first, 0.5)
    builders.unfinished_trial(tmp_path / "near", second, epoch=1)
    builders.finished_trial(tmp_path / "far", first, 0.9)
    builders.finished_trial(tmp_path / "far", second, 0.7)
    builders.finished_trial(tmp_path / "far", third, 0.75)
    return sweep


def places(planned, tmp_path):
    return [(entry.directory.relative_to(tmp_path).parts[0], entry.state.state) for entry in planned]


@pytest.mark.parametrize("glance", [True, False])
def test_a_trial_is_the_workspaces_own_where_it_is_finished_there_and_else_the_others(tmp_path, apart, glance):
    near, far = tmp_path / "near", tmp_path / "far"
    alone = [("near", "done"), ("near", "unfinished"), ("near", "missing"), ("near", "missing")]
    assert places(plan.plan(apart, near, glance=glance), tmp_path) == alone
    both = [("near", "done"), ("far", "done"), ("far", "done"), ("near", "missing")]
    assert places(plan.plan(apart, near, [far], glance=glance), tmp_path) == both
    assert places(plan.plan(apart, near, [tmp_path / "far", tmp_path / "near"], glance=glance), tmp_path) == both


def test_reports_and_comparisons_have_them(tmp_path, apart):
    near, far = tmp_path / "near", tmp_path / "far"
    before = {path: path.stat().st_mtime_ns for path in far.rglob("*")}
    ours = compare.compare(apart, near, also=[far]).compared[0]
    assert (ours.values, ours.missing) == (pytest.approx((50, 70, 75)), 1)
    assert compare.compare(apart, near).compared[0].values == (50,)
    written = report.write(apart, near, report.Asked(also=[far]))
    assert (written.done, written.trainings) == (3, 4)
    known = json.loads((written.folder / "provenance.json").read_text())
    assert [entry["state"] for entry in known["trials"]] == ["done", "done", "done", "missing"]
    assert known["hours"]["training"] == pytest.approx(3 * 4 / 3600)
    assert {path: path.stat().st_mtime_ns for path in far.rglob("*")} == before


def test_the_commands_take_several(tmp_path, apart):
    builders.finished_trial(tmp_path / "third", apart.trials()[3], 0.6)
    words = [str(tmp_path / "mine.toml"), "--also", str(tmp_path / "far"), "--also", str(tmp_path / "third")]
    done = commands.harness("status", *words, "--json", workspace=tmp_path / "near")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 4


def test_a_folder_that_is_no_workspace_is_named(tmp_path, apart):
    nowhere, message = [tmp_path / "nowhere"], r"--also .*nowhere: this is no workspace"
    for function in (plan.plan, compare.compare):
        with pytest.raises(UsageError, match=message):
            function(apart, tmp_path / "near", also=nowhere)
    with pytest.raises(UsageError, match=message):
        report.write(apart, tmp_path / "near", report.Asked(also=nowhere))


def test_a_trial_that_is_damaged_elsewhere_does_not_count(tmp_path, apart):
    (trials.directory(tmp_path / "far", apart.trials()[2]) / trials.RESULT).write_text("{")
    found = places(plan.plan(apart, tmp_path / "near", [tmp_path / "far"], glance=True), tmp_path)
    assert found[2] == ("near", "missing")
