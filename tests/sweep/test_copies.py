"""Copies of finished trials: in a folder, and in an S3 server of this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from harness import background, collect, copies, trials
from harness.errors import UsageError
from tests import builders
from tests.sweep import commands

S3 = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "planted-secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.2)


@pytest.fixture
def sweep(tmp_path):
    made = builders.small_spec(tmp_path, seeds=1)
    builders.finished_sweep(tmp_path, made)
    return made


@pytest.fixture(scope="module")
def server():
    """Where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | S3
    ) as process:
        commands.wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def bucket(server, monkeypatch):
    """An empty bucket, with credentials in the environment."""
    import s3fs

    for name, value in {**S3, "AWS_ENDPOINT_URL": server}.items():
        monkeypatch.setenv(name, value)
    store = s3fs.S3FileSystem(skip_instance_cache=True)
    if store.exists("results"):
        store.rm("results", recursive=True)
    store.mkdir("results")
    return store


def copied(sweep, workspace, address):
    with copies.Copies(workspace, sweep, address) as made:
        made.add([trial.trial_id for trial in sweep.trials()])
    return made.problem


def test_a_sweep_copies_its_trials_and_they_can_be_collected_again(bucket, tmp_path):
    spec = tmp_path / "one.toml"
    spec.write_text(
        'dataset = "digits"\nseeds = 2\n[settings]\nepochs = 1\ntrain_limit = 256\n[[cells]]\nmethod = "supce"\n'
    )
    done = commands.harness("sweep", str(spec), "--copy-to", "s3://results/mine", workspace=tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    names = sorted(commands.finished(tmp_path / "ws"))
    assert sorted(path.rpartition("/")[2] for path in bucket.ls("results/mine/trials")) == names
    bucket.get("results/mine", str(tmp_path / "fetched"), recursive=True)
    arrived = list(collect.collect([tmp_path / "fetched"], tmp_path / "elsewhere"))
    assert [arrival.outcome for arrival in arrived] == [collect.TAKEN] * 2
    assert commands.numbers(tmp_path / "elsewhere") == commands.numbers(tmp_path / "ws")
    assert "planted-secret" not in done.stdout + done.stderr
    before = bucket.info(f"results/mine/trials/{names[0]}/result.json")["LastModified"]
    assert (
        commands.harness("sweep", str(spec), "--copy-to", "s3://results/mine", workspace=tmp_path / "ws").returncode
        == 0
    )
    assert bucket.info(f"results/mine/trials/{names[0]}/result.json")["LastModified"] == before


def test_a_store_that_is_away_is_said_and_the_next_run_copies_the_rest(bucket, sweep, tmp_path, monkeypatch):
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        away.setenv("AWS_MAX_ATTEMPTS", "1")
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        assert "s3://results" in copied(sweep, tmp_path, "s3://results")
    s3fs.S3FileSystem.clear_instance_cache()
    assert copied(sweep, tmp_path, "s3://results") is None
    assert len(bucket.ls("results/trials")) == len(sweep.trials())


def test_the_result_is_the_last_file_that_is_copied(sweep, tmp_path, monkeypatch):
    seen = []
    store, _ = copies._opened(str(tmp_path / "copy"))
    monkeypatch.setattr(
        type(store), "put_file", lambda self, source, target, **_: seen.append(target.rpartition("/")[2])
    )
    assert copied(sweep, tmp_path, str(tmp_path / "copy")) is None
    assert [name for name in seen if name == trials.RESULT] == [trials.RESULT] * len(sweep.trials())
    assert seen[-1] == trials.RESULT


def test_a_folder_is_a_place_too_and_what_is_noted_is_not_copied_again(sweep, tmp_path):
    place = tmp_path / "copy"
    assert copied(sweep, tmp_path, str(place)) is None
    assert len(list(place.glob("trials/*/result.json"))) == len(sweep.trials())
    shutil.rmtree(place)
    assert copied(sweep, tmp_path, str(place)) is None
    assert not place.exists()
    noted = json.loads((tmp_path / "sweeps" / "mine" / "copied.json").read_text())
    assert sorted(noted[str(place)]) == sorted(trial.trial_id for trial in sweep.trials())


@pytest.mark.parametrize("address", ["s3://someone:hunter2@results", "nothing://results"])
def test_an_address_that_cannot_be_used_is_an_error_before_anything_starts(sweep, tmp_path, address):
    with pytest.raises(UsageError, match="--copy-to") as error:
        copied(sweep, tmp_path, address)
    assert "hunter2" not in str(error.value)
