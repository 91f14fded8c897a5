"""The committed benchmarks: readable, from a known commit, and shown in the README as the command shows them."""

from __future__ import annotations

import json

import pytest

from harness import resources
from harness.bench import costs, table

FOLDER = resources.folder("reports/benchmarks")
FILES = sorted(FOLDER.glob("*.json"))


def test_there_is_one():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_benchmark_says_what_it_was_measured_on_and_is_in_the_readme(path):
    result = json.loads(path.read_text())
    assert result["commit"]
    assert result["dirty"] is False
    assert result["machine"]["load_before"] < 1, "other work disturbed it"
    assert table.markdown(result).rstrip() in (FOLDER / "README.md").read_text()


def test_the_readme_has_the_costs_that_the_command_prints():
    measured = [json.loads(path.read_text()) for path in FILES]
    assert costs.table(measured) in (FOLDER / "README.md").read_text()
