"""The fast ways of reading large sweeps say what the plain ones say."""

import json
import math

import pandas as pd
import pytest

from harness import bench, columns, config, processes, report, results, terminal, trials
from harness import spec as specs
from harness.bench import report as report_part
from harness.errors import UsageError
from harness.report import content
from tests import builders
from tests.sweep import commands

EVALUATED = {3: 0.25, 6: 0.5, 7: 0.375}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Six trials: four finished, of two methods, with notes that look like results; one failed, one unfinished."""
    folder = tmp_path_factory.mktemp("workspace")
    for seed in range(2):
        for method in ("maskcon", "supce"):
            trial = config.resolve("digits", method, seed=seed, overrides={"epochs": 7}).canonical()
            notes = ('"metrics": [', "0.5", "metrics") if seed else ()
            builders.finished_trial(folder, trial, EVALUATED, notes=notes)
    builders.failed_trial(folder, config.resolve("digits", "supce", seed=2).canonical())
    builders.unfinished_trial(folder, config.resolve("digits", "supce", seed=3).canonical(), epoch=1)
    return folder


def naive(workspace):
    """The frame by a plain double loop over parsed files."""
    rows = []
    for directory in sorted((workspace / "trials").iterdir()):
        if (directory / trials.RESULT).is_file():
            settings = json.loads((directory / trials.CONFIG).read_text())["settings"]
            result = json.loads((directory / trials.RESULT).read_text())
            about = [result["trial_id"], *(settings[name] for name in results.COLUMNS[1:6])]
            for line in result["metrics"]:
                for name in line.keys() - {"epoch", "time", "seconds"}:
                    rows.append([*about, line["epoch"], name, line[name], line["epoch"] == result["epochs"]])
    return pd.DataFrame(rows, columns=list(results.COLUMNS))


def in_order(frame):
    return frame.sort_values(["trial_id", "epoch", "metric"]).reset_index(drop=True)


def same(found, expected):
    pd.testing.assert_frame_equal(in_order(found), in_order(expected), check_dtype=False, check_exact=True)


def test_the_frame_is_that_of_a_plain_loop(workspace):
    expected = naive(workspace)
    same(results.load(workspace), expected)
    same(results.load(workspace, every_epoch=False), expected[expected["epoch"].isin(EVALUATED)])


def test_several_processes_give_the_same_frame_in_the_same_order(workspace, monkeypatch):
    alone = results.read(workspace, every_epoch=False)
    monkeypatch.setattr(processes, "FEWEST_TRAININGS", 2)
    monkeypatch.setattr(columns, "CHUNK", 1)
    monkeypatch.setattr(processes, "available", lambda: 2)
    shared = results.read(workspace, every_epoch=False)
    pd.testing.assert_frame_equal(shared.frame, alone.frame, check_exact=True)
    assert shared.about == alone.about
    directory = next(directory for directory in trials.find(workspace) if directory in alone.about)
    whole = (directory / trials.RESULT).read_text()
    (directory / trials.RESULT).write_text(whole.replace('"loss": ', '"loss": x'))
    try:
        with pytest.raises(UsageError, match=f"{directory.name}/result.json is damaged"):
            results.read(workspace, every_epoch=False)
    finally:
        (directory / trials.RESULT).write_text(whole)


def test_what_a_result_says_beside_its_lines_keeps_its_types(workspace):
    for every_epoch in (True, False):
        for directory, about in results.read(workspace, every_epoch).about.items():
            result = json.loads((directory / trials.RESULT).read_text())
            del result["metrics"]
            assert about == result | {"environment": json.loads((directory / trials.ENVIRONMENT).read_text())}


@pytest.mark.parametrize("order", [("metrics", "epochs"), ("notes", "metrics", "speed")])
def test_a_result_whose_parts_are_in_another_order_is_read_all_the_same(tmp_path, order):
    directory = builders.finished_trial(tmp_path, config.resolve("digits", "supce").canonical(), 0.5, notes=("0.5",))
    expected = results.read(tmp_path, every_epoch=False)
    content = trials.read_json(directory / trials.RESULT)
    moved = {name: content[name] for name in order}
    (directory / trials.RESULT).write_text(json.dumps(moved | content))
    found = results.read(tmp_path, every_epoch=False)
    pd.testing.assert_frame_equal(found.frame, expected.frame, check_exact=True)
    assert found.about == expected.about
    assert trials.state(directory, glance=True) == trials.state(directory)


def test_epoch_rules_are_those_of_a_plain_loop(workspace):
    frame = results.load(workspace)
    shuffled = frame.sample(frac=1, random_state=0)
    for rule in results.EPOCH_RULES:
        expected = []
        for (trial_id, _), rows in frame.groupby(["trial_id", "metric"]):
            final = rows["epoch"] == 7
            earlier = rows[~final] if (~final).any() else rows
            recall = frame[(frame["trial_id"] == trial_id) & (frame["metric"] == "recall_at_1")]
            best = recall.sort_values("epoch")["value"].idxmax()
            epoch = {"final": 7, "last-evaluation": earlier["epoch"].max(), "best": frame["epoch"][best]}[rule]
            expected.append(rows[rows["epoch"] == epoch])
        same(results.at_epoch(shuffled, rule), pd.concat(expected))


def test_a_glance_sees_what_a_parse_sees(workspace):
    for directory in (workspace / "trials").iterdir():
        assert trials.state(directory, glance=True) == trials.state(directory)


@pytest.mark.parametrize("name", [trials.RESULT, trials.CONFIG, trials.ENVIRONMENT])
@pytest.mark.parametrize("content", ["", "{", "{}", "[1]", '{"trial_id": "a', "\x00" * 4096])
def test_a_glance_sees_damage_at_either_end(tmp_path, name, content):
    directory = builders.finished_trial(tmp_path, config.resolve("digits", "supce").canonical(), 0.5)
    whole = (directory / name).read_text()
    for text in (content, whole[: len(whole) // 2], whole[:-3], "\x00" * len(whole)):
        (directory / name).write_text(text)
        assert trials.state(directory, glance=True) == trials.state(directory)


def test_the_trials_of_a_sweep_are_those_that_each_seed_resolves_to():
    sweep = specs.load("digits", seeds=3)
    for cell in sweep.cells():
        for seed, trial in enumerate(cell.trials):
            plain = config.resolve("digits", cell.method, seed=seed, spec={**sweep.settings, **dict(cell.settings)})
            assert trial == plain.canonical()
            assert trial.trial_id == config.from_dict(json.loads(json.dumps(trial.to_dict()))).trial_id
            assert trial.canonical() == plain.canonical().replace().canonical()
    assert len({trial.trial_id for trial in sweep.trials()}) == len(sweep.trials())


def test_what_is_remembered_of_a_trial_is_not_passed_on_to_a_changed_one():
    trial = config.resolve("digits", "maskcon", spec={"temperature": 0.1}).canonical()
    assert (
        trial.with_seed(4).trial_id == config.resolve("digits", "maskcon", seed=4, spec={"temperature": 0.1}).trial_id
    )
    assert trial.replace(temperature=math.inf).canonical().method == "supcon"
    assert len({trial.trial_id, trial.with_seed(1).trial_id, trial.replace(seed=1).trial_id}) == 2
    cells = specs.load("digits").cells()
    cells.clear()
    assert specs.load("digits").cells()


def test_too_many_rows_leave_the_reported_epochs_and_a_note(tmp_path, monkeypatch):
    builders.small_spec(tmp_path)
    sweep = specs.load(tmp_path / "mine.toml", overrides=["epochs=4"], seeds=1)
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, {1: 0.9, 2: 0.1, 3: 0.25, 4: 0.5})
    everything = report.write(sweep, tmp_path, report.Asked(epoch_rule="best"))
    assert not any("results.csv" in note for note in everything.notes)
    whole = pd.read_csv(everything.folder / "results.csv")
    monkeypatch.setattr(content, "MOST_ROWS", 5)
    written = report.write(sweep, tmp_path, report.Asked(epoch_rule="best"))
    same(pd.read_csv(written.folder / "results.csv"), whole[whole["epoch"] != 2])
    assert any("results.csv has the evaluations" in note for note in written.notes)


def test_the_status_of_a_large_sweep_names_the_cells_that_are_not_done(tmp_path, monkeypatch, capsys):
    from rich.console import Console

    from harness import plan

    sweep = builders.small_spec(tmp_path)
    builders.finished_sweep(tmp_path, sweep, keep=lambda trial: trial.weight != 0.5 or trial.seed == 0)
    monkeypatch.setattr(terminal, "MOST_IN_TABLE", 1)
    assert terminal.status(Console(), sweep, plan.plan(sweep, tmp_path), False) == 1
    said = capsys.readouterr().out
    assert "maskcon weight=0.5: 1 done, 1 missing\n" in said
    assert "2 of 3 cells are done" in said
    assert "5 done, 1 missing of 6 trainings" in said


def test_the_benchmark_writes_trials_as_training_does(tmp_path):
    sweep = report_part.written_spec(tmp_path, trainings=270)
    assert (len(sweep.trials()), len(sweep.cells())) == (280, 28)
    assert "maskcon weight=1 temperature=0.05" in {cell.label for cell in sweep.cells()}
    trial = sweep.trials()[0]
    ours = report_part.write_finished(tmp_path / "ours", trial)
    built = builders.finished_trial(tmp_path / "built", trial, {200: 0.5})
    assert trials.state(ours, glance=True) == trials.state(ours) == trials.TrialState("done", 200)
    for name in (trials.CONFIG, trials.ENVIRONMENT, trials.RESULT):
        one, other = trials.read_json(ours / name), trials.read_json(built / name)
        assert list(one) == list(other)
    lines, like = trials.read_result(ours)["metrics"], trials.read_result(built)["metrics"]
    assert len(lines) == len(like)
    assert lines[0].keys() >= like[0].keys()
    assert lines[-1].keys() >= like[-1].keys()
    assert trials.read_metrics(ours / trials.METRICS) == lines


def test_the_part_report_measures_both_commands(tmp_path):
    words = ["--part", "report", "--report-trainings", "10", "--repeats", "1"]
    done = commands.harness("bench", "digits", "supce", *words, "--json", workspace=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["report"]
    assert (found["trainings"], found["cells"], found["seeds"]) == (10, 1, 10)
    assert found["bytes"] > 10 * 60_000
    assert set(found["seconds"]) == {"status", "report"}
    assert all(seconds["repeats"] == 1 and seconds["median"] > 0 for seconds in found["seconds"].values())
    shown = commands.harness("bench", "--show", workspace=tmp_path).stdout
    assert "A sweep of 10 finished trainings" in shown
    assert "`harness report`" in shown
    assert "report" in bench.PARTS


def test_several_processes_draw_the_figures_that_one_draws(tmp_path, monkeypatch):
    sweep = builders.small_spec(tmp_path)
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, 0.5)
    alone = report.write(sweep, tmp_path, report.Asked(output=tmp_path / "alone"))
    monkeypatch.setattr(processes, "FEWEST_TRAININGS", 1)
    monkeypatch.setattr(processes, "available", lambda: 2)
    shared = report.write(sweep, tmp_path, report.Asked(output=tmp_path / "shared"))
    assert shared.notes == alone.notes
    pictures = {picture.name: picture.read_bytes() for picture in alone.folder.glob("*.png")}
    assert len(pictures) >= 2
    assert {picture.name: picture.read_bytes() for picture in shared.folder.glob("*.png")} == pictures
