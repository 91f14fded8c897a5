"""report.html in a browser: self-contained, without errors, in light and dark, on a phone, on paper, without a script."""

import html

import pytest

from harness.report import document, figures, tables

from . import made
from .browsing import CONTRASTS, opened

WHICH = ["full", "partial", "awkward", "hostile"]
A4 = 688  # CSS pixels between margins of 14 mm


@pytest.mark.parametrize("which", WHICH)
def test_the_page_asks_for_nothing_and_complains_of_nothing(request, browser, which):
    found = request.getfixturevalue(which)
    with opened(browser, found.written.page) as (page, requests, complaints):
        assert page.title().split() == found.spec.title.split()
        page.locator("th button").first.click()
        page.locator(".copy button").first.click()
    assert [url for url in requests if not url.startswith("data:")] == [found.written.page.as_uri()]
    assert complaints == []


@pytest.mark.parametrize("which", WHICH)
def test_a_narrow_page_never_scrolls_sideways(request, browser, which):
    with opened(browser, request.getfixturevalue(which).written.page) as (page, _, _):
        page.evaluate("document.querySelector('details').open = true")
        for width in (320, 400, 800):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_first_column_stays_while_a_table_scrolls(browser, full):
    with opened(browser, full.written.page, 400) as (page, _, _):
        box, first = page.locator("#main .scroll"), page.locator("#main tbody th").first
        before = first.bounding_box()["x"]
        box.evaluate("box => box.scrollLeft = 200")
        assert box.evaluate("box => box.scrollLeft") == 200
        assert first.bounding_box()["x"] == before


def test_on_a_desktop_every_column_of_every_table_is_visible(browser, full):
    shown = [*tables.all_tables(full.content).values(), *document.closing(full.content)]
    with opened(browser, full.written.page, width=1440) as (page, _, _):
        hidden = "part => [part.closest('figure').id, part.scrollWidth - part.clientWidth]"
        parts = page.evaluate(f"[...document.querySelectorAll('main > figure > .scroll')].map({hidden})")
    assert {table.name for table in shown} == {name for name, _ in parts}
    assert [part for part in parts if part[1] > 0] == []


@pytest.mark.parametrize("which", ["partial", "awkward"])
def test_every_text_has_contrast_enough_in_light_and_dark(request, browser, which):
    with opened(browser, request.getfixturevalue(which).written.page) as (page, _, _):
        page.evaluate("document.querySelector('details').open = true")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            ratios = page.evaluate(CONTRASTS)
            assert len(ratios) > 100
            assert [found for found in ratios if found[1] < 4.5] == []


def test_light_and_dark_are_dark_on_light_and_light_on_dark(browser, full):
    inks = []
    for scheme in ("light", "dark"):
        with opened(browser, full.written.page, scheme=scheme) as (page, _, _):
            style = "getComputedStyle(document.body)"
            inks.append(page.evaluate(f"[{style}.color, {style}.backgroundColor]"))
    (ink, paper), (light, ground) = [[sum(map(int, colour[4:-1].split(","))) for colour in pair] for pair in inks]
    assert ink < paper - 400
    assert light > ground + 400


def test_every_picture_is_shown_and_has_words(browser, full):
    drawn = figures.described(full.content, full.written.folder)
    with opened(browser, full.written.page, scripts=False) as (page, _, _):
        assert page.locator("img").count() == len(drawn)
        for figure in drawn.values():
            picture = page.locator(f"#{figure.name} img")
            assert picture.is_visible()
            assert picture.bounding_box()["height"] > 100
            assert picture.get_attribute("alt") == figure.alternative
            assert len(figure.alternative) > 20


def test_without_a_script_tables_figures_and_verdicts_are_there_and_no_dead_button(browser, full):
    with opened(browser, full.written.page, scripts=False) as (page, _, _):
        for table in tables.all_tables(full.content).values():
            shown = page.locator(f"#{table.name} table")
            assert shown.is_visible()
            assert shown.locator("tbody tr").count() == sum(map(len, table.groups))
        assert page.locator(".summary .lead").is_visible()
        assert page.locator("button").count() == 0
        assert not page.locator(".grid").is_visible()


