"""`scaling.json` as the README beside it. The words are in `reports/templates/scaling.md.j2`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import resources
from harness.sweep.ray_trials import DEATHS_WITHOUT_PROGRESS
from harness.sweep.simulation import scaling
from harness.sweep.simulation.model import CAUSES, Cluster, Work

DEFINITIONS = {
    "queue": "while work is left, of GPUs that are up",
    "queue, down counted": "while work is left, of all GPUs",
    "whole": "until the end, of GPUs that are up",
    "whole, down counted": "until the end, of all GPUs",
}
WORDS = {
    "training": "training that counts",
    "starting": "starting and leaving",
    "driver": "waiting for the driver",
    "checkpoints": "writing checkpoints",
    "repeated": "repeated after failures",
    "idle": "idle, nothing left to hand out",
    "down": "nodes down",
}
CONSTANTS = {  # by field of `Costs`: what it is, its unit, a factor
    "start_seconds": ("a process and its imports, torch among them; one trial at a time", "s", 1.0),
    "leave_seconds": ("from the end of a trial until the next one has a process; one at a time", "s", 1.0),
    "report_seconds": ("an epoch's report, there and back, beside the driver's time", "ms", 1e3),
    "driver_start_seconds": ("the driver, per trial started", "ms", 1e3),
    "driver_report_seconds": ("the driver, per report", "ms", 1e3),
    "driver_end_seconds": ("the driver, per trial ended", "ms", 1e3),
    "driver_record_seconds": ("the driver, per trial of 200 epochs recorded in MLflow (SQLite)", "ms", 1e3),
    "driver_seconds_per_known_trial": ("the driver, more for each of these per 1,000 trials that it knows", "ms", 1e6),
    "detection_seconds": ("from a node that stops answering until the driver knows", "s", 1.0),
    "checkpoint_seconds": ("a checkpoint of MaskCon with a ResNet-18, to this machine's disk", "s", 1.0),
    "driver_bytes": ("the driver's memory without trials", "MB", 1e-6),
    "driver_bytes_per_trial": ("the driver's memory per trial", "kB", 1e-3),
}
AT = {"trials": scaling.AT_TRIALS, "gpus": scaling.AT_GPUS, "hours_between_failures": scaling.AT_HOURS}
HOURS = scaling.ASSUMED_GPU_HOURS


def markdown(content: Mapping[str, Any]) -> str:
    """The whole README."""
    import jinja2

    loader = jinja2.FileSystemLoader(resources.folder("reports/templates"))
    environment = jinja2.Environment(  # nosec B701: what it makes is Markdown
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    words = _goal(content) | _tables(content) | _assumed(content["costs"])
    return environment.get_template("scaling.md.j2").render(
        words, costs=content["costs"], percent=percent, spread=_spread
    )


def percent(share: float, digits: int = 1) -> str:
    """With a space before the sign."""
    return f"{100 * share:.{digits}f} %"


def _goal(content: Mapping[str, Any]) -> dict[str, Any]:
    rows = _rows(content, "gpu_hours", **AT)
    (here,) = (row for row in rows if row["gpu_hours"] == HOURS)
    goals = [[words, *(_judged(row["efficiency"][name]) for row in rows)] for name, words in DEFINITIONS.items()]
    cluster = Cluster(scaling.AT_GPUS)
    return {
        "goal": scaling.GOAL,
        "at_gpus": scaling.AT_GPUS,
        "at_trials": scaling.AT_TRIALS,
        "at_hours": f"{scaling.AT_HOURS:g}",
        "gpu_hours": f"{HOURS:g}",
        "goals": _table(["efficiency", *(f"{row['gpu_hours']:g} h" for row in rows)], goals),
        "here": here["efficiency"]["queue"],
        "seeds": here["seeds"],
        "failing": here,
        "cluster": cluster,
        "down": cluster.replacement_seconds / (3600 * scaling.AT_HOURS + cluster.replacement_seconds),
        "down_minutes": f"{cluster.replacement_seconds / 60:g}",
    }


def _tables(content: Mapping[str, Any]) -> dict[str, Any]:
    grids = [
        (f"{words}, {_failing(between)}", _grid(content, name, between))
        for name, words in (("queue", "While work is left"), ("whole", "Until the end"))
        for between in scaling.HOURS_BETWEEN_FAILURES
    ]
    (late,) = _rows(content, "detection")
    slow = _rows(content, "starts", gpu_hours=HOURS)
    return {
        "slow_starts": [(f"{row['start_seconds']:g}", percent(row["efficiency"]["queue"]["mean"])) for row in slow],
        "grids": grids,
        "causes": lambda part: _causes(content, part),
        "starts": _starts(content),
        "late": late,
        "driver": _driver(content),
        "constants": _constants(content["costs"]),
        "actors": _actors(content["costs"]),
        "lost": _lost(content["costs"]),
        "compared": _compared(content["costs"]),
    }


def _assumed(measured: Mapping[str, Any]) -> dict[str, Any]:
    work, model = Work(1, HOURS), scaling.costs_of(measured)
    epoch = 3600 * work.gpu_hours / work.epochs
    apart = math.ceil(model.checkpoint_interval_seconds / epoch) * epoch
    return {
        "work": work,
        "model": model,
        "other_hours": [f"{hours:g}" for hours in scaling.GPU_HOURS if hours != HOURS],
        "deaths": DEATHS_WITHOUT_PROGRESS,
        "most_known": max(map(int, measured["by_trials"])),
        "young_seconds": math.sqrt(2 * model.checkpoint_seconds * 3600 * scaling.AT_HOURS),
        "written": lambda gpus: f"{gpus * measured['checkpoint_bytes'] / apart / 1e6:,.0f}",
    }


def _grid(content: Mapping[str, Any], name: str, between: float | None) -> str:
    rows = []
    for trials in scaling.TRIALS:
        found = _rows(content, "grid", trials=trials, hours_between_failures=between)
        rows.append([f"{trials:,}", *(_cell(row["efficiency"][name]) for row in found)])
    return _table(["trials, GPUs", *map(str, scaling.GPUS)], rows)


def _causes(content: Mapping[str, Any], part: str) -> str:
    rows = _rows(content, "grid", trials=scaling.AT_TRIALS, gpus=scaling.AT_GPUS)
    head = ["share of all GPU time", *(_failing(row["hours_between_failures"]) for row in rows)]
    return _table(head, [[WORDS[cause], *(percent(row["shares"][part][cause], 2) for row in rows)] for cause in CAUSES])


def _starts(content: Mapping[str, Any]) -> str:
    rows = []
    for alone in _rows(content, "gpu_hours", **AT):
        found = [alone, *_rows(content, "starts", gpu_hours=alone["gpu_hours"])]
        rows.append([f"{alone['gpu_hours']:g} h", *(_cell(row["efficiency"]["queue"]) for row in found)])
    measured = content["costs"]["constants"]["start_seconds"]["median"]
    return _table(
        ["a trial, its start", f"{measured:.2g} s, measured", *(f"{one:g} s" for one in scaling.START_SECONDS)], rows
    )


def _driver(content: Mapping[str, Any]) -> str:
    rows = []
    for trials in scaling.TRIALS:
        found = _rows(content, "grid", trials=trials, hours_between_failures=None)
        shares = [percent(row["driver_share"], 2) for row in found]
        rows.append([f"{trials:,}", *shares, f"{found[0]['driver_bytes'] / 1e6:,.0f}"])
    return _table(["trials, GPUs", *map(str, scaling.GPUS), "memory, MB"], rows)


def _constants(measured: Mapping[str, Any]) -> str:
    rows = []
    for name, (words, unit, factor) in CONSTANTS.items():
        one = measured["constants"][name]
        rows.append([words, f"{_spread(one, factor)} {unit}", str(one["repeats"])])
    return _table(["what", "cost", "n"], rows)


def _lost(measured: Mapping[str, Any]) -> str:
    causes = {"process": "a process that is killed", "node": "a node whose processes all stop without a word"}
    times = {name: [_spread(one) for one in entry.values()] for name, entry in measured["lost"].items()}
    return "; ".join(f"{words} {' and '.join(times[name])} s" for name, words in causes.items())


def _actors(measured: Mapping[str, Any]) -> str:
    factors = {"start_seconds": 1.0, "leave_seconds": 1.0, "report_seconds": 1e3}
    rows = [
        [actors, *(_spread(entry[name], factor) for name, factor in factors.items())]
        for actors, entry in measured["by_actors"].items()
    ]
    return _table(["actors", "start, s", "leave, s", "report, ms"], rows)


def _compared(measured: Mapping[str, Any]) -> str:
    rows = []
    for one in scaling.compared(measured):
        trials = f"{one['trials']} of {one['trial_seconds']:g} s ± {percent(one['spread'], 0)}"
        simulated = [
            f"{one[crowd]:.1f} ({_signed(one[crowd] / one['real_seconds'] - 1)})" for crowd in ("alone", "crowded")
        ]
        rows.append([str(one["actors"]), trials, f"{one['real_seconds']:.1f}", *simulated])
    head = ["actors", "trials", "real, s", "simulated, starts of one at a time, s", "starts of as many at once, s"]
    return _table(head, rows)


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _rows(content: Mapping[str, Any], name: str, **wanted: Any) -> list[dict[str, Any]]:
    rows = content["tables"][name]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _failing(between: float | None) -> str:
    return "no failures" if between is None else f"a failure per node every {between:g} h"


def _judged(spread: Mapping[str, float]) -> str:
    return f"{percent(spread['mean'], 2)} {'reached' if spread['mean'] >= scaling.GOAL else '**missed**'}"


def _cell(spread: Mapping[str, float] | None) -> str:
    return "–" if spread is None else percent(spread["mean"])


def _spread(one: Mapping[str, float], factor: float = 1.0) -> str:
    median, lowest, highest = (factor * one[name] for name in ("median", "lowest", "highest"))
    return f"{median:.3g} [{lowest:.3g} – {highest:.3g}]"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))
