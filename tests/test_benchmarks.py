"""Which way of running a step a trial takes, and what it says of the time: from files of `harness bench`."""

from __future__ import annotations

import json
import math

import pytest

from harness import benchmarks, provenance, resources
from harness.benchmarks import Speed
from harness.config import TrialConfig
from harness.errors import UsageError

from .bench.builders import measurement, way, written

CPU = ("Test CPU", 1)
GPU = ("NVIDIA H100", 1)
WAYS = {  # compiled from 100 steps on, the graph from 200 on, both from 400 on
    "fp32": way(8.0, precision="fp32"),
    "bf16": way(1.0),
    "compiled": way(0.5, 50, compile=True),
    "graph": way(0.25, 100, cuda_graphs=True),
    "both": way(0.125, 150, compile=True, cuda_graphs=True),
}


def trial(**changes):
    return TrialConfig(**{"precision": "bf16", **changes})


def chosen(wanted, steps, known, device="Test CPU", threads=1):
    found = benchmarks.choose(wanted, device, threads, steps, known)
    return found.compile, found.cuda_graphs


EAGER, COMPILED, GRAPH, BOTH = (False, False), (True, False), (False, True), (True, True)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (1, EAGER),
        (106, EAGER),
        (107, COMPILED),
        (199, COMPILED),
        (201, GRAPH),
        (399, GRAPH),
        (401, BOTH),
        (10**6, BOTH),
    ],
)
def test_the_way_with_the_least_start_and_steps_is_taken(steps, expected):
    assert chosen(trial(), steps, [measurement(trial(), WAYS)]) == expected


def test_a_way_that_is_sooner_by_less_than_measurements_differ_is_not_taken():
    for seconds, expected in (0.98, EAGER), (0.96, COMPILED):
        ways = {"bf16": way(1.0), "compiled": way(seconds, 0, compile=True)}
        assert chosen(trial(), 10**6, [measurement(trial(), ways)]) == expected


def test_where_two_ways_take_as_long_the_first_one_is_taken():
    assert chosen(trial(), 100, [measurement(trial(), WAYS)]) == EAGER


def test_the_choice_says_when_it_was_measured():
    known = [measurement(trial(), WAYS, date="2026-01-02")]
    assert benchmarks.choose(trial(), *CPU, 1, known).why == "soonest of those measured on 2026-01-02"


def test_fp32_is_never_compiled_or_recorded_unless_asked():
    ways = {**WAYS, "fp32, both": way(0.1, precision="fp32", compile=True, cuda_graphs=True)}
    known = [measurement(trial(), ways)]
    for asked in EAGER, COMPILED, GRAPH:
        words = {name: "on" if on else "auto" for name, on in zip(("compile", "cuda_graphs"), asked, strict=True)}
        assert chosen(trial(precision="fp32", **words), 10**6, known) == asked


@pytest.mark.parametrize(
    ("compile", "cuda_graphs", "expected"),
    [
        ("off", "auto", [EAGER, EAGER, GRAPH, GRAPH]),
        ("on", "auto", [COMPILED, COMPILED, COMPILED, BOTH]),
        ("auto", "off", [EAGER, COMPILED, COMPILED, COMPILED]),
        ("auto", "on", [GRAPH, GRAPH, GRAPH, BOTH]),
        ("off", "off", [EAGER] * 4),
        ("on", "off", [COMPILED] * 4),
        ("off", "on", [GRAPH] * 4),
        ("on", "on", [BOTH] * 4),
    ],
)
def test_what_the_settings_say_holds_and_the_rest_is_chosen_among_what_is_left(compile, cuda_graphs, expected):
    wanted, known = trial(compile=compile, cuda_graphs=cuda_graphs), [measurement(trial(), WAYS)]
    assert [chosen(wanted, steps, known) for steps in (1, 107, 251, 10**6)] == expected


def test_what_the_settings_ask_for_holds_where_nothing_like_it_was_measured():
    eager_alone = [measurement(trial(), {"bf16": way(1.0), "fp32": way(1.0, precision="fp32")})]
    for known in eager_alone, []:
        assert chosen(trial(compile="on"), 10**6, known) == COMPILED
        assert chosen(trial(cuda_graphs="on"), 10**6, known) == GRAPH


def test_methods_with_and_without_a_bank_run_the_same_way():
    known = [measurement(trial(), WAYS)]
    for changes in {"bank_size": 4096}, {"method": "supce"}, {"method": "grafit"}:
        assert chosen(trial(**changes), 10**6, known) == chosen(trial(), 10**6, known) != EAGER


