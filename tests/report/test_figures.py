"""The heat map over w and τ: numbers, hatching, outlines, published numbers, words for who cannot see it, nothing cut off."""

import itertools
import math
import re
import subprocess

import pytest
from matplotlib.figure import Figure
from scipy import stats

from harness import report, spec
from harness.report.figures import heatmap
from tests import builders

GRID = ("[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", "temperature = [0.05, 0.1, inf]")


def drawn(sweep, workspace):
    """(axes, content) of the figure as matplotlib has it"""
    content = report.gather(sweep, workspace)
    axes = Figure().subplots()
    heatmap.draw(content, axes)
    return axes, content


def outlined(axes):
    """(column, row) of the outlined squares"""
    return {
        (round(patch.get_x() + patch.get_width() / 2), round(patch.get_y() + patch.get_height() / 2))
        for patch in axes.patches
        if not patch.get_fill()
    }


def words(path):
    """(word, left, right) of a one-page PDF, and its width"""
    text = subprocess.run(["pdftotext", "-bbox", str(path), "-"], capture_output=True, check=True, text=True).stdout
    found = re.findall(r'<word xMin="([-\d.]+)" yMin="[-\d.]+" xMax="([-\d.]+)".*?>(.*?)</word>', text)
    return [(word, float(left), float(right)) for left, right, word in found], float(
        re.search(r'<page width="([\d.]+)"', text).group(1)
    )


def test_every_trained_cell_has_its_number_and_every_other_is_hatched(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    values = {(0.5, 0.05): 0.5, (0.5, 0.1): 0.25, (1, 0.05): 0.755}
    for trial in sweep.trials():
        if (trial.weight, trial.temperature) in values and trial.method == "maskcon":
            builders.finished_trial(tmp_path, trial, values[trial.weight, trial.temperature])
    axes, _ = drawn(sweep, tmp_path)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.05", "0.1", "∞"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1", "0.5"]
    places = {tuple(map(round, text.get_position())): text.get_text() for text in axes.texts}
    assert places == {(0, 0): "75.5", (0, 1): "50.0", (1, 1): "25.0"}
    hatched = {(round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)) for patch in axes.patches if patch.get_hatch()}
    assert hatched == {(1, 0), (2, 0), (2, 1)}


def test_the_full_grid_has_30_numbers_and_no_hatching(full):
    axes, content = drawn(full.spec, full.workspace)
    assert (len(axes.texts), [patch for patch in axes.patches if patch.get_hatch()]) == (30, [])
    assert "highest 64." in heatmap.alternative(content)
    assert "at w = 1, τ = 0.05" in heatmap.alternative(content)


def test_the_number_of_a_cell_is_readable_on_its_colour(full):
    axes, _ = drawn(full.spec, full.workspace)
    image = axes.get_images()[0]
    for text in axes.texts:
        column, row = text.get_position()
        red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        contrast = 1.05 / (luminance + 0.05) if text.get_color() == "white" else (luminance + 0.05) / 0.05
        assert contrast >= 4.5, f"{text.get_text()} in {text.get_color()}: contrast {contrast:.1f}"


def test_an_empty_grid_is_all_hatched_and_says_so(tmp_path):
    axes, content = drawn(spec.load("digits", seeds=1), tmp_path)
    assert len(axes.texts) == 0
    assert sum(bool(patch.get_hatch()) for patch in axes.patches) == 12
    assert heatmap.alternative(content) == "Heat map of Recall@1 over w and τ; no cell is trained yet."


def test_one_trained_cell_is_enough_for_a_figure(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep, keep=lambda trial: (trial.weight, trial.temperature) == (1, 0.1))
    axes, content = drawn(sweep, tmp_path)
    assert len(axes.texts) == 1
    assert "highest" in heatmap.alternative(content)


@pytest.mark.parametrize(
    "cells", [("[[cells]]", 'method = "supce"'), ("[[cells]]", 'method = "maskcon"', "weight = 1")]
)
def test_a_sweep_without_a_grid_has_no_figure(tmp_path, cells):
    assert not heatmap.needs(report.gather(builders.small_spec(tmp_path, *cells, seeds=1), tmp_path))


def test_the_caption_says_what_the_edges_of_the_grid_are_and_of_how_many_runs(full):
    caption = heatmap.caption(report.gather(full.spec, full.workspace))
    assert "The row w = 0 is SelfCon, the column τ = ∞ Grafit." in caption
    assert "n = 3 runs per cell, mean" in caption


