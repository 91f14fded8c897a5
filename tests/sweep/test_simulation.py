"""The simulated sweep against what can be worked out without it."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pytest

from harness.sweep.simulation import Cluster, Costs, Work, efficiency, simulate

FREE = Costs(
    start_seconds=0,
    leave_seconds=0,
    report_seconds=0,
    driver_start_seconds=0,
    driver_report_seconds=0,
    driver_end_seconds=0,
    driver_record_seconds=0,
    driver_seconds_per_known_trial=0,
    detection_seconds=0,
    checkpoint_seconds=0,
    checkpoint_interval_seconds=1e9,
)
DEAR = Costs(
    start_seconds=20,
    leave_seconds=1,
    report_seconds=0.01,
    driver_start_seconds=0.05,
    driver_report_seconds=0.005,
    driver_end_seconds=0.02,
    driver_record_seconds=0.2,
    driver_seconds_per_known_trial=1e-5,
    detection_seconds=30,
    checkpoint_seconds=0.5,
    driver_bytes=3e8,
    driver_bytes_per_trial=2e4,
)


def costs(**seconds):
    """Nothing costs anything but these."""
    return dataclasses.replace(FREE, **seconds)


def same(trials, **settings):
    """Trials of one length."""
    return Work(trials, **{"spread": 0.0, "epochs": 10} | settings)


def first_failure(seed, node, hours):
    """When a node that is up from the beginning fails."""
    return np.random.default_rng([seed, 1, node]).exponential(3600 * hours)


@pytest.mark.parametrize(("trials", "gpus"), [(1, 1), (7, 1), (7, 3), (9, 3), (3, 8), (100, 64), (129, 64)])
def test_trials_of_one_length_take_as_many_rounds_as_gpus_need(trials, gpus):
    found = simulate(Cluster(gpus), FREE, same(trials))
    rounds = math.ceil(trials / gpus)
    assert found.makespan_seconds == pytest.approx(3600 * rounds)
    assert efficiency(found.whole) == pytest.approx(trials / (gpus * rounds))
    assert found.whole["idle"] == pytest.approx(3600 * (gpus * rounds - trials))
    if trials >= gpus:
        assert efficiency(found.queue) == pytest.approx(1)
        assert found.queue_seconds == pytest.approx(3600 * (trials // gpus))
    else:
        assert (found.queue_seconds, efficiency(found.queue)) == (0, None)


def test_one_gpu_pays_every_cost_of_every_trial():
    trials, epochs = 5, 200  # of 18 s: 72 s are over 60, so that every fourth has a checkpoint
    asked = costs(
        start_seconds=20,
        leave_seconds=1,
        report_seconds=0.25,
        driver_start_seconds=0.5,
        driver_report_seconds=0.125,
        driver_end_seconds=2,
        checkpoint_seconds=3,
        checkpoint_interval_seconds=60,
    )
    found = simulate(Cluster(1), asked, same(trials, epochs=epochs))
    assert found.whole == pytest.approx(
        {
            "training": trials * 3600,
            "starting": trials * (20 + 1),
            "driver": trials * (0.5 + epochs * 0.125 + 2 + epochs * 0.25),
            "checkpoints": trials * epochs / 4 * 3,
            "repeated": 0,
            "idle": 0,
            "down": 0,
        }
    )
    assert found.driver_busy_seconds == pytest.approx(trials * (0.5 + epochs * 0.125 + 2))
    assert found.makespan_seconds == pytest.approx(sum(found.whole.values()))


def test_the_driver_starts_one_trial_after_the_other():
    gpus = 64
    asked = costs(driver_start_seconds=2, driver_end_seconds=1, start_seconds=30, leave_seconds=4)
    found = simulate(Cluster(gpus), asked, same(gpus))
    assert found.makespan_seconds == pytest.approx(gpus * 2 + 30 + 3600 + 1 + 4)
    assert found.whole["driver"] == pytest.approx(sum(2 * place for place in range(1, gpus + 1)) + gpus * 1)


def test_a_record_in_mlflow_keeps_the_driver_busy_and_its_own_place_does_not_wait():
    found = simulate(Cluster(1), costs(driver_record_seconds=5, driver_start_seconds=1, leave_seconds=2), same(3))
    waits = 3 * 1 + 2 * (5 - 2)  # the second and the third start are asked for while the driver records
    assert found.makespan_seconds == pytest.approx(3 * 3600 + 3 * 2 + waits)
    assert found.whole["driver"] == pytest.approx(waits)
    assert found.driver_busy_seconds == pytest.approx(3 * (1 + 5))


def test_a_driver_with_too_much_to_do_decides_how_long_the_sweep_takes():
    trials, epochs = 320, 50
    asked = costs(driver_report_seconds=1.0)
    found = simulate(Cluster(64), asked, same(trials, epochs=epochs, gpu_hours=50 * 10 / 3600))  # an epoch takes 10 s
    work = trials * epochs * 1.0
    assert work < found.makespan_seconds < 1.01 * work
    assert found.driver_busy_seconds == pytest.approx(work)
    assert efficiency(found.queue) == pytest.approx(10 / 64, rel=0.02)


def test_the_driver_is_slower_the_more_trials_it_knows():
    growth, trials, epochs = 0.001, 40, 10
    found = simulate(Cluster(1), costs(driver_seconds_per_known_trial=growth), same(trials, epochs=epochs))
    asked = [growth * known for known in range(trials)]  # at a start; its reports and end know of itself, too
    assert found.driver_busy_seconds == pytest.approx(sum(asked) + sum((epochs + 2) * (g + growth) for g in asked))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "cluster",
    [
        Cluster(1),
        Cluster(5, hours_between_failures=1.0),
        Cluster(20, gpus_per_node=8, hours_between_failures=2.0, replacement_seconds=1800),
        Cluster(4, gpus_per_node=2, trials_per_gpu=3, hours_between_failures=1.5),
        Cluster(64, hours_between_failures=0.5, replacement_seconds=5),
    ],
)
def test_the_causes_add_up_to_the_time_of_all_gpus(cluster, seed):
    work = Work(50, gpu_hours=0.5, spread=0.5, epochs=20)
    found = simulate(cluster, DEAR, work, seed)
    assert sum(found.whole.values()) == pytest.approx(cluster.gpus * found.makespan_seconds, rel=1e-11)
    assert sum(found.queue.values()) == pytest.approx(cluster.gpus * found.queue_seconds, rel=1e-11)
    assert found.whole["training"] == pytest.approx(3600 * work.hours(seed).sum(), rel=1e-11)
    for cause, seconds in found.whole.items():
        assert seconds >= found.queue[cause] - 1e-6 >= -2e-6, cause
    assert found.queue["idle"] == pytest.approx(0, abs=1e-6)
    assert (found.losses > 0) == (found.whole["repeated"] > 0)


def test_a_lost_trial_goes_on_from_its_last_checkpoint():
    """Worked out by hand for one failure in the midst of one trial."""
    hours = 6.0
    seed = next(seed for seed in range(99) if 4000 < first_failure(seed, 0, hours) < 6000)
    failure = first_failure(seed, 0, hours)
    asked = costs(
        start_seconds=30,
        checkpoint_seconds=10,
        checkpoint_interval_seconds=500,
        detection_seconds=20,
        driver_start_seconds=0.5,
    )
    found = simulate(Cluster(1, hours_between_failures=hours), asked, same(1, gpu_hours=2.0, epochs=72), seed)
    assert found.failures == 1, "another seed is needed"
    cycles = math.floor((failure - 30.5) / 510)  # five epochs of 100 s, and a checkpoint
    trained = 500 * cycles
    lost = min(500, failure - 30.5 - 510 * cycles)
    begins_again = failure + 600 + 30.5
    rest = 7200 - trained
    assert found.makespan_seconds == pytest.approx(begins_again + rest + 10 * math.ceil(rest / 500))
    assert found.whole["repeated"] == pytest.approx(lost)
    assert found.whole["down"] == pytest.approx(600)
    assert (found.losses, found.given_up) == (1, 0)


def test_a_trial_that_leaves_when_its_node_fails_has_ended():
    seed = next(seed for seed in range(99) if 4000 < first_failure(seed, 0, 1.0) < 6000)
    found = simulate(Cluster(1, hours_between_failures=1.0), costs(leave_seconds=5000), same(1), seed)
    assert found.makespan_seconds == found.queue_seconds == pytest.approx(first_failure(seed, 0, 1.0))
    assert found.whole == found.queue
    assert (found.whole["training"], found.whole["repeated"], found.losses) == (pytest.approx(3600), 0, 0)


def test_training_that_is_undone_after_the_queue_was_empty_did_not_count_before():
    """Two GPUs that fail by themselves, a short trial and a long one that is lost once the short one has ended."""
    hours, work = 3.0, Work(2, gpu_hours=1.0, spread=0.8, epochs=10)

    def wanted(seed):
        short, long = sorted(work.hours(seed))
        failures = [first_failure(seed, node, hours) for node in np.argsort(work.hours(seed))]
        return failures[0] > 2e4 and 3600 * short < failures[1] < 3600 * long

    seed = next(seed for seed in range(10_000) if wanted(seed))
    short = 3600 * min(work.hours(seed))
    found = simulate(Cluster(2, gpus_per_node=1, hours_between_failures=hours), FREE, work, seed)
    assert found.queue_seconds == pytest.approx(short)
    assert found.queue["training"] == pytest.approx(short)
    assert found.queue["repeated"] == pytest.approx(short)
    assert efficiency(found.queue) == pytest.approx(0.5)


def waste_of_failures(interval, writing, starting, mean):
    """Seconds of a GPU that is up per second of work: exponential failures, checkpoints every `interval` of work."""
    cycle = interval + writing
    survives = math.exp(-cycle / mean)
    again = mean * (math.exp((starting + cycle) / mean) - 1)  # with its start, until it survives
    return (mean * (1 - survives) + (1 - survives) * again) / interval


@pytest.mark.parametrize(("interval", "writing", "starting"), [(60, 1, 15), (600, 20, 60), (1800, 30, 300)])
def test_failures_cost_what_renewal_theory_says(interval, writing, starting):
    hours, gpu_hours = 6.0, 20.0
    asked = costs(start_seconds=starting, checkpoint_seconds=writing, checkpoint_interval_seconds=interval)
    cluster = Cluster(1, hours_between_failures=hours, replacement_seconds=300)
    work = same(10, gpu_hours=gpu_hours, epochs=round(3600 * gpu_hours / interval))
    outcomes = [simulate(cluster, asked, work, seed) for seed in range(30)]
    up = statistics.fmean(found.makespan_seconds - found.whole["down"] for found in outcomes)
    first_starts = 10 * starting  # of trials; those after a failure are in the formula
    expected = 3600 * gpu_hours * 10 * waste_of_failures(interval, writing, starting, 3600 * hours) + first_starts
    assert up == pytest.approx(expected, rel=0.004)


def test_a_failure_costs_half_an_interval_to_first_order():
    interval, hours = 1200, 12.0
    asked = costs(checkpoint_interval_seconds=interval)
    outcomes = [
        simulate(Cluster(8, hours_between_failures=hours), asked, same(80, gpu_hours=10.0, epochs=600), seed)
        for seed in range(20)
    ]
    lost = sum(found.whole["repeated"] for found in outcomes)
    assert lost / sum(found.losses for found in outcomes) == pytest.approx(interval / 2, rel=0.05)


def test_nodes_are_down_for_their_share_of_the_time():
    cluster = Cluster(64, hours_between_failures=2.0, replacement_seconds=900)
    outcomes = [simulate(cluster, FREE, same(2000, epochs=5), seed) for seed in range(5)]
    down = statistics.fmean(found.queue["down"] / (64 * found.queue_seconds) for found in outcomes)
    assert down == pytest.approx(0.25 / 2.25, rel=0.1)
    failures = sum(found.failures for found in outcomes)
    node_hours_up = sum((64 * found.makespan_seconds - found.whole["down"]) / 8 / 3600 for found in outcomes)
    assert failures == pytest.approx(node_hours_up / 2.0, rel=0.1)


def test_trials_lost_too_often_without_a_checkpoint_between_are_counted_and_finish_here():
    """A life is over before its first checkpoint in 1 − exp(−60/72) = 57 % of cases: five in a row are 6 %."""
    often = Cluster(1, hours_between_failures=0.02, replacement_seconds=1)
    found = simulate(often, costs(checkpoint_interval_seconds=60), same(40, gpu_hours=0.1, epochs=6))
    assert 0 < found.given_up < 40
    assert found.whole["training"] == pytest.approx(40 * 0.1 * 3600)


def test_a_trial_lost_often_but_with_checkpoints_between_is_never_given_up():
    failing = Cluster(1, hours_between_failures=1.0)
    found = simulate(failing, costs(checkpoint_interval_seconds=60), same(20, gpu_hours=6.0, epochs=360))
    assert found.losses > 5 * 20
    assert found.given_up == 0


def test_the_same_seed_gives_the_same_sweep_and_another_one_another():
    cluster = Cluster(16, hours_between_failures=3.0)
    first, again, other = (simulate(cluster, DEAR, Work(100), seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_nodes_live_as_long_whatever_trials_cost():
    cluster = Cluster(8, hours_between_failures=6.0)
    cheap, dear = (simulate(cluster, asked, same(24), 3) for asked in (FREE, DEAR))
    assert (cheap.failures, cheap.whole["down"]) == (dear.failures, pytest.approx(dear.whole["down"]))


def test_a_second_trial_on_each_gpu_changes_nothing_where_nothing_costs_anything():
    alone = simulate(Cluster(4), FREE, same(16))
    shared = simulate(Cluster(4, trials_per_gpu=2), FREE, same(16))
    assert shared.makespan_seconds == pytest.approx(alone.makespan_seconds)
    assert shared.whole == pytest.approx(alone.whole)


def mean_efficiency(cluster, asked, work):
    """While work is left."""
    return statistics.fmean(efficiency(simulate(cluster, asked, work, seed).queue) for seed in range(5))


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("start_seconds", (0, 10, 60, 120)),
        ("checkpoint_seconds", (0, 1, 10)),
        ("driver_report_seconds", (0, 0.05, 0.5)),
        ("leave_seconds", (0, 5, 50)),
    ],
)
def test_dearer_is_less_efficient(setting, values):
    found = [
        mean_efficiency(Cluster(32), dataclasses.replace(DEAR, **{setting: value}), Work(200, epochs=50))
        for value in values
    ]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_more_failures_are_less_efficient_and_more_gpus_are_faster():
    work = Work(200, epochs=50)
    found = [mean_efficiency(Cluster(32, hours_between_failures=hours), DEAR, work) for hours in (None, 24.0, 6.0, 1.0)]
    assert found == sorted(found, reverse=True)
    times = [simulate(Cluster(gpus), DEAR, work).makespan_seconds for gpus in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert times == sorted(times, reverse=True)


def test_the_hours_of_trials_have_the_mean_and_the_spread_that_is_asked_for():
    hours = Work(200_000, gpu_hours=2.0, spread=0.3).hours(0)
    assert hours.mean() == pytest.approx(2.0, rel=0.005)
    assert hours.std(ddof=1) / hours.mean() == pytest.approx(0.3, rel=0.01)
    assert (hours > 0).all()


def test_the_drivers_memory_grows_with_the_trials():
    found = [simulate(Cluster(4), DEAR, same(trials)).driver_bytes for trials in (10, 20)]
    assert found == [3e8 + 10 * 2e4, 3e8 + 20 * 2e4]
