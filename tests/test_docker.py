"""The files of docker/: each against a linter or schema of its kind, and against what this project demands of them all."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness import resources

ROOT = resources.PACKAGE.parent
DOCKER = ROOT / "docker"
SCHEMA = json.loads((Path(__file__).parent / "schemas" / "kubernetes.json").read_text())
SCRIPTS = [*sorted(DOCKER.glob("*.sh")), DOCKER / "slurm.sbatch"]
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CLUSTER = yaml.safe_load((DOCKER / "ray-cluster.yaml").read_text())
KUBERNETES = [
    entry for name in ("kubernetes", "rayjob") for entry in yaml.safe_load_all((DOCKER / f"{name}.yaml").read_text())
]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
RAY_PROCESSES = ["head", "worker-cpu", "worker-gpu", "sweep", "harness"]


def _run(program: str, *arguments: str | Path) -> None:
    """A linter that came with the tests' requirements; what it complains of is the failure's text."""
    answer = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / program, *arguments], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def _default(text: str) -> str:
    """What compose makes of a value where nothing is set."""
    return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda match: match[1] or "", text)


def _pods() -> list[dict[str, Any]]:
    """The specifications of all pods."""
    pods = []
    for entry in KUBERNETES:
        if entry["kind"] == "Job":
            pods.append(entry["spec"]["template"]["spec"])
        if entry["kind"] == "RayJob":
            cluster = entry["spec"]["rayClusterSpec"]
            pods += [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    return pods


def _lock(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {package.lower().replace("_", "-"): version for package, version in pairs}


def test_hadolint_finds_nothing():
    _run("hadolint", DOCKER / "Dockerfile")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_finds_nothing(script):
    _run("shellcheck", script)
    assert script.suffix == ".sbatch" or script.stat().st_mode & 0o111, "not executable"


def test_compose_file_follows_the_compose_specification():
    _run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")


def test_cluster_file_follows_the_schema_of_the_installed_ray():
    package = Path(importlib.util.find_spec("ray").origin).parent
    jsonschema.validate(CLUSTER, json.loads((package / "autoscaler" / "ray-schema.json").read_text()))


def test_ray_takes_the_cluster_file(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(copy.deepcopy(CLUSTER))
    validate_config(prepared)
    types = prepared["available_node_types"]
    assert 1 + types["worker"]["min_workers"] == 8  # GPUs: the head's and one for each worker


@pytest.mark.parametrize("entry", KUBERNETES, ids=lambda entry: f"{entry['kind']}-{entry['metadata']['name']}")
def test_kubernetes_objects_follow_their_schemas(entry):
    jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{entry['kind']}"}).validate(entry)


def test_a_field_that_kuberay_does_not_know_is_found():
    (job,) = (entry for entry in KUBERNETES if entry["kind"] == "RayJob")
    wrong = job | {"spec": job["spec"] | {"backofLimit": 3}}
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(wrong)


def test_published_ports_are_bound_to_loopback_unless_asked():
    published = {name: port for name, service in SERVICES.items() for port in service.get("ports", [])}
    assert set(published) == {"head", "mlflow", "s3"}
    for port in published.values():
        assert port.startswith("${HARNESS_BIND:-127.0.0.1}:")
        assert _default(port).startswith("127.0.0.1:")


def test_images_have_exact_tags():
    images = [_default(service["image"]) for service in SERVICES.values()]
    images += [container["image"] for pod in _pods() for container in pod["containers"]]
    images += [CLUSTER["docker"]["image"], re.search(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.M)[1]]
    own = {"harness:cpu"}  # compose builds it
    for image in set(images) - own:
        assert re.search(r":v?\d+\.\d+[\w.-]*$", image), image
    assert "latest" not in "".join(images)


def test_base_image_is_the_same_everywhere():
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", DOCKERFILE, re.M)
    assert all(
        _default(service["build"]["args"]["PYTHON_IMAGE"]) == base
        for service in SERVICES.values()
        if "build" in service
    )
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)) == {
        "${PYTHON_IMAGE}",
        "libraries",
        "torch-cpu",
        "torch-gpu",
    }


def test_nothing_runs_as_root():
    for target in ("cpu", "gpu"):
        stage = re.search(rf"^FROM \S+ AS {target}\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)[1]
        assert re.findall(r"^USER (.+)$", stage, re.M) == ["1000:1000"]
    assert all(service["user"].startswith("${HARNESS_UID:?") for service in SERVICES.values())
    assert all(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] for pod in _pods())


def test_every_ray_process_is_told_how_to_authenticate():
    assert {name: SERVICES[name]["environment"]["RAY_AUTH_MODE"] for name in RAY_PROCESSES} == {
        **dict.fromkeys(RAY_PROCESSES, "token"),
        "harness": "disabled",
    }
    for name, service in SERVICES.items():
        assert name in RAY_PROCESSES or "ray" not in service.get("command", []), name
        if service.get("environment", {}).get("RAY_AUTH_MODE") == "token":
            assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray-token"
            assert "ray-token" in service["secrets"]
    for pod in _pods():
        environment = {entry["name"]: entry["value"] for entry in pod["containers"][0].get("env", [])}
        if "ray" in pod["containers"][0]["name"]:
            assert environment["RAY_AUTH_MODE"] == "token"
            mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
            assert mounts[str(Path(environment["RAY_AUTH_TOKEN_PATH"]).parent)] == "ray-token"
    assert "-e RAY_AUTH_MODE=token" in CLUSTER["docker"]["run_options"]
    slurm = (DOCKER / "slurm.sbatch").read_text()
    assert slurm.index("RAY_AUTH_MODE=token") < slurm.index("ray start")


def test_no_secret_is_written_down():
    secret_names = re.compile(r"PASSWORD|SECRET|TOKEN|PASSPHRASE|ACCESS_KEY")
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            assert not secret_names.search(key) or value.startswith("/run/secrets/"), f"{name}: {key}"
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    literal = re.compile(
        r"://[^/\s:@$]+:[^/\s@]+@|\b[0-9a-f]{32,}\b|\bAKIA[0-9A-Z]{16}\b|PRIVATE KEY|password\s*[:=]\s*(?!\S*/)[A-Za-z0-9]{6,}",
        re.I,
    )
    for path in DOCKER.iterdir():
        if path.is_file():
            assert not literal.search(path.read_text()), path.name


def test_workers_share_the_workspace_and_only_read_the_data():
    for name in ("worker-cpu", "worker-gpu", "sweep"):
        volumes = {volume["target"]: volume for volume in SERVICES[name]["volumes"]}
        assert volumes["/workspace"] == SERVICES["head"]["volumes"][0]
        assert volumes["/data"]["read_only"]
    for pod in _pods()[1:]:
        mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts["/data"]["readOnly"]
        assert "/workspace" in mounts
    (workspace,) = (entry for entry in KUBERNETES if entry["metadata"]["name"] == "harness-workspace")
    assert workspace["spec"]["accessModes"] == ["ReadWriteMany"]


def test_locks_hold_the_tested_versions_and_all_that_is_asked_for():
    tested = _lock("constraints.txt")
    locks = [_lock(f"docker/{name}.lock") for name in ("requirements", "torch", "cuda")]
    locked = {package: version for lock in locks for package, version in lock.items()}
    assert len(locked) == sum(map(len, locks)), "a package stands in two locks"
    assert {package: version for package, version in locked.items() if tested.get(package, version) != version} == {}
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    asked = setup["options"]["install_requires"] + (DOCKER / "requirements.in").read_text()
    names = re.findall(r"^([A-Za-z][\w-]*)", asked.replace("_", "-"), re.M)
    assert {name.lower() for name in names} <= set(locked)
    assert set(locks[1]) == {"torch", "torchvision"}


def test_rayjob_names_the_locked_version_of_ray():
    (job,) = (entry for entry in KUBERNETES if entry["kind"] == "RayJob")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == _lock("docker/requirements.lock")["ray"]


def test_what_the_builder_sees_is_enough_for_the_wheel(tmp_path):
    source = tmp_path / "source"
    for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines():
        for path in ROOT.glob(line[1:]) if line.startswith("!") else ():
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(path, target)
    options = ["--no-deps", "--no-build-isolation", "-q", "--wheel-dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True, capture_output=True)
    assert len(list(tmp_path.glob("harness-*.whl"))) == 1
    copied = re.findall(r"(?:COPY(?: --chmod=\d+)?|source=)\s?(docker/[\w.-]+)", DOCKERFILE)
    assert copied
    assert all((source / path).is_file() for path in copied)
