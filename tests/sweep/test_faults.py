"""What goes wrong on real machines, caused for real: nothing finished is lost or trained twice, the same command goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from harness import attempts, trials
from harness import spec as specs
from tests import disks
from tests.sweep import commands
from tests.sweep.commands import harness

EPOCHS = 100  # enough to be stopped four times on the way
SPEC = """
dataset = "digits"
seeds = {seeds}
[settings]
epochs = {epochs}
train_limit = 256
bank_size = 256
eval_every = {epochs}
[[cells]]
method = "selfcon"
"""


@pytest.fixture
def spec(tmp_path):
    """A sweep of one cell and three seeds, two of which train at once."""
    path = tmp_path / "faults.toml"
    path.write_text(SPEC.format(seeds=3, epochs=EPOCHS))
    return str(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The numbers of `spec` without any fault, by trial id."""

    def make(folder):
        (folder / "faults.toml").write_text(SPEC.format(seeds=3, epochs=EPOCHS))
        commands.train_here(folder / "faults.toml", folder)

    return commands.numbers(commands.once(tmp_path_factory, "faults", make))


def directories(workspace):
    return sorted(path for path in (workspace / "trials").iterdir() if path.is_dir())


def epochs_done(workspace):
    """How far each trial is that has begun."""
    found = {}
    for path in (workspace / "trials").glob("*/metrics.jsonl"):
        found[path.parent.name] = len(path.read_bytes().splitlines())
    return found


def in_the_middle(workspace, number=1, since=None):
    """Wait until so many trials are some epochs further than they were, and the leases of all that are at it."""
    before = since or {}
    commands.wait_for(
        lambda: sum(done > before.get(name, 0) + 2 for name, done in epochs_done(workspace).items()) >= number
    )
    return commands.leases(workspace)