@pytest.mark.parametrize("temperatures", ["[0.05, 0.1]", "[0, 0.01, 0.05, 0.1, 0.5, inf]"])
def test_no_word_of_the_figure_is_cut_off(tmp_path, temperatures):
    cells = ("[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", f"temperature = {temperatures}")
    builders.small_spec(tmp_path, *cells, seeds=1)
    sweep = spec.load(tmp_path / "mine.toml", overrides=["epochs=1", "train_limit=512", "test_limit=100"])
    report.write(sweep, tmp_path, report.Asked(tmp_path / "report"))
    found, width = words(tmp_path / "report" / "heatmap.pdf")
    assert "reduced" in [word for word, _, _ in found]
    assert [word for word, left, right in found if left < 0 or right > width] == []


def test_outlined_are_the_cells_whose_difference_from_the_best_may_be_none(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=2)
    values = {(0.5, 0.05): (0.50, 0.52), (0.5, 0.1): (0.60, 0.61), (1, 0.05): (0.62, 0.64), (1, 0.1): (0.63, 0.64)}
    for trial in sweep.trials():
        if trial.method == "maskcon" and (trial.weight, trial.temperature) in values:
            builders.finished_trial(tmp_path, trial, values[trial.weight, trial.temperature][trial.seed])
    variances = [(100 * (second - first)) ** 2 / 2 for first, second in values.values()]  # of two values each
    half = stats.t.ppf(0.975, len(variances)) * math.sqrt(sum(variances) / len(variances))  # √(1/2 + 1/2) = 1
    alike = {place for place, pair in values.items() if 63.5 - 50 * sum(pair) <= half}
    assert alike == {(1, 0.05), (1, 0.1), (0.5, 0.1)}, "the example has both kinds"
    axes, content = drawn(sweep, tmp_path)
    assert outlined(axes) == {([0.05, 0.1].index(temperature), [1, 0.5].index(weight)) for weight, temperature in alike}
    assert "pooled over the sweep with 4 degrees of freedom" in heatmap.caption(content)
    assert "outlined as not to be told from the highest: " in heatmap.alternative(content)


def test_without_two_runs_of_a_cell_nothing_is_outlined_and_the_caption_says_why(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    axes, content = drawn(sweep, tmp_path)
    assert outlined(axes) == set()
    assert "No cell is outlined" in heatmap.caption(content)


def test_the_second_panel_has_the_signed_difference_of_each_published_cell(full):
    content = report.gather(full.spec, full.workspace)
    assert heatmap.panels(content) == (2, 1)
    axes = Figure().subplots(2, 1)
    heatmap.draw(content, axes)
    shown = {tuple(map(round, text.get_position())): text.get_text() for text in axes[1].texts}
    expected = {}
    temperatures, weights = [0, 0.01, 0.05, 0.1, 0.5, math.inf], [1, 0.8, 0.5, 0.2, 0]
    for row, column in itertools.product(range(5), range(6)):
        cell = f"maskcon weight={weights[row]:g} temperature={temperatures[column]:g}"
        found = next(one for one in content.compared if one.cell.label == cell and one.metric == "recall_at_1")
        if found.theirs is not None:
            mean = (
                100
                * content.frame.query("trial_id in @found.trial_ids and metric == 'recall_at_1' and final").value.mean()
            )
            expected[column, row] = f"{mean - found.theirs:+.1f}".replace("-", "−")
    assert (shown, len(shown)) == (expected, 18)
    assert sum(patch.get_hatch() == ".." for patch in axes[1].patches) == 12
    low, high = axes[1].get_images()[0].get_clim()
    assert low == -high, "0 is in the middle of the colours"
    assert "18 of 30 cells" in heatmap.caption(content)


def test_a_sweep_without_published_numbers_has_one_panel(tmp_path):
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    content = report.gather(sweep, tmp_path)
    assert heatmap.panels(content) == (1, 1)
    assert "published" not in heatmap.caption(content)


def test_a_grid_of_one_cell_can_be_drawn(tmp_path):
    sweep = builders.small_spec(
        tmp_path, "[[cells]]", 'method = "maskcon"', "weight = [1]", "temperature = [0.1]", seeds=2
    )
    builders.finished_sweep(tmp_path, sweep)
    axes, content = drawn(sweep, tmp_path)
    assert (len(axes.texts), outlined(axes)) == (1, {(0, 0)})
    assert not heatmap.needs(content)


def test_a_grid_too_large_to_read_has_colours_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(heatmap, "MOST_NUMBERS", 3)
    sweep = builders.small_spec(tmp_path, *GRID, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    axes, content = drawn(sweep, tmp_path)
    assert not axes.texts
    assert axes.get_images()
    assert len(axes.get_xticks()) < len({dict(cell.settings)["temperature"] for cell in content.cells("maskcon")})
