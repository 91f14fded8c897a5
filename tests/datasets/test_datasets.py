"""Every dataset: counts, labels, groupings, what is said of missing and damaged files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from harness import config, datasets
from harness.datasets import _cifar, cifartoy
from harness.errors import MissingData, UsageError
from tests.datasets import genuine


@pytest.mark.parametrize("name", datasets.names())
def test_each_dataset_declares_what_the_others_do(name):
    module = datasets.load(name)
    trial = config.resolve(name, "maskcon", overrides={"initialisation": "random"})
    assert all([module.title, module.source, module.licence, module.how_to_get, module.groupings, module.digest])
    assert module.url is None or callable(module.download)
    coarse, fine = module.classes or (2, 3)  # `folder` has as many as the user has
    assert fine > coarse > 1
    assert module.settings.keys() <= config.known_settings().keys()
    assert len(module.mean) == len(module.std)
    assert set(module.views(trial)) == {"strong", "weak"}
    assert name == "folder" or module.train_size > module.test_size / 2 > 0


def test_unknown_dataset_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'cifar100'"):
        datasets.load("cifar10")
    with pytest.raises(UsageError, match="Did you mean 'sop-split1'"):
        datasets.load("sop_split1")


def test_file_without_a_published_md5_is_intact_where_it_is_and_enters_the_digest_as_unverified(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_sop(tmp_path)))
    assert [(state.state, state.md5) for state in datasets.states("sop-split1")] == [("intact", None)] * 2
    assert datasets.local_digest("sop-split1") is not None, "as many images as the published dataset has not"
    assert datasets.load("sop-split1").digest == datasets.digest_of(["unverified", "unverified"])


@pytest.mark.parametrize("name", genuine.WRITERS)
def test_small_version_has_images_enough_to_train_on(tmp_path, monkeypatch, name):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.WRITERS[name](tmp_path)))
    module = datasets.load(name)
    assert not [state for state in datasets.states(name) if state.state == "missing"]
    for grouping in module.groupings:
        if hasattr(module, "read"):
            found = module.read(tmp_path, grouping)
            sizes = len(found.train_images), len(found.test_images)
        else:
            found = module.listing(tmp_path, grouping, attributes=True)
            sizes = len(found.train_paths), len(found.test_paths)
        assert sizes[0] >= 64
        assert sizes[1] >= 32
        for split, size in zip(("train", "test"), sizes, strict=True):
            fine, coarse = getattr(found, f"{split}_fine"), getattr(found, f"{split}_coarse")
            assert (fine.dtype, coarse.dtype, len(fine), len(coarse)) == (np.int64, np.int64, size, size)
            assert 1 < len(set(coarse.tolist())) < len(set(fine.tolist()))
            assert coarse.max() < len(found.coarse_names)
        assert found.train_fine.max() < len(found.fine_names)
        assert found.train_attributes is None or found.train_attributes.shape == (sizes[0], 312)
        assert (found.train_attributes is None) == (not name.startswith("cub"))


def names_of(recipe):
    return [name for name, _ in recipe]


def test_views_of_photographs_are_those_of_appendix_a1():
    crop, perspective = ("random_resized_crop", {"size": 224, "scale": (0.2, 1.0)}), "perspective"
    weak = [crop[0], perspective, "horizontal_flip"]
    colour = ["color_jitter", "grayscale", "gaussian_blur"]
    for name, more in (("sop-split1", []), ("sop-split2", []), ("cars196", colour)):
        views = datasets.load(name).views(config.resolve(name, "maskcon"))
        assert names_of(views["weak"]) == weak
        assert names_of(views["strong"]) == [crop[0], "horizontal_flip", perspective, *more]
        assert crop == views["weak"][0] == views["strong"][0]
    for name in ("cub20", "cub50", "cub200"):
        views = datasets.load(name).views(config.resolve(name, "maskcon"))
        assert views["weak"] == views["strong"]
        assert names_of(views["weak"]) == ["horizontal_flip", "rotation", "random_resized_crop"]
        assert views["weak"][2][1] == {"size": 224, "scale": (0.7, 1.0)}


def test_digits_has_1797_images_in_two_coarse_classes():
    data = datasets.read(config.resolve("digits", "maskcon"))
    assert data.train_images.shape == (1348, 1, 8, 8)
    assert data.test_images.shape == (449, 1, 8, 8)
    assert data.train_images.dtype == np.uint8
    assert data.train_images.max() == 255
    loops = np.isin(data.train_fine, [0, 6, 8, 9])
    assert ((data.train_coarse == 0) == loops).all()


def test_real_cifar100_is_intact_and_has_5_fine_classes_in_each_coarse_one(monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.real_data("cifar-100-python")))
    assert [state.state for state in datasets.states("cifar100")] == ["intact"] * 3
    assert datasets.local_digest("cifar100") is None
    data = datasets.read(config.resolve("cifar100", "maskcon"))
    assert data.train_images.shape == (50_000, 3, 32, 32)
    assert data.test_images.shape == (10_000, 3, 32, 32)
    assert (np.bincount(data.train_fine) == 500).all()
    pairs = set(zip(data.train_fine.tolist(), data.train_coarse.tolist(), strict=True))
    assert len(pairs) == 100
    assert (np.bincount([coarse for _, coarse in pairs]) == 5).all()
    beaver = data.fine_names.index("beaver")
    assert data.coarse_names[dict(pairs)[beaver]] == "aquatic_mammals"


def test_real_cifar100_has_the_channel_statistics_that_normalisation_uses(monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.real_data("cifar-100-python")))
    images = datasets.read(config.resolve("cifar100", "maskcon")).train_images / 255
    np.testing.assert_allclose(images.mean(axis=(0, 2, 3)), datasets.load("cifar100").mean, atol=1e-3)
    np.testing.assert_allclose(images.std(axis=(0, 2, 3)), datasets.load("cifar100").std, atol=2e-3)


def test_recompressed_cifar10_loads_as_other_data_than_the_published(monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.real_data("cifar-10-batches-py")))
    digest = datasets.local_digest("cifartoy")
    assert digest is not None
    data = datasets.read(config.resolve("cifartoy", "maskcon"))
    assert (data.train_images.shape, data.test_images.shape) == ((40_000, 3, 32, 32), (8_000, 3, 32, 32))
    published = config.resolve("cifartoy", "maskcon")
    assert published.replace(data_digest=digest).trial_id != published.trial_id


@pytest.mark.parametrize(
    ("grouping", "class_a"),
    [
        ("good", {"airplane", "truck", "automobile", "ship"}),
        ("bad", {"airplane", "automobile", "bird", "cat"}),
        ("bad-released", {"airplane", "automobile", "cat", "dog"}),
    ],
)
def test_cifartoy_groupings_are_those_of_paper_and_code(tmp_path, grouping, class_a):
    data = cifartoy.read(genuine.write_cifar10(tmp_path), grouping)
    coarse = dict(zip(data.train_fine.tolist(), data.train_coarse.tolist(), strict=True))
    assert {data.fine_names[fine] for fine, group in coarse.items() if group == 0} == class_a
    assert len(coarse) == 8
    # pixel value = position in the batch, whose class is that modulo 10: deer (4) and frog (6) are gone
    assert set(data.train_images[:, 0, 0, 0] % 10) == {0, 1, 2, 3, 5, 7, 8, 9}


def test_files_in_the_layout_but_not_published_give_another_trial(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_cifar100(tmp_path)))
    assert {state.state for state in datasets.states("cifar100")} == {"differs"}
    first = datasets.local_digest("cifar100")
    genuine.write_cifar100(tmp_path, seed=1)
    assert first not in (None, datasets.local_digest("cifar100"))


def test_missing_file_is_named_with_where_it_was_looked_for_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_cifar100(tmp_path)))
    (tmp_path / "cifar-100-python" / "test").unlink()
    with pytest.raises(MissingData) as error:
        datasets.read(config.resolve("cifar100", "maskcon"))
    assert "cifar-100-python/test" in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "harness data cifar100 --download" in str(error.value)


def test_truncated_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_cifar100(tmp_path)))
    path = tmp_path / "cifar-100-python" / "train"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UsageError, match=r"cifar-100-python/train cannot be read"):
        datasets.read(config.resolve("cifar100", "maskcon"))


def test_pickle_that_would_run_something_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Bomb()}, protocol=2))
    with pytest.raises(UsageError, match="never do"):
        _cifar.read_pickle(tmp_path / "batch")
    assert not (tmp_path / "ran").exists()


def test_limits_keep_the_same_images_for_every_seed(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(genuine.write_cifar100(tmp_path, count=40)))
    limits = {"train_limit": 10, "test_limit": 8, "batch_size": 4}
    first, second = (
        datasets.read(config.resolve("cifar100", "maskcon", seed=seed, overrides=limits)) for seed in (0, 1)
    )
    assert (len(first.train_images), len(first.test_images)) == (10, 8)
    np.testing.assert_array_equal(first.train_images, second.train_images)
    np.testing.assert_array_equal(first.train_fine % 20, first.train_coarse)
