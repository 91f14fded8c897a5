"""`harness ui`: real servers, on loopback alone."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from harness import tracking
from tests import builders
from tests.sweep import commands


def free_port():
    """A port that is free, as the one after it is."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        try:
            with socket.create_server(("127.0.0.1", port + 1)):
                return port
        except OSError:
            continue


def get(port, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(port, process) of a `harness ui` over a recorded sweep with a page."""
    workspace = tmp_path_factory.mktemp("workspace")
    sweep = builders.small_spec(workspace, seeds=1)
    builders.finished_sweep(workspace, sweep)
    ids = [trial.trial_id for trial in sweep.trials()]
    assert tracking.record_all(workspace, sweep, tracking.default_uri(workspace), ids, complete=True) is None
    page = workspace / "reports" / "mine" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<title>the report</title>")
    (workspace / "secret.txt").write_text("outside")
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "ui", "--workspace", str(workspace), "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
    )
    commands.wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), seconds=120)
    yield port, process
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert socket.socket().connect_ex(("127.0.0.1", port)) != 0


def test_both_pages_are_there(served):
    port, _ = served
    assert get(port, "/")[0] == 200
    status, listed = get(port + 1, "/")
    assert status == 200
    assert 'href="/mine/report.html"' in listed
    assert "the report" in get(port + 1, "/mine/report.html")[1]


def test_nothing_listens_beyond_loopback(served):
    _, process = served
    for one in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
        for connection in one.net_connections("inet"):
            assert connection.status != psutil.CONN_LISTEN or connection.laddr.ip in ("127.0.0.1", "::1")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/mine/", "/mine/../../secret.txt"])
def test_no_path_leaves_the_reports_and_no_folder_is_listed(served, path):
    status, content = get(served[0] + 1, path)
    assert status == 404
    assert "outside" not in content


def test_a_page_elsewhere_that_took_this_address_is_refused(served):
    assert get(served[0] + 1, "/", host="evil.example:80")[0] == 403


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] - 1
        done = commands.harness("ui", "--port", str(port), workspace=tmp_path)
    assert done.returncode == 2
    assert f"port {port + 1} is taken" in done.stderr


def test_a_page_elsewhere_learns_no_file_s_size_either(served):
    connection = http.client.HTTPConnection("127.0.0.1", served[0] + 1, timeout=20)
    connection.request("HEAD", "/mine/report.html", headers={"Host": "evil.example:80"})
    assert connection.getresponse().status == 403


def test_the_database_s_address_stands_on_no_command_line(served):
    children = psutil.Process(served[1].pid).children(recursive=True)
    assert children
    assert not [child for child in children if "mlflow.db" in " ".join(child.cmdline())]


@pytest.mark.parametrize("port", [70_000, 65_535])
def test_a_port_that_cannot_be_is_said(tmp_path, port):
    done = commands.harness("ui", "--port", str(port), workspace=tmp_path)
    assert done.returncode == 2
    assert "from 1 to 65535" in done.stderr


def test_a_database_that_cannot_be_opened_is_said(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    done = commands.harness("ui", "--port", str(free_port()), workspace=tmp_path)
    assert done.returncode == 2
    assert "MLflow could not serve" in done.stderr
