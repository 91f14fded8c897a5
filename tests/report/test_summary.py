"""The first thing that a report says: right in number and grammar, and why nothing could be judged where nothing could."""

import pytest

from harness import compare, spec, verdicts
from harness.compare import Compared
from harness.report import summary
from harness.report.summary import NOT_TRAINED
from tests import builders

from .browsing import opened

R, L, H, I = verdicts.REPRODUCED, verdicts.LOWER, verdicts.HIGHER, verdicts.INCONCLUSIVE
FEW, OTHER, NO_MARGIN = verdicts.INSUFFICIENT, verdicts.NOT_COMPARABLE, verdicts.NO_MARGIN


@pytest.fixture(scope="module")
def cells():
    """30 different trainings."""
    return list({one.trials[0].trial_id: one for one in spec.load("cifar100").cells()}.values())


def entries(cells, found, runs=3, differs=("epochs 2 (maskcon: 200)",)):
    """Compared numbers with these verdicts."""
    made = []
    for one, verdict in zip(cells, found, strict=False):
        values = () if verdict == NOT_TRAINED else (50.0,) * runs
        given = FEW if verdict == NOT_TRAINED else verdict
        why = differs if verdict == OTHER else ()
        made.append(Compared(one, "recall_at_1", values, (0, 1, 2)[:runs], (), 0, 50.0, verdict=given, differs=why))
    return made


def said(cells, *found, margin=1.0, **more):
    made = entries(cells, found, **more)
    return summary.lead(summary.count(made), made, margin)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([R] * 20 + [L] * 2 + [I], "Of 23 published numbers 20 were reproduced within ±1 point; 2 came out lower and 1 is "
         "inconclusive."),
        ([R, L], "Of 2 published numbers 1 was reproduced within ±1 point; 1 came out lower."),
        ([R] * 3, "All 3 published numbers were reproduced within ±1 point."),
        ([R] * 2, "Both published numbers were reproduced within ±1 point."),
        ([R], "The one published number was reproduced within ±1 point."),
        ([H], "The one published number was not found reproduced within ±1 point: it came out higher."),
        ([I], "The one published number was not found reproduced within ±1 point: it is inconclusive."),
        ([L] * 2, "None of 2 published numbers was found reproduced within ±1 point: 2 came out lower."),
        ([I, H, H], "None of 3 published numbers was found reproduced within ±1 point: 2 came out higher and 1 is "
         "inconclusive."),
        ([R, FEW, FEW, OTHER, NOT_TRAINED], "Of 5 published numbers 1 was reproduced within ±1 point; 2 have too few runs, "
         "1 is not comparable and 1 is not trained yet."),
        ([OTHER] * 3, "None of 3 published numbers can be compared: this sweep is not as its source states in "
         "epochs 2 (maskcon: 200)."),
        ([FEW] * 3, "None of 3 published numbers can be judged: a verdict needs at least 3 runs of a cell, and there are 2."),
        ([NOT_TRAINED], "The one published number cannot be judged yet: nothing is trained."),
        ([NO_MARGIN] * 2, "None of 2 published numbers can be judged: the sweep declares no margin δ."),
    ],
)  # fmt: skip
def test_the_sentence_says_how_many_were_reproduced_and_what_of_the_others(cells, found, sentence):
    assert said(cells, *found, runs=2 if found == [FEW] * 3 else 3) == sentence


def test_one_run_is_there_and_not_are(cells):
    assert said(cells, FEW, FEW, runs=1).endswith("and there is 1.")


def test_a_margin_other_than_one_is_in_points(cells):
    assert said(cells, R, R, R, margin=1.5) == "All 3 published numbers were reproduced within ±1.5 points."


def test_the_settings_named_most_often_are_named_first_and_the_others_counted(cells):
    some = ("epochs 2 (a: 200)", "lr 1 (a: 2)", "batch_size 3 (a: 4)", "encoder small (a: big)")
    made = entries(cells, [OTHER] * 2, differs=some[::-1]) + entries(cells[2:], [OTHER], differs=some[:1])
    made += entries(cells[3:], [OTHER], differs=("epochs 5 (a: 200)",))
    sentence = summary.lead(summary.count(made), made, 1.0)
    assert "states in epochs 2 (a: 200), " in sentence
    assert sentence.endswith(" and 1 more.")
    assert "epochs 5" not in sentence


def test_the_counts_name_every_verdict_even_at_zero(cells):
    found = summary.count(entries(cells, [R, R, L, NOT_TRAINED]))
    assert found == {R: 2, L: 1, H: 0, I: 0, FEW: 0, OTHER: 0, NOT_TRAINED: 1}


def test_cells_of_the_same_training_count_once(full):
    comparison = full.content.comparison
    found = summary.of_comparison(comparison)
    numbers = {(entry.trial_ids, entry.theirs) for entry in comparison.verdicts}
    cells = [entry for entry in comparison.compared if entry.metric == "recall_at_1" and entry.theirs is not None]
    assert sum(found.counts.values()) == len(numbers) < len(cells)


def test_a_sweep_of_unpublished_data_says_so_and_counts_nothing(tmp_path):
    sweep = builders.small_spec(tmp_path)
    found = summary.of_comparison(compare.compare(sweep, tmp_path))
    assert (found.lead, found.counts, found.remarks) == ("Nothing is published for this sweep.", {}, ())


def test_every_judged_number_is_named_under_its_verdict_with_its_difference(full):
    comparison = full.content.comparison
    found = summary.of_comparison(comparison).cells
    for verdict in (R, L, H, I):
        of_it = [entry for entry in comparison.verdicts if entry.verdict == verdict]
        for entry in sorted(of_it, key=lambda entry: -abs(entry.difference))[:10]:
            assert f"{entry.difference:+.2f}".replace("-", "−") in found[verdict]
        assert found[verdict].endswith(f"{len(of_it) - 10} more") == (len(of_it) > 10)


@pytest.mark.parametrize("which", ["full", "partial"])
def test_the_first_screen_tells_what_was_reproduced_and_what_was_not(request, browser, which):
    found = request.getfixturevalue(which)
    expected = summary.of_comparison(found.content.comparison)
    with opened(browser, found.written.page) as (page, _, _):
        lead, counts, claims = page.locator(".lead"), page.locator(".counts"), page.locator(".claims")
        shown = [part.split("\n") for part in counts.locator("li").all_inner_texts()]
        assert lead.inner_text() == expected.lead
        assert {label.lower(): int(number) for number, label in shown} == {
            verdict.lower(): number for verdict, number in expected.counts.items()
        }
        said = claims.locator("li").all_inner_texts()
        for part in (lead, counts, claims):
            box = part.bounding_box()
            assert box["y"] + box["height"] <= 900
    for line, claim in zip(said, expected.claims, strict=True):
        assert line.startswith(f"{claim.verdict} {claim.text}")


def test_a_method_card_shows_what_the_main_table_shows(browser, full):
    with opened(browser, full.written.page) as (page, _, _):
        cards = [card.split("\n") for card in page.locator(".cards li").all_inner_texts()]
        read = "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        main = page.locator("#main tbody tr").evaluate_all(read)
    assert [(card[0], card[1]) for card in cards] == [(row[0], row[3]) for row in main]
    assert [card[-1] for card in cards] == [f"published {row[-1]}" for row in main]
