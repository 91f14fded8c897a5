"""Who may reach a sweep, what it reads, and where secrets do not go."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from harness import spec as specs
from harness.errors import UsageError
from tests.sweep import commands
from tests.sweep.commands import TINY, harness
from tests.sweep.test_faults import SPEC

ROOT = Path(__file__).parents[1]
RAY = Path(sys.executable).with_name("ray")
PLANTED = "planted-secret-4711"


def sources():
    return sorted((ROOT / "harness").rglob("*.py"))


def calls(path, name):
    """Every call of a function of this name in a file, whatever it is called on."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) == name:
            yield node


def test_weights_are_read_without_executing_anything():
    found = [
        (path, call)
        for path in sources()
        for call in calls(path, "load")
        if ast.unparse(call.func) in ("torch.load", "torch.serialization.load")
    ]
    assert found
    for path, call in found:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("weights_only") == "True", f"{path}:{call.lineno}"


def test_nothing_from_outside_is_unpickled():
    for path in sources():
        imports = {
            name.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        if "pickle" in imports:
            assert path.name == "_pickles.py", path
        for call in calls(path, "load"):
            assert "allow_pickle=True" not in ast.unparse(call), path


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "..", "a/../../b"])
def test_the_name_of_a_sweep_cannot_leave_its_folder(name):
    with pytest.raises(UsageError):
        specs.load(name)


def test_a_slug_is_a_plain_name(tmp_path):
    path = tmp_path / "ev..il name.toml"
    path.write_text(SPEC.format(seeds=1, epochs=1))
    assert Path(specs.load(path).slug).name == specs.load(path).slug


def test_planted_secrets_are_found_nowhere(tmp_path):
    """In the environment of a sweep, a report and a compare: passwords of MLflow and of an object store, a token."""
    ray = Path(tempfile.mkdtemp(dir="/tmp"))  # Ray's sockets need a short path
    secrets = {
        "MLFLOW_TRACKING_URI": f"http://someone:{PLANTED}@127.0.0.1:1",
        "MLFLOW_TRACKING_PASSWORD": PLANTED,
        "AWS_SECRET_ACCESS_KEY": PLANTED,
        "RAY_AUTH_TOKEN": PLANTED,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
        "RAY_TMPDIR": str(ray),
    }
    words = ["digits", *TINY, "--set", "weight=1", "--set", "temperature=0.1"]
    done = [
        harness(command, *words, workspace=tmp_path / "ws", **secrets) for command in ("sweep", "report", "compare")
    ]
    assert done[0].returncode == 0, done[0].stderr
    done.append(harness("doctor", workspace=tmp_path / "ws", **secrets))
    for one in done:
        assert PLANTED not in one.stdout + one.stderr
    for path in [*(tmp_path / "ws").rglob("*"), *ray.rglob("*")]:
        assert not path.is_file() or PLANTED.encode() not in path.read_bytes(), path
    shutil.rmtree(ray)


def test_a_password_on_the_command_line_is_refused(tmp_path):
    for command in ("sweep", "report", "sync"):
        done = harness(command, "digits", "--mlflow", f"http://someone:{PLANTED}@127.0.0.1:1", workspace=tmp_path)
        assert done.returncode == 2
        assert "MLFLOW_TRACKING_PASSWORD" in done.stderr
        assert PLANTED not in done.stdout + done.stderr


def test_the_ray_of_a_sweep_obeys_nobody_else(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text(SPEC.format(seeds=1, epochs=300))
    running = commands.start("sweep", str(path), workspace=tmp_path)
    commands.wait_for(lambda: commands.leases(tmp_path))
    family = psutil.Process(running.pid).children(recursive=True)
    (server,) = (one for one in family if one.name() == "gcs_server")
    listening = [one for one in server.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    port = listening[0].laddr.port
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    script = f"import ray; ray.init('127.0.0.1:{port}'); print('joined')"
    stranger = subprocess.Popen(
        [sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment | {"RAY_AUTH_MODE": "disabled"},
    )
    said = ""
    while "InvalidAuthToken" not in said:  # it goes on trying for minutes
        assert "joined" not in said
        line = stranger.stdout.readline()
        assert line, said
        said += line
    stranger.kill()
    stranger.wait()
    assert "RAY_AUTH_TOKEN" not in server.environ()
    path = Path(server.environ()["RAY_AUTH_TOKEN_PATH"])
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=90)
    assert not path.exists()
