"""Sweeps: files, grids, cells that share a training, `--set`, and what an error in a file says."""

import pytest

from harness import compare, config, datasets, methods, protocol, published, resources, spec
from harness.errors import UsageError
from tests import builders

GRID = {"selfcon": 1, "supcon": 1, "grafit": 4, "coins": 4, "supce": 1, "supfine": 1, "maskcon": 30}
HEAD = ('dataset = "digits"', "seeds = 1")
CELL = ("[[cells]]", 'method = "supce"')
COMPONENTS = [
    *(("sweep", name) for name in spec.names()),
    *(("method", name) for name in methods.names()),
    *(("dataset", name) for name in datasets.names()),
]


def ids(sweep):
    return [trial.trial_id for trial in sweep.trials()]


def changed(tmp_path, *replacements, name="cifar100"):
    """One of the project's sweeps with parts of its text replaced."""
    text = (resources.folder("experiments") / f"{name}.toml").read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return spec.load(path)


def test_there_is_something_to_load():
    assert {"cifar100", "cifartoy-good", "cifartoy-bad", "digits"} <= set(spec.names())
    assert {"cifar100", "cifartoy", "digits"} <= set(datasets.names())
    assert len(methods.names()) >= 10


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_every_sweep_method_and_dataset_loads(kind, name):
    if kind == "sweep":
        sweep = spec.load(name)
        assert sweep.name == sweep.slug == name
        assert sweep.title
        assert (resources.folder("experiments") / f"{name}.toml").read_text().startswith(f"# harness sweep {name}\n")
        assert all(trial.canonical() == trial for trial in sweep.trials())
    elif kind == "method":
        trial = config.resolve("digits", name)
        assert methods.load(name).title
        assert methods.load(name).label_source in ("coarse", "fine", None)
        assert trial.uses <= {"weight", "temperature", "bank", "classifier"}
    else:
        module = datasets.load(name)
        assert config.resolve(name, "maskcon").dataset == name
        assert name == "folder" or module.train_size > module.test_size / 2 > 0
        assert len(module.mean) == len(module.std) in (1, 3)


def test_cifar100_has_30_trainings_per_seed_behind_42_cells():
    sweep = spec.load("cifar100")
    found = ids(sweep)
    assert len(found) == len(set(found)) == 90
    assert len(ids(spec.load("cifar100", seeds=1))) == 30
    cells = sweep.cells()
    assert {method: sum(cell.method == method for cell in cells) for method in GRID} == GRID
    assert {trial.epochs for trial in sweep.trials()} == {200}


def test_the_comment_of_a_sweep_counts_its_cells_and_trainings():
    comment = (resources.folder("experiments") / "cifar100.toml").read_text()
    assert f"{len(spec.load('cifar100').cells())} cells, 30 distinct trainings per seed" in comment


@pytest.mark.parametrize("name", ["cifar100-validation", "digits-validation"])
def test_a_sweep_with_held_out_images_has_the_cells_of_its_namesake_that_have_something_to_choose(name):
    sweep, full = spec.load(name), spec.load(name.removesuffix("-validation"))
    candidates = {cell.label for cell in full.cells() if cell.settings and full.is_candidate(cell)}
    assert {cell.label for cell in sweep.cells()} == candidates
    assert len(ids(sweep)) == len(candidates) * sweep.seeds
    assert sweep.seeds == full.seeds
    full_trials = {trial.trial_id for trial in full.trials()}
    assert {trial.replace(validation_fraction=0).trial_id for trial in sweep.trials()} <= full_trials
    comment = (resources.folder("experiments") / f"{name}.toml").read_text()
    assert f"{len(candidates)} cells, as many distinct trainings per seed" in comment


def test_nothing_published_is_comparable_where_training_images_are_held_out(tmp_path):
    assert spec.load("cifar100").published_name == "cifar100"
    assert spec.load("cifar100-validation").published_name is None
    assert spec.load("cifar100", overrides=["validation_fraction=0.1"]).published_name is None
    assert spec.load("cifar100-validation", overrides=["validation_fraction=0"]).published_name == "cifar100"
    in_a_cell = changed(tmp_path, ('method = "supce"', 'method = "supce"\nvalidation_fraction = [0, 0.1]'))
    assert in_a_cell.published_name is None
    assert {
        entry.theirs for entry in compare.compare(spec.load("cifar100-validation", seeds=1), tmp_path).compared
    } == {None}
    assert "validation_fraction 0.1" in protocol.reduced(spec.load("cifar100-validation"))


def test_all_cells_of_a_seed_come_before_the_next_seed():
    seeds = [trial.seed for trial in spec.load("cifar100").trials()]
    assert seeds == [0] * 30 + [1] * 30 + [2] * 30


