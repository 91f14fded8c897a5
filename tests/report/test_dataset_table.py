"""The table of a dataset's images and classes beside what is published on it."""

import pytest

from harness import report, spec
from harness.report.tables import dataset
from tests import builders


def rows(tmp_path, name):
    sweep = spec.load(name, seeds=1)
    builders.finished_sweep(tmp_path, sweep, keep=lambda trial: trial.method == "supce")
    table = dataset.table(report.gather(sweep, tmp_path))
    return {row[0].text: (row[1].text, row[2].text) for group in table.groups for row in group}, table


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "cifar100",
            {"coarse classes": ("20", "20"), "fine classes": ("100", "100"), "training images": ("50,000", "50,000")},
        ),
        ("cars196", {"coarse classes": ("8", "8"), "fine classes": ("196", "196")}),
        ("sop-split2", {"training images": ("14,980", "14,980"), "test images": ("2,996", "2,996")}),
        ("digits", {"training images": ("1,348", "–"), "fine classes": ("10", "–")}),
    ],
)
def test_counts_stand_beside_the_published_ones(tmp_path, name, expected):
    found, _ = rows(tmp_path, name)
    assert {key: found[key] for key in expected} == expected


def test_fine_classes_per_coarse_class_stand_beside_the_papers_table(tmp_path):
    found, table = rows(tmp_path, "cars196")
    per_class = [values for key, values in found.items() if key.startswith("fine classes in")]
    assert [theirs.partition(" ")[0] for _, theirs in per_class] == ["18", "50", "36", "30", "29", "14", "7", "12"]
    assert [theirs.endswith("(differs)") for ours, theirs in per_class] == [
        ours != theirs.partition(" ")[0] for ours, theirs in per_class
    ]
    assert "maskcon, Table 8" in table.footnotes[0]


def test_without_a_finished_trial_there_is_no_table(tmp_path):
    assert dataset.table(report.gather(spec.load("cifar100", seeds=1), tmp_path)) is None
