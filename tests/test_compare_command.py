"""`harness compare`: what it prints, writes and exits with."""

import json

import pytest
from typer.testing import CliRunner

from harness import cli, compare, spec
from harness.errors import UsageError
from tests import builders

SWEEP = [
    'title = "Beside the paper"', 'dataset = "cifar100"', "seeds = 3", "margin = 1.0",
    'claims = [["maskcon", "supce"]]', "[[cells]]", 'method = "supce"', "[[cells]]", 'method = "maskcon"',
    "weight = [1]", "temperature = [0.05]",
]  # fmt: skip
NOISE = (0.002, -0.001, -0.001)


def compared(tmp_path, recalls, *options, lines=SWEEP):
    """(exit code, what was said) for recalls by method, three seeds around each."""
    path = builders.written_spec(tmp_path, *lines)
    for trial in spec.load(path).trials():
        if trial.method in recalls:
            value = recalls[trial.method] + NOISE[trial.seed] * (1 if trial.method == "supce" else -1)
            builders.finished_trial(tmp_path, trial, value)
    done = CliRunner().invoke(cli.app, ["compare", str(path), "--workspace", str(tmp_path), *options])
    return done.exit_code, done.output


LIKE_THE_PAPER = {"supce": 0.4725, "maskcon": 0.6552}


def test_reproduced_numbers_and_a_claim_that_holds_pass(tmp_path):
    code, said = compared(tmp_path, LIKE_THE_PAPER)
    assert code == 0
    assert said.count("REPRODUCED *") == 2
    assert "*: QUALIFIED by reported epoch final" in said
    assert "HOLDS" in said
    assert "Passed" in said
    assert "INCONCLUSIVE, which is neither answer (simulated)" in " ".join(said.split())


@pytest.mark.parametrize(
    ("recalls", "problem"),
    [
        ({"supce": 0.4725, "maskcon": 0.60}, "maskcon weight=1 temperature=0.05: LOWER THAN PUBLISHED"),
        ({"supce": 0.70, "maskcon": 0.6552}, "maskcon beats supce: REVERSED"),
        ({"supce": 0.4725}, "maskcon weight=1 temperature=0.05: INSUFFICIENT RUNS"),
        ({}, "supce: INSUFFICIENT RUNS"),
    ],
)
def test_a_failing_verdict_is_named_and_does_not_pass(tmp_path, recalls, problem):
    code, said = compared(tmp_path, recalls)
    assert code == 1
    assert problem in said
    assert "Not passed" in said


def test_a_higher_number_passes(tmp_path):
    code, said = compared(tmp_path, {"supce": 0.4725, "maskcon": 0.72})
    assert code == 0
    assert "HIGHER" in said


def test_another_protocol_is_not_comparable_and_does_not_pass(tmp_path):
    lines = [*SWEEP[:5], "[settings]", "epochs = 20", *SWEEP[5:]]
    code, said = compared(tmp_path, LIKE_THE_PAPER, "--json", lines=lines)
    assert code == 1
    cells = [cell for cell in json.loads(said)["cells"] if cell["metric"] == "recall_at_1"]
    assert {cell["verdict"] for cell in cells} == {"NOT COMPARABLE"}
    assert all("epochs 20 (maskcon: 200)" in cell["differs"] for cell in cells)
    assert all(cell["interval"] is None for cell in cells)


def test_without_a_declared_margin_there_is_no_verdict(tmp_path):
    code, said = compared(tmp_path, LIKE_THE_PAPER, lines=[line for line in SWEEP if "margin" not in line])
    assert code == 1
    assert "NO MARGIN DECLARED" in said


def test_the_comparison_is_written_in_four_forms(tmp_path):
    code, _ = compared(tmp_path, LIKE_THE_PAPER, "--output", str(tmp_path / "out"))
    assert code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*(f"comparison.{kind}" for kind in ("tex", "md", "csv", "json")), "claims.csv"}
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    (maskcon,) = [
        cell for cell in content["cells"] if cell["cell"].startswith("maskcon") and cell["metric"] == "recall_at_1"
    ]
    assert maskcon["verdict"] == "REPRODUCED"
    assert maskcon["qualified"] == ["reported epoch final (not stated; code: last-evaluation)"]
    assert len(maskcon["trials"]) == 3
    assert content["claims"][0]["verdict"] == "HOLDS"
    assert content["power"]["0"]["REPRODUCED"] > 0.9
    for kind in ("tex", "md", "csv"):
        assert "65.52" in (tmp_path / "out" / f"comparison.{kind}").read_text()