def test_cells_that_are_the_same_training_share_it():
    by_label = {cell.label: [trial.trial_id for trial in cell.trials] for cell in spec.load("cifar100").cells()}
    assert by_label["maskcon weight=0 temperature=0.05"] == by_label["maskcon weight=0 temperature=inf"]
    assert by_label["maskcon weight=0 temperature=0"] == by_label["selfcon"]
    assert by_label["maskcon weight=0.5 temperature=inf"] == by_label["grafit weight=0.5"]
    assert by_label["maskcon weight=1 temperature=inf"] == by_label["grafit weight=1"] == by_label["supcon"]
    assert by_label["coins weight=1"] == by_label["supce"]
    assert len({tuple(found) for found in by_label.values()}) == 30


def test_both_splits_of_cifartoy_share_what_uses_no_coarse_labels():
    good, bad = spec.load("cifartoy-good").trials(), ids(spec.load("cifartoy-bad"))
    assert len(good) == len(bad) == 3 * 18
    shared = [trial for trial in good if trial.trial_id in bad]
    assert sorted((trial.method, trial.seed) for trial in shared) == [
        *(("selfcon", seed) for seed in range(3)),
        *(("supfine", seed) for seed in range(3)),
    ]


def test_another_value_in_the_grid_adds_only_new_trainings(tmp_path):
    before = ids(spec.load("cifar100"))
    after = changed(tmp_path, ("temperature = [0, 0.01,", "temperature = [0, 0.01, 0.02,")).trials()
    added = [trial for trial in after if trial.trial_id not in before]
    assert set(before) <= {trial.trial_id for trial in after}
    assert {(trial.method, trial.temperature) for trial in added} == {("maskcon", 0.02)}
    assert len(added) == 4 * 3  # not at w = 0


def test_another_seed_adds_only_new_trainings():
    before, after = ids(spec.load("cifar100")), ids(spec.load("cifar100", seeds=4))
    assert after[:90] == before
    assert len(after) == 120


def test_set_changes_a_setting_of_every_training():
    found = spec.load("cifar100", overrides=["epochs=1", " train_limit = 256 "]).trials()
    assert {(trial.epochs, trial.train_limit) for trial in found} == {(1, 256)}
    assert len(found) == 90
    assert not {trial.trial_id for trial in found} & set(ids(spec.load("cifar100")))


def test_set_replaces_the_values_of_an_axis_for_the_cells_that_vary_it():
    sweep = spec.load("cifar100", overrides=["weight=0.5,1", "temperature=0.05,inf"])
    labels = [cell.label for cell in sweep.cells()]
    assert labels == [
        "selfcon", "supcon", "grafit weight=0.5", "grafit weight=1", "coins weight=0.5", "coins weight=1", "supce",
        "supfine", "maskcon weight=0.5 temperature=0.05", "maskcon weight=0.5 temperature=inf",
        "maskcon weight=1 temperature=0.05", "maskcon weight=1 temperature=inf",
    ]  # fmt: skip
    one = spec.load("cifar100", overrides=["weight=0.3"])
    assert {dict(cell.settings)["weight"] for cell in one.cells() if cell.settings} == {0.3}


def test_a_list_of_values_for_a_setting_that_no_cell_varies_is_refused():
    with pytest.raises(UsageError, match="epochs"):
        spec.load("cifar100", overrides=["epochs=1,2"])


def test_a_reduced_sweep_has_a_folder_of_its_own():
    full, few, other = (spec.load("cifar100", overrides=texts) for texts in ([], ["epochs=1"], ["epochs=2"]))
    assert len({full.slug, few.slug, other.slug, spec.load("cifar100", seeds=1).slug}) == 4
    assert full.slug == spec.load("cifar100", seeds=3).slug == "cifar100"
    assert few.slug == "cifar100-epochs-1"


def test_reduced_sweeps_have_folders_of_their_own_however_much_is_set():
    reduced = ["epochs=1", "train_limit=2048", "test_limit=1000", "encoder=small", "initialisation=random"]
    reduced += ["bank_size=1024", "eval_every=1", "weight=0.5"]
    assert len({spec.load("cifar100", overrides=reduced, seeds=seeds).slug for seeds in (1, 2)}) == 2


