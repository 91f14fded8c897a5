"""The results frame: read from trial directories, one row per trial, metric and epoch; epoch rules, means, deviations."""

import json
import math
import statistics

import numpy as np
import pandas as pd
import pytest

from harness import config, results, selection, spec, trials
from harness.errors import UsageError
from tests import builders

RECALLS = ["recall_at_1", "recall_at_2", "recall_at_5", "recall_at_10"]


def digits_trial(method="supce", seed=0, **settings):
    return config.resolve("digits", method, seed=seed, overrides={"epochs": 5, "eval_every": 2} | settings).canonical()


def summarised(tmp_path, sweep, rule="final", metrics=("recall_at_1",)):
    frame = results.load([trials.directory(tmp_path, trial) for trial in sweep.trials()])
    return {(one.cell.label, one.metric): one for one in results.summaries(frame, sweep, metrics, rule)}


def test_the_frame_has_a_row_per_trial_metric_and_epoch(tmp_path):
    trial = digits_trial("maskcon", seed=1, weight=0.5, temperature=0)
    builders.finished_trial(tmp_path, trial, {2: 0.25, 4: 0.5, 5: 0.625})
    frame = results.load(tmp_path)
    assert tuple(frame.columns) == results.COLUMNS
    assert len(frame) == 5 * 4 + 3 * 10  # four metrics of every epoch, ten recalls of the evaluated ones
    about = frame[["trial_id", "dataset", "method", "weight", "temperature", "seed"]].drop_duplicates()
    assert about.values.tolist() == [[trial.trial_id, "digits", "maskcon", 0.5, 0.0, 1]]
    recall = frame[frame["metric"] == "recall_at_1"]
    assert recall[["epoch", "value", "final"]].values.tolist() == [[2, 0.25, False], [4, 0.5, False], [5, 0.625, True]]
    assert not frame.duplicated(["trial_id", "metric", "epoch"]).any()
    within = {f"recall_at_{k}_within_loops" for k in (1, 2, 5, 10)}
    every_epoch = {"loss", "lr", "relation_error", "fine_mass"}
    assert set(frame["metric"]) == every_epoch | within | {f"recall_at_{k}" for k in (1, 2, 5, 10, 50, 100)}
    assert frame["final"].dtype == bool


def test_the_frame_of_given_directories_has_these_alone(tmp_path):
    one, other = (builders.finished_trial(tmp_path, digits_trial(seed=seed), 0.5) for seed in (0, 1))
    assert set(results.load([one])["trial_id"]) == {one.name}
    assert set(results.load(tmp_path)["trial_id"]) == {one.name, other.name}


def test_only_finished_trials_are_in_the_frame(tmp_path):
    builders.failed_trial(tmp_path, digits_trial(seed=0))
    builders.unfinished_trial(tmp_path, digits_trial(seed=1), epoch=4)
    done = builders.finished_trial(tmp_path, digits_trial(seed=2), 0.5)
    assert set(results.load(tmp_path)["trial_id"]) == {done.name}


def test_without_trials_the_frame_is_empty_with_its_columns(tmp_path):
    for frame in (results.load(tmp_path), results.load([]), results.load([tmp_path / "nowhere"])):
        assert len(frame) == 0
        assert tuple(frame.columns) == results.COLUMNS


@pytest.mark.parametrize("name", [trials.RESULT, trials.CONFIG])
@pytest.mark.parametrize("content", ["", '{"trial_id": "a', "[1, 2]", "{}"])
def test_a_damaged_file_is_a_usage_error_that_names_it(tmp_path, name, content):
    damaged = builders.finished_trial(tmp_path, digits_trial(), 0.5) / name
    damaged.write_text(content)
    with pytest.raises(UsageError) as refused:
        results.load(tmp_path)
    assert str(damaged) in str(refused.value)


def test_a_trial_of_another_version_is_named(tmp_path):
    directory = builders.finished_trial(tmp_path, digits_trial(), 0.5)
    builders.edited(directory / trials.CONFIG, lambda content: content["settings"].update(wieght=1))
    with pytest.raises(UsageError) as refused:
        results.load(tmp_path)
    assert "wieght" in str(refused.value)
    assert str(directory) in str(refused.value)


