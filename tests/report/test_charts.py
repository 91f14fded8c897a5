"""Forest, sensitivity, curves and relations: what is drawn are the frame's numbers, and the captions say of how many runs."""

import math
import statistics

import pytest
from matplotlib.figure import Figure
from scipy import stats

from harness import report, trials, verdicts
from harness import spec as specs
from harness.report import figures
from harness.report.figures import curves, forest, relations, sensitivity
from tests import builders

GRID = ("[[cells]]", 'method = "coins"', "weight = [0.5, 1]", "[[cells]]", 'method = "grafit"', "weight = [0.5, 1]",
        "[[cells]]", 'method = "maskcon"', "weight = [0, 0.5, 1]", "temperature = [0, 0.05, 0.1, inf]")  # fmt: skip


def panels(module, content):
    """The drawn axes, an array for a figure that declares panels"""
    figure = Figure(figsize=module.size(content), layout="constrained")
    axes = figure.subplots(*module.panels(content), squeeze=False) if hasattr(module, "panels") else figure.subplots()
    module.draw(content, axes)
    return axes


def legend(axes):
    """The legend's texts, of the axes or below the whole figure"""
    found = [axes.get_legend()] if axes.get_legend() else axes.figure.legends
    return [text.get_text() for one in found for text in one.get_texts()]


