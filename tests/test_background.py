"""Work in the background: each item once, again where it failed, and never a process that does not end."""

import threading
import time

import pytest

from harness import background
from harness.background import Background


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.01)


def waited(made):
    limit = time.monotonic() + 60
    while made.waiting and time.monotonic() < limit:
        time.sleep(0.01)
    assert not made.waiting


def test_each_item_is_done_once_and_the_last_thing_last():
    done = []
    made = Background(done.append, str, last=lambda: done.append("last"))
    made.add(["one", "two"])
    made.add(["three"])
    made.end()
    assert done == ["one", "two", "three", "last"]
    assert made.problem is None


def test_what_fails_is_done_again_and_holds_nothing_else_up():
    done, failures = [], {"one": 2}

    def work(item):
        if failures.get(item, 0) > 0:
            failures[item] -= 1
            raise OSError("not now")
        done.append(item)

    made = Background(work, str)
    made.add(["one", "two"])
    waited(made)
    made.end()
    assert sorted(done) == ["one", "two"]
    assert made.problem is None


def test_what_still_fails_at_the_end_is_said():
    def work(item):
        raise OSError(f"{item} failed")

    made = Background(work, str)
    made.add(["one"])
    made.end()
    assert made.problem == "one failed"


def test_what_hangs_is_left_behind_and_said():
    forever = threading.Event()
    made = Background(lambda item: forever.wait(), str, patience=0.05)
    made.add(["one"])
    made.end()
    assert made.thread.is_alive()
    assert made.problem == "it does not answer"
    forever.set()


def test_nothing_to_do_starts_nothing():
    made = Background(print, str)
    made.add([])
    made.end()
    assert not made.thread.ident


def test_at_the_end_what_always_fails_keeps_nothing_else_out():
    done = []

    def work(item):
        if item == "bad":
            raise OSError("refused")
        done.append(item)

    begun = threading.Event()
    made = Background(lambda item: begun.wait(60) and work(item), str, last=lambda: done.append("last"))
    made.add(["bad", "one", "two"])
    made.ending = True
    begun.set()
    made.end()
    assert done == ["one", "two"]
    assert list(made.waiting) == ["bad"]
    assert made.problem == "refused"


def test_the_last_thing_alone():
    done = []
    made = Background(print, str, last=lambda: done.append("last"))
    made.begin()
    made.end()
    assert done == ["last"]
