"""The scripts of docker/, run: in temporary folders, with pretended programs, and with real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from harness import resources

DOCKER = resources.PACKAGE.parent / "docker"
PATIENCE_SECONDS = 60  # on a busy machine; where all goes well a fraction of a second

RAY = """#!/usr/bin/env bash
echo "ray $* mode=${RAY_AUTH_MODE:-} token=$(stat -c %a "${RAY_AUTH_TOKEN_PATH:-/dev/null}")" >>"$LOG"
[ "$1" = start ] && [[ "$*" = *--block* ]] || exit 0
trap 'echo "ray stopped" >>"$LOG"; exit 0' TERM
while :; do sleep 0.02; done
"""
SRUN = """#!/usr/bin/env bash
echo "srun $*" >>"$LOG"
"""
SCONTROL = """#!/usr/bin/env bash
echo "scontrol $*" >>"$LOG"
"""
LEAVES = """#!/usr/bin/env bash
trap 'echo "told USR1" >>"$LOG"; sleep 0.1; echo left >>"$LOG"; exit 1' USR1
trap 'echo "told TERM" >>"$LOG"; exit 1' TERM
echo "harness $*" >>"$LOG"
while :; do sleep 0.02; done
"""
STAYS = LEAVES.replace('; sleep 0.1; echo left >>"$LOG"; exit 1\' USR1', "' USR1")
ENDS = '#!/usr/bin/env bash\necho "harness $*" >>"$LOG"\nexit 3\n'


class Job:
    """slurm.sbatch among pretended programs."""

    def __init__(self, folder: Path, harness: str, **environment: str):
        self.folder, self.log = folder, folder / "log"
        self.log.touch()
        programs = folder / "programs"
        programs.mkdir()
        for name, text in {"ray": RAY, "srun": SRUN, "scontrol": SCONTROL, "harness": harness}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (folder / "workspace").mkdir()
        self.number = os.getpid() * 100 + len(str(folder)) % 100  # its folder in /tmp bears it
        settings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "HARNESS_WORKSPACE": str(folder / "workspace"),
            "SLURM_JOB_ID": str(self.number),
            "SLURMD_NODENAME": "localhost",
            "SLURM_CPUS_PER_TASK": "8",
        }
        self.process = subprocess.Popen(
            ["bash", DOCKER / "slurm.sbatch", "cifar100", "--workers", "3"], env=os.environ | settings | environment
        )

    def wait_for(self, seen: Callable[[str], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not seen(self.log.read_text()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def tell(self, number: signal.Signals) -> None:
        self.wait_for(lambda log: "harness sweep" in log)
        self.process.send_signal(number)

    def end(self) -> tuple[int, list[str]]:
        """Exit code and log, once the job's Ray has gone, too."""
        code = self.process.wait(timeout=PATIENCE_SECONDS)
        self.wait_for(lambda log: "ray stopped" in log)
        assert list((self.folder / "workspace").iterdir()) == []
        assert not Path(f"/tmp/harness-{self.number}").exists()
        return code, self.log.read_text().splitlines()


def test_job_near_its_time_limit_lets_the_sweep_leave_and_is_queued_again(tmp_path):
    job = Job(tmp_path, LEAVES)
    job.tell(signal.SIGUSR1)
    code, log = job.end()
    assert code == 1
    order = [log.index("told USR1"), log.index("left"), log.index(f"scontrol requeue {job.number}")]
    assert order == sorted(order)


def test_sweep_that_does_not_leave_is_ended_and_queued_again(tmp_path):
    job = Job(tmp_path, STAYS, HARNESS_GRACE_SECONDS="0")
    job.tell(signal.SIGUSR1)
    code, log = job.end()
    assert code == 128 + signal.SIGKILL
    assert f"scontrol requeue {job.number}" in log


def test_cancelled_job_lets_the_sweep_leave_and_stays_out_of_the_queue(tmp_path):
    job = Job(tmp_path, LEAVES)
    job.tell(signal.SIGTERM)
    code, log = job.end()
    assert code == 1
    assert "told TERM" in log
    assert not [line for line in log if line.startswith("scontrol")]


def test_job_ends_with_the_sweep_and_its_exit_code(tmp_path):
    code, log = Job(tmp_path, ENDS).end()
    assert code == 3
    assert not [line for line in log if line.startswith(("scontrol", "srun"))]
    (line,) = (line for line in log if line.startswith("harness"))
    assert re.fullmatch(
        r"harness sweep cifar100 --workers 3 --address 127\.0\.0\.1:\d+ --token-file \S+/workspace/\.slurm-\d+/token",
        line,
    )


