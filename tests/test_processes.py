"""Work by forked processes is that of one process."""

import os

import pytest

from harness import processes
from harness.errors import UsageError


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(processes, "available", lambda: 2)


def test_the_order_is_kept_and_the_work_need_not_be_picklable():
    given = {"factor": 3}
    assert list(processes.mapped(lambda item: given["factor"] * item, range(20), worth_it=True)) == list(
        range(0, 60, 3)
    )


def test_processes_are_others_only_where_it_is_worth_it():
    assert os.getpid() not in processes.mapped(lambda item: os.getpid(), [1, 2], worth_it=True)
    assert set(processes.mapped(lambda item: os.getpid(), [1, 2], worth_it=False)) == {os.getpid()}


def test_what_the_work_raises_comes_up():
    def work(item):
        raise UsageError(f"{item} is wrong")

    with pytest.raises(UsageError, match="1 is wrong"):
        list(processes.mapped(work, [1, 2], worth_it=True))