@pytest.mark.parametrize("changes", [{"batch_size": 64}, {"encoder": "resnet34"}, {"image_size": 64}])
def test_a_measurement_of_another_kind_says_nothing(changes):
    known = [measurement(trial(**changes), WAYS)]
    assert benchmarks.choose(trial(), *CPU, 10**6, known) == Speed()
    assert benchmarks.seconds_per_image(trial(), known) is None


def test_a_measurement_of_another_device_says_nothing():
    assert benchmarks.choose(trial(), "Another CPU", 1, 10**6, [measurement(trial(), WAYS)]) == Speed()


def test_threads_count_on_a_cpu_alone():
    on_cpu = [measurement(trial(), WAYS, threads=2)]
    assert chosen(trial(), 10**6, on_cpu) == EAGER
    assert chosen(trial(), 10**6, on_cpu, threads=2) == BOTH
    on_gpu = [measurement(trial(), WAYS, device=GPU[0], device_type="cuda", threads=2)]
    assert chosen(trial(), 10**6, on_gpu, *GPU) == BOTH


def test_a_trials_threads_and_way_are_no_part_of_its_kind():
    assert benchmarks.kind(trial(threads=3, compile="on")) == benchmarks.kind(trial())


def test_methods_without_a_bank_are_of_one_kind_whatever_its_size():
    kinds = [
        benchmarks.kind(trial(method=method, bank_size=size)) for method in ("supce", "supfine") for size in (128, 999)
    ]
    assert all(kind == kinds[0] | {"bank_size": 0} for kind in kinds)
    assert benchmarks.kind(trial())["bank_size"] == 8192


def test_the_newest_measurement_comes_first_and_the_workspaces_before_the_committed(tmp_path, monkeypatch):
    # stands in for the committed folder, whose content changes with every measurement that is committed
    committed = tmp_path / "committed"
    monkeypatch.setattr(resources, "folder", lambda name: committed / "bench")
    written(committed, "a", measurement(trial(), {}, date="2027-01-01", device=provenance.processor()))
    written(committed, "b", measurement(trial(), {}, date="2029-01-01", device=provenance.processor()))
    written(committed, "of another machine", measurement(trial(), {}, date="2030-01-01"))
    written(tmp_path, "c", measurement(trial(), {}, date="2026-01-01"))
    written(tmp_path, "a", measurement(trial(), {}, date="2025-01-01"))
    written(tmp_path, "b", measurement(trial(), {}, date="2028-01-01"))
    years = [content["date"][:4] for content in benchmarks.load(tmp_path)]
    assert years == ["2028", "2026", "2025", "2029", "2027"]
    assert len(benchmarks.committed()) == 3


def test_the_first_measurement_that_fits_decides():
    newer, older = ({"bf16": way(1.0), "compiled": way(value, compile=True)} for value in (2.0, 0.5))
    assert chosen(trial(), 9, [measurement(trial(), newer), measurement(trial(), older)]) == EAGER
    assert chosen(trial(), 9, [measurement(trial(), older), measurement(trial(), newer)]) == COMPILED


def test_damaged_files_are_passed_over_and_named_where_they_are_asked_for(tmp_path):
    whole = measurement(trial(), WAYS)
    one_way = whole["step"]["ways"]["bf16"]
    damaged = {
        "half": json.dumps(whole)[:200],
        "list": "[1]",
        "empty": "",
        "no ways": json.dumps({**whole, "step": {}}),
        "wrong step": json.dumps({**whole, "step": 3}),
        "wrong date": json.dumps({**whole, "date": 20260101}),
        "wrong kind": json.dumps({**whole, "kind": ["resnet18"]}),
        "wrong threads": json.dumps({**whole, "threads": "2"}),
        "ways in a list": json.dumps({**whole, "step": {"ways": [one_way]}}),
        "wrong way": json.dumps({**whole, "step": {"ways": {"bf16": 1.5}}}),
        "wrong start": json.dumps({**whole, "step": {"ways": {"bf16": one_way | {"start_seconds": None}}}}),
        "no total": json.dumps({**whole, "step": {"ways": {"bf16": one_way | {"seconds": {}}}}}),
        "no number": json.dumps({**whole, "step": {"ways": {"bf16": one_way | {"start_seconds": math.nan}}}}),
        "wrong flag": json.dumps({**whole, "step": {"ways": {"bf16": one_way | {"compile": "yes"}}}}),
        "no kind": json.dumps({name: value for name, value in whole.items() if name != "kind"}),
        "bytes": "\x00\x01",
    }
    before = benchmarks.load(tmp_path)
    path = written(tmp_path, "whole", whole)
    for name, text in damaged.items():
        path.with_name(f"{name}.json").write_text(text)
    assert benchmarks.load(tmp_path) == [whole, *before]
    assert benchmarks.read(path) == whole
    for name in damaged:
        with pytest.raises(UsageError, match=f"{name}.json is no result of `harness bench`"):
            benchmarks.read(path.with_name(f"{name}.json"))


