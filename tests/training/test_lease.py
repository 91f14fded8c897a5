"""One process trains a trial at a time; the others are real processes of this host, or files as another host leaves them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import files, lease, trials
from harness.errors import UsageError
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
    path.write_text(json.dumps({"host": "elsewhere", "processes": "", "pid": 1, "started": "1"}))
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


def test_a_holder_touches_its_lease(monkeypatch, tmp_path):
    monkeypatch.setattr(lease, "TOUCH_SECONDS", 0.05)
    with lease.held(tmp_path):
        path = tmp_path / lease.NAME
        os.utime(path, (0, 0))
        limit = time.monotonic() + 60
        while path.stat().st_mtime == 0 and time.monotonic() < limit:
            time.sleep(0.02)
        assert path.stat().st_mtime > 0


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
    look, remove, others = lease.holder, lease._remove_stale, []

    def look_and_be_overtaken(path, run):
        remove(path, run)
        others.append(other_process(path.parent))

    monkeypatch.setattr(lease, "_remove_stale", look_and_be_overtaken)
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


WRITE = """
import sys
from pathlib import Path
from harness import files, lease
folder = Path(sys.argv[1])
number = 0
with lease.held(folder):
    print("held", flush=True)
    while True:
        number += 1
        files.write_json(folder / "content.json", {"by": "sleeper", "number": number})
"""


@pytest.mark.parametrize("pause", [0.002 * number for number in range(1, 13)])
def test_a_process_that_sleeps_through_its_lease_writes_nothing_when_it_wakes_up(tmp_path, pause):
    sleeper = subprocess.Popen(
        [sys.executable, "-c", WRITE, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert sleeper.stdout.readline() == "held\n"
    time.sleep(0.05 + pause)  # anywhere in its loop, between the check and the rename, too
    sleeper.send_signal(signal.SIGSTOP)
    long_ago = time.time() - lease.STALE_SECONDS - 1
    os.utime(tmp_path / lease.NAME, (long_ago, long_ago))
    with lease.held(tmp_path):
        files.write_json(tmp_path / "content.json", {"by": "successor"})
        sleeper.send_signal(signal.SIGCONT)
        _, said = sleeper.communicate(timeout=60)
        assert sleeper.returncode == 1
        assert "lease.Lost" in said
        assert trials.read_json(tmp_path / "content.json") == {"by": "successor"}
        assert str(os.getpid()) in lease.holder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.json"]


def test_a_training_that_was_taken_over_ends_without_a_trace_of_its_own(tmp_path):
    def taken_over(epoch, metrics):
        if epoch == 1:
            lease_of_another_host(tmp_path)

    with pytest.raises(lease.Lost, match="process 1 on elsewhere"):
        train(small(), tmp_path, taken_over)
    assert not (tmp_path / trials.FAILURE).exists()
    assert not (tmp_path / trials.CHECKPOINT).exists()
    assert lease.holder(tmp_path) == "process 1 on elsewhere"


def test_a_process_of_the_same_run_takes_over_at_once(tmp_path):
    path = tmp_path / lease.NAME
    path.write_text(json.dumps({"host": "elsewhere", "processes": "", "pid": 1, "started": "1", "run": "mine"}))
    with pytest.raises(lease.Held), lease.held(tmp_path, "another"):
        pass
    with lease.held(tmp_path, "mine"):
        assert str(os.getpid()) in lease.holder(tmp_path)


def test_processes_of_another_container_are_not_looked_for_among_ours(tmp_path):
    with lease.held(tmp_path):
        mine = json.loads((tmp_path / lease.NAME).read_text())
        (tmp_path / lease.NAME).write_text(json.dumps(mine | {"processes": "pid:[1]", "pid": 999_999_999}))
        assert "999999999" in lease.holder(tmp_path)


def test_a_file_system_without_what_leases_need_is_named(tmp_path, monkeypatch):
    lease.check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []

    def link(source, target):  # as FAT and SMB answer; none of them can be mounted everywhere
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UsageError, match=r"file system without hard links .*Choose another --workspace"):
        lease.check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_processes_of_another_machine_with_the_same_name_are_not_looked_for_here(tmp_path):
    with lease.held(tmp_path):
        mine = json.loads((tmp_path / lease.NAME).read_text())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert boot in mine["processes"]
        theirs = mine | {"processes": mine["processes"].replace(boot, "another"), "pid": 999_999_999}
        (tmp_path / lease.NAME).write_text(json.dumps(theirs))
        assert "999999999" in lease.holder(tmp_path)
        (tmp_path / lease.NAME).write_text(json.dumps(mine))


LOOK = """
import os, sys
from pathlib import Path
from harness import lease
os.chdir(sys.argv[1])
os.setgid(65534), os.setuid(65534)
assert not Path(f"/proc/{sys.argv[2]}/stat").exists()
print(lease.holder(Path()))
"""


def test_a_process_that_proc_hides_is_alive(tmp_path):
    """As on clusters where users do not see each other's processes (hidepid)."""
    other = other_process(tmp_path)
    tmp_path.chmod(0o755)
    words = f'mount -t proc -o hidepid=2 proc /proc && exec "{sys.executable}" -c "$0" "{tmp_path}" {other.pid}'
    found = subprocess.run(["unshare", "--mount", "sh", "-c", words, LOOK], cwd=ROOT, capture_output=True, text=True)
    end(other)
    assert found.stdout.strip() == f"process {other.pid} on {os.uname().nodename}", found.stderr


def test_a_stale_lease_that_two_others_take_meanwhile_is_left_to_them(tmp_path, monkeypatch):
    lease_of_another_host(tmp_path, seconds_ago=lease.STALE_SECONDS + 1)
    rename = os.rename

    def overtaken(source, target):
        lease_of_another_host(tmp_path)  # a second process has removed the stale one, and taken it
        (tmp_path / lease.NAME).write_text((tmp_path / lease.NAME).read_text().replace("elsewhere", "second"))
        rename(source, target)
        lease_of_another_host(tmp_path)  # and a third one takes the name that is free for a moment

    monkeypatch.setattr(os, "rename", overtaken)
    with pytest.raises(lease.Held), lease.held(tmp_path):
        pass
    assert lease.holder(tmp_path) == "process 1 on elsewhere"
    assert [path.name for path in tmp_path.iterdir()] == [lease.NAME]


def test_what_processes_left_that_died_while_they_asked_is_removed(tmp_path):
    old, new = tmp_path / f".{lease.NAME}.1.stale", tmp_path / f".{lease.NAME}.2.now"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    with lease.held(tmp_path):
        assert not old.exists()
        assert new.exists()


def test_a_file_is_written_by_two_processes_of_one_number_at_once(tmp_path):
    """As in two containers."""
    path = tmp_path / "content"

    def outer(stream):
        stream.write(b"outer")
        files.replace(path, lambda stream: stream.write(b"inner"))
        assert path.read_bytes() == b"inner"

    files.replace(path, outer)
    assert path.read_bytes() == b"outer"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_system_that_cannot_rename_is_named(tmp_path, monkeypatch):
    def replace(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(UsageError, match=r"file system without atomic renames"):
        lease.check_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
