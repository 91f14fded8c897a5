"""An MLflow server that is down, dies, hangs and comes back: a real server, real signals. Training does not wait for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from harness import background, tracking, trials
from tests import builders
from tests.sweep import commands

FAST = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "3"}


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    for name, value in FAST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(background, "PATIENCE_SECONDS", 2)


class Server:
    """A `mlflow server` on a port of its own; it can be started again."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.uri = folder, f"http://127.0.0.1:{self.port}"

    def start(self):
        store = ["--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}"]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command = [sys.executable, "-m", "mlflow", "server", *store, *place, "--artifacts-destination", self.folder]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        commands.wait_for(self._answers, seconds=120)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def _answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            return b"200" in connection.recv(100)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A server whose database exists: making one takes most of its start."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.signal(signal.SIGCONT)
    server.kill()


@pytest.fixture
def server(database):
    """It answers; whatever a test does to it, the next one finds it answering."""
    yield database
    database.signal(signal.SIGCONT)
    if database.process.poll() is not None:
        database.start()


@pytest.fixture
def sweep(tmp_path, request):
    """A finished sweep of several trials, in an experiment of its own."""
    name = f"away{abs(hash(request.node.name))}"
    made = builders.small_spec(tmp_path, seeds=3, name=name)
    builders.finished_sweep(tmp_path, made)
    return made


def ids(sweep):
    return [trial.trial_id for trial in sweep.trials()]


def assert_recorded_once(server, sweep, workspace):
    """Every trial in one run, with each metric at its own time, once."""
    client = MlflowClient(server.uri)
    found = client.search_runs([client.get_experiment_by_name(sweep.name).experiment_id])
    runs = [run for run in found if tracking.TRIAL_TAG in run.data.tags]
    assert sorted(run.data.tags[tracking.TRIAL_TAG] for run in runs) == sorted(ids(sweep))
    for run in runs:
        assert run.data.tags[tracking.WHOLE_TAG] == "yes"
        result = trials.read_result(trials.directory(workspace, run.data.tags[tracking.TRIAL_TAG]))
        history = client.get_metric_history(run.info.run_id, "loss")
        expected = [(line["epoch"], line["loss"], int(1000 * line["time"])) for line in result["metrics"]]
        assert [(entry.step, entry.value, entry.timestamp) for entry in history] == expected


def test_a_server_that_dies_and_comes_back_has_everything_at_the_end(server, sweep, tmp_path):
    first, *others = ids(sweep)
    with tracking.Mirror(tmp_path, sweep, server.uri) as mirror:
        mirror.add([first])
        commands.wait_for(lambda: not mirror.background.waiting)
        server.kill()
        mirror.add(others)
        commands.wait_for(lambda: mirror.problem)
        server.start()
        commands.wait_for(lambda: not mirror.background.waiting)
        mirror.close(True)
    assert mirror.problem is None
    assert_recorded_once(server, sweep, tmp_path)


def test_a_server_that_is_down_at_the_start_has_everything_once_it_is_up(server, sweep, tmp_path):
    server.kill()
    with tracking.Mirror(tmp_path, sweep, server.uri) as mirror:
        mirror.add(ids(sweep))
        commands.wait_for(lambda: mirror.problem)
        server.start()
        mirror.close(True)
    commands.wait_for(lambda: not mirror.background.thread.is_alive())  # in reality its process is gone
    assert tracking.record_all(tmp_path, sweep, server.uri, ids(sweep), complete=True) is None  # as `harness sync`
    assert_recorded_once(server, sweep, tmp_path)


def test_a_server_that_hangs_holds_nothing_up_and_gets_everything_later(server, sweep, tmp_path):
    with tracking.Mirror(tmp_path, sweep, server.uri) as mirror:
        mirror.add(ids(sweep)[:1])
        commands.wait_for(lambda: not mirror.background.waiting)
        server.signal(signal.SIGSTOP)
        mirror.add(ids(sweep)[1:])
        mirror.close(True)
    assert mirror.problem is not None
    server.signal(signal.SIGCONT)
    commands.wait_for(lambda: not mirror.background.thread.is_alive())  # in reality its process is gone
    assert tracking.record_all(tmp_path, sweep, server.uri, ids(sweep), complete=True) is None
    assert_recorded_once(server, sweep, tmp_path)


def test_a_server_that_dies_between_two_requests_of_one_trial_has_it_once(server, sweep, tmp_path):
    """It is killed and started again all the time while the trials are recorded."""
    with tracking.Mirror(tmp_path, sweep, server.uri) as mirror:
        mirror.add(ids(sweep))
        for pause in (0.1, 0.3):
            time.sleep(pause)
            server.kill()
            server.start()
        commands.wait_for(lambda: not mirror.background.waiting)
        mirror.close(True)
    assert mirror.problem is None
    assert_recorded_once(server, sweep, tmp_path)


def test_two_processes_that_record_one_sweep_make_no_run_twice(server, sweep, tmp_path):
    mirrors = [tracking.Mirror(tmp_path, sweep, server.uri) for _ in range(2)]
    for mirror in mirrors:
        mirror.add(ids(sweep))
    for mirror in mirrors:
        commands.wait_for(lambda mirror=mirror: not mirror.background.waiting)
        mirror.close(True)
    assert_recorded_once(server, sweep, tmp_path)
