"""Trials: their ids, which settings are in them, where a setting comes from, and what an error about one says."""

import json
import math

import pytest

from harness import config, datasets, methods
from harness.config import TrialConfig
from harness.errors import UsageError

# The names under which results are kept. One that changes orphans every result of its trial: raise the method's `protocol`
# instead, knowingly, and then change the id here.
GOLDEN = [
    ("cifar100", "selfcon", {}, "6286dab992917ece"),
    ("cifar100", "supcon", {}, "3727d6543391b967"),
    ("cifar100", "grafit", {"weight": 0.5}, "e449e8c170fe2e60"),
    ("cifar100", "coins", {"weight": 0.5}, "15776128557b3636"),
    ("cifar100", "supce", {}, "6e42b9a482739326"),
    ("cifar100", "supfine", {}, "55058707405148e0"),
    ("cifar100", "supfine", {"supfine_loss": "supcon"}, "0700fd9c430c56c9"),
    ("cifar100", "nnclr", {}, "53f8026d5730e9ae"),
    ("cifar100", "ascl", {}, "369d7277c38d0896"),
    ("cifar100", "maskcon", {}, "ceef2bc6416a467b"),
    ("cifar100", "maskcon", {"weight": 0.5, "temperature": 0}, "75b96deda50cf0ca"),
    ("cifar100", "maskcon_attributes", {}, "cbf944152f1849e8"),
    ("cifartoy", "maskcon", {}, "9797ab584550c973"),
    ("cifartoy", "maskcon", {"grouping": "bad"}, "c21d04c03bd7b55d"),
    ("cifartoy", "maskcon", {"grouping": "bad-released"}, "b9b5d9bd7ef2b135"),
    ("cifartoy", "selfcon", {"grouping": "bad"}, "31df96152a3f162b"),
    ("digits", "maskcon", {}, "f921cc7151079e52"),
    ("digits", "supce", {}, "fa0723353248e27d"),
]
# One other value for every setting that decides what MaskCon on CIFAR-100 learns.
MATTERS = {
    "weight": 0.5, "temperature": 0.1, "contrastive_temperature": 0.2, "bank_size": 4096, "key_momentum": 0.999,
    "own_keys": "keep", "projector_hidden": 256, "projection_dimension": 256, "encoder": "resnet34",
    "initialisation": "random", "image_size": 64, "policy": "torchvision", "train_limit": 1000, "test_limit": 1000,
    "epochs": 100, "batch_size": 64, "lr": 0.1, "warmup_epochs": 0, "sgd_momentum": 0.5, "weight_decay": 1e-4,
    "precision": "bf16", "data_digest": "of other files", "validation_fraction": 0.1,
}  # fmt: skip
MATTERS_NOT = {
    "eval_every": 1, "device": "cpu", "threads": 2, "compile": "on", "cuda_graphs": "on",
    "test_resize": "square", "stored_side": 128,  # of photographs, which CIFAR-100 has none of
}  # fmt: skip
FILES = {"coarse": {}, "checkpoint": {"initialisation": "checkpoint"}}  # in the id by their content
BANK = ("contrastive_temperature", "bank_size", "key_momentum", "own_keys", "projector_hidden", "projection_dimension")
CANNOT_MATTER = {
    "selfcon": ["weight", "temperature"],
    "supcon": ["weight", "temperature"],
    "nnclr": ["weight", "temperature"],
    "grafit": ["temperature"],
    "coins": ["temperature"],
    "supce": ["weight", "temperature", *BANK],
    "supfine": ["weight", "temperature", *BANK],
    "ascl": ["weight"],
    "maskcon": [],
    "maskcon_attributes": [],
}


def resolved(dataset, method, /, **settings):
    return config.resolve(dataset, method, overrides=settings)


def trial_id(method, /, dataset="cifar100", **settings):
    return resolved(dataset, method, **settings).trial_id