def test_seconds_per_image_are_of_the_fastest_way_in_the_trials_precision():
    known = [measurement(trial(), WAYS)]
    assert benchmarks.seconds_per_image(trial(), known) == (0.125 / 128, "Test CPU", "cpu")
    assert benchmarks.seconds_per_image(trial(precision="fp32"), known) == (8.0 / 128, "Test CPU", "cpu")


def test_seconds_per_image_are_of_a_way_that_the_settings_allow():
    known = [measurement(trial(), WAYS)]
    for words, seconds in (
        ({"compile": "off"}, 0.25),
        ({"cuda_graphs": "off"}, 0.5),
        ({"compile": "off", "cuda_graphs": "off"}, 1.0),
        ({"threads": 1}, 0.125),
    ):
        assert benchmarks.seconds_per_image(trial(**words), known)[0] == seconds / 128
    fp32 = [measurement(trial(), {"eager": way(8.0, precision="fp32"), "c": way(1.0, precision="fp32", compile=True)})]
    assert benchmarks.seconds_per_image(trial(precision="fp32"), fp32)[0] == 8.0 / 128
    assert benchmarks.seconds_per_image(trial(precision="fp32", compile="on"), fp32)[0] == 1.0 / 128


def test_seconds_per_image_on_a_cpu_are_of_the_trials_threads():
    assert benchmarks.seconds_per_image(trial(threads=2), [measurement(trial(), WAYS)]) is None
    on_gpu = [measurement(trial(), WAYS, device_type="cuda")]
    assert benchmarks.seconds_per_image(trial(threads=2), on_gpu) is not None


def test_a_result_without_steps_is_kept_and_shown_but_not_gone_by(tmp_path):
    before = benchmarks.load(tmp_path)
    partial = {name: value for name, value in measurement(trial(), WAYS).items() if name != "step"}
    path = written(tmp_path, "recall alone", partial)
    assert benchmarks.of_workspace(tmp_path) == {path: partial}
    assert benchmarks.load(tmp_path) == before
    assert benchmarks.read(path) == partial


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "not measured on this device"),
        ({"compile": "on"}, "as the settings say; not measured on this device"),
        ({"compile": "on", "cuda_graphs": "off"}, "as the settings say"),
        ({"precision": "fp32"}, "fp32, the exact reference, is left as the settings say"),
    ],
)
def test_a_choice_without_a_measurement_says_so(settings, why):
    assert benchmarks.choose(trial(**settings), *CPU, 9, []).why == why


def test_a_method_without_a_bank_is_spared_the_key_side():
    parts = {"key forward": 0.25, "momentum": 0.125, "data": 0.0625}
    known = [measurement(trial(), {"bf16": way(1.0, **parts), "compiled": way(0.75, compile=True)})]
    without = trial(method="supce")
    assert benchmarks.seconds_per_image(without, known)[0] == 0.625 / 128
    assert benchmarks.seconds_per_image(trial(), known)[0] == 0.75 / 128
    of_its_own = measurement(without, {"bf16": way(0.5, **parts)})
    assert benchmarks.seconds_per_image(without, [of_its_own])[0] <= 0.5 / 128
    assert benchmarks.seconds_per_image(trial(), [of_its_own]) is None


def test_a_measurement_with_a_kind_of_another_version_says_nothing():
    content = measurement(trial(), WAYS)
    other = {**content, "kind": content["kind"] | {"colour": "blue"}}
    assert benchmarks.seconds_per_image(trial(), [other]) is None
    assert benchmarks.choose(trial(), *CPU, 10**6, [other]) == Speed()


def test_a_way_in_another_precision_is_not_taken():
    ways = {"bf16": way(1.0), "fp32, compiled": way(0.1, precision="fp32", compile=True)}
    assert chosen(trial(), 100, [measurement(trial(), ways)]) == EAGER
