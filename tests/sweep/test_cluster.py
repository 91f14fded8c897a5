"""A cluster of several nodes, each a real raylet on this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import attempts, trials
from harness.config import resolve
from harness.errors import UsageError
from harness.sweep import cluster
from harness.sweep.cluster import Node, Resources
from tests.sweep import commands
from tests.sweep.commands import harness
from tests.sweep.test_faults import SPEC

RAY = Path(sys.executable).with_name("ray")
FREE_PORTS = [f"--{agent}-port=0" for agent in ("dashboard-agent-listen", "runtime-env-agent", "metrics-export")]
LOOPBACK = ["--node-ip-address=127.0.0.1", "--disable-usage-stats", *FREE_PORTS]


class Ray:
    """`ray start --block` in process groups of their own: a head, and nodes that join it."""

    def __init__(self, **environment):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", **environment}
        self.processes = []
        self.start("--head", "--num-cpus=0", f"--port={port}", "--include-dashboard=false", *LOOPBACK)
        commands.wait_for(lambda: self._answers(port))

    def node(self, *before):
        """Another machine with one CPU."""
        return self.start(f"--address={self.address}", "--num-cpus=1", *LOOPBACK, before=before)

    def start(self, *options, before=()):
        command = [*before, RAY, "start", "--block", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment, start_new_session=True
        )
        self.processes.append(process)
        return process

    def end(self):
        for process in reversed(self.processes):
            kill(process, signal.SIGKILL)
            process.wait()

    @staticmethod
    def _answers(port):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True


def kill(process, number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@pytest.fixture
def ray():
    """Starts clusters; all end with the test."""
    started = []

    def start(**environment):
        started.append(Ray(**environment))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(SPEC.format(seeds=2, epochs=70))
    return str(path)


def open_cluster(address):
    """The options and the environment for a cluster without a token."""
    return ["--address", address], {"RAY_AUTH_MODE": "disabled"}


def test_the_trials_of_a_node_that_dies_move_to_another_and_resume(ray, spec, tmp_path, monkeypatch):
    expected = tmp_path / "undisturbed"
    commands.train_here(spec, expected)
    running_ray = ray()
    nodes = []
    for number in (1, 2):  # one after the other: at the same moment they may take the same port
        nodes.append(running_ray.node())
        commands.wait_for(lambda number=number: f"/{number}.0 CPU" in status(running_ray), every_seconds=1)
    workspace = tmp_path / "workspace"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    running = commands.start("sweep", spec, "--address", running_ray.address, workspace=workspace)
    commands.wait_for(lambda: len(commands.leases(workspace)) == 2)
    metrics = [workspace / "trials" / lease["trial"] / trials.METRICS for lease in commands.leases(workspace)]
    commands.wait_for(lambda: all(path.is_file() and len(path.read_bytes().splitlines()) > 2 for path in metrics))
    kill(nodes[0], signal.SIGKILL)
    said, _ = running.communicate(timeout=250)
    assert running.returncode == 0, said
    assert commands.numbers(workspace) == commands.numbers(expected)
    assert sorted(attempts.deaths(attempts.read(path.parent)) for path in metrics) == [0, 1]


def test_a_workspace_that_another_node_does_not_see_is_refused_before_anything_starts(ray, spec, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    running = ray()
    hidden = f'mount -t tmpfs tmpfs {workspace} && exec "$@"'  # the node has another disk there
    running.node("unshare", "--mount", "sh", "-c", hidden, "sh")
    options, environment = open_cluster(running.address)
    commands.wait_for(lambda: "/1.0 CPU" in status(running), every_seconds=1)
    done = harness("sweep", spec, *options, workspace=workspace, **environment)
    assert done.returncode == 2
    assert f"not every machine of the cluster sees the workspace {workspace}" in " ".join(done.stderr.split())
    assert "NFS" in done.stderr
    assert not (workspace / "trials").exists()


def status(running):
    """What `ray status` says of a cluster."""
    command = [RAY, "status", f"--address={running.address}"]
    return subprocess.run(command, capture_output=True, text=True, env=running.environment, check=False).stdout


def test_a_cluster_with_a_token_takes_who_has_it_and_no_one_else(ray, spec, tmp_path):
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(16))
    running = ray(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token))
    running.node()
    words = ["sweep", spec, "--address", running.address, "--set", "epochs=1"]
    unsaid = harness(*words, workspace=tmp_path / "ws")
    assert unsaid.returncode == 2
    assert "--token-file" in unsaid.stderr
    other = tmp_path / "other"
    other.write_text(secrets.token_hex(16))
    for refused in (
        harness(*words, "--token-file", str(other), workspace=tmp_path / "ws"),
        harness(*words, workspace=tmp_path / "ws", RAY_AUTH_MODE="disabled"),
    ):
        assert refused.returncode == 2
        assert "no Ray cluster could be joined there" in refused.stderr
    done = harness(*words, "--token-file", str(token), workspace=tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    assert len(commands.finished(tmp_path / "ws")) == 2
    secret = token.read_text()
    assert secret not in done.stdout + done.stderr
    for path in (tmp_path / "ws").rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


GPU_NODE = Node("a", "gpu-machine", cpus=8, gpus=8)
HEAD = Node("b", "head", cpus=96, gpus=0)


def shares(machines, device="auto", **resources):
    wanted = [resolve("cifar100", "selfcon", overrides={"device": device})]
    return cluster.share(machines, wanted, Resources(**resources))


def test_a_trial_gets_what_its_gpus_machine_has_and_not_what_all_have_together():
    assert shares([HEAD, GPU_NODE]) == {"cpu": 1.0, "gpu": 1.0}
    assert shares([Node("a", "one", 32, 4), Node("b", "two", 16, 4)]) == {"cpu": 4.0, "gpu": 1.0}
    assert shares([Node("a", "one", 32, 4)], trials_per_gpu=4) == {"cpu": 2.0, "gpu": 0.25}
    assert cluster.slots([HEAD, GPU_NODE], {"cpu": 1.0, "gpu": 1.0}) == 8
    assert cluster.slots([Node("a", "one", 4, 8)], {"cpu": 1.0, "gpu": 1.0}) == 4


def test_a_trial_never_needs_the_cpus_of_two_machines():
    machines = [Node("a", "one", 2, 0), Node("b", "two", 2, 0), Node("c", "three", 2, 0)]
    assert shares(machines, workers=2)["cpu"] == 2
    assert shares(machines, workers=4)["cpu"] == 1


def test_a_cluster_on_which_no_trial_could_ever_run_is_refused():
    with pytest.raises(UsageError, match=r"no machine of this cluster has the 1 CPUs .*head: 0 CPUs, 0 GPUs"):
        cluster.slots([Node("b", "head", 0, 0)], shares([Node("b", "head", 0, 0)]))


@pytest.mark.parametrize(
    ("machines", "device", "resources", "said"),
    [
        ([HEAD], "cuda", {}, "this cluster has no GPU .head: 96 CPUs, 0 GPUs"),
        ([GPU_NODE], "auto", {"trials_per_gpu": 2}, "a trial on a GPU needs a CPU of the same machine"),
        ([GPU_NODE], "auto", {"workers": 9}, "more than the 8 trials that 8 GPUs take"),
        ([HEAD], "auto", {"workers": 97}, "more than the 96 CPUs"),
    ],
)
def test_a_request_that_the_cluster_cannot_meet_is_refused_with_what_it_has(machines, device, resources, said):
    with pytest.raises(UsageError, match=said):
        shares(machines, device, **resources)
