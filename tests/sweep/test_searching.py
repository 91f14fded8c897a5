"""Searches that really run: under Ray, killed and started again, with and without halving."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import points, spec, trials
from tests.sweep import commands
from tests.sweep.commands import harness

FILE = """
dataset = "digits"
[settings]
epochs = {epochs}
train_limit = 256
bank_size = 256
eval_every = 1
validation_fraction = 0.3
[search]
method = "maskcon"
trials = {trials}
{more}
[search.space]
weight = {{low = 0, high = 1}}
temperature = {{low = 0.01, high = 1, log = true, also = [0, inf]}}
"""


def written(folder, trials, epochs, more=""):
    path = folder / "searched.toml"
    path.write_text(FILE.format(trials=trials, epochs=epochs, more=more))
    return str(path)


def look(path, workspace):
    return points.Study(spec.load(path), workspace).look()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A search with halving, one trial at a time."""

    def make(folder):
        path = written(folder, 6, 9, "grace_epochs = 1")
        done = harness("sweep", path, "--workers", "1", workspace=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder / "said.txt").write_text(done.stdout)

    folder = commands.once(tmp_path_factory, "search", make)
    return str(folder / "searched.toml"), folder


def test_a_search_asks_for_so_many_points_and_halving_ends_those_that_fall_behind(undisturbed):
    path, workspace = undisturbed
    found = look(path, workspace)
    assert sorted(point.number for point in found) == list(range(6))
    states = [point.state.state for point in found]
    assert set(states) == {"done", "stopped"}
    assert found[0].state.state == "done"
    for point in found:
        if point.state.state == "stopped":
            stop = json.loads((point.directory / trials.STOPPED).read_text())
            assert stop["kind"] == trials.SEARCH
            assert stop["epoch"] == max(point.values)
            assert stop["epoch"] in (1, 3)
            assert (point.directory / trials.CHECKPOINT).is_file()
            earlier = [one.values[stop["epoch"]] for one in found[: point.number] if stop["epoch"] in one.values]
            ahead = sum(other > point.values[stop["epoch"]] for other in earlier)
            assert ahead >= max(1, (1 + len(earlier)) // 3)
    said = (workspace / "said.txt").read_text()
    assert "stopped early" in said
    assert "Best:" in said


def test_a_search_that_is_complete_wakes_nothing(undisturbed):
    path, workspace = undisturbed
    before = [(point.trial.trial_id, point.state) for point in look(path, workspace)]
    again = harness("sweep", path, workspace=workspace)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [(point.trial.trial_id, point.state) for point in look(path, workspace)] == before
    assert "Ray" not in again.stderr
    status = harness("status", path, "--json", workspace=workspace)
    assert status.returncode == 0
    assert json.loads(status.stdout)["complete"]


def test_a_search_that_is_killed_goes_on_as_it_would_have(undisturbed, tmp_path):
    """The same points with the same numbers: nothing of a search is kept but its trial directories."""
    _, workspace = undisturbed
    path = written(tmp_path, 6, 9, "grace_epochs = 1")
    running = commands.start("sweep", path, "--workers", "1", workspace=tmp_path)
    commands.wait_for(lambda: len(list(tmp_path.glob("trials/*/asked.json"))) >= 3)
    running.kill()
    running.wait()
    done = harness("sweep", path, "--workers", "1", workspace=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = look(path, workspace)
    assert [(point.settings, point.state.state) for point in look(path, tmp_path)] == [
        (point.settings, point.state.state) for point in expected
    ]
    assert commands.numbers(tmp_path) == commands.numbers(workspace)


def test_a_grid_seeds_a_search_and_goes_on_with_what_a_search_has_stopped(undisturbed, tmp_path):
    path, workspace = undisturbed
    workspace = shutil.copytree(workspace, tmp_path / "copy")
    stopped = next(point for point in look(path, workspace) if point.state.state == "stopped")
    weight, temperature = (value for _, value in stopped.settings)
    head = (tmp_path / "grid.toml", FILE.format(trials=1, epochs=9, more="").partition("[search]")[0])
    axes = f"weight = [{weight}]\ntemperature = [{temperature}]\n".replace("inf", "inf")
    head[0].write_text(f'{head[1]}\n[[cells]]\nmethod = "maskcon"\n{axes}')
    before = {point.trial.trial_id for point in look(path, workspace)}
    grid = harness("sweep", str(head[0]), "--seeds", "1", workspace=workspace)
    assert grid.returncode == 0, grid.stdout + grid.stderr
    found = {point.trial.trial_id: point for point in look(path, workspace)}
    assert found.keys() == before
    whole = found[stopped.trial.trial_id]
    assert whole.state.state == "done"
    assert {epoch: whole.values[epoch] for epoch in stopped.values} == stopped.values
    assert len(whole.values) == 9


def test_a_report_of_a_search_can_be_verified(undisturbed):
    path, workspace = undisturbed
    assert harness("report", path, workspace=workspace).returncode == 0
    verified = harness("report", path, "--verify", workspace=workspace)
    assert verified.returncode == 0, verified.stdout + verified.stderr
