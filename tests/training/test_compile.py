"""Trials whose networks are compiled are the trials they were: same id, same files, nearly the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch._dynamo.utils import counters

from harness import benchmarks, trials
from harness.benchmarks import Speed
from harness.training import train
from harness.training.device import device_name
from harness.training.loop import embed
from harness.training.step import build_optimiser, build_step

from ..bench.builders import measurement, way, written
from .builders import finished, learner_and_data, small, undisturbed

EAGER_SOONEST = {"bf16": way(1.0), "compiled": way(2.0, compile=True)}
COMPILED_SOONEST = {"bf16": way(2.0), "compiled": way(1.0, compile=True)}


def measured(workspace, ways, date="2026-09-21"):
    """The workspace has a benchmark of `small(precision="bf16")` on this CPU."""
    content = measurement(small(precision="bf16"), ways, device=device_name(torch.device("cpu")), threads=1, date=date)
    written(workspace, date, content)


def speed_of(directory) -> dict:
    return trials.read_result(directory)["speed"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The directory of a trial that was trained with compile=on, and how many graphs were compiled after each epoch."""
    trial, graphs = small(compile="on", epochs=3), []
    directory = trials.directory(tmp_path_factory.mktemp("workspace"), trial)
    torch._dynamo.reset()
    counters.clear()
    train(trial, directory, report=lambda epoch, metrics: graphs.append(counters["stats"]["unique_graphs"]))
    return directory, graphs


def test_a_trial_is_compiled_in_its_first_epoch_and_not_for_evaluation(compiled):
    directory, graphs = compiled
    assert graphs == [2, 2, 2]  # one of each encoder
    assert speed_of(directory)["compile"] is True


def test_a_compiled_trial_ends_near_the_eager_one(compiled):
    found, expected = finished(compiled[0]), undisturbed(epochs=3)
    for line, eager in zip(found.lines, expected.lines, strict=True):
        assert line["loss"] == pytest.approx(eager["loss"], rel=1e-4)
        assert line["recall_at_1"] == pytest.approx(eager["recall_at_1"], abs=0.05)
    assert found.result["trial_id"] == expected.result["trial_id"]


def test_the_files_of_a_compiled_trial_have_the_names_and_shapes_of_an_eager_one(compiled):
    found, expected = finished(compiled[0]), undisturbed(epochs=3)
    shapes = [{name: (value.shape, value.dtype) for name, value in each.encoder.items()} for each in (found, expected)]
    assert shapes[0] == shapes[1]
    assert found.features.shape == expected.features.shape
    for name, value in expected.encoder.items():
        if value.is_floating_point():
            torch.testing.assert_close(found.encoder[name], value, rtol=0.02, atol=0.01)


def test_the_way_of_running_is_no_part_of_a_trials_identity():
    ids = {
        small(compile=word, cuda_graphs=other).trial_id for word in ("auto", "on", "off") for other in ("auto", "on")
    }
    assert ids == {small().trial_id}


def test_evaluation_neither_compiles_nor_runs_what_is_compiled():
    trial = small()
    learner, data = learner_and_data(trial)
    step = build_step(learner, build_optimiser(trial, learner), Speed())
    batches = list(data.batches(0, learner.views))
    step(batches[0], 0.1)
    eager = embed(learner.encoder, data.test_images, data, trial)
    build_step(learner, step.optimiser, Speed(compile=True))
    assert learner.encoder._compiled_call_impl is not None
    torch._dynamo.reset()
    counters.clear()
    assert torch.equal(embed(learner.encoder, data.test_images, data, trial), eager)
    assert not counters["stats"]
    learner.train()
    step(batches[1], 0.1)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    embed(learner.encoder, data.test_images, data, trial)
    learner.train()
    step(batches[2], 0.1)
    assert counters["stats"]["unique_graphs"] == graphs


def test_a_trial_runs_as_the_workspaces_benchmark_says_is_soonest(tmp_path):
    for name, ways in (("eager", EAGER_SOONEST), ("compiled", COMPILED_SOONEST)):
        trial = small(precision="bf16", epochs=1)
        measured(tmp_path / name, ways)
        train(trial, trials.directory(tmp_path / name, trial))
        found = speed_of(trials.directory(tmp_path / name, trial))
        assert found["compile"] == (name == "compiled")
        assert found["why"] == "soonest of those measured on 2026-09-21"


@pytest.mark.parametrize(("before", "after"), [(EAGER_SOONEST, COMPILED_SOONEST), (COMPILED_SOONEST, EAGER_SOONEST)])
def test_a_trial_that_goes_on_keeps_to_the_way_it_began_with(tmp_path, before, after):
    trial = small(precision="bf16")
    directory = trials.directory(tmp_path, trial)
    measured(tmp_path, before, "2026-09-21")

    def stop(epoch, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trial, directory, report=stop)
    saved = torch.load(directory / trials.CHECKPOINT, weights_only=True)["speed"]
    measured(tmp_path, after, "2026-10-10")
    newest = benchmarks.choose(trial, device_name(torch.device("cpu")), 1, 8, benchmarks.load(tmp_path))
    assert newest.compile != saved["compile"] == (before is COMPILED_SOONEST)
    train(trial, directory)
    assert speed_of(directory) == saved
    assert len(trials.read_result(directory)["metrics"]) == 2


def test_an_interrupted_eager_trial_is_the_undisturbed_one_whatever_was_measured_meanwhile(tmp_path):
    trial = small(precision="bf16")
    directory = trials.directory(tmp_path, trial)

    def stop(epoch, metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(trial, directory, report=stop)
    measured(tmp_path, COMPILED_SOONEST)
    train(trial, directory)
    assert finished(directory).lines == undisturbed(precision="bf16").lines
