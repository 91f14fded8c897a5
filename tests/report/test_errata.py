"""The errata of a report: every doubtful print of its dataset, with what is printed, what is read, and why."""

import math

import pytest

from harness import published, resources, spec
from harness.report import errata
from tests import builders

SWEEPS = sorted(path.stem for path in resources.folder("experiments").glob("*.toml"))


def texts(table):
    return [[entry.plain() for entry in row] for group in table.groups for row in group]


@pytest.mark.parametrize("name", SWEEPS)
def test_every_erratum_of_the_dataset_is_a_row_with_its_numbers_and_its_reason(name):
    sweep = spec.load(name)
    expected = [row for row in published.for_dataset(sweep.published_name) if row.erratum]
    found = errata.table(sweep)
    shown = texts(found) if found else []
    assert len(shown) == len(expected)
    for (source, place, _, _, printed, reading, why), row in zip(shown, expected, strict=True):
        assert source == row.source
        assert place.partition(", p. ")[0] == row.table
        assert math.isclose(float(printed), row.value)
        assert reading == "not used" if row.reading is None else math.isclose(float(reading), row.reading)
        before = row.erratum.removesuffix(why)
        assert why
        assert before.startswith(f"{row.table} prints ")
        assert (before.count(": "), before[-2:]) == (1, ": ")


def test_the_errata_of_cifar100_say_what_the_paper_prints_and_what_is_read():
    table = texts(errata.table(spec.load("cifar100")))
    assert ["maskcon", "Table 2, p. 7", "MaskCon, w = 1, τ = 0.05", "gain over SupCE", "18.17", "18.27"] in [
        row[:6] for row in table
    ]


def test_notes_of_the_sources_stand_below_each_once():
    notes = errata.table(spec.load("cifar100")).footnotes
    assert len(set(notes)) == len(notes)
    assert "solo-learn, Results: the queue starts at epoch 50." in notes


def test_a_sweep_of_unpublished_data_has_no_errata(tmp_path):
    assert errata.table(builders.small_spec(tmp_path)) is None
