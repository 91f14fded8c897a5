"""`harness bench` as a user types it, on trials so small that they take seconds."""

from __future__ import annotations

import json
import signal

import pytest

from harness import bench, benchmarks, plan
from harness import spec as specs
from harness.bench import table
from harness.config import TrialConfig
from harness.errors import UsageError

from ..sweep.commands import harness, start, wait_for
from ..training.builders import SMALL, small

NAMES = ("dataset", "method", "encoder", "train_limit", "test_limit", "batch_size", "bank_size", "weight", "threads")
TINY = [word for name in NAMES[2:] for word in ("--set", f"{name}={SMALL[name]}")]
WAYS = {"fp32": (False, "fp32"), "bf16": (False, "bf16"), "bf16, compiled": (True, "bf16")}  # on a CPU
PARTS = ["data", "momentum", "query forward", "key forward", "loss", "backward", "optimiser", "bank", "rest", "total"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The workspace, the file of --output and what was printed, after one benchmark of digits."""
    workspace = tmp_path_factory.mktemp("workspace")
    output = workspace / "elsewhere" / "result.json"
    parts = ["--part", "step", "--part", "epoch", "--part", "recall", "--repeats", "1", "--recall-images", "300"]
    done = harness("bench", "digits", "maskcon", *TINY, *parts, "--output", str(output), workspace=workspace)
    assert done.returncode == 0, done.stderr
    return workspace, json.loads(output.read_text()), done


def test_the_result_tells_what_was_measured_on_what_with_what_and_when(measured):
    _, result, done = measured
    assert {"device", "device_type", "threads", "machine", "commit", "dirty", "kind", "images"} <= set(result)
    assert {"processor", "platform", "cpus", "gpus", "load_before"} == set(result["machine"])
    assert {"torch", "python", "harness", "numpy"} <= set(result["versions"])
    assert result["date"].startswith("20")
    assert result["command"].startswith("harness bench digits maskcon --set encoder=small")
    assert {name: result["settings"][name] for name in NAMES} == {name: SMALL.get(name, "maskcon") for name in NAMES}
    assert [part for part in bench.PARTS if part in result] == ["step", "epoch", "recall"]
    assert [line for line in done.stderr.splitlines() if line.startswith("measuring")] == [
        "measuring: step",
        "measuring: epoch",
        "measuring: recall",
    ]


def test_the_result_lies_in_the_workspace_and_where_it_was_asked_for(measured):
    workspace, result, done = measured
    (path,) = benchmarks.folder(workspace).iterdir()
    assert json.loads(path.read_text()) == result
    assert "digits-maskcon-small-8-64-256" in path.name
    assert [line for line in done.stderr.splitlines() if line.startswith("written")] == [
        f"written: {path}",
        f"written: {workspace / 'elsewhere' / 'result.json'}",
    ]


def test_every_way_of_running_a_step_has_all_its_parts(measured):
    _, result, _ = measured
    ways = result["step"]["ways"]
    assert {name: (way["compile"], way["precision"]) for name, way in ways.items()} == WAYS
    for way in ways.values():
        assert list(way["seconds"]) == PARTS
        total = way["seconds"]["total"]["median"]
        assert sum(way["seconds"][part]["median"] for part in PARTS[:-1]) == pytest.approx(total, rel=1e-3)
        assert way["images_per_second"] == pytest.approx(64 / total, rel=1e-3)
        assert way["flops_per_second"] == pytest.approx(result["step"]["flops"] / total, rel=1e-3)
        assert way["start_seconds"] >= 0
    assert sum(result["step"]["operators"]["shares"].values()) == pytest.approx(1, abs=0.01)


def test_epoch_and_recall_are_of_the_sizes_that_were_asked_for(measured):
    _, result, _ = measured
    assert (result["epoch"]["steps"], result["epoch"]["test_images"]) == (4, 128)
    assert 0 < result["epoch"]["beyond_steps"]["median"] < 1
    assert result["epoch"]["dataset_epoch_seconds"] > 0
    assert (result["recall"]["images"], result["recall"]["dimension"]) == (300, 512)
    assert 0 <= result["recall"]["recall_at_1"] <= 1


def test_the_tables_are_printed_and_shown_again(measured):
    workspace, result, done = measured
    assert done.stdout.startswith(table.markdown(result))
    shown = harness("bench", "--show", workspace=workspace)
    assert shown.stdout.startswith(table.markdown(result))
    assert json.loads(harness("bench", "--show", "--json", workspace=workspace).stdout)[0] == result


def test_trials_and_plans_of_the_workspace_go_by_it(measured, tmp_path):
    workspace, result, _ = measured
    known = benchmarks.load(workspace)
    steps = result["step"]["ways"]
    trial = small(precision="bf16")
    eager, compiled = (steps[name]["seconds"]["total"]["median"] for name in ("bf16", "bf16, compiled"))
    found = benchmarks.choose(trial, result["device"], 1, 10**9, known)
    assert found.compile == (compiled * (1 + benchmarks.MARGIN) < eager)
    lines = [f"{name} = {SMALL[name]!r}".replace("'", '"') for name in NAMES[2:]]
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(['title = "t"', 'dataset = "digits"', "seeds = 1", "[settings]", *lines, "[[cells]]"]))
    path.write_text(f'{path.read_text()}\nmethod = "maskcon"\n')
    guess = plan.estimate(plan.plan(specs.load(path), workspace), workspace)
    seconds = steps["fp32"]["seconds"]["total"]["median"] * 256 / 64 * 20  # digits train for 20 epochs
    assert guess.hours == pytest.approx(seconds / 3600)


def test_a_second_run_replaces_nothing_and_its_parts_are_shown_too(measured):
    workspace, result, _ = measured
    (first,) = benchmarks.folder(workspace).iterdir()
    words = [*TINY, "--part", "recall", "--repeats", "1", "--recall-images", "200"]
    assert harness("bench", "digits", "maskcon", *words, workspace=workspace).returncode == 0
    assert json.loads(first.read_text()) == result
    assert len(list(benchmarks.folder(workspace).iterdir())) == 2
    assert benchmarks.load(workspace)[0] == result
    shown = harness("bench", "--show", workspace=workspace)
    assert "Recall@K of 200 × 512" in shown.stdout
    assert str(first) in shown.stderr
    (second,) = set(benchmarks.folder(workspace).iterdir()) - {first}
    second.unlink()


def test_an_interrupted_run_keeps_and_names_what_was_measured(tmp_path):
    words = [*TINY, "--part", "recall", "--part", "products", "--repeats", "1", "--recall-images", "20000"]
    running = start("bench", "digits", "maskcon", *words, workspace=tmp_path)
    # wait until the part that comes second has begun; the first one is kept before
    (path,) = wait_for(lambda: list(benchmarks.folder(tmp_path).glob("*.json")))
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert f"written: {path}" in said
    result = json.loads(path.read_text())
    assert [part for part in bench.PARTS if part in result] == ["products"]


def test_a_new_workspace_shows_what_is_committed(tmp_path):
    shown = harness("bench", "--show", "--json", workspace=tmp_path)
    assert json.loads(shown.stdout) == list(benchmarks.committed().values())


def test_the_plain_pipeline_is_set_beside_ours_on_colour_images(tmp_path):
    words = [*TINY, "--set", "batch_size=16", "--set", "bank_size=32", "--set", "temperature=0.1", "--part", "step"]
    done = harness(
        "bench", "cifar100", *words, "--repeats", "1", "--against", "torchvision-loader", "--json", workspace=tmp_path
    )
    assert done.returncode == 0, done.stderr
    step = json.loads(done.stdout)["step"]
    against = step["against"]
    assert (against["pipeline"], against["settings"]) == ("torchvision-loader", {"workers": 1})
    assert list(against["seconds"]) == PARTS
    for name in WAYS:
        ours = step["ways"][name]["seconds"]["total"]["median"]
        assert against["ratio"][name] == pytest.approx(against["seconds"]["total"]["median"] / ours, rel=0.01)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--part stepp", ["stepp", *bench.PARTS]),
        ("--against fast-loader", ["fast-loader", "torchvision-loader"]),
        ("--set epoch=3", ["'epoch'", "Did you mean 'epochs'"]),
        ("--show --file nowhere.json", ["nowhere.json", "is no result of `harness bench`"]),
        ("--file mine.json", ["--file names results to show", "add --show"]),
        ("--output /", ["--output /: this is a folder"]),
        ("--output /dev/null/mine.json", ["--output /dev/null/mine.json", "nothing can be written in /dev/null"]),
    ],
)
def test_wrong_words_are_answered_with_what_is_known(words, named, tmp_path):
    done = harness("bench", *words.split(), workspace=tmp_path / "workspace")
    assert done.returncode == 2, done.stdout + done.stderr
    said = " ".join(done.stderr.replace("│", " ").split())
    assert [phrase for phrase in named if phrase not in said] == [], said
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        (small(), "digits has none"),
        (TrialConfig(method="supcon"), "runs maskcon with a temperature above 0 only"),
        (TrialConfig(temperature=0.0), "runs maskcon with a temperature above 0 only"),
    ],
)
def test_the_plain_pipeline_refuses_what_it_cannot_run(trial, reason):
    options = bench.Options(parts=("step",), against="torchvision-loader")
    with pytest.raises(UsageError, match=reason):
        bench.run(trial, options, "", lambda text: None, lambda result: None)
