"""What makes a training not comparable to a printed number, and what qualifies a verdict."""

import pytest

from harness import comparability, published, spec


def found(sweep, epoch_rule="last-evaluation", label=None):
    cell = next(cell for cell in sweep.cells() if label is None or cell.label == label)
    trial = cell.trials[0]
    uses = trial.uses
    weight, temperature = (getattr(trial, name) if name in uses else None for name in ("weight", "temperature"))
    print_ = published.reference(sweep.published_name, trial.method, weight, temperature)
    return comparability.differences(sweep, trial, print_, epoch_rule)


BEST = "maskcon weight=1 temperature=0.05"
PAPERS = ["cifar100", "cifartoy-good", "cifartoy-bad", "imagenet32", "cars196", "sop-split1", "sop-split2"]


@pytest.mark.parametrize("name", PAPERS)
def test_every_cell_of_the_papers_sweeps_is_comparable_as_it_stands(name):
    sweep = spec.load(name, seeds=1)
    for cell in sweep.cells():
        trial = cell.trials[0]
        values = (getattr(trial, part) if part in trial.uses else None for part in ("weight", "temperature"))
        print_ = published.reference(sweep.published_name, trial.method, *values)
        if print_ is not None:
            assert comparability.differences(sweep, trial, print_, "last-evaluation").stated == ()


def test_the_preset_paper_on_cifar100_is_qualified_by_its_reported_epoch_alone():
    assert found(spec.load("cifar100"), label=BEST) == comparability.Differences((), ())
    assert found(spec.load("cifar100"), "final", BEST).unstated == (
        "reported epoch final (not stated; code: last-evaluation)",
    )


@pytest.mark.parametrize(
    "override",
    ["epochs=20", "encoder=resnet50", "bank_size=1024", "batch_size=64", "lr=0.1", "train_limit=1000", "data_digest=abc",
     "test_limit=500", "projection_dimension=64"],
)  # fmt: skip
def test_a_field_that_the_paper_states_makes_it_not_comparable(override):
    name = override.partition("=")[0]
    (stated,) = found(spec.load("cifar100", overrides=[override]), label=BEST).stated
    assert stated.startswith(f"{name} ")


@pytest.mark.parametrize("override", ["initialisation=random", "warmup_epochs=0", "key_momentum=0.9", "precision=bf16"])
def test_a_field_that_only_the_code_settles_qualifies(override):
    differences = found(spec.load("cifar100", overrides=[override]), label=BEST)
    assert differences.stated == ()
    (unstated,) = differences.unstated
    assert unstated.startswith(override.replace("=", " "))
    assert "not stated; code:" in unstated


def test_what_text_and_code_say_differently_qualifies_where_the_code_is_followed():
    differences = found(spec.load("cifar100", overrides=["own_keys=keep", "projection_dimension=256"]), label=BEST)
    assert differences.stated == ()
    assert set(differences.unstated) == {
        "own_keys keep (text: exclude, code: keep)",
        "projection_dimension 256 (text: 128, code: 256)",
    }


def test_a_method_without_a_bank_is_not_judged_by_it():
    assert found(spec.load("cifar100", overrides=["bank_size=1024", "own_keys=keep"]), label="supce").stated == ()


def test_the_students_sweep_is_held_against_the_students_code():
    differences = found(spec.load("cub20"), label="maskcon")
    assert differences == comparability.Differences((), ())
