"""Budgets, stalls and storage that is away, in the driver and in a worker, without Ray."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from harness import lease, plan, sweep, trials
from harness.errors import UsageError
from harness.sweep import ray_trials, stopping
from harness.sweep.cluster import Node, Resources, share
from harness.sweep.display import SweepDisplay
from harness.sweep.stopping import Budget, Control, Limits
from harness.sweep.tuning import Events, Queue
from harness.sweep.work import Listed
from harness.training import device
from tests import builders


@pytest.fixture
def spec(tmp_path):
    return builders.small_spec(tmp_path, "[[cells]]", 'method = "selfcon"', seeds=2)


def test_a_budget_is_for_all_passes_of_a_command(tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "LOOK_SECONDS", 0)
    budget = Budget(Limits(gpu_hours=1))
    first = Control(tmp_path / "1.json", "run", budget, gpu_share=1.0)
    first.started(tmp_path)
    first.looked -= 3000
    first.tick()
    assert first.reason is None
    second = Control(tmp_path / "2.json", "run", budget, gpu_share=0.5)
    second.started(tmp_path)
    second.looked -= 1300
    second.tick()
    assert second.reason == "the 1 GPU-hours of --max-gpu-hours are spent"
    assert Budget(Limits(hours=1)).spent() is None
    late = Budget(Limits(hours=1))
    late.begun -= 3601
    assert late.spent() == "the 1 hours of --max-hours are spent"


def test_a_trial_that_died_and_waits_for_a_place_is_not_taken_for_stalled(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(stopping, "LOOK_SECONDS", 0)
    control = Control(tmp_path / "stop.json", "run", Budget(Limits(stall_minutes=0.0001)), 1.0)
    queue = Queue(Listed(plan.plan(spec, tmp_path)), None, control)
    queue.suggest("a")
    entry = queue.taken[0]
    trial = SimpleNamespace(config={"index": 0}, temporary_state=SimpleNamespace(ray_actor=None))
    events = Events(queue, SweepDisplay(spec, tmp_path, 2, lambda directory: None), control)
    events.on_trial_start(1, [], trial)
    events.on_trial_recover(1, [], trial)
    time.sleep(0.02)
    control.tick()
    assert not (entry.directory / trials.STOPPED).exists()
    events.on_trial_start(1, [], trial)
    time.sleep(0.02)
    control.tick()
    assert trials.read_json(entry.directory / trials.STOPPED)["kind"] == trials.STALLED


@pytest.mark.parametrize(
    ("workers", "per_gpu", "gpus", "halved"),
    [(4, 2, 2, 2), (6, 3, 2, 2), (1, 4, 1, 1), (3, 2, 2, 1), (None, 4, 8, None)],
)
def test_half_the_trials_on_a_gpu_are_as_many_fewer_at_once(workers, per_gpu, gpus, halved):
    resources = Resources(workers=workers, trials_per_gpu=per_gpu)
    machines = [Node("id", "here", cpus=64, gpus=gpus)]
    wanted = [SimpleNamespace(device="auto", encoder="resnet18")]
    share(machines, wanted, resources)
    assert resources.halved().workers == halved
    assert share(machines, wanted, resources.halved())["gpu"] == 1 / (per_gpu // 2)


def away():
    return OSError(errno.ESTALE, "Stale file handle")


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_storage_that_comes_back_is_waited_for(monkeypatch, failures):
    monkeypatch.setattr(ray_trials, "PATIENCE", (0, 0, 0))
    answers = [away() for _ in range(failures)]

    def work():
        if answers:
            raise answers.pop()

    ray_trials._patiently(work)
    assert answers == []


@pytest.mark.parametrize("error", [away(), PermissionError(errno.EACCES, "Permission denied")])
def test_storage_that_stays_away_is_said(monkeypatch, error):
    monkeypatch.setattr(ray_trials, "PATIENCE", (0, 0, 0))

    def work():
        tried.append(error)
        raise error

    tried = []
    with pytest.raises(OSError, match=error.strerror):
        ray_trials._patiently(work)
    assert len(tried) == (4 if error.errno == errno.ESTALE else 1)


def test_a_gpu_that_cuda_cannot_use_is_an_error_not_a_day_on_the_cpu(tmp_path, monkeypatch):
    device.check_gpu()  # no GPU here, and none expected
    monkeypatch.setattr(device, "DRIVER", tmp_path)
    with pytest.raises(UsageError, match=r"has an NVIDIA GPU that PyTorch .* cannot use"):
        device.check_gpu()


def leased_elsewhere(directory):
    """As a process of another machine left it when it died."""
    directory.mkdir(parents=True)
    (directory / lease.NAME).write_text('{"host": "elsewhere", "processes": "", "pid": 1, "started": "1"}')


def test_what_seems_to_be_trained_elsewhere_is_waited_for_until_it_is_known_to_be_dead(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(sweep, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(lease, "STALE_SECONDS", 2)
    done, dead = plan.plan(spec, tmp_path)
    builders.finished_trial(tmp_path, done.trial, 0.5)
    leased_elsewhere(dead.directory)
    assert [entry.state.state for entry in sweep._settled(spec, tmp_path, None)] == ["done", "missing"]


def test_what_is_trained_elsewhere_is_not_waited_for(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(sweep, "SETTLE_SECONDS", 0.1)
    done, alive = plan.plan(spec, tmp_path)
    builders.finished_trial(tmp_path, done.trial, 0.5)
    leased_elsewhere(alive.directory)
    toucher = threading.Timer(0.5, (alive.directory / lease.NAME).touch)
    toucher.start()
    assert [entry.state.state for entry in sweep._settled(spec, tmp_path, None)] == ["done", "running"]
    toucher.join()


def test_where_there_is_other_work_nobody_is_waited_for(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(sweep, "SETTLE_SECONDS", 0.1)
    leased_elsewhere(plan.plan(spec, tmp_path)[0].directory)
    assert [entry.state.state for entry in sweep._settled(spec, tmp_path, None)] == ["running", "missing"]


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_every_signal_that_schedulers_send_asks_the_trials_to_stop(tmp_path, number):
    control = Control(tmp_path / "stop.json", "run", Budget(), 1.0)
    before = signal.getsignal(number)
    with control.listening():
        os.kill(os.getpid(), number)
        assert control.reason == f"stopped by {number.name}"
    assert stopping.asked(tmp_path / "stop.json") == {"kind": trials.SIGNAL, "reason": control.reason}
    assert signal.getsignal(number) is before
