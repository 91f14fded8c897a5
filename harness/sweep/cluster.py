"""The Ray cluster that a sweep runs on: starting or joining it, what it has, whether its nodes see the workspace."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import __version__, lease
from harness.config import TrialConfig
from harness.errors import UsageError

ANSWER_SECONDS = 60  # for a node to say whether it sees the workspace
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "RAY_DEDUP_LOGS": "0",
}


@dataclass(frozen=True)
class Resources:
    """Where the trials of a sweep run, and how many at once."""

    workers: int | None = None
    trials_per_gpu: float = 1.0
    address: str | None = None  # of a running Ray cluster; None starts one on this machine
    token_file: Path | None = None  # holds the token of that cluster

    def __post_init__(self) -> None:
        if not (self.trials_per_gpu >= 1 and float(self.trials_per_gpu).is_integer()):
            raise UsageError(f"--trials-per-gpu {self.trials_per_gpu:g} must be a whole number of at least 1.")
        if self.token_file and not self.address:
            raise UsageError("--token-file is for the cluster at --address; a Ray of this machine's own needs none.")
        if self.token_file and not self.token_file.is_file():
            raise UsageError(f"--token-file {self.token_file}: this is no regular file.")

    def halved(self) -> Resources:
        """Half the trials on each GPU, and as many fewer at once."""
        per_gpu = self.trials_per_gpu // 2
        workers = self.workers and max(1, int(self.workers * per_gpu / self.trials_per_gpu))
        return dataclasses.replace(self, trials_per_gpu=per_gpu, workers=workers)


@dataclass(frozen=True)
class Node:
    """One machine of the cluster."""

    node_id: str
    host: str
    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.host}: {self.cpus:g} CPUs, {self.gpus:g} GPUs"


def connect(resources: Resources) -> None:
    """Start Ray on this machine, or join the cluster. Raises UsageError where nothing answers there, or not to us."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if resources.address:
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "4")  # seconds, in place of 20, until a wrong token is said
    authenticate(resources)
    import ray

    address = resources.address
    if address is None:
        # NOTE: without "local" Ray joins whatever cluster was last started here, and hangs where that one died
        ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    else:
        try:
            if ":" in address:  # Ray itself would go on trying for minutes
                host, _, port = address.rpartition("://")[2].rpartition(":")
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UsageError(f"--address {address}: no Ray cluster could be joined there ({reason}).") from None
    logging.getLogger("ray.tune").setLevel(logging.ERROR)


def authenticate(resources: Resources) -> None:
    """Before Ray is started or joined: its own default writes a token into the home folder, so that how is always said."""
    if resources.token_file or resources.address is None:
        os.environ.pop("RAY_AUTH_TOKEN", None)  # Ray would believe it more than the file
    if resources.token_file:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(resources.token_file.resolve())
    elif resources.address is None:
        # NOTE: Ray 2.60 listens on every interface, whatever address it is given: nobody else may use this one
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(_own_token())
    elif "RAY_AUTH_MODE" not in os.environ:
        raise UsageError(
            f"--address {resources.address}: say how this cluster knows its users: --token-file FILE (a Ray started with "
            "RAY_AUTH_MODE=token and this token), or RAY_AUTH_MODE=disabled in the environment, for one that anybody who "
            "reaches it may use."
        )


@functools.cache  # Ray reads it once in a process
def _own_token() -> Path:
    """A token for the Ray of this process, in a file that only its user can read, until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="harness-token-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return path


def leave() -> None:
    """Shut Ray down. The references of Ray that are garbage are collected first, and none while it goes down: Ray ends the
    whole process where another thread, MLflow's say, lets go of one meanwhile."""
    import ray

    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def nodes() -> list[Node]:
    """The machines that are alive."""
    import ray

    return [
        Node(
            entry["NodeID"],
            entry["NodeManagerHostname"],
            entry["Resources"].get("CPU", 0),
            entry["Resources"].get("GPU", 0),
        )
        for entry in ray.nodes()
        if entry["Alive"]
    ]