def test_a_sweep_that_nothing_is_published_for_passes_once_it_is_trained(tmp_path):
    sweep = builders.small_spec(tmp_path)
    words = ["compare", str(tmp_path / "mine.toml"), "--workspace", str(tmp_path), "--seeds", "2"]
    assert CliRunner().invoke(cli.app, words).exit_code == 1
    builders.finished_sweep(tmp_path, sweep)
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0
    assert "Nothing is published for this sweep." in done.output


def test_an_unknown_epoch_rule_lists_the_known(tmp_path):
    path = builders.written_spec(tmp_path, *SWEEP)
    done = CliRunner().invoke(cli.app, ["compare", str(path), "--workspace", str(tmp_path), "--epoch", "first"])
    assert isinstance(done.exception, UsageError)
    assert "final" in str(done.exception)


def test_a_declared_seed_that_is_missing_does_not_pass(tmp_path):
    """A cell that nothing is published for, and one that has enough runs for a verdict."""
    lines = [
        *SWEEP[:2],
        "seeds = 4",
        *SWEEP[3:],
        "[[cells]]",
        'method = "maskcon"',
        "weight = [1]",
        "temperature = [0]",
    ]
    sweep = spec.load(builders.written_spec(tmp_path, *lines))
    for trial in sweep.trials():
        if trial.seed < 3 and (trial.temperature or trial.seed == 0):
            builders.finished_trial(tmp_path, trial, LIKE_THE_PAPER[trial.method] + (NOISE[trial.seed]))
    words = ["compare", str(tmp_path / "mine.toml"), "--workspace", str(tmp_path)]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 1
    assert "maskcon weight=1 temperature=0: 1 of 4 seeds are trained" in done.output
    assert "supce: 3 of 4 seeds are trained" in done.output
    assert "n = 3 of 4 runs" in done.output
    assert "With 3 runs of s" in done.output


def test_one_training_with_most_of_the_variance_is_named_and_does_not_pass(tmp_path):
    lines = [
        *SWEEP[:4],
        "[[cells]]",
        'method = "supce"',
        *SWEEP[7:9],
        "weight = [0.5, 1]",
        "temperature = [0.05, 0.1, 0.5]",
    ]
    sweep = spec.load(builders.written_spec(tmp_path, *lines))
    collapsed = "maskcon weight=0.5 temperature=0.1"
    for cell in sweep.cells():
        for trial in cell.trials:
            value = builders.plausible_recall(trial)
            builders.finished_trial(tmp_path, trial, 0.01 if cell.label == collapsed and trial.seed == 1 else value)
    done = CliRunner().invoke(cli.app, ["compare", str(tmp_path / "mine.toml"), "--workspace", str(tmp_path)])
    assert done.exit_code == 1
    assert f"{collapsed}: 100 % of the pooled variance of 7 trainings is its own" in " ".join(done.output.split())


def test_equal_steps_of_few_test_images_are_not_taken_for_certainty(tmp_path):
    lines = [
        'dataset = "digits"', "seeds = 3", 'claims = [["maskcon", "supce"]]', "[settings]", "epochs = 2",
        "[[cells]]", 'method = "supce"', "[[cells]]", 'method = "maskcon"',
    ]  # fmt: skip
    sweep = spec.load(builders.written_spec(tmp_path, *lines))
    for trial in sweep.trials():  # one image of 449 more, on every seed
        builders.finished_trial(tmp_path, trial, (400 + 3 * trial.seed + (trial.method == "maskcon")) / 449)
    words = ["compare", str(tmp_path / "mine.toml"), "--workspace", str(tmp_path), "--json"]
    (claim,) = json.loads(CliRunner().invoke(cli.app, words).output)["claims"]
    assert claim["differences"] == pytest.approx([100 / 449] * 3)
    assert claim["verdict"] == "NOT SHOWN"


@pytest.mark.parametrize(
    ("validation", "phrase"),
    [
        (["validation_fraction = 0.25"], None),
        (["validation_fraction = 0.25", "lr = 0.01"], "trains other things than this sweep"),
        ([], "holds no images out"),
    ],
)
def test_a_sweep_selects_for_another_only_where_it_holds_images_out_of_the_same_trainings(tmp_path, validation, phrase):
    cells = ["[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]"]
    head = ['dataset = "digits"', "seeds = 2"]
    held_out = builders.written_spec(tmp_path, *head, "[settings]", "epochs = 2", *validation, *cells, name="held")
    path = builders.written_spec(tmp_path, *head, 'validation = "held.toml"', "[settings]", "epochs = 2", *cells)
    for sweep in (spec.load(path), spec.load(held_out)):
        builders.finished_sweep(tmp_path, sweep)
    found = compare.compare(spec.load(path), tmp_path)
    assert ("validation-fine" in found.selected) == (phrase is None)
    assert (phrase or "") in found.validation
