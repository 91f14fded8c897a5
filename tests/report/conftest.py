"""Reports that several files look at, and a browser: each takes seconds to make, and none of the tests changes them."""

import pytest
from playwright.sync_api import sync_playwright

from harness import files, spec, tracking
from harness import workspace as workspaces
from tests import builders

from . import made

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """CIFAR-100, all 30 trainings of three seeds."""
    workspace = tmp_path_factory.mktemp("full")
    sweep = spec.load("cifar100")
    builders.finished_sweep(workspace, sweep)
    return made.write(workspace, sweep)


@pytest.fixture(scope="session")
def partial(tmp_path_factory):
    """CIFAR-100 with two seeds: nothing at w = 0.8, one of them failed, and SupFINE with its first seed alone."""
    workspace = tmp_path_factory.mktemp("partial")
    sweep = spec.load("cifar100", seeds=2)
    missing = [trial for trial in sweep.trials() if trial.weight == 0.8 and trial.method in ("maskcon", "grafit")]
    missing += [trial for trial in sweep.trials() if trial.method == "supfine" and trial.seed == 1]
    builders.finished_sweep(workspace, sweep, keep=lambda trial: trial not in missing)
    builders.failed_trial(workspace, missing[0])
    return made.write(workspace, sweep)


@pytest.fixture(scope="session")
def awkward(tmp_path_factory):
    """A small reduced sweep whose title has everything that LaTeX, HTML and Markdown take for something else."""
    workspace = tmp_path_factory.mktemp("awkward")
    sweep = builders.small_spec(
        workspace, "[[cells]]", 'method = "supce"', "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]",
        "temperature = [0.05, inf]", title=made.AWKWARD,
    )  # fmt: skip
    builders.finished_sweep(workspace, sweep)
    return made.write(workspace, sweep)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A grid of two seeds, recorded on a server with a password; its title, notes and failures hold scripts."""
    workspace = tmp_path_factory.mktemp("hostile")
    sweep = builders.small_spec(
        workspace, "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", "temperature = [0.05, inf]",
        title="</title></script><script>alert(1)</script> & </style>",
    )  # fmt: skip
    *finished, noted, failed = sweep.trials()
    for trial in finished:
        builders.finished_trial(workspace, trial, builders.plausible_recall(trial))
    builders.finished_trial(workspace, noted, 0.5, notes=("</template></script><script>alert(3)</script>",))
    builders.failed_trial(workspace, failed, "<img src=x onerror=alert(2)>")
    notes = {
        "trials": [trial.trial_id for trial in finished],
        "runs": {trial.trial_id: f"run-of-{trial.trial_id}" for trial in finished},
        "experiment": "7",
        "parent": "p",
    }
    files.write_json(workspaces.sweep_folder(workspace, sweep) / "recorded.json", {tracking.public(made.SERVER): notes})
    return made.write(workspace, sweep, made.SERVER)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield launched
        launched.close()