@pytest.mark.parametrize("which", WHICH)
def test_on_paper_nothing_is_cut_off_and_no_control_is_printed(request, browser, which):
    edges = "[...document.querySelectorAll('main table, main img')].map(part => part.getBoundingClientRect().right)"
    with opened(browser, request.getfixturevalue(which).written.page, A4) as (page, _, _):
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= A4
        assert max(page.evaluate(edges)) <= A4
        assert page.locator("#heatmap img").is_visible()
        assert not page.locator(".heat").is_visible()
        assert [one for one in page.locator(".copy, details, #status").all() if one.is_visible()] == []


def test_paper_is_white_whatever_the_screen_is(browser, full):
    with opened(browser, full.written.page, scheme="dark") as (page, _, _):
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert [found for found in page.evaluate(CONTRASTS) if found[1] < 4.5] == []


def test_a_printed_page_has_the_lead_every_heading_and_the_provenance(browser, full, tmp_path):
    with opened(browser, full.written.page) as (page, _, _):
        heads, lead = page.locator("h2").all_inner_texts(), page.locator(".lead").inner_text()
        page.pdf(path=tmp_path / "page.pdf", format="A4")
    text = made.pdf_text(tmp_path / "page.pdf")
    assert [part for part in [*heads, lead, "without uncommitted changes (90 trials)"] if part not in text] == []
    wide = [table for table in tables.all_tables(full.content).values() if "Recall@10" in table.columns]
    assert text.count("Recall@10") > len(wide), "a table's head is not repeated on its next sheet"


def test_the_page_has_one_title_and_a_heading_for_every_part(browser, full):
    content = full.content
    parts = [*tables.all_tables(content).values(), *document.closing(content)]
    with opened(browser, full.written.page) as (page, _, _):
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(part => part.tagName)")
        heads = page.locator("h2").all_inner_texts()
    assert (levels[0], set(levels[1:])) == ("H1", {"H2"})
    assert {part.heading for part in parts} <= set(heads)
    assert heads[-3:] == ["Protocol", "Errata", "Provenance"]


def test_a_title_of_markup_is_shown_as_it_is(browser, awkward):
    with opened(browser, awkward.written.page) as (page, _, _):
        assert page.locator("h1").inner_text().split() == made.AWKWARD.split()
        assert page.locator("h1 b").count() == 0
    assert html.escape("<b>") in awkward.text("report.html")


def test_scripts_in_titles_and_notes_stay_text(browser, hostile):
    with opened(browser, hostile.written.page) as (page, _, complaints):
        assert page.locator("h1").inner_text() == hostile.spec.title
        page.locator("summary").click()
        assert page.locator("#trials td", has_text="</template></script><script>alert(3)</script>").count() == 1
        assert page.locator("script").count() == 1
        assert page.locator("dd", has_text="<img src=x onerror=alert(2)>").count() == 1
    assert complaints == []


def test_the_warning_of_a_reduced_run_stands_above_the_numbers(browser, awkward, full):
    with opened(browser, awkward.written.page) as (page, _, _):
        warning = page.locator("header .warning")
        assert warning.inner_text() == "A reduced run, not the paper's: encoder small, epochs 2."
        assert warning.bounding_box()["y"] < page.locator(".summary").bounding_box()["y"]
    with opened(browser, full.written.page) as (page, _, _):
        assert page.locator(".warning").count() == 0


def test_the_trials_behind_the_numbers_can_be_unfolded(browser, partial):
    with opened(browser, partial.written.page) as (page, _, _):
        table = page.locator("details table")
        assert not table.is_visible()
        page.locator("summary").click()
        assert table.is_visible()
        assert table.locator("tbody tr").count() == 60
        assert table.locator("td", has_text="failed").count() == 1
        assert "the loss is nan in epoch 1" in table.inner_text()


def test_the_provenance_names_code_environment_hardware_and_failures(browser, partial):
    with opened(browser, partial.written.page) as (page, _, _):
        told = page.locator("dl").inner_text()
    assert f"commit {'0' * 40}, without uncommitted changes (47 trials)" in told
    assert "Python 3.12.1, torch 2.11.0, torchvision 0.26.0, harness 0.1.0 (47 trials)" in told
    assert "Test CPU, fp32, Linux-6.1, 2 of 8 CPUs (47 trials)" in told
    assert "47 done, 12 missing, 1 failed" in told
    assert "failed: the loss is nan in epoch 1 (1 trial)" in told
    assert partial.content.epoch_rule in told
    assert partial.content.rule in told
