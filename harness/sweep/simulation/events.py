"""The simulation itself: events in the order of time; nothing is rounded to steps.

A place is one trial's share of a GPU. The driver is asked to start a trial, to take an epoch's report (the trial waits for
the answer, as it does under Ray Tune), to end a trial or to put a lost one back; it does one thing at a time, in the order in
which it is asked.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import numpy as np

from harness.sweep.ray_trials import DEATHS_WITHOUT_PROGRESS
from harness.sweep.simulation.model import CAUSES, Cluster, Costs, Outcome, Work

TRAINING, STARTING, DRIVER, CHECKPOINTS, REPEATED, IDLE, DOWN = range(len(CAUSES))


def simulate(cluster: Cluster, costs: Costs, work: Work, seed: int = 0) -> Outcome:
    """One sweep, from the start of its first trial until its last one has left. The same seed gives the same trials, and
    nodes that live as long."""
    return _Sweep(cluster, costs, work, seed).run()


class _Trial:
    __slots__ = ("done", "epoch_seconds", "in_a_row", "losses", "most_in_a_row", "saved", "saved_at_loss")

    def __init__(self, epoch_seconds: float):
        self.epoch_seconds = epoch_seconds
        self.done = self.saved = 0  # epochs: trained, and in the checkpoint
        self.losses = 0  # with a node
        self.in_a_row = self.most_in_a_row = 0  # losses without a checkpoint between
        self.saved_at_loss = -1  # `saved` when it was last lost


class _Place:
    """What goes on in a place `since` its last event: the driver's part until `called`, starting or leaving until `ready`,
    training until `trained`, then perhaps a checkpoint."""

    __slots__ = ("at_risk", "called", "life", "ready", "saving", "since", "state", "trained", "trial", "written")

    def __init__(self) -> None:
        self.life = 0  # what was to happen in an earlier one does not happen
        self.state: int | None = IDLE  # IDLE or DOWN; None where a trial is
        self.trial: _Trial | None = None
        self.since = self.called = self.ready = self.trained = 0.0
        self.saving = False
        self.written = 0.0  # when the last checkpoint was
        self.at_risk = 0.0  # training before the queue was empty that no checkpoint holds yet

    def spend(self, totals: list[float], now: float) -> None:
        """Add the seconds since the last event to the totals, by cause."""
        if self.state is not None:
            totals[self.state] += now - self.since
            return
        called, ready, trained = self.called, self.ready, self.trained
        if trained > now:  # in the midst of it
            called, ready, trained = min(called, now), min(ready, now), now
        totals[DRIVER] += called - self.since
        totals[STARTING] += ready - called
        totals[TRAINING] += trained - ready
        totals[CHECKPOINTS] += now - trained


class _Node:
    def __init__(self, places: list[_Place], chance: np.random.Generator):
        self.places, self.chance = places, chance


class _Sweep:
    def __init__(self, cluster: Cluster, costs: Costs, work: Work, seed: int):
        self.cluster, self.costs, self.epochs = cluster, costs, work.epochs
        scale = 3600 * cluster.trials_per_gpu / work.epochs
        self.waiting = deque(_Trial(scale * hours) for hours in work.hours(seed).tolist())
        self.trials = list(self.waiting)
        self.unfinished = len(self.trials)
        self.places = [_Place() for _ in range(cluster.gpus * cluster.trials_per_gpu)]
        self.idle = dict.fromkeys(self.places)  # those that are up and empty, in order
        size = cluster.gpus_per_node * cluster.trials_per_gpu
        self.nodes = [
            _Node(self.places[first : first + size], np.random.default_rng([seed, 1, number]))
            for number, first in enumerate(range(0, len(self.places), size))
        ]
        self.events: list[tuple[float, int, Callable[[Any, float], None], Any, int | None]] = []
        self.numbers = itertools.count()
        self.driver_free = self.driver_busy = self.driver_growth = 0.0
        self.totals = [0.0] * len(CAUSES)
        self.queue_totals: list[float] | None = None  # when there was first nothing to hand out
        self.queue_seconds = 0.0
        self.failures = 0

    def run(self) -> Outcome:
        for node in self.nodes:
            self._fail_later(node, 0.0)
        self._hand_out(0.0)
        now, events = 0.0, self.events
        while self.unfinished:
            now, _, happens, subject, life = heappop(events)
            if life is None or life == subject.life:
                happens(subject, now)
        if self.queue_totals is None:  # the last trial's node failed when the trial was leaving
            self._queue_is_empty(now)
        for place in self.places:
            place.spend(self.totals, now)
        events.clear()  # they hold this object, which holds them
        return self._outcome(now)

    def _outcome(self, now: float) -> Outcome:
        share = self.cluster.trials_per_gpu
        assert self.queue_totals is not None
        return Outcome(
            makespan_seconds=now,
            queue_seconds=self.queue_seconds,
            whole={cause: seconds / share for cause, seconds in zip(CAUSES, self.totals, strict=True)},
            queue={cause: seconds / share for cause, seconds in zip(CAUSES, self.queue_totals, strict=True)},
            driver_busy_seconds=self.driver_busy,
            driver_bytes=self.costs.driver_bytes + self.costs.driver_bytes_per_trial * len(self.trials),
            failures=self.failures,
            losses=sum(trial.losses for trial in self.trials),
            given_up=sum(trial.most_in_a_row >= DEATHS_WITHOUT_PROGRESS for trial in self.trials),
        )

    def _at(self, when: float, happens: Callable[[Any, float], None], subject: Any, life: int | None = None) -> None:
        heappush(self.events, (when, next(self.numbers), happens, subject, life))

    def _ask(self, now: float, seconds: float) -> float:
        """Ask the driver for what takes it so long; when it is done."""
        seconds += self.driver_growth
        self.driver_free = max(now, self.driver_free) + seconds
        self.driver_busy += seconds
        return self.driver_free

    def _hand_out(self, now: float) -> None:
        """Waiting trials to idle places."""
        while self.waiting and self.idle:
            place = next(iter(self.idle))
            del self.idle[place]
            place.spend(self.totals, now)
            self._start(place, self.waiting.popleft(), now)
        if self.idle and self.queue_totals is None:
            self._queue_is_empty(now)

    def _queue_is_empty(self, now: float) -> None:
        self.queue_seconds = now
        self.queue_totals = list(self.totals)
        for place in self.places:
            before = self.queue_totals[TRAINING]
            place.spend(self.queue_totals, now)
            if place.trial is not None:
                trial = place.trial
                place.at_risk = (trial.done - trial.saved) * trial.epoch_seconds + self.queue_totals[TRAINING] - before

    def _start(self, place: _Place, trial: _Trial, now: float) -> None:
        place.state, place.trial, place.since, place.at_risk = None, trial, now, 0.0
        place.called = self._ask(now, self.costs.driver_start_seconds)
        place.ready = place.written = place.called + self.costs.start_seconds
        self.driver_growth += self.costs.driver_seconds_per_known_trial * (trial.losses == 0)
        self._train(place, trial)

    def _train(self, place: _Place, trial: _Trial) -> None:
        """An epoch, with its checkpoint where one is due."""
        place.trained = place.ready + trial.epoch_seconds
        due = place.trained - place.written >= self.costs.checkpoint_interval_seconds
        place.saving = due or trial.done + 1 == self.epochs
        ends = place.trained + self.costs.checkpoint_seconds if place.saving else place.trained
        self._at(ends, self._epoch, place, place.life)

    def _epoch(self, place: _Place, now: float) -> None:
        """An epoch and its checkpoint are over: the driver hears of it."""
        trial = place.trial
        assert trial is not None
        place.spend(self.totals, now)
        trial.done += 1
        if place.saving:
            trial.saved, place.written, place.at_risk = trial.done, now, 0.0
        place.since = now
        if trial.done == self.epochs:
            self._end(place, now)
            return
        answered = self._ask(now, self.costs.driver_report_seconds)
        place.called = place.ready = answered + self.costs.report_seconds
        self._train(place, trial)

    def _end(self, place: _Place, now: float) -> None:
        """The last report, then the process leaves. The trial is on disk: a failing node does not harm it any more."""
        place.trial = None
        self._ask(now, self.costs.driver_report_seconds)
        place.called = self._ask(now, self.costs.driver_end_seconds) + self.costs.report_seconds
        place.ready = place.trained = place.called + self.costs.leave_seconds
        self._ask(now, self.costs.driver_record_seconds)
        self._at(place.ready, self._left, place, place.life)

    def _left(self, place: _Place, now: float) -> None:
        place.spend(self.totals, now)
        self.unfinished -= 1
        self._rest(place, IDLE, now)
        self._hand_out(now)

    def _rest(self, place: _Place, state: int, now: float) -> None:
        place.state, place.since = state, now
        if state == IDLE:
            self.idle[place] = None

    def _fail_later(self, node: _Node, now: float) -> None:
        if self.cluster.hours_between_failures is not None:
            lives = node.chance.exponential(3600 * self.cluster.hours_between_failures)
            self._at(now + lives, self._failed, node)

    def _failed(self, node: _Node, now: float) -> None:
        self.failures += 1
        for place in node.places:
            place.spend(self.totals, now)
            if place.trial is not None:
                self._lose(place, place.trial, now)
            elif place.state is None:  # its trial was leaving
                self.unfinished -= 1
            place.trial = None
            place.life += 1
            self.idle.pop(place, None)
            self._rest(place, DOWN, now)
        self._at(now + self.cluster.replacement_seconds, self._replaced, node)

    def _lose(self, place: _Place, trial: _Trial, now: float) -> None:
        """What was trained since the last checkpoint is to be repeated."""
        lost = (trial.done - trial.saved) * trial.epoch_seconds + max(0.0, min(now, place.trained) - place.ready)
        self.totals[TRAINING] -= lost
        self.totals[REPEATED] += lost
        if self.queue_totals is not None:
            self.queue_totals[TRAINING] -= place.at_risk
            self.queue_totals[REPEATED] += place.at_risk
        trial.done = trial.saved
        trial.losses += 1
        trial.in_a_row = trial.in_a_row + 1 if trial.saved == trial.saved_at_loss else 1
        trial.most_in_a_row = max(trial.most_in_a_row, trial.in_a_row)
        trial.saved_at_loss = trial.saved
        self._at(now + self.costs.detection_seconds, self._detected, trial)

    def _detected(self, trial: _Trial, now: float) -> None:
        self._ask(now, self.costs.driver_end_seconds)
        self.waiting.append(trial)
        self._hand_out(now)

    def _replaced(self, node: _Node, now: float) -> None:
        for place in node.places:
            place.spend(self.totals, now)
            self._rest(place, IDLE, now)
        self._fail_later(node, now)
        self._hand_out(now)