@pytest.mark.parametrize(("dataset", "method", "settings", "golden"), GOLDEN)
def test_a_trial_keeps_its_id(dataset, method, settings, golden):
    assert resolved(dataset, method, **settings).trial_id == golden


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("maskcon", {"weight": 0}), ("selfcon", {})),
        (("maskcon", {"weight": 0, "temperature": math.inf}), ("selfcon", {})),
        (("maskcon", {"weight": 0.5, "temperature": math.inf}), ("grafit", {"weight": 0.5})),
        (("maskcon", {"weight": 1, "temperature": "inf"}), ("supcon", {})),
        (("maskcon", {"weight": 1, "temperature": "∞"}), ("supcon", {})),
        (("maskcon", {"temperature": "-0"}), ("maskcon", {"temperature": 0})),
        (("grafit", {"weight": 0}), ("selfcon", {})),
        (("grafit", {"weight": 1}), ("supcon", {})),
        (("coins", {"weight": 0}), ("selfcon", {})),
        (("coins", {"weight": 1}), ("supce", {})),
        (("supfine", {"supfine_loss": "cross-entropy"}), ("supfine", {})),
        (("ascl", {"ascl_weighting": "authors"}), ("ascl", {})),
        (("maskcon_attributes", {"weight": 0, "attribute_temperature": "inf"}), ("selfcon", {})),
        (("maskcon_attributes", {"weight": 0.5, "attribute_weight": 0}), ("maskcon", {"weight": 0.5})),
        (("maskcon_attributes", {"attribute_weight": 0, "temperature": "inf"}), ("supcon", {})),
        (
            ("maskcon_attributes", {"weight": 0.5, "temperature": "inf", "attribute_temperature": "inf"}),
            ("grafit", {"weight": 0.5}),
        ),
        (("maskcon_attributes", {"attribute_weight": 1, "attribute_temperature": "inf"}), ("supcon", {})),
        (("maskcon_attributes", {"attribute_weight": 0.5}), ("maskcon_attributes", {})),
        (
            ("maskcon_attributes", {"attribute_weight": 1, "temperature": 0.5}),
            ("maskcon_attributes", {"attribute_weight": 1}),
        ),
        (
            ("maskcon_attributes", {"attribute_temperature": "inf", "attribute_similarity": "hamming"}),
            ("maskcon_attributes", {"attribute_temperature": "inf"}),
        ),
        (("maskcon", {"weight": "0.5"}), ("maskcon", {"weight": 0.5})),
        (("maskcon", {"grouping": "official"}), ("maskcon", {})),
    ],
)
def test_equivalent_trials_are_one(one, other):
    assert trial_id(one[0], **one[1]) == trial_id(other[0], **other[1])


def test_a_reduced_method_keeps_its_other_settings():
    assert trial_id("maskcon", weight=0, lr=0.1, bank_size=512) == trial_id("selfcon", lr=0.1, bank_size=512)
    assert trial_id("maskcon", weight=0, lr=0.1) != trial_id("selfcon")


@pytest.mark.parametrize("method", ["selfcon", "nnclr", "ascl", "supfine"])
def test_a_method_without_coarse_labels_has_one_trial_for_all_groupings(method):
    assert len({trial_id(method, "cifartoy", grouping=name) for name in ("good", "bad", "bad-released")}) == 1


@pytest.mark.parametrize("method", ["supcon", "grafit", "coins", "supce", "maskcon"])
def test_a_method_with_coarse_labels_has_a_trial_per_grouping(method):
    ids = [trial_id(method, "cifartoy", weight=0.5, grouping=name) for name in ("good", "bad", "bad-released")]
    assert len(set(ids)) == 3
    assert trial_id(method, "cifartoy", weight=0.5) == ids[0]


def test_every_setting_is_known_to_matter_or_not():
    elsewhere = {"dataset", "method", "seed", "grouping"} | FILES.keys() | {f"{name}_digest" for name in FILES}
    assert MATTERS.keys() | MATTERS_NOT.keys() | elsewhere == config.fields().keys()
    assert CANNOT_MATTER.keys() == set(methods.names())


@pytest.mark.parametrize("name", MATTERS)
def test_what_decides_the_result_is_in_the_id(name):
    assert trial_id("maskcon", **{name: MATTERS[name]}) != trial_id("maskcon")


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_in_the_id_by_its_content_and_not_by_its_path(name, tmp_path):
    for file, text in (("one", "a"), ("two", "a"), ("three", "b")):
        (tmp_path / file).write_text(text)
    one, two, three = (
        trial_id("maskcon", **{name: str(tmp_path / file)}, **FILES[name]) for file in ("one", "two", "three")
    )
    assert one == two
    assert len({one, three, trial_id("maskcon")}) == 3


@pytest.mark.parametrize("name", FILES)
def test_a_trial_that_was_written_is_read_back_where_its_file_is_gone(name, tmp_path):
    path = tmp_path / "file"
    path.write_text("a")
    trial = resolved("cifar100", "maskcon", **{name: str(path)}, **FILES[name])
    path.unlink()
    assert config.from_dict(trial.to_dict()) == trial
    with pytest.raises(UsageError, match=f"{name}='.*file' cannot be read: No such file"):
        resolved("cifar100", "maskcon", **{name: str(path)}, **FILES[name])


