"""The tables of a small committed frame, word for word. Where a change is meant: python -m tests.report.golden"""

import pytest

from tests.report.golden import made

NAMES = sorted(path.name for path in made.FOLDER.iterdir() if path.suffix in (".md", ".tex"))


@pytest.fixture(scope="module")
def written():
    return made.files()


def test_every_table_has_its_golden_files(written):
    assert sorted(written) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_the_golden_one(written, name):
    assert written[name] == (made.FOLDER / name).read_text()


def test_the_golden_verdicts_are_those_of_the_numbers(written):
    """By hand: the differences −0.4, −3.0, +2.9, … with s of about 0.3 points and δ = 1."""
    lines = [line for line in written["verdicts.md"].splitlines() if line.startswith("| ")][2:]
    verdicts = {tuple(line.split(" | ")[:3]): line.rsplit(" | ", 1)[1].strip(" |") for line in lines}
    assert verdicts["| SelfCon", "–", "–"] == "REPRODUCED, QUALIFIED"
    assert verdicts["| Grafit", "0.8", "–"] == "LOWER THAN PUBLISHED, QUALIFIED"
    assert verdicts["| MaskCon", "1", "0.05"] == "HIGHER THAN PUBLISHED, QUALIFIED"
    assert verdicts["| SupCE", "–", "–"] == "INSUFFICIENT RUNS"
    assert verdicts["| MaskCon", "1", "0.1"] == "INCONCLUSIVE, QUALIFIED"
