"""One process trains a trial at a time; the others are real processes of this host, or files as another host leaves them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import lease, trials
from harness.training import train

from .builders import small

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from harness import lease
with lease.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def other_process(directory: Path) -> subprocess.Popen:
    """A process that holds the lease until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, directory], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen) -> None:
    """Let it give the lease back."""
    process.communicate("")
    assert process.returncode == 0


def lease_of_another_host(directory: Path, seconds_ago: float = 0) -> None:
    path = directory / lease.NAME
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": "1"}))
    os.utime(path, (time.time() - seconds_ago,) * 2)


def test_lease_is_held_inside_and_free_afterwards(tmp_path):
    with lease.held(tmp_path):
        assert lease.holder(tmp_path) == f"process {os.getpid()} on {os.uname().nodename}"
    assert lease.holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_lease_is_given_back_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), lease.held(tmp_path):
        raise KeyboardInterrupt
    assert lease.holder(tmp_path) is None


def test_second_process_cannot_train_the_trial(tmp_path):
    other = other_process(tmp_path)
    with pytest.raises(lease.Held, match=f"process {other.pid} on"):
        train(small(), tmp_path)
    assert trials.state(tmp_path).state == "running"
    end(other)
    train(small(), tmp_path)
    assert trials.state(tmp_path).state == "done"


def test_same_process_cannot_hold_a_lease_twice(tmp_path):
    with lease.held(tmp_path), pytest.raises(lease.Held), lease.held(tmp_path):
        pass


def test_refused_process_leaves_the_lease_to_its_holder(tmp_path):
    other = other_process(tmp_path)
    with pytest.raises(lease.Held), lease.held(tmp_path):
        pass
    assert str(other.pid) in lease.holder(tmp_path)
    end(other)


def test_dead_process_holds_nothing(tmp_path):
    other = other_process(tmp_path)
    other.kill()
    other.wait()
    assert (tmp_path / lease.NAME).exists()
    assert lease.holder(tmp_path) is None
    with lease.held(tmp_path):
        assert str(os.getpid()) in lease.holder(tmp_path)


def test_dead_process_that_nobody_has_waited_for_holds_nothing(tmp_path):
    other = other_process(tmp_path)
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and still in the process table
    found = lease.holder(tmp_path)
    other.wait()
    assert found is None


def test_stopped_process_still_holds_its_lease(tmp_path):
    other = other_process(tmp_path)
    other.send_signal(signal.SIGSTOP)
    assert str(other.pid) in lease.holder(tmp_path)
    other.send_signal(signal.SIGCONT)
    end(other)


def test_reused_process_number_is_not_taken_for_the_holder(tmp_path):
    with lease.held(tmp_path):
        mine = json.loads((tmp_path / lease.NAME).read_text())
        (tmp_path / lease.NAME).write_text(json.dumps(mine | {"started": "1"}))
        assert lease.holder(tmp_path) is None


def test_lease_of_another_host_holds_while_it_is_touched(tmp_path):
    lease_of_another_host(tmp_path, seconds_ago=lease.STALE_SECONDS - 60)
    with pytest.raises(lease.Held, match="process 1 on elsewhere"), lease.held(tmp_path):
        pass


def test_lease_of_another_host_is_stale_when_untouched_for_long(tmp_path):
    lease_of_another_host(tmp_path, seconds_ago=lease.STALE_SECONDS + 1)
    assert lease.holder(tmp_path) is None
    with lease.held(tmp_path):
        assert str(os.getpid()) in lease.holder(tmp_path)


def test_training_touches_its_lease(tmp_path):
    ages = []

    def on_step(epoch, step, steps):
        path = tmp_path / lease.NAME
        ages.append(time.time() - path.stat().st_mtime)
        os.utime(path, (0, 0))

    # the first word of how far it is comes right after the first step, with a touch
    train(small(), tmp_path, on_step=on_step)
    assert ages[1] < lease.STALE_SECONDS


@pytest.mark.parametrize(
    "content", [b"", b'{"host": "els', b"\x00" * 50, b"\xff\xfe\xfa", b"null", b"[]", b"{}"], ids=repr
)
def test_damaged_lease_does_not_block(tmp_path, content):
    (tmp_path / lease.NAME).write_bytes(content)
    with lease.held(tmp_path):
        assert str(os.getpid()) in lease.holder(tmp_path)


def test_lease_of_this_host_without_a_process_does_not_block(tmp_path):
    (tmp_path / lease.NAME).write_text(json.dumps({"host": os.uname().nodename}))
    with lease.held(tmp_path):
        assert str(os.getpid()) in lease.holder(tmp_path)


def test_lease_taken_between_looking_and_taking_is_not_taken_again(monkeypatch, tmp_path):
    look, others = lease.holder, []

    def look_and_be_overtaken(directory):
        found = look(directory)
        if not others:
            others.append(other_process(directory))
        return found

    monkeypatch.setattr(lease, "holder", look_and_be_overtaken)
    refused = False
    try:
        with lease.held(tmp_path):
            pass
    except lease.Held:
        refused = True
    left_to_the_other = look(tmp_path)
    end(others[0])
    assert refused
    assert str(others[0].pid) in left_to_the_other


def test_lease_that_another_host_has_taken_over_is_left_to_it(tmp_path):
    with lease.held(tmp_path):
        lease_of_another_host(tmp_path)  # it found this process's untouched for long: a laptop that slept
    assert lease.holder(tmp_path) == "process 1 on elsewhere"