def goes_on(spec, workspace, expected, *words):
    """The same command completes the spec, with the numbers of an undisturbed one."""
    done = harness("sweep", spec, *words, workspace=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert commands.numbers(workspace) == expected
    assert commands.leases(workspace) == []
    assert not list(workspace.glob("trials/*/.*.new"))


def test_however_a_sweep_is_stopped_the_same_command_goes_on(spec, tmp_path, undisturbed):
    """By a signal first, then the driver is killed."""
    stopped_by_a_signal(spec, tmp_path, signal.SIGINT)
    before = epochs_done(tmp_path)
    running = commands.start("sweep", spec, workspace=tmp_path)
    in_the_middle(tmp_path, since=before)
    running.kill()
    running.wait()
    goes_on(spec, tmp_path, undisturbed)


def stopped_by_a_signal(spec, workspace, number):
    """Every trial writes its last epoch and says why it stopped."""
    since = epochs_done(workspace)
    running = commands.start("sweep", spec, workspace=workspace)
    in_the_middle(workspace, 2, since)
    before = epochs_done(workspace)
    running.send_signal(number)
    said, _ = running.communicate(timeout=90)
    assert running.returncode == 1, said
    assert f"stopped by {number.name}" in said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    moved = [path for path in directories(workspace) if before.get(path.name, 0) > since.get(path.name, 0)]
    assert len(moved) >= 2
    for directory in moved:  # far less than a minute has passed: only a stop writes a checkpoint
        stop = json.loads((directory / trials.STOPPED).read_text())
        assert (stop["kind"], stop["reason"]) == (trials.SIGNAL, f"stopped by {number.name}")
        assert (directory / trials.CHECKPOINT).is_file()
        assert stop["epoch"] >= before[directory.name] - 1
        assert f"stopped by {number.name}" in trials.state(directory).note
        tried = attempts.read(directory)
        assert all(attempt.ended for attempt in tried)
        assert len(tried) == 1 or tried[-1].checkpoint > 0


def test_a_budget_that_is_spent_stops_all_trials_and_says_so(tmp_path):
    spec = tmp_path / "long.toml"
    spec.write_text(SPEC.format(seeds=3, epochs=5000))
    for seconds in (15, 60):  # on a machine with other work, the first may be spent before a trial has begun
        done = harness("sweep", str(spec), "--max-hours", str(seconds / 3600), workspace=tmp_path)
        assert done.returncode == 1
        assert "--max-hours are spent" in done.stderr
        if epochs_done(tmp_path):
            break
    states = [trials.state(path) for path in directories(tmp_path) if epochs_done(tmp_path).get(path.name)]
    assert {state.state for state in states} == {"unfinished"}
    assert all("--max-hours are spent" in state.note for state in states)
    assert "--max-hours are spent" in harness("status", str(spec), workspace=tmp_path, COLUMNS="300").stdout


def test_two_drivers_share_one_sweep_and_nothing_trains_twice(spec, tmp_path, undisturbed):
    drivers = [commands.start("sweep", spec, workspace=tmp_path) for _ in range(2)]
    said = [driver.communicate(timeout=280)[0] for driver in drivers]
    assert len(commands.finished(tmp_path)) == 3, said
    goes_on(spec, tmp_path, undisturbed)
    for directory in directories(tmp_path):
        assert len(attempts.read(directory)) == 1, said
    for words, driver in zip(said, drivers, strict=True):
        assert "Traceback" not in words
        assert driver.returncode == 0 or "by another process" in words


def test_a_budget_of_gpu_hours_without_a_gpu_is_refused(spec, tmp_path):
    done = harness("sweep", spec, "--max-gpu-hours", "1", workspace=tmp_path)
    assert done.returncode == 2
    assert "--max-hours" in done.stderr


def test_trials_that_stall_die_or_hang_each_time_are_left_alone_and_go_on_later(tmp_path, undisturbed):
    """One stops, one is killed whenever it begins, one hangs before its lease, one cannot write; another one goes on."""
    spec = tmp_path / "five.toml"
    spec.write_text(SPEC.format(seeds=5, epochs=EPOCHS))
    unwritable, hanging = (trials.directory(tmp_path, trial) for trial in specs.load(spec).trials()[3:])
    for directory in (unwritable, hanging):
        directory.mkdir(parents=True)
    os.mkfifo(hanging / trials.STOPPED)  # who opens it waits for ever
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", unwritable], check=True)
    try:
        running = commands.start("sweep", str(spec), "--stall-minutes", "0.4", workspace=tmp_path)
        stalled, dying = in_the_middle(tmp_path, 2)
        os.kill(stalled["pid"], signal.SIGSTOP)
        with killing_each(tmp_path, dying["trial"]):
            said, _ = running.communicate(timeout=250)
    finally:
        subprocess.run(["umount", "-l", unwritable], check=True)
    assert running.returncode == 1, said
    assert said.count("not heard of for 0.4 minutes") == 2
    assert "its process died 5 times in a row" in said
    assert "Read-only file system" in said
    left = {stalled["trial"], dying["trial"]}
    assert commands.finished(tmp_path).keys() == undisturbed.keys() - left
    for name in (stalled["trial"], hanging.name):
        assert trials.read_json(tmp_path / "trials" / name / trials.STOPPED)["kind"] == trials.STALLED
    again = harness("sweep", str(spec), workspace=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert undisturbed.items() <= commands.numbers(tmp_path).items()
    assert len(commands.finished(tmp_path)) == 5
    assert commands.finished(tmp_path)[dying["trial"]]["deaths"] >= 5


@contextlib.contextmanager
def killing_each(workspace, trial):
    """Inside, whatever process trains this trial is killed at once."""
    ended = threading.Event()

    def kill_each():
        while not ended.is_set():
            for lease in commands.leases(workspace):
                if lease["trial"] == trial:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(lease["pid"], signal.SIGKILL)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_each)
    killer.start()
    try:
        yield
    finally:
        ended.set()
        killer.join()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, in memory, of 1.2 GB."""
    with disks.mounted(tmp_path / "disk", 1200) as path:
        yield path


def contents(workspace):
    return {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file() and path.name != "filler"}


def test_a_full_disk_stops_the_sweep_harms_no_file_and_the_same_command_goes_on(spec, small_disk, undisturbed):
    running = commands.start("sweep", spec, workspace=small_disk)
    commands.wait_for(lambda: len(commands.finished(small_disk)) >= 1)
    finished = {
        path: path.read_bytes()
        for name in commands.finished(small_disk)
        for path in (small_disk / "trials" / name).iterdir()
    }
    disks.fill(small_disk)
    said, _ = running.communicate(timeout=200)
    assert running.returncode == 1, said
    assert "the disk is full" in said
    assert "the same command goes on" in said
    assert {path: path.read_bytes() for path in finished} == finished
    assert not [path for path in directories(small_disk) if trials.state(path).state == "failed"]
    for path in small_disk.glob("trials/*/*.json"):
        json.loads(path.read_text())
    (small_disk / "filler").unlink()
    goes_on(spec, small_disk, undisturbed)
    assert harness("report", spec, workspace=small_disk).returncode == 0
    before = contents(small_disk)
    disks.fill(small_disk, left=30_000)
    full = harness("report", spec, workspace=small_disk)
    assert full.returncode == 2
    assert "the disk is full" in full.stderr
    for path, content in contents(small_disk).items():
        assert content == before[path] or path.stat().st_size < 30_000
