"""The grid of w and τ on the page: every cell shows its trials, by mouse and by keyboard, and links their runs."""

from harness import tracking, trials

from . import made
from .browsing import opened


def square(page, weight, temperature):
    return page.locator(f'.square[aria-label^="w = {weight}, τ = {temperature}:"]')


def panel(page):
    return page.locator(".heat .panel")


def cell(found, weight, temperature):
    return next(
        one for one in found.spec.cells() if dict(one.settings) == {"weight": weight, "temperature": temperature}
    )


def test_the_grid_has_a_square_for_each_cell_and_stands_above_the_picture(browser, full):
    with opened(browser, full.written.page) as (page, _, _):
        labels = page.locator(".square").evaluate_all("squares => squares.map(square => square.ariaLabel)")
        assert page.locator(".grid").is_visible()
        assert page.locator("#heatmap img").bounding_box()["y"] > page.locator(".grid").bounding_box()["y"]
        heads = page.locator(".grid th").all_inner_texts()
    expected = {
        f"w = {one.shown('weight')}, τ = {one.shown('temperature')}: {full.content.entry(one, 'recall_at_1').plain()} %"
        for one in full.content.cells("maskcon")
    }
    assert (set(labels), len(labels)) == (expected, len(expected))
    assert heads == ["w \\ τ", "0", "0.01", "0.05", "0.1", "0.5", "∞", "1", "0.8", "0.5", "0.2", "0"]


def test_pointing_at_a_cell_shows_its_trials(browser, full):
    compared = full.content.find(cell(full, 0.5, 0.1), "recall_at_1")
    with opened(browser, full.written.page) as (page, _, _):
        square(page, 0.5, 0.1).hover()
        shown = panel(page).locator("tbody tr").all_inner_texts()
        assert "w = 0.5, τ = 0.1" in panel(page).inner_text()
        assert f"published {compared.theirs:.2f}: {compared.verdict}" in panel(page).inner_text()
    for text, trial_id, seed, value in zip(shown, compared.trial_ids, compared.seeds, compared.values, strict=True):
        seconds = trials.read_result(trials.directory(full.workspace, trial_id))["seconds"]
        assert text.split() == [str(seed), f"{value:.2f}", f"{seconds:.0f}", trial_id]


def test_arrow_keys_move_and_tab_enters_the_grid_once_and_leaves_it_to_the_runs(browser, hostile):
    runs = tracking.runs(hostile.workspace, hostile.spec, made.SERVER)
    trial = cell(hostile, 0.5, float("inf")).trials[0]
    with opened(browser, hostile.written.page) as (page, _, _):
        assert page.locator(".square[tabindex='0']").count() == 1
        square(page, 1, 0.05).focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")  # there is nothing further right
        assert square(page, 0.5, "∞").evaluate("square => square === document.activeElement")
        assert trial.trial_id in panel(page).inner_text()
        page.keyboard.press("Tab")
        if not page.evaluate("document.activeElement.matches('.panel a')"):
            page.keyboard.press("Tab")  # past the box that scrolls
        link = page.evaluate("document.activeElement.href")
    assert link == runs.address(trial.trial_id)
    assert link == f"https://tracking.example:5000/#/experiments/7/runs/run-of-{trial.trial_id}"


def test_a_cell_that_was_clicked_stays_until_it_is_let_go(browser, full):
    with opened(browser, full.written.page) as (page, _, _):
        square(page, 0.2, 0.5).click()
        square(page, 1, 0.5).hover()
        assert "w = 0.2, τ = 0.5" in panel(page).inner_text()
        assert page.locator("[aria-selected=true]").count() == 1
        page.keyboard.press("Escape")
        square(page, 1, 0.1).hover()
        assert "w = 1, τ = 0.1" in panel(page).inner_text()
        square(page, 0, 0).focus()
        page.keyboard.press("Enter")
        square(page, 1, 0.1).hover()
        assert "w = 0, τ = 0" in panel(page).inner_text()


def test_an_untrained_cell_says_so_and_what_became_of_its_trials(browser, partial):
    missing = cell(partial, 0.8, 0.05)
    with opened(browser, partial.written.page) as (page, _, _):
        square(page, 0.8, 0.05).hover()
        assert "not trained" in panel(page).inner_text()
        shown = panel(page).locator("tbody tr").all_inner_texts()
    states = [trials.state(trials.directory(partial.workspace, trial)).state for trial in missing.trials]
    assert [text.split()[1] for text in shown] == states
    assert set(states) <= {"missing", "failed"}


def test_no_password_and_no_link_to_a_file_gets_into_a_report(hostile, full):
    for name in sorted(hostile.names()):
        assert b"hunter2" not in (hostile.written.folder / name).read_bytes()
    assert "<a href" not in full.text("report.html")