def test_mean_and_sample_deviation_are_those_of_the_seeds(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=4)
    values = [0.31, 0.35, 0.302, 0.4]
    for trial, value in zip(sweep.trials(), values, strict=True):
        builders.finished_trial(tmp_path, trial, value)
    found = summarised(tmp_path, sweep, metrics=RECALLS)
    one = found["supce", "recall_at_1"]
    assert one.values == tuple(values)
    assert one.trial_ids == tuple(trial.trial_id for trial in sweep.trials())
    assert one.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert one.deviation == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert one.deviation == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    five = [builders.recall_at(5, value) for value in values]
    assert found["supce", "recall_at_5"].mean == pytest.approx(statistics.fmean(five), rel=1e-12)


def test_missing_seeds_are_counted_and_do_not_count(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=3)
    assert summarised(tmp_path, sweep)["supce", "recall_at_1"].missing == 3
    first, second, third = sweep.trials()
    builders.finished_trial(tmp_path, third, 0.75)
    one = summarised(tmp_path, sweep)["supce", "recall_at_1"]
    assert (one.mean, one.deviation, one.missing, one.trial_ids) == (0.75, None, 2, (third.trial_id,))
    builders.finished_trial(tmp_path, first, 0.25)
    builders.failed_trial(tmp_path, second)
    two = summarised(tmp_path, sweep)["supce", "recall_at_1"]
    assert (two.values, two.mean, two.missing) == ((0.25, 0.75), 0.5, 1)


def test_a_cell_without_runs_has_no_mean(tmp_path):
    none = summarised(tmp_path, builders.small_spec(tmp_path))["supce", "recall_at_1"]
    assert (none.values, none.mean, none.deviation, none.missing) == ((), None, None, 2)


def test_cells_that_are_the_same_training_have_the_same_numbers(tmp_path):
    sweep = builders.small_spec(
        tmp_path, "[[cells]]", 'method = "selfcon"', "[[cells]]", 'method = "maskcon"', "weight = 0",
        "temperature = [0.1, inf]",
    )  # fmt: skip
    assert len(sweep.trials()) == 2
    builders.finished_sweep(tmp_path, sweep)
    found = summarised(tmp_path, sweep)
    assert len(found) == 3
    assert len({one.values for one in found.values()}) == 1


@pytest.mark.parametrize(("rule", "expected"), [("final", 0.625), ("last-evaluation", 0.5)])
def test_the_epoch_rule_picks_the_last_epoch_or_the_evaluation_before(tmp_path, rule, expected):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    (trial,) = sweep.trials()
    builders.finished_trial(tmp_path, trial, {1: 0.5, 2: 0.625})
    assert summarised(tmp_path, sweep, rule)["supce", "recall_at_1"].mean == expected


