"""Trials that ran out of GPU memory are trained again with twice the share of a GPU, and no others are."""

from __future__ import annotations

import pytest

from harness import files, sweep, tracking, trials
from harness.sweep import Resources, ray_trials

from .. import builders

OUT_OF_MEMORY, DIVERGED = trials.OUT_OF_MEMORY, "diverged"


def fail(workspace, trial, kind):
    directory = builders.failed_trial(workspace, trial)
    builders.edited(directory / trials.FAILURE, lambda content: content.update(kind=kind))


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """One store for all tests: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def swept(mlflow):
    """Run a sweep."""

    def run(folder, of, trials_per_gpu, **options):
        return sweep.run(of, folder, Resources(trials_per_gpu=trials_per_gpu), uri=mlflow, **options)

    return run


@pytest.fixture
def passes(monkeypatch):
    """Replaces training: no GPU here can run out of memory.

    `passes(weight=number)`: the trial of this weight needs so large a share that only `number` fit on a GPU; 0 for one that
    diverges. Filled with (trials per GPU, the weights trained) per pass.
    """

    def prepared(fits):
        seen = []

        def train_all(spec, work, workspace, resources, limits, *, on_done):
            todo = list(iter(work.take, None))
            seen.append((resources.trials_per_gpu, [entry.trial.weight for entry in todo]))
            for entry in todo:
                most = fits.get(entry.trial.weight, 1000)
                (entry.directory / trials.FAILURE).unlink(missing_ok=True)
                if most == 0:
                    fail(workspace, entry.trial, DIVERGED)
                elif resources.trials_per_gpu > most:
                    fail(workspace, entry.trial, OUT_OF_MEMORY)
                else:
                    on_done(builders.finished_trial(workspace, entry.trial, 0.5))

        monkeypatch.setattr(ray_trials, "train_all", train_all)
        return seen

    return prepared


def spec(folder, *weights):
    return builders.small_spec(folder, "[[cells]]", 'method = "maskcon"', f"weight = {list(weights)}", seeds=1)


def test_what_does_not_fit_is_trained_again_with_twice_the_share_until_it_fits(tmp_path, swept, passes):
    seen = passes({0.25: 2, 0.5: 1})
    outcome = swept(tmp_path, spec(tmp_path, 0.125, 0.25, 0.5), trials_per_gpu=4)
    assert seen == [(4, [0.125, 0.25, 0.5]), (2, [0.25, 0.5]), (1, [0.5])]
    assert (outcome.count("done"), outcome.trained) == (3, 3)


def test_what_does_not_fit_on_a_whole_gpu_has_failed(tmp_path, swept, passes):
    seen = passes({0.5: 0.5})
    outcome = swept(tmp_path, spec(tmp_path, 0.25, 0.5), trials_per_gpu=4)
    assert seen == [(4, [0.25, 0.5]), (2, [0.5]), (1, [0.5])]
    assert (outcome.count("done"), outcome.count("failed")) == (1, 1)


@pytest.mark.parametrize(("trials_per_gpu", "shares"), [(2, [2, 1]), (3, [3, 1]), (5, [5, 2, 1]), (1, [1])])
def test_the_share_doubles_down_to_one_trial_on_a_gpu(tmp_path, swept, passes, trials_per_gpu, shares):
    seen = passes({0.5: 0.5})
    swept(tmp_path, spec(tmp_path, 0.5), trials_per_gpu)
    assert [share for share, _ in seen] == shares


def test_what_failed_otherwise_is_not_trained_again(tmp_path, swept, passes):
    seen = passes({0.25: 0, 0.5: 2})
    outcome = swept(tmp_path, spec(tmp_path, 0.25, 0.5), trials_per_gpu=4)
    assert seen == [(4, [0.25, 0.5]), (2, [0.5])]
    assert (outcome.count("done"), outcome.count("failed")) == (1, 1)


@pytest.mark.parametrize("kind", [OUT_OF_MEMORY, DIVERGED])
def test_what_failed_in_an_earlier_run_is_left_alone(tmp_path, swept, passes, kind):
    of = spec(tmp_path, 0.25, 0.5)
    fail(tmp_path, of.trials()[0], kind)
    seen = passes({0.5: 2})
    outcome = swept(tmp_path, of, trials_per_gpu=4)
    assert seen == [(4, [0.5]), (2, [0.5])]
    assert (outcome.count("done"), outcome.count("failed")) == (1, 1)


def test_what_failed_in_an_earlier_run_is_taken_up_where_that_is_asked(tmp_path, swept, passes):
    of = spec(tmp_path, 0.25, 0.5)
    fail(tmp_path, of.trials()[0], OUT_OF_MEMORY)
    seen = passes({0.25: 2})
    assert swept(tmp_path, of, trials_per_gpu=4, retry_failed=True).count("done") == 1
    assert seen == [(4, [0.25]), (2, [0.25])]


def test_a_damaged_failure_is_no_reason_for_another_pass(tmp_path, swept, passes, monkeypatch):
    seen, of = passes({}), spec(tmp_path, 0.5)

    def train_all(spec, work, workspace, resources, limits, *, on_done):
        entry = work.take()
        seen.append(resources.trials_per_gpu)
        fail(workspace, entry.trial, OUT_OF_MEMORY)
        files.write_text(entry.directory / trials.FAILURE, '{"message": "no kind"}')

    monkeypatch.setattr(ray_trials, "train_all", train_all)
    swept(tmp_path, of, trials_per_gpu=4)
    assert seen == [4]


def test_every_trial_that_finished_in_a_later_pass_is_recorded(tmp_path, swept, passes, mlflow):
    of = spec(tmp_path, 0.15, 0.3, 0.6)  # of no other test
    done = [trial.trial_id for trial in of.trials()]
    assert tracking.unrecorded(tmp_path, of, mlflow, done) == done
    passes({0.3: 2, 0.6: 1})
    assert swept(tmp_path, of, trials_per_gpu=4).record_problem is None
    assert tracking.unrecorded(tmp_path, of, mlflow, done) == []