@pytest.fixture(scope="module")
def published(full):
    return report.gather(full.spec, full.workspace)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Two seeds of a grid of digits; at w = 0.5, τ = 0.05 one of them, and nothing at w = 1, τ = 0.1."""
    workspace = tmp_path_factory.mktemp("grid")
    sweep = builders.small_spec(workspace, *GRID)
    missing = {(0.5, 0.05, 1), (1, 0.1, 0), (1, 0.1, 1)}
    for trial in sweep.trials():
        if trial.method != "maskcon" or (trial.weight, trial.temperature, trial.seed) not in missing:
            last = builders.plausible_recall(trial)
            directory = builders.finished_trial(
                workspace, trial, {1: last - 0.1, 2: last}, seconds=7200, device_type="cuda"
            )
            if trial.method != "supce":
                add_relations(directory, last)
    return report.gather(sweep, workspace)


def add_relations(directory, recall):
    """Relations that are the better the higher the recall, but for a slight disorder"""

    def change(content):
        for line in content["metrics"]:
            line |= {
                "relation_error": 1.5 - recall * line["epoch"] / 2,
                "fine_mass": round(recall, 2) * line["epoch"] / 4,
            }

    builders.edited(directory / trials.RESULT, change)


def test_forest_has_each_published_number_once_with_its_interval(published):
    axes = panels(forest, published)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == len(set(labels)) == 18
    assert {"SelfCon", "SupCE", "MaskCon, w = 1, τ = 0.05"} <= set(labels)
    assert not {"Grafit, w = 1", "MaskCon, w = 0, τ = 0"} & set(labels), "they are SupCon and SelfCon"
    drawn = {round(line.get_ydata()[0]): line for line in axes.lines if len(line.get_xdata()) == 1}
    intervals = {line.get_ydata()[0]: tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "|"}
    found = {entry.cell.label: entry for entry in published.comparison.verdicts}
    entry, row = found["maskcon weight=1 temperature=0.05"], labels.index("MaskCon, w = 1, τ = 0.05")
    mean = statistics.fmean(entry.values)
    assert drawn[row].get_xdata()[0] == pytest.approx(mean - 65.52)
    assert intervals[row] == pytest.approx(entry.interval)
    assert {line.get_marker() for line in drawn.values()} == {
        forest.LOOKS[entry.verdict][0] for entry in found.values()
    }
    (band,) = axes.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == (-1, 1)
    assert "n = 3 runs" in forest.caption(published)
    assert "18 published numbers" in forest.alternative(published)


def test_forest_of_too_few_runs_is_hollow_and_without_intervals(partial):
    content = report.gather(partial.spec, partial.workspace)
    axes = panels(forest, content)
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert {line.get_markerfacecolor() for line in points} == {"white"}
    assert [line for line in axes.lines if line.get_marker() == "|"] == []
    assert legend(axes) == [verdicts.INSUFFICIENT.lower()]
    caption = forest.caption(content)
    assert all(words in caption for words in ("Hollow", "n = 1–2 runs", "are not trained yet"))


def test_every_verdict_has_a_look_of_its_own():
    shapes = [(marker, filled) for marker, _, filled in forest.LOOKS.values()]
    assert len(set(shapes)) == len(shapes)
    assert set(verdicts.FAILING) <= set(forest.LOOKS)


def test_forest_and_what_needs_published_numbers_is_left_out_without_them(grid):
    assert not forest.needs(grid)


def test_sensitivity_draws_means_and_deviations_of_the_cells(grid):
    left, right = panels(sensitivity, grid).ravel()
    assert legend(left) == ["τ = 0", "τ = 0.05", "τ = 0.1", "τ = ∞, Grafit", "CoIns"]
    assert legend(right) == ["w = 0, SelfCon", "w = 0.5", "w = 1"]
    for axes, along, name, value in ((left, "weight", "temperature", 0.05), (right, "temperature", "weight", 0.5)):
        place = {"τ = 0.05": 1, "w = 0.5": 1}[f"{'τ' if name == 'temperature' else 'w'} = {value}"]
        cells = [cell for cell in grid.cells("maskcon") if dict(cell.settings)[name] == value]
        entries = [
            grid.find(cell, "recall_at_1") for cell in sorted(cells, key=lambda cell: dict(cell.settings)[along])
        ]
        points, _, bars = axes.containers[place]
        assert list(points.get_ydata()) == [pytest.approx(entry.ours) for entry in entries]
        for entry, bar in zip(entries, bars[0].get_segments(), strict=True):
            half = (bar[1, 1] - bar[0, 1]) / 2 if len(bar) else math.nan
            assert math.isnan(half) if entry.runs == 1 else half == pytest.approx(statistics.stdev(entry.values))


def test_zero_and_infinite_temperatures_stand_beyond_the_ends_of_the_log_scale(grid):
    axes = panels(sensitivity, grid)[0, 1]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.05", "0.1", "∞"]
    zero, first, second, infinite = axes.get_xticks()
    assert second - first == pytest.approx(math.log10(2))
    assert first - zero == pytest.approx(infinite - second)
    assert zero < first
    dotted = [line for line in axes.lines if line.get_linestyle() == ":" and line.get_linewidth() < 1]
    assert len(dotted) == 6, "from each line to both ends"


def test_sensitivity_has_one_panel_where_one_setting_is_varied_and_none_where_none_is(tmp_path):
    weights = builders.small_spec(tmp_path, "[[cells]]", 'method = "grafit"', "weight = [0.5, 0.8]", seeds=1)
    builders.finished_sweep(tmp_path, weights)
    content = report.gather(weights, tmp_path)
    assert sensitivity.panels(content) == (1, 1)
    assert legend(panels(sensitivity, content)[0, 0]) == ["Grafit"]
    assert "Error bars" not in sensitivity.caption(content)
    alone = builders.small_spec(tmp_path, "[[cells]]", 'method = "grafit"', "weight = [0.5]", seeds=1, name="alone")
    builders.finished_sweep(tmp_path, alone)
    assert not sensitivity.needs(report.gather(alone, tmp_path))


def test_a_temperature_scale_of_its_two_ends_alone_can_be_drawn(tmp_path):
    cells = ("[[cells]]", 'method = "maskcon"', "weight = 1", "temperature = [0, inf]")
    sweep = builders.small_spec(tmp_path, *cells, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    axes = panels(sensitivity, report.gather(sweep, tmp_path))[0, 0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "∞"]


def test_curves_are_the_means_over_seeds_against_epochs_and_hours(grid):
    left, right = panels(curves, grid).ravel()
    method = grid.chosen["maskcon"]
    rows = grid.frame[grid.frame["trial_id"].isin(grid.find(method.cell, "recall_at_1").trial_ids)]
    rows = rows[rows["metric"] == "recall_at_1"]
    place = next(i for i, label in enumerate(legend(left)) if label.startswith("MaskCon"))
    for axes, along in ((left, [1, 2]), (right, [1.0, 2.0])):  # two hours for two epochs
        assert list(axes.lines[place].get_xdata()) == pytest.approx(along)
        means = [100 * rows[rows["epoch"] == epoch].value.mean() for epoch in (1, 2)]
        assert list(axes.lines[place].get_ydata()) == pytest.approx(means)
    assert right.get_xlabel() == "GPU-hours of training"
    band = left.collections[place].get_paths()[0].vertices
    last = rows[rows["epoch"] == 2].value
    low, high = 100 * (last.mean() - last.std()), 100 * (last.mean() + last.std())
    assert {round(y, 6) for x, y in band if x == 2} == {round(low, 6), round(high, 6)}
    assert "Bands" in curves.caption(grid)


def test_curves_of_one_seed_have_no_band_and_name_the_device(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    for trial in sweep.trials():
        kind = "cpu" if trial.method == "supce" else "cuda"
        builders.finished_trial(tmp_path, trial, {1: 0.2, 2: 0.3}, device=f"A {kind}", device_type=kind)
    content = report.gather(sweep, tmp_path)
    left, right = panels(curves, content).ravel()
    assert (len(left.collections), "Bands" in curves.caption(content)) == (0, False)
    assert right.get_xlabel() == "device-seconds of training"
    assert "different devices (A cpu, A cuda)" in curves.caption(content)


def test_curves_need_two_evaluations(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, 0.3)
    assert not curves.needs(report.gather(sweep, tmp_path))


def test_relations_give_the_rank_correlation_over_distinct_trainings(grid):
    axes = panels(relations, grid)
    assert axes.shape == (2, 2)
    entries = {}
    for cell in grid.cells():
        entry = grid.find(cell, "recall_at_1")
        if entry.runs and cell.trials[0].method != "supce":  # CoIns at w = 1 is SupCE
            entries.setdefault(entry.trial_ids, entry)
    expected = {"relation_error": [], "fine_mass": []}
    for ids, entry in entries.items():
        rows = grid.frame[grid.frame["trial_id"].isin(ids) & grid.frame["final"]]
        for metric, found in expected.items():
            found.append((rows[rows["metric"] == metric].value.mean(), entry.ours))
    for column, metric in enumerate(expected):
        factor = 100 if metric == "fine_mass" else 1
        points = [point for line in axes[1, column].lines for point in zip(*line.get_data(), strict=True)]
        assert {(round(x, 6), round(y, 6)) for x, y in points} == {
            (round(factor * x, 6), round(y, 6)) for x, y in expected[metric]
        }
        rho = stats.spearmanr(*zip(*expected[metric], strict=True)).statistic
        title = axes[1, column].get_title()
        assert title == f"Spearman's rank correlation {rho:+.2f}, {len(entries)} trainings".replace("-", "−")
        assert title in relations.caption(grid)
    assert len(axes[0, 0].lines) == len(
        [name for name in grid.chosen if grid.chosen[name].cell.trials[0].method != "supce"]
    )
    assert "fine labels serve this diagnosis only" in relations.caption(grid)


def test_relations_need_two_trainings_and_a_correlation_three(tmp_path):
    sweep = builders.small_spec(tmp_path, "[[cells]]", 'method = "grafit"', "weight = [0.5, 0.8]", seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    for number, trial in enumerate(sweep.trials()):
        add_relations(trials.directory(tmp_path, trial), 0.3 + number / 10)
    content = report.gather(sweep, tmp_path)
    assert relations.needs(content)
    assert not relations.needs(report.gather(specs.load(tmp_path / "mine.toml", overrides=["weight=0.5"]), tmp_path))
    assert panels(relations, content)[1, 0].get_title() == "no correlation can be given (2 trainings)"


def test_every_figure_of_a_finished_sweep_lies_there_twice_and_small(full, published):
    names = {"heatmap", "forest", "curves", "sensitivity"}
    written = {name.removesuffix(".png") for name in full.names() if name.endswith(".png")}
    assert names <= written
    for name in written:
        assert (full.written.folder / f"{name}.pdf").stat().st_size > 1000
        assert (full.written.folder / f"{name}.png").stat().st_size < 500_000


def test_a_figure_of_an_earlier_report_does_not_stay(tmp_path):
    sweep = builders.small_spec(tmp_path, seeds=1)
    (tmp_path / "forest.png").touch()
    drawn, notes = figures.draw_all(report.gather(sweep, tmp_path), tmp_path)
    assert (drawn, notes, (tmp_path / "forest.png").exists()) == ({}, [], False)


def test_sensitivity_of_many_values_draws_some_and_says_so(grid, monkeypatch):
    monkeypatch.setattr(sensitivity, "MOST_LINES", 2)
    fresh = report.gather(grid.spec, next(iter(grid.directories.values())).parent.parent)
    left, right = panels(sensitivity, fresh).ravel()
    assert legend(left)[:2] == ["τ = 0", "τ = ∞, Grafit"]
    assert legend(right) == ["w = 0, SelfCon", "w = 1"]
    assert "Lines for 2 of 4 values, spread evenly." in sensitivity.caption(fresh)
