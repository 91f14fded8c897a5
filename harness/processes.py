"""The same work on many things, by forked processes where there is enough of it."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

MOST_PROCESSES = 8
FEWEST_TRAININGS = 2_000  # where several processes are worth their start, to read them or to draw their figures

Item = TypeVar("Item")
Result = TypeVar("Result")

_work: Callable[[Any], Any]  # in a forked process: it is inherited, and need not be picklable


def mapped(work: Callable[[Item], Result], items: Sequence[Item], worth_it: bool) -> Iterator[Result]:
    """What `work` gives for each item, in order. Items and results travel between processes; what they raise comes up here.

    Where processes cannot be forked, the caller's own does it all: others would not know what the caller has changed.
    """
    workers = min(MOST_PROCESSES, len(items), available())
    if not worth_it or workers < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(work, items)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin, (work,)) as pool:
        yield from pool.map(_do, items)


def available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work
    gc.disable()  # such a process lives for seconds, and looking for cycles takes a tenth of them


def _do(item: Any) -> Any:
    return _work(item)