def test_a_trial_with_a_single_evaluation_shows_it_under_every_rule(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    builders.finished_trial(tmp_path, sweep.trials()[0], {2: 0.625})
    assert summarised(tmp_path, sweep, "last-evaluation")["supce", "recall_at_1"].mean == 0.625


def test_the_rule_looks_at_each_metric_by_itself(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    builders.finished_trial(tmp_path, sweep.trials()[0], {2: 0.625})
    found = summarised(tmp_path, sweep, "last-evaluation", metrics=["loss", "recall_at_1"])
    assert found["supce", "recall_at_1"].mean == 0.625


def test_an_unknown_rule_lists_the_known(tmp_path):
    with pytest.raises(UsageError, match=r"unknown epoch rule 'first'.*best, final, last-evaluation"):
        results.summaries(results.load(tmp_path), builders.small_spec(tmp_path), RECALLS, "first")


def test_the_best_epoch_is_that_of_recall_at_1_for_every_metric(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "supce"', seeds=1)
    (trial,) = sweep.trials()
    directory = builders.finished_trial(tmp_path, trial, {1: 0.6, 2: 0.5})
    builders.edited(directory / trials.RESULT, lambda content: content["metrics"][1].update(recall_at_2=0.99))
    found = summarised(tmp_path, sweep, "best", metrics=["recall_at_2"])
    assert found["supce", "recall_at_2"].mean == pytest.approx(builders.recall_at(2, 0.6))


def test_the_frame_survives_csv(tmp_path):
    builders.finished_trial(tmp_path, digits_trial("maskcon", temperature=0), {2: 0.1, 5: 1 / 3})
    frame = results.load(tmp_path)
    frame.to_csv(tmp_path / "results.csv", index=False)
    again = pd.read_csv(tmp_path / "results.csv", dtype={"trial_id": str}, float_precision="round_trip")
    pd.testing.assert_frame_equal(again, frame, check_dtype=False)


def best(tmp_path, sweep):
    found = summarised(tmp_path, sweep, metrics=RECALLS)
    first = [one for one in found.values() if one.metric == "recall_at_1"]
    return {method: chosen.cell.label for method, chosen in selection.oracle(first, sweep.is_candidate).items()}


def test_the_best_cell_of_a_method_has_the_highest_mean_recall_at_1(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "maskcon"', "weight = [0.2, 0.5, 1]")
    values = {0.2: (0.1, 0.9), 0.5: (0.6, 0.7), 1: (0.5, 0.5)}
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, values[trial.weight][trial.seed])
    assert best(tmp_path, sweep) == {"maskcon": "maskcon weight=0.5"}


def test_a_baseline_under_another_name_does_not_stand_for_its_method(tmp_path):
    sweep = spec.load("digits", seeds=1)
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, 0.9 if trial.method in ("selfcon", "grafit", "supcon") else 0.5)
    found = best(tmp_path, sweep)
    assert found["maskcon"] == "maskcon weight=0.5 temperature=0"
    assert found["grafit"] == "grafit weight=0.5"


@pytest.mark.parametrize(
    ("label", "candidate"),
    [
        ("maskcon weight=0 temperature=0.05", False),
        ("maskcon weight=0.5 temperature=inf", False),
        ("maskcon weight=1 temperature=0", True),
        ("grafit weight=1", True),
        ("coins weight=1", True),
        ("selfcon", True),
    ],
)
def test_a_cell_is_a_candidate_where_something_of_its_method_is_left(label, candidate):
    sweep = spec.load("digits")
    (cell,) = [cell for cell in sweep.cells() if cell.label == label]
    assert sweep.is_candidate(cell) is candidate


def test_a_method_without_a_trained_candidate_is_not_chosen(tmp_path):
    assert best(tmp_path, builders.small_spec(tmp_path)) == {}


def test_a_trained_cell_is_better_than_an_untrained_one_even_at_zero(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", seeds=1)
    builders.finished_trial(tmp_path, sweep.trials()[1], 0.0)
    assert best(tmp_path, sweep) == {"maskcon": "maskcon weight=1"}


def test_infinite_temperature_is_infinite_in_the_frame(tmp_path):
    trial = digits_trial("maskcon").replace(temperature=math.inf)  # not canonical: as a hand-made directory may be
    builders.finished_trial(tmp_path, trial, 0.5)
    assert set(results.load(tmp_path)["temperature"]) == {math.inf}


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": []}, {"epochs": "5"}, {"seconds": "x"}, {"device": 7}, {"notes": "x"}, {"trial_id": "another"},
        {"metrics": [{"epoch": 5, "recall_at_1": 65.2}]}, {"metrics": [{"epoch": 5, "recall_at_1": float("nan")}]},
        {"metrics": [{"epoch": 4, "recall_at_1": 0.5}]},
    ],
)  # fmt: skip
def test_a_result_whose_parts_do_not_fit_is_named(tmp_path, change):
    path = builders.finished_trial(tmp_path, digits_trial(), 0.5) / trials.RESULT
    path.write_text(json.dumps(trials.read_json(path) | change))
    for every_epoch in (True, False):
        with pytest.raises(UsageError, match=r"result\.json is damaged"):
            results.load(tmp_path, every_epoch)