def share(machines: Sequence[Node], wanted: Sequence[TrialConfig], resources: Resources) -> dict[str, float]:
    """What one trial gets of a machine. Raises UsageError for a request that no machine could ever meet."""
    cpus, gpus = sum(node.cpus for node in machines), sum(node.gpus for node in machines)
    has = "; ".join(map(str, machines))
    asked = {trial.device for trial in wanted}
    if "cuda" in asked and gpus == 0:
        raise UsageError(
            f"device='cuda': this cluster has no GPU ({has}); leave the device to `auto` or use --set device=cpu."
        )
    if gpus > 0 and asked != {"cpu"}:
        with_gpus = [node.cpus // (node.gpus * resources.trials_per_gpu) for node in machines if node.gpus]
        slots = int(gpus * resources.trials_per_gpu)
        if resources.workers and resources.workers > slots:
            raise UsageError(
                f"--workers {resources.workers} is more than the {slots} trials that {gpus:g} GPUs take at "
                f"--trials-per-gpu {resources.trials_per_gpu:g} ({has})."
            )
        if max(with_gpus) < 1:
            raise UsageError(
                f"a trial on a GPU needs a CPU of the same machine, and there are too few ({has}): "
                "fewer --trials-per-gpu, or machines with more CPUs."
            )
        return {"cpu": max(1.0, min(with_gpus)), "gpu": 1 / resources.trials_per_gpu}
    if resources.workers:
        if resources.workers > cpus:
            raise UsageError(
                f"--workers {resources.workers} is more than the {cpus:g} CPUs here ({has}); try {cpus:g} or fewer."
            )
        each = cpus // resources.workers
        while each > 1 and sum(node.cpus // each for node in machines) < resources.workers:
            each -= 1  # several machines: a trial cannot have CPUs of two
        return {"cpu": float(each)}
    small = all(trial.encoder == "small" for trial in wanted)
    return {"cpu": 1.0 if small else max(1.0, min(4.0, max(node.cpus for node in machines)))}


def slots(machines: Sequence[Node], each: dict[str, float]) -> int:
    """How many trials run at once. Raises UsageError where none ever could."""
    on_each = [node.cpus // each["cpu"] for node in machines]
    if "gpu" in each:
        per_gpu = round(1 / each["gpu"])
        on_each = [min(cpus, node.gpus * per_gpu) for cpus, node in zip(on_each, machines, strict=True)]
    if sum(on_each) < 1:
        needs = " and ".join(f"{amount:g} {name.upper()}s" for name, amount in each.items())
        raise UsageError(
            f"no machine of this cluster has the {needs} that a trial needs ({'; '.join(map(str, machines))})."
        )
    return int(sum(on_each))


def check_shared(workspace: Path, machines: Sequence[Node]) -> None:
    """Raises UsageError naming the machines that do not see the workspace, or have another harness."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    others = [node for node in machines if node.node_id != own and (node.cpus or node.gpus)]
    if not others:
        return
    lease.check_folder(workspace)
    mark = workspace / f".seen-by-{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
    mark.write_text(__version__)
    try:
        asked = {_on(node, _sees).remote(str(mark)): node for node in others}
        problems = []
        for answer, node in asked.items():
            try:
                problem = ray.get(answer, timeout=ANSWER_SECONDS)
            except Exception as error:  # whatever a node that is gone or has no harness makes Ray raise
                problem = f"it could not be asked ({type(error).__name__}: {str(error).strip().splitlines()[-1]})"
            problems += [f"{node.host}: {problem}"] if problem else []
    finally:
        mark.unlink(missing_ok=True)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UsageError(
            f"not every machine of the cluster sees the workspace {workspace}:\n{listed}\n"
            "Put it on storage that all of them share under this path (NFS, EFS, a mounted volume), or leave --address out."
        )


def kill(host: str, pid: int, started: str) -> None:
    """End a process of any machine of the cluster at once; nothing happens where it has gone already."""
    if host == socket.gethostname():
        _kill(pid, started)
        return
    for node in nodes():
        if node.host == host:
            _on(node, _kill).remote(pid, started)


def kill_actor(actor: Any) -> None:
    """End a process by Ray's own means, which do not reach one that is stopped."""
    import ray

    if actor is not None:
        ray.kill(actor)


def _on(node: Node, function: Any) -> Any:
    """The function as a Ray task on this machine, beside whatever runs there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    where = NodeAffinitySchedulingStrategy(node_id=node.node_id, soft=False)
    return ray.remote(num_cpus=0, max_retries=0)(function).options(scheduling_strategy=where)


def _sees(mark: str) -> str | None:
    """On another machine: why it cannot take part."""
    try:
        version = Path(mark).read_text()
    except OSError as error:
        return f"it does not see {Path(mark).parent} as this machine does ({error.strerror})"
    if version != __version__:
        return f"it has harness {__version__}, this machine {version}"
    try:
        lease.check_folder(Path(mark).parent)
    except (UsageError, OSError) as error:
        return str(error)
    return None


def _kill(pid: int, started: str) -> None:
    if lease.started(pid) == started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
