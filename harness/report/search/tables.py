"""The tables of a search's report: the best point of each search beside the grid's, and every point."""

from __future__ import annotations

import statistics

from harness.points import Point
from harness.report.search.found import Found
from harness.report.table import Entry, Table
from harness.search_display import objective
from harness.settings import plain


def all_tables(found: Found) -> dict[int, Table]:
    """By position."""
    return {10: _best(found), 40: _points(found)}


def _best(found: Found) -> Table:
    """A row per search, and one of their means."""
    names = [name for name, _ in found.search.space]
    columns = ("Search", *names, "Held-out R@1", "Test R@1", "Points", "Stopped early", "Device-minutes")
    columns += ("Grid: held-out R@1", "Grid: test R@1", "Grid: device-minutes") if found.grid else ()
    rows = [row for seed in range(found.spec.seeds) if (row := _of_search(found, seed))]
    groups = (tuple(rows), (_mean(rows, len(names)),)) if len(rows) > 1 else (tuple(rows),)
    return Table(
        name="search",
        heading="What was found",
        caption=f"The best point of each search, by {objective(found.search)}",
        columns=columns,
        groups=groups,
        footnotes=_footnotes(found),
    )


def _of_search(found: Found, seed: int) -> tuple[Entry, ...]:
    best, own = found.best(seed), found.own(seed)
    if best is None or best.value is None:
        return ()
    ids = (best.trial.trial_id,)
    stopped = sum(point.state.state == "stopped" for point in own)
    row = [Entry(text=f"seed {seed}"), *(Entry(text=plain(value)) for _, value in best.settings)]
    row += [Entry(100 * best.value, trials=ids), Entry(100 * (best.test or 0.0), trials=ids)]
    row += [Entry(text=str(len(own))), Entry(text=str(stopped))]
    row += [Entry(found.seconds(seed) / 60, trials=tuple(point.trial.trial_id for point in own))]
    if grid := found.grid.get(seed):
        if grid.is_measured and grid.value is not None and grid.test is not None:
            row += [Entry(100 * value, trials=(grid.trial_id,)) for value in (grid.value, grid.test)]
        else:
            row += [Entry(missing=True), Entry(missing=True)]
        row.append(Entry(grid.seconds / 60, text="" if grid.is_measured else " (estimated)"))
    return tuple(row)


def _mean(rows: list[tuple[Entry, ...]], settings: int) -> tuple[Entry, ...]:
    """Over the searches, where all have a number."""
    means = [Entry(text="mean"), *[Entry(text="")] * settings]
    for column in list(zip(*rows, strict=True))[1 + settings :]:
        values = [entry.value for entry in column if entry.value is not None]
        whole = len(values) == len(rows)
        counts = [int(entry.text) for entry in column if entry.text.isdigit()]
        if whole:
            means.append(Entry.of(values))
        else:
            means.append(Entry(text=f"{statistics.fmean(counts):.1f}" if len(counts) == len(rows) else ""))
    return tuple(means)


def _footnotes(found: Found) -> tuple[str, ...]:
    notes = ["Recall in percent. The test images chose nothing."]
    if found.spec.seeds > 1:
        notes.append("± is the sample standard deviation over searches (ddof = 1).")
    if found.grid:
        finished, all_of = (
            sum(getattr(grid, name) for grid in found.grid.values()) for name in ("finished", "trainings")
        )
        notes.append(
            f"The grid is {found.grid_name}, its cells of {found.search.method}: {finished} of {all_of} of its trainings are "
            "finished"
            + (
                ", all of them measured."
                if finished == all_of
                else "; the hours of the others are estimated by the search's own seconds per epoch."
            )
        )
    return tuple(note for note in (*notes, found.outcome(), found.small_print()) if note)


def _points(found: Found) -> Table:
    """A row per point, the best first."""
    names = [name for name, _ in found.search.space]
    shown = sorted(found.points, key=lambda point: -found.expected.get(point.trial.trial_id, -1.0))
    return Table(
        name="points",
        heading="Every point",
        caption="All points of the search, by the recall of held-out images that they reached or would have reached",
        columns=("Seed", "Point", *names, "State", "Epochs", "Held-out R@1", "At the end", "Seconds"),
        groups=(tuple(_of_point(found, point) for point in shown),),
        footnotes=(
            "Point: its number in the order in which the search asked; – : a training of another sweep, which it "
            "knows. Held-out R@1: at its last evaluation, in percent. At the end: of a stopped one, that and the median "
            "of what finished ones gained from that epoch on.",
            *((found.small_print(),) if found.small_print() else ()),
        ),
    )


def _of_point(found: Found, point: Point) -> tuple[Entry, ...]:
    ids = (point.trial.trial_id,)
    last = point.values[max(point.values)] if point.values else None
    end = found.expected.get(point.trial.trial_id)
    return (
        Entry(text=str(point.trial.seed)),
        Entry(text="–" if point.number is None else str(point.number)),
        *(Entry(text=plain(value)) for _, value in point.settings),
        Entry(text=point.state.state),
        Entry(text=str(max(point.values, default=point.state.epoch))),
        Entry(text="–") if last is None else Entry(100 * last, trials=ids),
        Entry(text="–") if end is None else Entry(100 * end, trials=ids),
        Entry(point.seconds, trials=ids),
    )
