"""Single parts of a benchmark: products, an epoch, and the images it runs on."""

from __future__ import annotations

import os

import numpy as np
import pytest

from harness import config, datasets
from harness.bench import decoding, epoch, images, matmul, precision, scaling, step
from harness.benchmarks import Speed
from harness.config import TrialConfig

from ..training.builders import small
from .builders import CPU


def test_products_are_rates_by_precision_and_size(monkeypatch):
    monkeypatch.setattr(matmul, "SIZES", (32, 64))
    found = matmul.measure(CPU, repeats=3)
    assert list(found) == ["fp32", "bf16"]
    for rates in found.values():
        assert list(rates["flops_by_size"]) == ["32", "64"]
        assert rates["peak"] == max(rate["median"] for rate in rates["flops_by_size"].values())
        assert all(rate["lowest"] <= rate["median"] <= rate["highest"] for rate in rates["flops_by_size"].values())


def test_a_size_that_would_take_too_long_is_left_out(monkeypatch):
    monkeypatch.setattr(matmul, "SIZES", (32, 64))
    monkeypatch.setattr(matmul, "LONGEST_SECONDS", 0)
    assert list(matmul.measure(CPU, 1)["fp32"]["flops_by_size"]) == ["32"]


def test_gradients_are_compared_over_more_batches_than_an_epoch_has():
    trial = small(train_limit=128)
    found = precision.measure(trial, datasets.read(trial), CPU, repeats=2)
    assert list(found) == ["at first", "after 8 steps"]
    assert all(0.9 < look["cosine"]["median"] <= 1 for look in found.values())


def test_scaling_leaves_out_what_the_trial_cannot_be():
    trial = small(batch_size=128, bank_size=4096, train_limit=None)
    found = scaling.measure(trial, datasets.read(trial), CPU, repeats=1)
    assert list(found["batch_size"]) == ["32", "64", "128", "256"]
    assert list(found["bank_size"]) == ["1024", "8192", "65536"]
    large = scaling.measure(trial.replace(batch_size=1100), datasets.read(trial), CPU, repeats=1)
    assert list(large["bank_size"]) == ["8192", "65536"]
    without = scaling.measure(small(method="supce"), datasets.read(small()), CPU, repeats=1)
    assert without["bank_size"] == {}
    assert list(without["steps"]) == ["2", "4"]


@pytest.mark.parametrize("broken", [["bf16"], ["bf16, compiled", "bf16"], ["fp32", "bf16", "bf16, compiled"]])
def test_a_way_that_cannot_run_is_named_and_the_others_are_measured(broken, monkeypatch):
    lap_of = step.lap_of
    failing = [step.ways(CPU)[name] for name in broken]

    def breaking(trial, images, device, speed):
        # stands in for a machine that cannot run a way
        if step.Way(trial.precision, speed) in failing:
            raise RuntimeError("no such thing here")
        return lap_of(trial, images, device, speed)

    monkeypatch.setattr(step, "lap_of", breaking)
    found = step.measure(small(), datasets.read(small()), CPU, 1, None)
    assert set(found["failed"]) == set(broken)
    assert all("no such thing here" in why for why in found["failed"].values())
    assert set(found["ways"]) == set(step.ways(CPU)) - set(broken)
    assert all(way["start_seconds"] >= 0 for way in found["ways"].values())
    assert ("operators" in found) == (len(broken) < 3)


def test_noise_stands_in_for_data_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    found, what = images.find(TrialConfig(train_limit=130, test_limit=20))
    assert what == "noise"
    assert (found.train_images.shape, found.test_images.shape) == ((130, 3, 32, 32), (20, 3, 32, 32))


def test_noise_has_attributes_for_the_method_that_needs_them():
    trial = small("maskcon_attributes", dataset="cifar100", image_size=32)
    noise = images.noise(128, 20, 32)
    assert (noise.train_attributes.shape, noise.train_attributes.dtype) == ((128, 312), np.float32)
    assert set(noise.train_attributes.ravel()) == {0, 1}
    found = step.measure(trial.replace(train_limit=128), noise, CPU, 1, None)
    assert (list(found["ways"])[:2], found["flops"] > 0) == (["fp32", "bf16"], True)


def test_noise_stands_in_for_photographs_in_several_shapes(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    settings = {"encoder": "small", "initialisation": "random", "image_size": 16, "stored_side": 24, "batch_size": 8}
    trial = config.resolve(
        "cars196", "maskcon", overrides=settings | {"train_limit": 20, "test_limit": 10, "bank_size": 32}
    )
    found, what = images.find(trial)
    assert what == "noise"
    assert (len(found.train_images), len(found.test_images)) == (20, 10)
    assert len(np.unique(found.train_images.sizes, axis=0)) == 3
    measured = epoch.measure(trial, found, CPU, steps=2, repeats=1, speed=Speed())
    assert measured["evaluation_seconds"]["median"] > 0


def test_the_datasets_own_images_are_taken_where_they_are():
    trial = small()
    found, what = images.find(trial)
    assert what == "the dataset's"
    assert (found.train_images == datasets.read(trial).train_images).all()


def test_the_epoch_of_a_whole_dataset_is_counted_by_its_size_though_noise_is_smaller(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    monkeypatch.setattr(images, "LARGEST_NOISE", 100)
    trial = small(dataset="cifar100", image_size=32, batch_size=10, train_limit=None, test_limit=20)
    found = epoch.measure(trial, images.find(trial)[0], CPU, steps=2, repeats=1, speed=Speed())
    assert found["dataset_epoch"].startswith("computed: 5000 such steps")
    each = found["seconds"]["median"] / 2
    assert found["dataset_epoch_seconds"] == pytest.approx(
        5000 * each + found["evaluation_seconds"]["median"], rel=0.01
    )


def test_an_epoch_has_no_more_steps_than_the_images_give():
    trial = small(train_limit=128, batch_size=64)
    found = epoch.measure(trial, datasets.read(trial), CPU, steps=4, repeats=1, speed=Speed())
    assert found["steps"] == 2
    assert found["dataset_epoch"].startswith("computed: 2 such steps")


def test_decoding_leaves_the_users_caches_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "IMAGES", 6)
    monkeypatch.setattr(decoding, "DIFFERENT", 2)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE_GIB", "0.000001")  # the measurement's own is larger
    found = decoding.measure(repeats=2)
    assert (os.environ["HARNESS_CACHE"], os.environ["HARNESS_CACHE_GIB"]) == (str(tmp_path), "0.000001")
    assert list(tmp_path.iterdir()) == []
    assert 60 <= found["kilobytes"] <= 120
    rates = found["images_per_second"]
    assert list(rates) == ["cache", "decode_jpeg"]
    assert all(0 < rate["lowest"] <= rate["median"] <= rate["highest"] for rate in rates.values())
    assert found["ratio"] == pytest.approx(rates["cache"]["median"] / rates["decode_jpeg"]["median"], abs=1e-3)
