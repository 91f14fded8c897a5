"""Which cell stands for a method, rule by rule."""

import pytest

from harness import selection
from harness.results import Summary
from harness.spec import Cell


def summary(method, weight, values, seeds=None):
    cell = Cell(method, (("weight", weight),), ())
    seeds = tuple(range(len(values))) if seeds is None else seeds
    return Summary(cell, "recall_at_1", values, tuple(f"{method}-{weight}-{seed}" for seed in seeds), seeds, 0)


def everyone(cell):
    return True


FOUND = [
    summary("maskcon", 0.2, (0.60, 0.90, 0.50)),
    summary("maskcon", 0.5, (0.70, 0.60, 0.62)),
    summary("maskcon", 1.0, (0.61, 0.63, 0.64)),
    summary("supce", 0.0, (0.40, 0.42, 0.41)),
]


def test_the_oracle_takes_the_highest_mean_of_all_seeds():
    chosen = selection.oracle(FOUND, everyone)
    assert chosen["maskcon"].values == (0.60, 0.90, 0.50)
    assert chosen["maskcon"].agreement == (3, 3)


def test_leave_one_seed_out_scores_each_seed_by_what_the_others_chose():
    # Means without seed 0: .70, .61, .635, so w = 0.2, .60 at that seed; without 1: .55, .66, .625; without 2: .75, .65, .62.
    chosen = selection.leave_one_seed_out(FOUND, everyone)["maskcon"]
    assert chosen.values == (0.60, 0.60, 0.50)
    assert [dict(cell.settings)["weight"] for cell in chosen.cells] == [0.2, 0.5, 0.2]
    assert chosen.trial_ids == ("maskcon-0.2-0", "maskcon-0.5-1", "maskcon-0.2-2")
    assert dict(chosen.cell.settings)["weight"] == 0.2
    assert chosen.agreement == (2, 3)
    assert chosen.of_several


def test_leave_one_seed_out_equals_a_naive_double_loop():
    import numpy as np

    draw = np.random.default_rng(0)
    values = draw.random((6, 5))
    found = [summary("maskcon", float(row), tuple(values[row])) for row in range(6)]
    naive = []
    for seed in range(5):
        others = [np.mean([values[row, other] for other in range(5) if other != seed]) for row in range(6)]
        naive.append(values[int(np.argmax(others)), seed])
    assert selection.leave_one_seed_out(found, everyone)["maskcon"].values == pytest.approx(naive)


def test_a_method_with_one_cell_has_nothing_to_choose_and_counts_with_one_seed():
    alone = selection.leave_one_seed_out([summary("supce", 0.0, (0.4,))], everyone)["supce"]
    assert alone.values == (0.4,)
    assert not alone.of_several


def test_several_cells_of_one_seed_cannot_be_judged_without_it():
    one_seed = [summary("maskcon", 0.2, (0.6,)), summary("maskcon", 1.0, (0.5,))]
    assert selection.leave_one_seed_out(one_seed, everyone) == {}
    assert selection.oracle(one_seed, everyone)["maskcon"].values == (0.6,)


def test_a_cell_that_lacks_a_seed_of_the_others_is_not_considered():
    found = [summary("maskcon", 0.2, (0.9, 0.9), seeds=(1, 2)), summary("maskcon", 1.0, (0.5, 0.6, 0.4))]
    for rule in (selection.oracle, selection.leave_one_seed_out):
        chosen = rule(found, everyone)["maskcon"]
        assert chosen.values == (0.5, 0.6, 0.4)
        assert (chosen.considered, chosen.declared, chosen.of_several) == (1, 2, True)


def test_baselines_inside_the_grid_do_not_stand_for_the_method():
    chosen = selection.oracle(FOUND, lambda cell: dict(cell.settings)["weight"] != 0.2)
    assert dict(chosen["maskcon"].cell.settings)["weight"] == 0.5


def test_validation_chooses_by_held_out_images_and_reports_the_whole_training():
    held_out = [summary("maskcon", 0.2, (0.3,)), summary("maskcon", 0.5, (0.35,)), summary("maskcon", 1.0, (0.4,))]
    chosen = selection.on_validation(FOUND, held_out, "validation-fine", everyone)
    assert chosen["maskcon"].values == (0.61, 0.63, 0.64)
    assert chosen["supce"].values == (0.40, 0.42, 0.41)  # nothing to choose


def test_part_of_a_validation_grid_chooses_nothing():
    held_out = [summary("maskcon", 0.2, (0.3,)), summary("maskcon", 0.5, ())]
    assert set(selection.on_validation(FOUND, held_out, "validation-fine", everyone)) == {"supce"}