def test_job_on_several_nodes_starts_ray_on_the_others_with_one_token(tmp_path):
    job = Job(tmp_path, LEAVES, SLURM_JOB_NUM_NODES="3")
    job.wait_for(lambda log: "srun" in log)
    job.tell(signal.SIGTERM)
    _, log = job.end()
    (srun,) = (line for line in log if line.startswith("srun"))
    assert srun.startswith(
        "srun --nodes=2 --ntasks=2 --cpus-per-task=8 --exclude=localhost ray start --block --address=127."
    )
    assert all("mode=token token=600" in line for line in log if line.startswith("ray start"))


def test_secrets_are_random_for_their_owner_alone_and_made_once(tmp_path):
    runs = []
    for _ in range(2):
        subprocess.run([DOCKER / "secrets.sh", "gpu", tmp_path / "one"], check=True, capture_output=True)
        runs.append({path: path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()})
    found, again = runs
    assert found == again
    subprocess.run([DOCKER / "secrets.sh", "cpu", tmp_path / "two"], check=True, capture_output=True)
    for path, content in found.items():
        assert path.stat().st_mode & 0o777 == 0o600
        assert content
        if path.parent.name != "one":  # .env is beside the secrets
            assert content != (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    environment = dict(line.split("=") for line in (tmp_path / "one" / ".env").read_text().split())
    assert environment["HARNESS_TARGET"] == environment["COMPOSE_PROFILES"] == "gpu"
    assert "0" not in (environment["HARNESS_UID"], environment["HARNESS_GID"])


def test_secrets_are_those_that_compose_names_and_belong_together(tmp_path):
    subprocess.run([DOCKER / "secrets.sh", "cpu", tmp_path], check=True, capture_output=True)
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    for secret in compose["secrets"].values():
        assert (tmp_path / secret["file"]).is_file()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", volume["source"])
            assert (tmp_path / source).is_dir()
            assert volume["bind"] == {"create_host_path": False}
    text = {path.name: path.read_text() for path in (tmp_path / "secrets").rglob("*") if path.is_file()}
    assert text["pgpass"] == f"db:5432:*:mlflow:{(tmp_path / 'secrets/database/password').read_text()}\n"
    password = (tmp_path / "secrets/mlflow/password").read_text()
    assert f"admin_password = {password}\n" in text["basic_auth.ini"]
    (identity,) = json.loads(text["identities.json"])["identities"]
    assert identity["credentials"] == [{"accessKey": "harness", "secretKey": text["key"]}]
    assert f"aws_secret_access_key = {text['key']}\n" in (tmp_path / "secrets/s3/credentials").read_text()


@pytest.mark.parametrize("program", ["docker", "skopeo", "crane"])
def test_pin_writes_the_digest_of_each_base_image(tmp_path, program):
    digest = f"sha256:{'0123456789abcdef' * 4}"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("docker", "skopeo", "crane"):
        answers = name == program
        (programs / name).write_text(
            f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n' + (f"echo {digest}\n" if answers else "exit 1\n")
        )
        (programs / name).chmod(0o755)
        if not answers and name != "docker":
            (programs / name).unlink()
    (tmp_path / ".env").write_text("HARNESS_UID=1000\nPYTHON_IMAGE=python:old\n")
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run([DOCKER / "pin.sh", tmp_path], check=True, env=environment, capture_output=True)
    lines = (tmp_path / ".env").read_text().split()
    assert lines[0] == "HARNESS_UID=1000"
    assert [line.partition("=")[0] for line in lines[1:]] == ["PYTHON_IMAGE", "POSTGRES_IMAGE", "SEAWEEDFS_IMAGE"]
    assert all(line.endswith(f"@{digest}") for line in lines[1:])
    assert "python:3." in (tmp_path / "asked").read_text()


def test_command_in_the_cluster_joins_without_resources_and_never_without_authentication(tmp_path):
    (tmp_path / "ray").write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\n')
    (tmp_path / "ray").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [DOCKER / "in-cluster.sh", "echo", "the", "sweep"]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode != 0
    assert "RAY_AUTH_MODE" in answer.stderr
    answer = subprocess.run(
        command, env=environment | {"RAY_AUTH_MODE": "token"}, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "the sweep\n"
    assert "--address=head:6379 --num-cpus=0 --num-gpus=0" in (tmp_path / "asked").read_text()
