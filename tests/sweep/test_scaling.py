"""The tables of simulated sweeps: small ones made here, and the committed ones."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import statistics

import pytest

from harness import resources
from harness.sweep.simulation import CAUSES, Costs, efficiency, figure, readme, scaling
from harness.training import checkpoint

FOLDER = resources.PACKAGE.parent / "reports/scaling"


@pytest.fixture(scope="module")
def committed():
    return json.loads((FOLDER / "scaling.json").read_text())


@pytest.fixture(scope="module")
def measured():
    """The committed costs."""
    return json.loads((FOLDER / "costs.json").read_text())


@pytest.fixture(scope="module")
def small(measured):
    """The tables over a few short sweeps."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scaling, "TRIALS", (30, 90))
        patched.setattr(scaling, "GPUS", (4, 64))
        patched.setattr(scaling, "SEEDS", {30: 2, 90: 3, scaling.AT_TRIALS: 1})
        patched.setattr(scaling, "AT_TRIALS", 90)
        patched.setattr(readme, "AT", readme.AT | {"trials": 90})
        yield {"costs": measured, "tables": scaling.run(scaling.costs_of(measured))}


def test_the_committed_readme_says_what_the_committed_numbers_say(committed):
    assert readme.markdown(committed) == (FOLDER / "README.md").read_text()


def test_the_committed_simulation_has_the_committed_costs(committed, measured):
    assert committed["costs"] == measured


def test_the_committed_costs_say_what_they_were_measured_on(measured):
    assert measured["commit"]
    assert isinstance(measured["dirty"], bool)
    assert measured["machine"]["load_before"] is not None
    assert set(measured["constants"]) | {"checkpoint_interval_seconds"} == {
        field.name for field in dataclasses.fields(Costs)
    }
    for constant in measured["constants"].values():
        assert 0 <= constant["lowest"] <= constant["median"] <= constant["highest"]


def test_the_committed_tables_have_every_case(committed):
    for name, cases in scaling.cases().items():
        found = [{key: row[key] for key in dataclasses.asdict(cases[0])} for row in committed["tables"][name]]
        assert found == [dataclasses.asdict(case) for case in cases]


def test_a_committed_row_is_what_the_simulation_gives(committed):
    costs = scaling.costs_of(committed["costs"])
    for case in (scaling.Case(90, 64, 6.0), scaling.Case(300, 16, None)):
        (row,) = (row for row in committed["tables"]["grid"] if row.items() >= dataclasses.asdict(case).items())
        assert row == scaling.row(case, [case.once(costs, seed) for seed in range(row["seeds"])])


def test_checkpoints_are_as_far_apart_as_in_training():
    assert Costs.__dataclass_fields__["checkpoint_interval_seconds"].default == checkpoint.EVERY_SECONDS


def test_a_row_has_the_means_over_seeds(small):
    (row,) = (
        row
        for row in small["tables"]["grid"]
        if (row["trials"], row["gpus"]) == (90, 4) and not row["hours_between_failures"]
    )
    case = scaling.Case(90, 4, None)
    outcomes = [case.once(scaling.costs_of(small["costs"]), seed) for seed in range(3)]
    values = [efficiency(one.queue) for one in outcomes]
    assert row["efficiency"]["queue"]["mean"] == pytest.approx(statistics.fmean(values), rel=1e-4)
    assert row["efficiency"]["queue"]["lowest"] == pytest.approx(min(values), rel=1e-4)
    assert row["efficiency"]["whole, down counted"]["mean"] == pytest.approx(
        row["shares"]["whole"]["training"], rel=1e-4
    )
    assert sum(row["shares"]["whole"][cause] for cause in CAUSES) == pytest.approx(1, rel=1e-4)


def test_with_fewer_trials_than_gpus_there_is_no_time_in_which_work_is_left(small):
    rows = [row for row in small["tables"]["grid"] if (row["trials"], row["gpus"]) == (30, 64)]
    assert len(rows) == 3
    assert all(row["efficiency"]["queue"] is None and row["shares"]["queue"] is None for row in rows)
    assert all(row["efficiency"]["whole"]["mean"] < 0.5 for row in rows)


@pytest.mark.parametrize(("reached", "word"), [(0.9701, "reached"), (0.9699, "**missed**")])
def test_the_readme_judges_by_the_goal(small, reached, word):
    rows = json.loads(json.dumps(small["tables"]))
    for row in rows["gpu_hours"]:
        row["efficiency"]["queue"] = {"mean": reached, "lowest": reached, "highest": reached}
    (line,) = re.findall(r"\| while work is left, of GPUs that are up \|.*", readme.markdown(small | {"tables": rows}))
    assert line.count(f"{100 * reached:.2f} % {word}") == 3


def test_a_figure_is_drawn(small, tmp_path):
    figure.draw(small, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_only_the_figure_imports_matplotlib():
    for path in (resources.PACKAGE / "sweep").rglob("*.py"):
        names = {
            name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for name in [getattr(node, "module", None) or node.names[0].name]
        }
        assert ("matplotlib" in {name.partition(".")[0] for name in names}) == (path.name == "figure.py")
