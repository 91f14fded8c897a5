"""Trials that share a GPU: Ray's fractions, on a cluster that claims a GPU. torch sees none, so the trials run on the CPU."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweep import commands
from tests.sweep.commands import harness

RAY = Path(sys.executable).with_name("ray")


SPEC = """
dataset = "digits"
seeds = 2
[settings]
epochs = 50
train_limit = 256
bank_size = 256
eval_every = 50
[[cells]]
method = "selfcon"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a cluster with two CPUs and one claimed GPU."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    del environment["CUDA_VISIBLE_DEVICES"]  # Ray believes it more than its own option
    options = ["--head", "--num-cpus=2", "--num-gpus=1", "--node-ip-address=127.0.0.1", "--include-dashboard=false"]
    command = [RAY, "start", "--block", *options, f"--port={port}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment, start_new_session=True) as ray:
        commands.wait_for(lambda: answers(port))
        yield f"127.0.0.1:{port}"
        ray.terminate()  # unlike `ray stop`, it leaves other clusters of this machine alone


def answers(port):
    """Whether something listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


@pytest.mark.parametrize(("per_gpu", "at_once"), [(2, 2)])
def test_so_many_trials_run_at_once_as_share_a_gpu(cluster, tmp_path, per_gpu, at_once):
    path = tmp_path / "two.toml"
    path.write_text(SPEC)
    options = ["--address", cluster, "--trials-per-gpu", str(per_gpu)]
    done = harness("sweep", str(path), *options, workspace=tmp_path, RAY_AUTH_MODE="disabled")
    assert done.returncode == 0, done.stderr
    assert most_at_once(commands.finished(tmp_path).values()) == at_once


def most_at_once(results):
    """The largest number of trials that were training at one moment."""
    moments = [(result["finished"] - result["seconds"], 1) for result in results]
    moments += [(result["finished"], -1) for result in results]
    running = [0]
    for _, change in sorted(moments):
        running.append(running[-1] + change)
    return max(running)
