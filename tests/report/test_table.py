"""One table, four ways to print it."""

import csv
import html
import io
import re

from harness.report.table import Entry, Table, ranked


def table(*rows, columns=("Method", "value"), **changes):
    settings = {"name": "t", "heading": "h", "caption": "c", "groups": (tuple(rows),)} | changes
    return Table(columns=columns, **settings)


def test_a_number_is_printed_with_two_decimals_its_spread_and_a_true_minus():
    assert Entry(65.517, 0.25).plain() == "65.52 ± 0.25"
    assert Entry(65.5).plain() == "65.50"
    assert Entry(-0.5, signed=True).plain() == "−0.50"
    assert Entry(0.5, signed=True).plain() == "+0.50"
    assert Entry(text="∞").plain() == "∞"
    assert Entry(missing=True).plain() == "not trained"
    assert Entry(0.0).plain() == "0.00"


def test_pipes_are_escaped_in_markdown():
    text = table((Entry(text="a|b"), Entry(1.0)), columns=("x|y", "v")).markdown()
    assert r"| x\|y | v |" in text
    assert r"| a\|b | 1.00 |" in text
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 3 for line in text.splitlines() if line.startswith("|"))


def test_markup_is_escaped_in_html():
    awkward = """<script>alert("1")</script> & 'x'"""
    text = table(
        (Entry(text=awkward), Entry(1.0)), columns=(awkward, "v"), caption=awkward, footnotes=(awkward,)
    ).html()
    assert "<script" not in text
    shown = text.partition("<template")[0]
    assert shown.count(html.escape(awkward)) == 4  # caption, heading, cell, footnote


def test_numbers_are_aligned_right_and_texts_left():
    made = table((Entry(text="a"), Entry(1.0)), (Entry(text="b"), Entry(missing=True)))
    assert "| --- | ---: |" in made.markdown()
    assert r"\begin{tabular}{lS[table-format=1.2]}" in made.latex()
    assert '<th scope="col" class="number">value</th>' in made.html()


def test_what_is_missing_and_what_is_best_are_marked_in_every_form():
    made = table((Entry(text="a"), Entry(1.0, bold=True)), (Entry(text="b"), Entry(missing=True)))
    assert ("| a | **1.00** |" in made.markdown(), "| b | *not trained* |" in made.markdown()) == (True, True)
    assert r"\bfseries 1.00" in made.latex()
    assert r"\emph{not trained}" in made.latex()
    assert "<strong>1.00</strong>" in made.html()
    assert "<em>not trained</em>" in made.html()


def test_groups_are_separated_by_a_rule():
    made = table(groups=(((Entry(text="a"), Entry(1.0)),), ((Entry(text="b"), Entry(2.0)),)))
    assert made.latex().count(r"\midrule") == 2  # below the heading, and between them
    assert made.html().count("<tbody>") == 2


def test_a_number_names_the_trials_behind_it():
    assert 'title="trials abc def"' in table((Entry(text="a"), Entry(1.0, trials=("abc", "def")))).html()


def test_a_table_in_html_has_its_heads_a_caption_and_can_be_scrolled_by_keyboard():
    text = table((Entry(text="a"), Entry(1.0))).html()
    assert '<th scope="row">a</th>' in text
    assert '<figcaption id="t-caption">c</figcaption>' in text
    assert 'class="scroll" tabindex="0" role="region" aria-labelledby="t-caption"' in text


def test_the_highest_competing_value_of_each_column_is_bold_ties_too():
    rows = [
        (Entry(text="a"), Entry(1.0), Entry(5.0)),
        (Entry(text="b"), Entry(2.0), Entry(missing=True)),
        (Entry(text="c"), Entry(2.0), Entry(3.0)),
        (Entry(text="upper"), Entry(9.0), Entry(9.0)),
    ]
    found = [[entry.bold for entry in row] for row in ranked(rows, [1, 2], among=[0, 1, 2])]
    assert found == [[False, False, True], [False, True, False], [False, True, False], [False, False, False]]


def test_without_values_nothing_is_bold():
    rows = [(Entry(text="a"), Entry(missing=True))]
    assert ranked(rows, [1], among=[0]) == rows


SPREAD = {1: (0.3, 40)}


def competing(*values):
    return [(Entry(text=str(value)), Entry(value, 0.3, trials=("a", "b", "c"))) for value in values]


def test_the_second_is_underlined_only_where_it_is_below_beyond_chance():
    # 2.02 · 0.3 · √(2/3) = 0.495 points
    far, near = competing(60.0, 59.4, 58.0), competing(60.0, 59.6, 58.0)
    assert [row[1].underlined for row in ranked(far, [1], range(3), SPREAD)] == [False, True, False]
    assert [row[1].underlined for row in ranked(near, [1], range(3), SPREAD)] == [False, False, False]
    assert not any(row[1].underlined for row in ranked(far, [1], range(3)))  # no spread is known
    made = table(*ranked(far, [1], range(3), SPREAD))
    assert r"{\underline{\num{59.40 +- 0.30}}}" in made.latex()
    assert "<u>59.40 ± 0.30</u>" in made.markdown()
    assert "<u>59.40 ± 0.30</u>" in made.html()


def test_siunitx_columns_have_room_for_their_numbers():
    rows = [
        (Entry(text="a"), Entry(9.5, 0.3), Entry(-14.2, signed=True)),
        (Entry(text="b"), Entry(60.0, 12.3), Entry(text="–")),
    ]
    text = table(*rows, columns=("m", "v", "d")).latex()
    assert r"{lS[table-format=2.2(4)]S[table-format=+2.2]}" in text
    assert r"a & 9.50 +- 0.30 & -14.20 \\" in text
    assert r"b & 60.00 +- 12.30 & {--} \\" in text


def test_the_csv_of_a_table_reads_back():
    made = table((Entry(text='a, "b"'), Entry(1.0, 0.5)), (Entry(text="c"), Entry(missing=True)), columns=("x,y", "v"))
    assert list(csv.reader(io.StringIO(made.csv()))) == [["x,y", "v"], ['a, "b"', "1.00 ± 0.50"], ["c", "not trained"]]
