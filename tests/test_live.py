"""What is shown of a sweep as it goes: from the trial directories alone, in a real terminal too."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time

import pytest
from rich.console import Console

from harness import attempts, lease, live, plan, trials
from tests import builders

GRID = (
    "[[cells]]",
    'method = "maskcon"',
    "weight = [0.5, 1]",
    "temperature = [0.1, inf]",
    "[[cells]]",
    'method = "supce"',
)


def text(seen, height=60, width=140):
    console = Console(file=io.StringIO(), width=width, height=height)
    console.print(live.view(seen, console))
    return console.file.getvalue()


def running(workspace, trial, **progress):
    """A trial that this process trains."""
    directory = trials.directory(workspace, trial)
    directory.mkdir(parents=True)
    (directory / trials.PROGRESS).write_text(json.dumps({"epoch": 1, "fraction": 0.75, **progress}))
    return lease.held(directory)


def test_every_cell_has_its_number_with_the_seeds_that_are_done(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=2)
    for trial in sweep.trials():
        if trial.weight == 0.5 and trial.temperature == 0.1:
            builders.finished_trial(tmp_path, trial, 0.5 + 0.02 * trial.seed)
        if trial.method == "supce" and trial.seed == 0:
            builders.finished_trial(tmp_path, trial, 0.625)
    shown = text(live.Watch(sweep, tmp_path))
    assert "51.0" in shown
    assert "51.0 1/2" not in shown
    assert "supce 62.5 1/2" in shown
    assert re.search(r"│ 0.5 +│ +51.0 +│ · +│", shown)
    assert "3 of 10 trainings" in shown


def test_a_running_trial_has_its_epoch_pace_memory_and_time_left(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    trial = next(trial for trial in sweep.trials() if trial.method == "supce")
    with running(tmp_path, trial, seconds=30, images_per_second=1234.5, gpu_memory=3 * 2**30):
        shown = text(live.Watch(sweep, tmp_path))
    assert "supce seed=0" in shown
    assert "epoch 1.5/2" in shown
    assert "1234 images/s" in shown
    assert "3.0 GiB" in shown
    assert "0:00:10 left" in shown
    assert "1 running" in shown


def test_failures_and_deaths_are_counted_and_marked(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    first, second, *_ = (trial for trial in sweep.trials() if trial.method == "maskcon")
    builders.failed_trial(tmp_path, first)
    directory = builders.finished_trial(tmp_path, second, 0.5)
    for _ in range(3):
        attempts.begin(directory, None, directory / "none")
    shown = text(live.Watch(sweep, tmp_path))
    assert "✗" in shown
    assert "1 failed" in shown
    assert "2 processes died and were started again" in shown


def test_a_look_reads_what_is_new_and_the_pace_says_what_is_left(tmp_path, monkeypatch):
    sweep = builders.small_spec(tmp_path, seeds=2)
    seen = live.Watch(sweep, tmp_path)
    assert seen.seconds_left() is None
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 10)
    builders.finished_trial(tmp_path, sweep.trials()[0], 0.5)
    seen.look()
    assert seen.count("done") == 1
    assert seen.seconds_left() == pytest.approx(10 * (len(sweep.trials()) - 1), rel=0.01)


def test_a_finished_trial_is_read_once(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    seen = live.Watch(sweep, tmp_path)
    for path in (tmp_path / "trials").glob("*/result.json"):
        path.unlink()
    seen.look()
    assert seen.count("done") == len(sweep.trials())


def test_more_running_trials_than_there_is_room_for_are_counted(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=4)
    held = [running(tmp_path, trial) for trial in sweep.trials()]
    for one in held:
        one.__enter__()
    shown = text(live.Watch(sweep, tmp_path), height=12)
    for one in held:
        one.__exit__(None, None, None)
    assert re.search(r"… and \d+ more", shown)
    assert len(shown.splitlines()) <= 12


def test_colours_go_from_dark_to_light_with_letters_that_can_be_read(tmp_path):
    assert live._colour(1, 1, 3) == "white on rgb(68,1,84)"
    assert live._colour(3, 1, 3) == "black on rgb(253,231,37)"
    assert live._colour(2, 2, 2).endswith(")")


def test_status_watches_in_a_terminal_until_the_sweep_is_complete(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    last = trials.directory(tmp_path, sweep.trials()[-1])
    aside = last.rename(tmp_path / "aside")
    command = [sys.executable, "-m", "harness", "status", str(tmp_path / "mine.toml"), "--seeds", "1", "--watch"]
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [*command, "--workspace", str(tmp_path)], stdout=inner, stderr=inner, env=os.environ | {"TERM": "xterm"}
    )
    os.close(inner)
    said = bytearray()

    def listen():
        while True:
            try:
                said.extend(os.read(outer, 4096))
            except OSError:
                return

    thread = threading.Thread(target=listen)
    thread.start()
    limit = time.monotonic() + 60
    while b"of 5 trainings" not in said and time.monotonic() < limit:
        time.sleep(0.05)
    assert process.poll() is None
    aside.rename(last)
    assert process.wait(60) == 0
    thread.join()
    assert b"5 of 5 trainings" in said
    assert plan.plan(sweep, tmp_path)[0].state.state == "done"


def test_without_a_terminal_the_sweep_is_shown_once_when_it_is_complete(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    console = Console(file=io.StringIO(), width=140)
    assert live.watch(console, sweep, tmp_path)
    assert console.file.getvalue().count("A small sweep") == 1