def test_a_file_of_coarse_classes_matters_to_methods_that_train_on_them_alone(tmp_path):
    (tmp_path / "coarse.csv").write_text("fine,coarse\n")
    path = str(tmp_path / "coarse.csv")
    assert trial_id("selfcon", coarse=path) == trial_id("selfcon")
    assert trial_id("supfine", coarse=path) == trial_id("supfine")
    assert trial_id("supce", coarse=path) != trial_id("supce")
    assert trial_id("maskcon", weight=0, coarse=path) == trial_id("selfcon")
    assert trial_id("maskcon", "cifartoy", coarse=path, grouping="bad") == trial_id("maskcon", "cifartoy", coarse=path)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"initialisation": "checkpoint"}, "add --set checkpoint=FILE"),
        ({"checkpoint": "x.pt"}, "needs --set initialisation=checkpoint"),
        ({"stored_side": 225}, "must be even; try 226"),
    ],
)
def test_settings_that_do_not_go_together_say_what_does(settings, said):
    with pytest.raises(UsageError, match=said):
        resolved("cifar100", "maskcon", **settings)


def test_how_photographs_are_stored_and_tested_is_in_the_id_of_datasets_of_photographs():
    for settings in ({"test_resize": "square"}, {"stored_side": 128}):
        assert trial_id("maskcon", "sop-split1", **settings) != trial_id("maskcon", "sop-split1")


def test_a_datasets_own_option_stays_with_a_reduced_method():
    assert trial_id("maskcon", "sop-split2", weight=0, draw="redrawn") == trial_id(
        "selfcon", "sop-split2", draw="redrawn"
    )
    assert trial_id("selfcon", "sop-split2", draw="redrawn") != trial_id("selfcon", "sop-split2")
    assert trial_id("selfcon", draw="redrawn") == trial_id("selfcon"), "another dataset's option is passed over"


def test_released_code_has_its_own_test_resize_for_photographs():
    for dataset, expected in (("sop-split1", "square"), ("cifar100", "shorter")):
        assert config.resolve(dataset, "maskcon", preset="released-code").test_resize == expected


def test_the_seed_is_in_the_id():
    assert len({config.resolve("cifar100", "supce", seed=seed).trial_id for seed in range(3)}) == 3


@pytest.mark.parametrize("name", MATTERS_NOT)
def test_how_and_where_a_trial_runs_is_not_in_its_id(name):
    assert trial_id("maskcon", **{name: MATTERS_NOT[name]}) == trial_id("maskcon")


@pytest.mark.parametrize("method", CANNOT_MATTER)
def test_a_setting_is_in_the_id_exactly_where_the_method_uses_it(method):
    plain = {"weight": 0.7} if method in ("grafit", "coins") else {}
    kept = {
        name: trial_id(method, **(plain | {name: value})) == trial_id(method, **plain)
        for name, value in MATTERS.items()
    }
    assert {name for name, same in kept.items() if same} == set(CANNOT_MATTER[method])


def test_the_bank_is_in_the_id_of_supfine_with_supcon():
    assert trial_id("supfine", supfine_loss="supcon", bank_size=512) != trial_id("supfine", supfine_loss="supcon")


@pytest.mark.parametrize(("dataset", "method", "settings", "golden"), GOLDEN)
def test_a_canonical_trial_is_its_own_canonical_form(dataset, method, settings, golden):
    once = resolved(dataset, method, **settings).canonical()
    assert once.canonical() == once
    assert once.trial_id == golden


def test_settings_come_in_layers_each_over_the_one_before(monkeypatch):
    def found(preset="paper", **layers):
        return config.resolve("digits", "maskcon", preset=preset, **layers).projection_dimension

    assert found() == 128  # the field's default
    monkeypatch.setitem(datasets.load("digits").settings, "projection_dimension", 64)
    assert found() == 64
    monkeypatch.setattr(methods.load("maskcon"), "settings", {"projection_dimension": 65}, raising=False)
    assert found() == 65
    assert found("released-code") == 256
    assert found("released-code", spec={"projection_dimension": 66}) == 66
    assert found("released-code", spec={"projection_dimension": 66}, overrides={"projection_dimension": "67"}) == 67


def test_a_datasets_settings_lie_over_the_defaults():
    trial = config.resolve("digits", "maskcon")
    assert (trial.encoder, trial.image_size, trial.epochs, trial.lr) == ("small", 8, 20, 0.1)
    assert resolved("digits", "maskcon", lr=0.02).lr == 0.02


def test_the_released_code_differs_where_the_paper_states_something_else():
    paper = config.resolve("cifartoy", "maskcon", spec={"grouping": "bad"})
    released = config.resolve("cifartoy", "maskcon", spec={"grouping": "bad"}, preset="released-code")
    changed = {name for name in config.fields() if getattr(paper, name) != getattr(released, name)}
    assert changed == {"projection_dimension", "own_keys", "grouping"}
    assert (released.projection_dimension, released.own_keys, released.grouping) == (256, "keep", "bad-released")


def test_an_option_of_another_method_is_passed_over():
    assert trial_id("supce", supfine_loss="supcon") == trial_id("supce")


