"""A sweep recorded by a real MLflow server with users and passwords, on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.sweep import commands
from tests.sweep.commands import harness

PASSWORD = "planted-password-0815"
SPEC = 'dataset = "digits"\nseeds = 2\n[settings]\nepochs = 1\ntrain_limit = 256\n[[cells]]\nmethod = "supce"\n'


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def program(name):
    """One of PostgreSQL's, which Debian keeps beside the path."""
    found = shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return found


@pytest.fixture(scope="module")
def database():
    """A URI of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    root = os.getuid() == 0  # PostgreSQL refuses to run as root
    owner = pwd.getpwnam("postgres").pw_uid if root else os.getuid()
    os.chown(folder, owner, -1)
    (folder / "password").write_text(PASSWORD)
    os.chown(folder / "password", owner, -1)
    port, data = free_port(), folder / "data"

    def run(*words):
        subprocess.run(
            words, check=True, capture_output=True, user=owner, cwd=folder, env={"PGPASSWORD": PASSWORD, "HOME": "/"}
        )

    run(
        program("initdb"),
        "-D",
        data,
        "-U",
        "mlflow",
        "-E",
        "UTF8",
        "-A",
        "scram-sha-256",
        f"--pwfile={folder / 'password'}",
    )
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(program("pg_ctl"), "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
    try:
        run(program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "mlflow")
        yield f"postgresql+psycopg://mlflow:{PASSWORD}@127.0.0.1:{port}/mlflow"
    finally:
        run(program("pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """The address of an MLflow server that asks for a password."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {database}\n"
        f"admin_username = harness\nadmin_password = {PASSWORD}\n"
    )
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--backend-store-uri", database]
    command += ["--artifacts-destination", folder, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for this test",
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        env=os.environ | environment,
        start_new_session=True,
    )
    commands.wait_for(lambda: answers(port), seconds=60)
    yield f"http://127.0.0.1:{port}"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return b"200" in connection.recv(100)


def recorded(server):
    """Runs of trials by sweep's name."""
    script = (
        "from mlflow import MlflowClient; client = MlflowClient(); "
        "print(*[run.data.tags['harness.trial_id'] for one in client.search_experiments() "
        "for run in client.search_runs([one.experiment_id]) if 'harness.trial_id' in run.data.tags])"
    )
    environment = {
        "MLFLOW_TRACKING_URI": server,
        "MLFLOW_TRACKING_USERNAME": "harness",
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return done.stdout.split()


def test_a_sweep_without_the_password_loses_nothing_and_one_with_it_records_everything_once(server, tmp_path):
    spec = tmp_path / "postgres.toml"
    spec.write_text(SPEC)
    workspace, home = tmp_path / "ws", tmp_path / "home"
    words = [str(spec), "--mlflow", server]
    refused = harness("sweep", *words, workspace=workspace, HOME=str(home))
    assert refused.returncode == 0
    assert "harness sync" in refused.stderr
    assert recorded(server) == []
    (home / ".mlflow").mkdir(parents=True)
    credentials = f"[mlflow]\nmlflow_tracking_username = harness\nmlflow_tracking_password = {PASSWORD}\n"
    (home / ".mlflow" / "credentials").write_text(credentials)
    synced = harness("sync", *words, workspace=workspace, HOME=str(home))
    assert synced.returncode == 0, synced.stderr
    assert sorted(recorded(server)) == sorted(commands.finished(workspace))
    spec.write_text(SPEC.replace("seeds = 2", "seeds = 3"))
    more = harness("sweep", *words, workspace=workspace, HOME=str(home))
    assert more.returncode == 0
    assert "could not be written" not in more.stderr
    assert sorted(recorded(server)) == sorted(commands.finished(workspace))
    for one in (refused, synced, more):
        assert PASSWORD not in one.stdout + one.stderr
    for path in workspace.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
