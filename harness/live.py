"""A sweep as it goes: the grid filling in, the best of a search so far, what is running, what is left.

All of it is read from the trial directories, so that `harness status --watch` shows the same on any machine that sees the
workspace as the sweep does in its own terminal.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness import workspace as workspaces
from harness.plan import Planned
from harness.settings import plain
from harness.spec import Cell, SweepSpec
from harness.watch import Watch

LOOK_SECONDS = 2
GRID_METHOD = "maskcon"
MOST_BEST = 5  # points of a search that are shown
# From low to high, dark to light, for every kind of colour sight; the numbers stand in the cells as well.
COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def watch(out: Console, spec: SweepSpec, workspace: Path, every_seconds: float = LOOK_SECONDS) -> bool:
    """Show the sweep until it is complete or Ctrl-C comes. Whether it is complete."""
    seen = Watch(spec, workspace)
    shown = Live(view(seen, out), console=out, auto_refresh=False, screen=True) if out.is_terminal else None
    with shown or contextlib.nullcontext():
        while not seen.is_complete():
            time.sleep(every_seconds)
            seen.look()
            if shown:
                shown.update(view(seen, out), refresh=True)
    out.print(view(seen, out))
    return seen.is_complete()


def view(seen: Watch, console: Console) -> RenderableType:
    """All of it, as high as the console at the most."""
    parts: list[RenderableType] = [Text(seen.spec.title or seen.spec.name, style="bold")]
    if seen.spec.search:
        parts.append(_best(seen))
    else:
        grid, others = _grid(seen), _others(seen)
        parts += [part for part in (grid, others) if part]
    room = max(3, console.height - sum(len(console.render_lines(part)) for part in parts) - 5)
    parts += [_running(seen, room), _totals(seen)]
    return Group(*parts)


def _grid(seen: Watch) -> RenderableType | None:
    """Recall@1 over w and τ; None for a sweep without such cells."""
    cells = {
        (settings["weight"], settings["temperature"]): cell
        for cell in seen.spec.cells()
        if cell.method == GRID_METHOD and {"weight", "temperature"} <= (settings := dict(cell.settings)).keys()
    }
    if not cells:
        return None
    temperatures = sorted({temperature for _, temperature in cells})
    values = [value for cell in cells.values() if (value := seen.value(cell)[0]) is not None]
    what = "Recall@1 of held-out images, %" if seen.spec.holds_out else "Recall@1, %"
    table = Table("w \\ τ", *(plain(at) for at in temperatures), title=what, title_justify="left")
    for weight in sorted({weight for weight, _ in cells}, reverse=True):
        row = [_square(seen, cells.get((weight, at)), values) for at in temperatures]
        table.add_row(plain(weight), *row)
    return table


def _best(seen: Watch) -> RenderableType:
    """The best points of a search so far; with several searches, the best of each."""
    whole = sorted((point for point in seen.tried if point.value is not None), key=lambda point: -(point.value or 0))
    if seen.spec.seeds > 1:
        whole = list({point.trial.seed: point for point in reversed(whole)}.values())[::-1]
    assert seen.spec.search
    names = [name for name, _ in seen.spec.search.space]
    title = "Best so far, by Recall@1 of held-out images"
    table = Table("Recall@1, %", *names, "seed", "trial", title=title, title_justify="left")
    for point in whole[:MOST_BEST]:
        values = [plain(value) for _, value in point.settings]
        table.add_row(f"{100 * (point.value or 0):.2f}", *values, str(point.trial.seed), point.trial.trial_id)
    return table if whole else Text("No point has been trained to its end yet.", style="dim")


def _square(seen: Watch, cell: Cell | None, values: Sequence[float]) -> Text:
    """A cell's number on its colour, with the seeds that are done where not all are; a sign where there is none yet."""
    if cell is None:
        return Text("")
    value, seeds = seen.value(cell)
    states = seen.states(cell)
    sign = "✗" if "failed" in states else "…" if "running" in states else ""
    if value is None:
        return Text(sign or "·", style="red" if sign == "✗" else "dim")
    counted = "" if seeds == len(cell.trials) else f" {seeds}/{len(cell.trials)}"
    return Text(f" {value:.1f}{counted}{sign} ", style=_colour(value, min(values), max(values)))


def _colour(value: float, low: float, high: float) -> str:
    """A rich style: between the colours by the value's place, with letters that can be read on it."""
    place = (value - low) / (high - low) * (len(COLOURS) - 1) if high > low else len(COLOURS) / 2
    first = min(int(place), len(COLOURS) - 2)
    mixed = [
        round(one + (place - first) * (other - one)) for one, other in zip(*COLOURS[first : first + 2], strict=True)
    ]
    light = 0.299 * mixed[0] + 0.587 * mixed[1] + 0.114 * mixed[2]
    return f"{'black' if light > 128 else 'white'} on rgb({mixed[0]},{mixed[1]},{mixed[2]})"


def _others(seen: Watch) -> Text | None:
    """The cells that have no place in the grid, with their numbers so far."""
    words = []
    for cell in seen.spec.cells():
        if cell.method == GRID_METHOD and {"weight", "temperature"} <= dict(cell.settings).keys():
            continue
        value, seeds = seen.value(cell)
        if value is not None:
            words.append(
                f"{cell.label} {value:.1f}" + ("" if seeds == len(cell.trials) else f" {seeds}/{len(cell.trials)}")
            )
    return Text(" · ".join(words)) if words else None


def _running(seen: Watch, room: int) -> RenderableType:
    """A line per training that is running now, as many as there is room for."""
    shown = [entry for entry in seen.entries if entry.state.state == "running"]
    table = Table.grid(padding=(0, 2))
    for entry in shown[:room]:
        progress = seen.known[entry.trial.trial_id].progress
        rate, memory = progress.get("images_per_second"), progress.get("gpu_memory")
        table.add_row(
            escape(f"{entry.cells[0]} seed={entry.trial.seed}"),
            ProgressBar(total=entry.trial.epochs, completed=seen.epoch(entry), width=20),
            f"epoch {seen.epoch(entry):.1f}/{entry.trial.epochs}",
            f"{rate:.0f} images/s" if rate else "",
            workspaces.describe(memory) if memory else "",
            _left(progress, entry),
        )
    if len(shown) > room:
        table.add_row(f"… and {len(shown) - room} more")
    return table


def _left(progress: Mapping[str, Any], entry: Planned) -> str:
    """Until one training's end, at its own pace over all its epochs."""
    share, seconds = float(progress.get("fraction", 0)), float(progress.get("seconds", 0))
    return f"{_time(seconds * (1 - share) / share)} left" if share > 0 and seconds > 0 else ""


def _totals(seen: Watch) -> RenderableType:
    done, total = seen.count("done"), len(seen.entries)
    words = [f"{done} of {total} trainings"]
    if seen.spec.search:
        asked = sum(point.number is not None for point in seen.tried)
        words = [
            f"{asked} of {seen.spec.search.trials * seen.spec.seeds} points asked for",
            f"{done} trained to the end",
        ]
    words += [f"{number} {state}" for state in ("running", "failed", "stopped") if (number := seen.count(state))]
    if deaths := sum(known.deaths for known in seen.known.values()):
        words.append(f"{deaths} processes died and were started again")
    words.append(f"{sum(known.seconds for known in seen.known.values()) / 3600:.1f} h of devices")
    left = seen.seconds_left()
    words.append("" if seen.is_complete() else f"about {_time(left)} left" if left is not None else "…")
    return Text(" · ".join(word for word in words if word))


def _time(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