@pytest.mark.parametrize(
    "trial",
    [
        TrialConfig(),
        TrialConfig(temperature=math.inf, weight=0.5, train_limit=500, threads=3, data_digest="a"),
        TrialConfig(method="supfine", options={"supfine_loss": "supcon"}),
        TrialConfig(method="ascl", dataset="cifartoy", grouping="bad", seed=7),
    ],
)
def test_a_trial_survives_strict_json(trial):
    text = json.dumps(trial.to_dict(), allow_nan=False)
    assert config.from_dict(json.loads(text)) == trial


def test_a_setting_of_another_version_is_named():
    with pytest.raises(UsageError, match=r"unknown setting 'wieght'.* Did you mean 'weight'"):
        config.from_dict(TrialConfig().to_dict() | {"wieght": 1})


WRONG_VALUES = [
    ("weight", 1.5, "weight=1.5 is not allowed: weight is a number from 0 to 1"),
    ("weight", -0.1, "weight=-0.1 is not allowed"),
    ("weight", "heavy", "weight='heavy' is not allowed: weight is a number from 0 to 1"),
    ("weight", None, "weight=None is not allowed"),
    ("temperature", -1, "a number of at least 0"),
    ("temperature", "nan", "temperature"),
    ("temperature", math.nan, "temperature"),
    ("weight", "nan", "a number from 0 to 1"),
    ("epochs", 0, "epochs=0 is not allowed: epochs is a whole number of at least 1"),
    ("epochs", 1.5, "epochs=1.5"),
    ("epochs", True, "epochs=True"),
    ("epochs", "many", "epochs='many'"),
    ("epochs", math.inf, "epochs=inf"),
    ("image_size", 2000, "a whole number from 4 to 1024"),
    ("precision", "fp16", "precision='fp16' is not allowed: precision is one of fp32, bf16"),
    ("encoder", "resnet19", "one of resnet18, resnet34, resnet50, small"),
    ("own_keys", "drop", "one of exclude, keep"),
    ("train_limit", 1, "a whole number of at least 2 or none"),
    ("threads", 0, "a whole number of at least 1 or none"),
    ("validation_fraction", 1, "validation_fraction is a number of at least 0 and below 1"),
    ("validation_fraction", -0.1, "a number of at least 0 and below 1"),
    ("data_digest", 5, "data_digest=5 is not allowed: data_digest is text or none"),
    ("ascl_weighting", "mine", "one of authors, section-3.2"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG_VALUES)
def test_a_wrong_value_is_refused_with_what_is_allowed(name, value, says):
    with pytest.raises(UsageError) as refused:
        resolved("cifar100", "ascl", **{name: value})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: resolved("digitz", "supce"), ["dataset 'digitz'", "'digits'", "cifar100"]),
        (lambda: resolved("digits", "maskon"), ["method 'maskon'", "'maskcon'", "selfcon"]),
        (lambda: resolved("digits", "supce", epoch=5), ["setting 'epoch'", "'epochs'", "weight_decay"]),
        (lambda: config.resolve("digits", "supce", spec={"seed": 5}), ["setting 'seed'"]),
        (lambda: config.resolve("digits", "supce", preset="papers"), ["preset 'papers'", "'paper'", "released-code"]),
        (lambda: resolved("cifartoy", "supce", grouping="god"), ["grouping of cifartoy 'god'", "'good'", "bad"]),
        (lambda: resolved("cifar100", "supce", grouping="bad"), ["grouping of cifar100 'bad'", "official"]),
        (lambda: TrialConfig(method="supce", options={"ascl_weighting": "authors"}), ["option of supce on cifar100"]),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_and_the_known(call, says):
    with pytest.raises(UsageError) as refused:
        call()
    assert [part for part in says if part not in str(refused.value)] == []


@pytest.mark.parametrize(
    ("method", "settings", "says"),
    [
        ("maskcon", {"bank_size": 64}, ["bank_size=64", "batch_size=128", "bank_size=128"]),
        ("maskcon", {"encoder": "small"}, ["encoder='small'", "initialisation=random"]),
        ("supce", {"train_limit": 100}, ["batch_size=128", "100 training images", "batch_size=25"]),
        ("supce", {"validation_fraction": 1e-5}, ["of 50000 training images holds out 0", "fraction=0.01"]),
        ("supce", {"validation_fraction": 0.9, "train_limit": 256}, ["leaves 26 to train on", "batch_size=128"]),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_a_way_out(method, settings, says):
    with pytest.raises(UsageError) as refused:
        resolved("cifar100", method, **settings)
    assert [part for part in says if part not in str(refused.value)] == []


def test_a_bank_smaller_than_the_batch_is_no_matter_without_a_bank():
    assert trial_id("supce", bank_size=64) == trial_id("supce")
    assert resolved("cifar100", "maskcon", bank_size=128).bank_size == 128
