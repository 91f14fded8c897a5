"""The built trial directories are what the trainer writes: the same files, the same keys, the same kinds of values."""

import pytest

from harness import config, trials
from harness.training import TrainingFailed, train
from tests import builders

SETTINGS = {"train_limit": 64, "test_limit": 20, "batch_size": 32, "bank_size": 32, "epochs": 3, "eval_every": 2}


def trial(method="maskcon", **changes):
    return config.resolve("digits", method, overrides=SETTINGS | {"device": "cpu", "threads": 1} | changes)


def shape(content):
    """The keys and kinds of a JSON value."""
    if isinstance(content, dict) and isinstance(
        content.get("fine_per_coarse"), dict
    ):  # its keys are the names of classes
        return shape(content | {"fine_per_coarse": list(content["fine_per_coarse"].values())})
    if isinstance(content, dict):
        return {name: shape(value) for name, value in content.items()}
    if isinstance(content, list):
        return [shape(value) for value in content]
    return type(content).__name__


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(a trained directory, a built one) of the same trial"""
    real, built = tmp_path_factory.mktemp("real"), tmp_path_factory.mktemp("built")
    train(trial(), trials.directory(real, trial()))
    directory = builders.finished_trial(built, trial(), {2: 0.5, 3: 0.625}, seconds=1.5)
    builders.encoder_files(directory)
    return trials.directory(real, trial()), directory


def test_a_built_trial_has_the_files_of_a_trained_one(pair):
    real, built = ({path.name for path in directory.iterdir()} for directory in pair)
    assert built == real


@pytest.mark.parametrize("name", [trials.CONFIG, trials.RESULT, trials.ENVIRONMENT])
def test_a_built_file_has_the_keys_and_kinds_of_a_trained_one(pair, name):
    real, built = (shape(trials.read_json(directory / name)) for directory in pair)
    assert built == real
    assert list(built) == list(real)


def test_built_metric_lines_have_the_keys_of_trained_ones_in_their_order(pair):
    real, built = ([list(line) for line in trials.read_metrics(directory / trials.METRICS)] for directory in pair)
    assert built == real


def test_a_built_trial_that_holds_images_out_is_like_a_trained_one(tmp_path):
    for method in ("maskcon", "supfine"):
        holding = trial(method=method, validation_fraction=0.25, epochs=1)
        real = train(holding, trials.directory(tmp_path / "real", holding))
        built = trials.read_json(builders.finished_trial(tmp_path / "built", holding, 0.5) / trials.RESULT)
        assert shape(built) == shape(real)
        assert [list(line) for line in built["metrics"]] == [list(line) for line in real["metrics"]]
        assert (built["train_images"], built["validation_images"]) == (48, 16)
        assert (real["train_images"], real["validation_images"]) == (48, 16)


def test_a_built_result_counts_what_a_trained_one_counts(pair):
    real, built = (trials.read_json(directory / trials.RESULT) for directory in pair)
    same = (
        "trial_id",
        "epochs",
        "train_images",
        "validation_images",
        "test_images",
        "parameters",
        "device_type",
        "notes",
    )
    assert {name: built[name] for name in same} == {name: real[name] for name in same}


def test_a_built_encoder_fits_where_a_trained_one_does(pair):
    import torch

    real, built = (torch.load(directory / trials.ENCODER, weights_only=True) for directory in pair)
    assert {name: value.shape for name, value in real.items()} == {name: value.shape for name, value in built.items()}


def test_a_built_failure_has_the_keys_of_a_real_one(tmp_path):
    diverging = trial(lr=1e30)
    with pytest.raises(TrainingFailed):
        train(diverging, trials.directory(tmp_path / "real", diverging))
    real = trials.directory(tmp_path / "real", diverging)
    built = builders.failed_trial(tmp_path / "built", diverging)
    contents = [trials.read_json(directory / trials.FAILURE) for directory in (real, built)]
    assert shape(contents[0]) == shape(contents[1])
    assert contents[0]["kind"] == contents[1]["kind"]
    assert [trials.state(directory).state for directory in (real, built)] == ["failed", "failed"]
