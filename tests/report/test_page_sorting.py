"""Tables of the page that a reader sorts and copies: by mouse, by keyboard alone, with and without a clipboard for scripts."""

import math

import pytest
from playwright.sync_api import expect

from harness.report import document, tables

from .browsing import opened

DENIED = "navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))"
CLIPBOARD = ("clipboard-read", "clipboard-write")


def rows(page, table="extra"):
    """The cells' texts of a table's rows, from top to bottom over all groups."""
    read = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    return page.locator(f"#{table} tbody tr").evaluate_all(read)


def groups(page, table="extra"):
    return page.locator(f"#{table} tbody").evaluate_all("bodies => bodies.map(body => body.rows.length)")


def number(text):
    """What a cell is worth; None where nothing is known."""
    if text in ("–", "not trained", ""):
        return None
    return float(text.split()[0].replace("−", "-").replace("∞", "inf"))


def in_order(found, column, descending=False):
    """The rows by a column: stable, what is missing last."""
    known = [row for row in found if number(row[column]) is not None]
    known.sort(key=lambda row: number(row[column]), reverse=descending)
    return known + [row for row in found if number(row[column]) is None]


@pytest.mark.parametrize("title", ["w", "τ", "Recall@1", "difference"])
def test_a_column_of_numbers_sorts_up_then_down_then_back(browser, partial, title):
    with opened(browser, partial.written.page) as (page, _, complaints):
        before, bodies = rows(page), groups(page)
        head = page.locator("#extra thead th").filter(has=page.get_by_role("button", name=title, exact=True))
        column = head.evaluate("head => head.cellIndex")
        values = [number(row[column]) for row in before]
        assert None in values, "nothing is missing"
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert rows(page) == in_order(before, column)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert rows(page) == in_order(before, column, descending=True)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") is None
        assert (rows(page), groups(page)) == (before, bodies)
    assert complaints == []


def test_infinity_negatives_and_missing_cells_are_among_what_is_sorted(browser, partial):
    with opened(browser, partial.written.page) as (page, _, _):
        texts = [cell for row in rows(page) for cell in row]
    assert {"∞", "–", "not trained"} <= set(texts)
    assert any(text.startswith("−") for text in texts)
    assert any(" ± " in text for text in texts)
    assert math.inf in [number(row[2]) for row in in_order([["", "", "∞"], ["", "", "–"]], 2)]


def test_texts_sort_by_the_alphabet_and_another_column_takes_over(browser, full):
    with opened(browser, full.written.page) as (page, _, _):
        page.locator("#extra th button", has_text="Recall@1").first.click()
        page.locator("#extra th button", has_text="Method").click()
        names = [row[0] for row in rows(page)]
        assert names == sorted(names, key=str.lower)
        assert page.locator("#extra th[aria-sort]").count() == 1


def test_sorting_by_keyboard_alone_is_seen_and_said(browser, partial):
    with opened(browser, partial.written.page) as (page, _, _):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("Boolean(document.activeElement.closest('th'))"):
                break
        head = page.locator("th:focus-within")
        assert head.evaluate("head => getComputedStyle(head.querySelector('button')).outlineStyle") != "none"
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        expect(page.get_by_role("status")).to_have_text(f"Sorted by {head.inner_text()}, ascending")
        page.keyboard.press("Space")
        assert head.get_attribute("aria-sort") == "descending"
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None


def test_every_table_carries_its_latex_markdown_and_csv(browser, awkward):
    shown = [*tables.all_tables(awkward.content).values(), *document.closing(awkward.content)]
    with opened(browser, awkward.written.page) as (page, _, _):
        for table in shown:
            kept = f"Object.fromEntries([...document.querySelectorAll('#{table.name} template')].map("
            texts = page.evaluate(kept + "form => [form.dataset.copy, form.content.textContent]))")
            assert texts == {"LaTeX": table.latex(), "Markdown": table.markdown(), "CSV": table.csv()}
            assert page.locator(f"#{table.name} .copy button").all_inner_texts() == list(texts)


@pytest.mark.parametrize("before", [None, DENIED, "delete Navigator.prototype.clipboard"])
def test_copying_works_with_and_without_the_clipboard_of_scripts(browser, full, before):
    table = next(table for table in tables.all_tables(full.content).values() if table.name == "main")
    keep = "document.addEventListener('copy', () => { window.kept = document.activeElement.value; })"
    with opened(browser, full.written.page, permissions=CLIPBOARD, before=before) as (page, _, complaints):
        page.evaluate(keep)
        for form, text in (("LaTeX", table.latex()), ("Markdown", table.markdown()), ("CSV", table.csv())):
            page.locator(f"#{table.name} .copy button", has_text=form).click()
            expect(page.get_by_role("status")).to_have_text(f"Copied as {form}")
            copied = "window.kept" if before else "navigator.clipboard.readText()"
            assert page.evaluate(copied) == text
            assert page.evaluate("document.activeElement.textContent") == form
        assert page.locator("textarea").count() == 0
    assert complaints == []