def test_a_slug_is_a_plain_folder_name(tmp_path):
    sweep = spec.load(builders.written_spec(tmp_path, *HEAD, *CELL, name="my sweep, ünïcode"), overrides=["lr=1e-3"])
    assert set(sweep.slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


def test_cells_print_infinity_and_what_they_do_not_vary():
    cell = next(cell for cell in spec.load("cifar100").cells() if cell.label == "maskcon weight=0.5 temperature=inf")
    assert (cell.shown("weight"), cell.shown("temperature"), cell.shown("lr")) == ("0.5", "∞", "–")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['dataset = "digits'], "is not valid TOML"),
        ([*HEAD, "sedes = 2", *CELL], "unknown key 'sedes'. Did you mean 'seeds'?"),
        ([*CELL], "needs `dataset`"),
        ([*HEAD], "at least one [[cells]]"),
        (['dataset = "digits"', "seeds = 0", *CELL], "seeds=0 must be a whole number of at least 1"),
        (['dataset = "digits"', 'seeds = "two"', *CELL], "seeds='two'"),
        (['dataset = "digitz"', *CELL], "Did you mean 'digits'?"),
        ([*HEAD, "[[cells]]", "weight = 1"], "each [[cells]] needs a `method`"),
        ([*HEAD, "[[cells]]", 'method = "maskon"'], "Did you mean 'maskcon'?"),
        ([*HEAD, 'preset = "papers"', *CELL], "Did you mean 'paper'?"),
        ([*HEAD, *CELL, "wieght = 1"], "Did you mean 'weight'?"),
        ([*HEAD, *CELL, "weight = [0, 2]"], "weight=2.0 is not allowed"),
        ([*HEAD, "[settings]", "epoch = 2", *CELL], "Did you mean 'epochs'?"),
        ([*HEAD, "[settings]", "epochs = [1, 2]", *CELL], "epochs=[1, 2] is not allowed"),
        ([*HEAD, "[settings]", "bank_size = 64", "[[cells]]", 'method = "selfcon"'], "bank_size=64"),
        ([*HEAD, "[cells]", 'method = "supce"'], "[[cells]]"),
        ([*HEAD, "cells = 5"], "[[cells]]"),
        ([*HEAD, "settings = 5", *CELL], "settings"),
        ([*HEAD, *CELL, "weight = []"], "weight"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_the_file(tmp_path, lines, says):
    path = builders.written_spec(tmp_path, *lines)
    with pytest.raises(UsageError) as refused:
        spec.load(path)
    assert says in str(refused.value)
    assert path.name in str(refused.value) or "Did you mean" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "overrides", "says"),
    [
        ("cifar10", [], "unknown sweep 'cifar10'. Did you mean 'cifar100'?"),
        ("nowhere/mine.toml", [], "there is no file nowhere/mine.toml"),
        ("digits", ["epochs"], "--set 'epochs' is not of the form name=value"),
        ("digits", ["epochs="], "is not of the form name=value"),
        ("digits", ["epoch=1"], "Did you mean 'epochs'?"),
        ("digits", ["weight=0.5,2"], "weight=2.0 is not allowed"),
        ("digits", ["grouping=bad"], "unknown grouping of digits 'bad'"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(name, overrides, says):
    with pytest.raises(UsageError) as refused:
        spec.load(name, overrides=overrides)
    assert says in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not valid TOML"):
        spec.load(path)


@pytest.mark.parametrize(
    ("written", "phrase"),
    [
        ("margin = 0", "margin=0 must be a number of points between 0 and 100"),
        ("margin = true", "margin=True must be a number"),
        ('margin = "1"', "margin='1' must be a number"),
        ('claims = ["maskcon"]', "claims hold pairs of methods"),
        ('claims = [["maskcon", "maskcon"]]', "claims hold pairs of methods"),
        ('claims = [["maskcon", "grafti"]]', "Did you mean 'grafit'"),
        ('claims = [["maskcon", "nnclr"]]', "unknown method in the claims"),
        ("margin = inf", "margin=inf must be a number"),
        ('claims = [["maskcon", "grafit"], ["grafit", "maskcon"]]', "each pair is tested once"),
        ("validation = 3", "validation=3 must be the name of a sweep"),
        ('validation = "cifar100-validaton"', "Did you mean 'cifar100-validation'"),
        ('validation = "none.toml"', "there is no such file"),
        ("[not_candidates]\nmaskcn = {weight = [0]}", "Did you mean 'maskcon'"),
        ("[not_candidates]\nmaskcon = [0]", "maps settings to values"),
        ("[not_candidates]\nmaskcon = {weihgt = [0]}", "maps settings to values"),
        ("[not_candidates]\nmaskcon = {weight = [2]}", "weight=2"),
    ],
)
def test_a_wrong_word_on_the_comparison_is_answered(tmp_path, written, phrase):
    head = 'dataset = "cifar100"\n'
    cells = '\n[[cells]]\nmethod = "grafit"\nweight = [0.5]\n[[cells]]\nmethod = "maskcon"\nweight = [0, 1]\n'
    path = tmp_path / "mine.toml"
    path.write_text(head + written + cells)
    with pytest.raises(UsageError) as refused:
        spec.load(path)
    assert phrase in str(refused.value)


def test_a_sweep_states_which_cells_cannot_stand_for_their_method(tmp_path):
    sweep = changed(tmp_path, ("maskcon = {weight = [0], temperature = [inf]}", "maskcon = {temperature = [0]}"))
    barred = {cell.label for cell in sweep.cells() if not sweep.is_candidate(cell)}
    assert barred == {f"maskcon weight={weight:g} temperature=0" for weight in (0, 0.2, 0.5, 0.8, 1)}


def test_every_sweep_that_something_is_published_for_declares_its_margin():
    for name in spec.names():
        sweep = spec.load(name)
        if sweep.published_name and published.for_dataset(sweep.published_name):
            assert sweep.margin in (0.5, 1.0, 1.5) or name == "precision"
        for better, than in sweep.claims:
            assert {better, than} <= {cell.method for cell in sweep.cells()}
