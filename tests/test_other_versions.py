"""Trainings of another version of a method's protocol are named, and never mixed in."""

import json

from harness import methods, plan, spec
from tests import builders
from tests.sweep import commands


def test_they_are_told_from_what_counts(tmp_path, monkeypatch):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    monkeypatch.setattr(methods.load("supce"), "protocol", methods.load("supce").protocol + 1)
    today = spec.load(tmp_path / "mine.toml", seeds=1)
    planned = plan.plan(today, tmp_path)
    states = {entry.trial.method: entry.state.state for entry in planned}
    assert states == {"supce": "missing", "maskcon": "done"}
    (other,) = plan.of_other_versions(planned, tmp_path)
    assert (other.trial.method, other.state.state, other.cells) == ("supce", "done", ("supce",))
    assert other.directory.name not in {entry.trial.trial_id for entry in planned}


def test_status_shows_both(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    trial = sweep.trials()[0]
    older = tmp_path / "trials" / ("0" * 16)  # as a version with another protocol would have named it
    (tmp_path / "trials" / trial.trial_id).rename(older)
    builders.edited(older / "config.json", lambda content: content.update(trial_id=older.name))
    builders.edited(older / "result.json", lambda content: content.update(trial_id=older.name))
    words = ["status", str(tmp_path / "mine.toml"), "--seeds", "1"]
    done = commands.harness(*words, workspace=tmp_path, COLUMNS="200")
    assert done.returncode == 1
    assert "1 missing" in done.stdout
    assert "another version" in done.stdout
    assert older.name in done.stdout
    listed = json.loads(commands.harness(*words, "--json", workspace=tmp_path).stdout)
    assert listed["of_another_version"] == [str(older)]


def test_trials_of_other_sweeps_and_damaged_ones_are_not_named(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, builders.small_spec(tmp_path, seeds=3, name="other"))
    (tmp_path / "trials" / "damaged").mkdir()
    (tmp_path / "trials" / "damaged" / "config.json").write_text("{")
    assert plan.of_other_versions(plan.plan(sweep, tmp_path), tmp_path) == []
