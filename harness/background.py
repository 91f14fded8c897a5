"""Work that a sweep hands over and does not wait for: a thread of its own, with retries, which ends when it is told to."""

from __future__ import annotations

import collections
import math
import threading
import time
from collections.abc import Callable, Sequence

RETRY_SECONDS = 30
PATIENCE_SECONDS = 10


class Background:
    """Calls `work` with one item after the other. What raises is tried again every `RETRY_SECONDS`, `describe` says why it did.

    Once it is to end, each item that waits is tried as long as one of them succeeds, and one does every `patience` seconds; a
    call that hangs does not keep the process alive. `last` is called once nothing waits.
    """

    def __init__(
        self,
        work: Callable[[str], object],
        describe: Callable[[Exception], str],
        last: Callable[[], object] = lambda: None,
        patience: float = math.inf,
    ):
        self.work, self.describe, self.last, self.patience = work, describe, last, patience
        self.problem: str | None = None  # why not everything is done
        self.waiting: collections.deque[str] = collections.deque()
        self.changed = threading.Condition()
        self.ending = False
        self.progress = time.monotonic()  # when an item last succeeded
        self.thread = threading.Thread(target=self._run, daemon=True)

    def add(self, items: Sequence[str]) -> None:
        """Hand items over."""
        if not items:
            return
        with self.changed:
            self.waiting.extend(items)
            self.changed.notify()
        self.begin()

    def begin(self) -> None:
        """Start the thread, for `last` alone where nothing is handed over."""
        if not self.thread.ident:
            self.thread.start()

    def end(self) -> None:
        """Wait for what is still to be done, as long as something is done."""
        with self.changed:
            self.ending, self.progress = True, time.monotonic()
            self.changed.notify()
        while self.thread.is_alive() and time.monotonic() - self.progress < self.patience:
            self.thread.join(0.1)
        if self.thread.is_alive():
            self.problem = self.problem or self.describe(TimeoutError("it does not answer"))

    def _run(self) -> None:
        in_a_row = 0  # failures
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.ending)
                if not self.waiting:
                    break
            if self._done(self.waiting[0]):
                in_a_row = 0
                continue
            in_a_row += 1
            self.waiting.rotate(-1)
            if self.ending and in_a_row >= len(self.waiting):
                return
            with self.changed:
                self.changed.wait_for(lambda: self.ending, timeout=RETRY_SECONDS)
        try:
            self.last()
        except Exception as error:
            self.problem = self.describe(error)

    def _done(self, item: str) -> bool:
        try:
            self.work(item)
        except Exception as error:  # whatever a server or a disk that is away makes its client raise
            self.problem = self.describe(error)
            return False
        self.waiting.popleft()
        self.problem, self.progress = None, time.monotonic()
        return True
