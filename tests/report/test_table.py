"""One table, three ways to print it; the golden Markdown of a small sweep."""

import html
import re

from harness import report
from harness.report.table import Entry, Table, emboldened
from tests import builders

GOLDEN = """\
**Golden: recall at K in percent, each method at its best w and τ (rule: highest mean Recall@1 on the test set itself, \
as in the paper; n = 2 runs per cell).**

| Method | w | τ | Recall@1 | Recall@2 | Recall@5 | Recall@10 | over SupCE | published Recall@1 |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |
| SupCE | – | – | 50.00 ± 14.14 | 64.64 ± 10.00 | 77.64 ± 6.32 | 84.19 ± 4.47 | – | – |
| MaskCon | 1 | – | **75.00 ± 0.00** | **82.32 ± 0.00** | **88.82 ± 0.00** | **92.09 ± 0.00** | +25.00 | – |

Bold: best without fine labels; SupFINE trains with them. Over SupCE: difference in Recall@1, in points. Published: \
the paper's number for the same w and τ, a single run.

± is the sample standard deviation over seeds (ddof = 1).

A reduced run, not the paper's: encoder small, epochs 2.
"""


def table(*rows, columns=("Method", "value"), **changes):
    settings = {"name": "t", "heading": "h", "caption": "c", "groups": (tuple(rows),)} | changes
    return Table(columns=columns, **settings)


def test_the_golden_markdown_of_a_small_sweep(tmp_path):
    sweep = builders.small_spec(tmp_path, title="Golden")
    values = {("supce", 0): 0.4, ("supce", 1): 0.6, ("maskcon", 0): 0.75, ("maskcon", 1): 0.75}
    for trial in sweep.trials():
        builders.finished_trial(tmp_path, trial, 0.1 if trial.weight == 0.5 else values[trial.method, trial.seed])
    report.write(sweep, tmp_path, tmp_path / "report")
    assert (tmp_path / "report" / "main.md").read_text() == GOLDEN


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
    assert r"\begin{tabular}{lr}" in made.latex()
    assert '<th scope="col" class="number">value</th>' in made.html()


def test_what_is_missing_and_what_is_best_are_marked_in_every_form():
    made = table((Entry(text="a"), Entry(1.0, bold=True)), (Entry(text="b"), Entry(missing=True)))
    assert ("| a | **1.00** |" in made.markdown(), "| b | *not trained* |" in made.markdown()) == (True, True)
    assert r"\textbf{1.00}" in made.latex()
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
    found = [[entry.bold for entry in row] for row in emboldened(rows, [1, 2], among=[0, 1, 2])]
    assert found == [[False, False, True], [False, True, False], [False, True, False], [False, False, False]]


def test_without_values_nothing_is_bold():
    rows = [(Entry(text="a"), Entry(missing=True))]
    assert emboldened(rows, [1], among=[0]) == rows
