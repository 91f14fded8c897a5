"""The short form of `tests.sweep.chaos`."""

from tests.sweep import chaos


def test_a_sweep_whose_processes_are_killed_at_random_ends_as_if_undisturbed(tmp_path):
    trials = 3
    for name in ("quiet", "wild"):
        (tmp_path / name).mkdir()
    expected = chaos.undisturbed(tmp_path / "quiet", trials)
    found = chaos.endure(tmp_path / "wild", trials, kills=4, seed=1, most_seconds=0.7)
    assert found.numbers == expected
    assert found.leftovers == []
    assert found.killed.total() >= 4
    assert found.killed[chaos.TRIAL] >= 2
