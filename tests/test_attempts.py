"""Processes that trained a trial, and how many of them died."""

import json

from harness import attempts


def begin(folder, run="one", checkpoint=None):
    attempts.begin(folder, run, checkpoint or folder / "none")


def test_a_beginning_without_an_end_is_a_death_once_another_has_begun(tmp_path):
    assert attempts.read(tmp_path) == []
    begin(tmp_path)
    assert attempts.deaths(attempts.read(tmp_path)) == 0
    begin(tmp_path)
    attempts.end(tmp_path, "stopped")
    begin(tmp_path)
    attempts.end(tmp_path, "finished")
    found = attempts.read(tmp_path)
    assert [attempt.ended for attempt in found] == [None, "stopped", "finished"]
    assert attempts.deaths(found) == 1


def test_deaths_count_in_a_row_in_one_run_from_one_checkpoint(tmp_path):
    def in_a_row(run="two"):
        return attempts.deaths_without_progress(attempts.read(tmp_path), run)

    begin(tmp_path, "one")
    assert in_a_row() == 0
    begin(tmp_path, "two")
    begin(tmp_path, "two")
    assert in_a_row() == 2
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_text("")
    begin(tmp_path, "two", checkpoint)
    assert in_a_row() == 1
    attempts.end(tmp_path, "stopped")
    assert in_a_row() == 0


def test_a_line_that_a_power_cut_left_half_written_is_passed_over(tmp_path):
    begin(tmp_path)
    path = tmp_path / attempts.NAME
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    begin(tmp_path)
    found = attempts.read(tmp_path)
    assert len(found) == 2
    assert len(path.read_text().splitlines()) == 3
    assert json.loads(path.read_text().splitlines()[-1])["run"] == "one"
