"""report.html in a browser: self-contained, without errors, in light and dark, on a phone."""

import html
from contextlib import contextmanager

import pytest

from . import made

WHICH = ["full", "partial", "awkward"]


@contextmanager
def opened(browser, found, width=1200, scheme="light"):
    """(page, what it asked for, what it complained about)"""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests, complaints = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(found.written.page.as_uri())
    yield page, requests, complaints
    page.close()


@pytest.mark.parametrize("which", WHICH)
def test_the_page_asks_for_nothing_and_complains_of_nothing(request, browser, which):
    found = request.getfixturevalue(which)
    with opened(browser, found) as (page, requests, complaints):
        assert page.title() == found.spec.title
    assert [url for url in requests if not url.startswith("data:")] == [found.written.page.as_uri()]
    assert complaints == []


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("width", [320, 400, 800])
def test_a_narrow_page_never_scrolls_sideways(request, browser, which, width):
    with opened(browser, request.getfixturevalue(which), width) as (page, _, _):
        page.evaluate("document.querySelector('details').open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_desktop_every_column_of_every_table_is_visible(browser, full):
    with opened(browser, full, width=1440) as (page, _, _):
        hidden = "part => [part.closest('figure')?.id, part.scrollWidth - part.clientWidth]"
        parts = page.evaluate(f"[...document.querySelectorAll('main > figure .scroll')].map({hidden})")
        assert [name for name, _ in parts] == ["main", "extra", "within", "protocol"]
        assert [part for part in parts if part[1] > 0] == []


def test_light_and_dark_look_different_and_both_are_readable(browser, full):
    pictures, inks = [], []
    for scheme in ("light", "dark"):
        with opened(browser, full, scheme=scheme) as (page, _, _):
            pictures.append(page.screenshot())
            inks.append(
                page.evaluate(
                    "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
                )
            )
    assert pictures[0] != pictures[1]
    brightness = [[sum(map(int, colour[4:-1].split(","))) for colour in pair] for pair in inks]
    assert brightness[0][0] < brightness[0][1] - 400  # dark on light
    assert brightness[1][0] > brightness[1][1] + 400  # light on dark


def test_every_picture_is_shown_and_has_words(browser, full):
    with opened(browser, full) as (page, _, _):
        shown = page.evaluate("[...document.images].map(image => [image.naturalWidth > 0, image.alt])")
    assert len(shown) == len([name for name in full.names() if name.endswith(".png")])
    assert all(visible and words for visible, words in shown)
    assert any(words.startswith("Heat map of Recall@1 over w and τ: highest") for _, words in shown)


def test_the_headline_shows_each_method_beside_its_published_number(browser, full):
    with opened(browser, full) as (page, _, _):
        cards = page.locator(".cards li").all_inner_texts()
    assert len(cards) == 7
    maskcon = next(card for card in cards if card.startswith("MaskCon"))
    assert "published 65.52" in maskcon


def test_a_title_of_markup_is_shown_as_it_is(browser, awkward):
    with opened(browser, awkward) as (page, _, _):
        assert page.locator("h1").inner_text().split() == made.AWKWARD.split()
        assert page.locator("h1 b").count() == 0
    assert html.escape("<b>") in awkward.text("report.html")


def test_the_warning_of_a_reduced_run_stands_above_the_numbers(browser, awkward, full):
    with opened(browser, awkward) as (page, _, _):
        warning = page.locator("header .warning")
        assert warning.inner_text() == "A reduced run, not the paper's: encoder small, epochs 2."
        assert warning.bounding_box()["y"] < page.locator(".cards").bounding_box()["y"]
    with opened(browser, full) as (page, _, _):
        assert page.locator(".warning").count() == 0


def test_the_trials_behind_the_numbers_can_be_unfolded(browser, partial):
    with opened(browser, partial) as (page, _, _):
        table = page.locator("details table")
        assert not table.is_visible()
        page.locator("summary").click()
        assert table.is_visible()
        assert table.locator("tbody tr").count() == 60
        assert table.locator("td", has_text="failed").count() == 1
        assert "the loss is nan in epoch 1" in table.inner_text()


def test_the_page_has_one_title_and_headings_in_order(browser, full):
    with opened(browser, full) as (page, _, _):
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(part => part.tagName)")
        heads = page.locator("h2").all_inner_texts()
    assert levels == ["H1"] + ["H2"] * 6
    assert heads == [
        "Each method at its best",
        "Recall@1 over w and τ",
        "All cells, beside the published numbers",
        "Recall inside the coarse class",
        "Protocol",
        "Provenance",
    ]
