"""Reproduced against published: per cell and recall a verdict, per declared claim another. In percent, Recall@1 first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import claims, comparability, plan, presets, published, results, selection, statistics, verdicts
from harness.claims import Claim
from harness.errors import UsageError
from harness.plan import Planned
from harness.published import Published
from harness.results import Summary
from harness.selection import Selected
from harness.spec import Cell, SweepSpec
from harness.statistics import Interval

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("recall_at_1", "recall_at_2", "recall_at_5", "recall_at_10")
PRIMARY = METRICS[0]


@dataclass(frozen=True)
class Compared:
    """One metric of one cell. `ours` and `deviation` are over `runs` seeds; `theirs` is one printed number."""

    cell: Cell
    metric: str
    values: tuple[float, ...]  # one per finished seed, percent
    seeds: tuple[int, ...]  # of the values
    trial_ids: tuple[str, ...]
    missing: int  # seeds that have not finished
    theirs: float | None = None  # percent; None where nothing is published
    source: str = ""  # where it is printed
    erratum: str = ""
    verdict: str | None = None  # of `harness.verdicts`; None where nothing is published
    interval: Interval | None = None  # 90 %, of ours − theirs, points
    differs: tuple[str, ...] = ()  # stated fields that make it not comparable
    qualified: tuple[str, ...] = ()  # fields that the source's text does not settle

    @property
    def training(self) -> tuple[str, ...]:
        """The trials of all seeds: cells with the same ones are the same training."""
        return tuple(trial.trial_id for trial in self.cell.trials)

    @property
    def runs(self) -> int:
        """Finished seeds."""
        return len(self.values)

    @property
    def ours(self) -> float | None:
        """Mean over the runs, percent."""
        return sum(self.values) / len(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (ddof = 1), points; None for a single run."""
        return statistics.pooled([self.values])[0] if len(self.values) > 1 else None

    @property
    def mean_interval(self) -> Interval | None:
        """95 %, of the mean."""
        return statistics.mean_interval(self.values)

    @property
    def difference(self) -> float | None:
        """ours − theirs, in percentage points."""
        return None if self.ours is None or self.theirs is None else self.ours - self.theirs


@dataclass(frozen=True)
class Comparison:
    """A whole sweep beside what is published, and what it says of the declared claims."""

    spec: SweepSpec
    compared: tuple[Compared, ...]
    claims: tuple[Claim, ...]
    selected: Mapping[str, Mapping[str, Selected]]  # by rule, then by method; Recall@1
    spread: Mapping[str, tuple[float, int]]  # by metric: pooled deviation in points, its degrees of freedom
    epoch_rule: str
    validation: str = ""  # why there is no selection on held-out images, where there is none

    @property
    def verdicts(self) -> list[Compared]:
        """Recall@1 of every training that has a published number, each once and as the simplest of its cells."""
        found: dict[tuple[str, ...], Compared] = {}
        for entry in self.compared:
            if entry.metric == PRIMARY and entry.theirs is not None:
                first = found.setdefault(entry.training, entry)
                if len(entry.cell.settings) < len(first.cell.settings):  # SupCE, not CoIns at w = 1
                    found[entry.training] = entry
        return list(found.values())

    @property
    def problems(self) -> list[str]:
        """Why the comparison does not pass, a line each; empty where it does."""
        failed = [entry for entry in self.verdicts if entry.verdict in verdicts.FAILING]
        found = [f"{entry.cell.label}: {entry.verdict}" for entry in failed]
        named = {entry.training for entry in failed}
        for entry in self.compared:
            if entry.metric == PRIMARY and entry.missing and entry.training not in named:
                named.add(entry.training)
                found.append(f"{entry.cell.label}: {entry.runs} of {entry.runs + entry.missing} seeds are trained")
        failing = (claims.REVERSED, verdicts.INSUFFICIENT)
        found += [f"{one.better} beats {one.than}: {one.verdict}" for one in self.claims if one.verdict in failing]
        return found + ([self.dominant] if self.dominant else [])

    @property
    def dominant(self) -> str:
        """A sentence where most of the pooled variance is one training's: no verdict can be trusted then."""
        squares = {
            entry.training: (statistics.pooled([entry.values])[0] ** 2 * (entry.runs - 1), entry.cell.label)
            for entry in self.compared
            if entry.metric == PRIMARY and entry.runs > 1
        }
        whole = sum(square for square, _ in squares.values())
        square, label = max(squares.values(), default=(0.0, ""))
        if len(squares) < 5 or square <= whole / 2:
            return ""
        return (
            f"{label}: {100 * square / whole:.0f} % of the pooled variance of {len(squares)} trainings is its own; look at its "
            "runs: they widen the intervals of all"
        )


def compare(spec: SweepSpec, workspace: Path, epoch_rule: str | None = None, also: Sequence[Path] = ()) -> Comparison:
    """Every cell × recall of a sweep, and every claim, from its finished trials; those of other workspaces `also`."""
    frame = _frame(plan.plan(spec, workspace, also, glance=True))
    return from_frame(spec, frame, workspace, epoch_rule or presets.epoch_rule(spec.preset), also)


def from_frame(
    spec: SweepSpec, frame: pd.DataFrame, workspace: Path, epoch_rule: str, also: Sequence[Path] = ()
) -> Comparison:
    """The comparison of a sweep's results frame; workspaces are asked for the sweep that selects on held-out images."""
    found = results.summaries(frame, spec, METRICS, epoch_rule)
    return judged(spec, found, epoch_rule, *_validated(spec, workspace, also))


def _frame(planned: Sequence[Planned]) -> pd.DataFrame:
    return results.load([entry.directory for entry in planned], every_epoch=False)


def judged(
    spec: SweepSpec,
    found: Sequence[Summary],
    epoch_rule: str,
    validation: Mapping[str, Sequence[Summary]],
    why: str = "",
) -> Comparison:
    """The comparison of summaries; `validation` holds those of the sweep that held images out, by selection rule."""
    spread = {
        metric: statistics.pooled(_distinct(summary for summary in found if summary.metric == metric))
        for metric in {summary.metric for summary in found}
    }
    compared = tuple(_compared(spec, summary, spread[summary.metric], epoch_rule) for summary in found)
    first = [summary for summary in found if summary.metric == PRIMARY]
    selected = {
        "oracle": selection.oracle(first, spec.is_candidate),
        "leave-one-seed-out": selection.leave_one_seed_out(first, spec.is_candidate),
    }
    for rule, held_out in validation.items():
        selected[rule] = selection.on_validation(first, held_out, rule, spec.is_candidate)
    said = tuple(claims.judge(spec.claims, selected["leave-one-seed-out"]))
    return Comparison(spec, compared, said, selected, spread, epoch_rule, why)


def _distinct(found: Iterable[Summary]) -> list[list[float]]:
    """The runs of each training once, percent: cells that are the same training are one group."""
    groups = {summary.trial_ids: [100 * value for value in summary.values] for summary in found}
    return list(groups.values())


def _compared(spec: SweepSpec, summary: Summary, spread: tuple[float, int], epoch_rule: str) -> Compared:
    """A summary beside its published number, judged."""
    values = tuple(100 * value for value in summary.values)
    bare = (summary.cell, summary.metric, values, summary.seeds, summary.trial_ids, summary.missing)
    print_ = _print(spec, summary)
    if print_ is None:
        return Compared(*bare)
    found = comparability.differences(spec, summary.cell.trials[0], print_, epoch_rule)
    theirs = math.nan if print_.reading is None else print_.reading
    verdict, interval = _verdict(values, theirs, spread, spec.margin, bool(found.stated))
    source = f"{print_.source}, {print_.table}"
    return Compared(
        *bare, print_.reading, source, print_.erratum or "", verdict, interval, found.stated, found.unstated
    )


def _verdict(
    values: Sequence[float], theirs: float, spread: tuple[float, int], margin: float | None, other_protocol: bool
) -> tuple[str, Interval | None]:
    if other_protocol:
        return verdicts.NOT_COMPARABLE, None
    if len(values) < verdicts.FEWEST_RUNS:
        return verdicts.INSUFFICIENT, None
    if margin is None:
        return verdicts.NO_MARGIN, None
    return verdicts.judge(sum(values) / len(values) - theirs, *spread, len(values), margin)


def _print(spec: SweepSpec, summary: Summary) -> Published | None:
    trial = summary.cell.trials[0]
    return published.reference(
        spec.published_name or "nothing",
        trial.method,
        trial.weight if "weight" in trial.uses else None,
        trial.temperature if "temperature" in trial.uses else None,
        summary.metric,
    )


def _validated(spec: SweepSpec, workspace: Path, also: Sequence[Path]) -> tuple[dict[str, list[Summary]], str]:
    """Recall on held-out images from the sweep that selects for this one, by rule; or why there is none."""
    if spec.validation is None:
        return {}, "no sweep that holds images out is declared"
    texts = [f"{name}={value}" for name, value in spec.overrides.items() if name != "validation_fraction"]
    try:
        held_out = plan.load_spec(spec.validation, texts, spec.seeds, workspace)
    except UsageError as error:
        return {}, str(error).partition(". ")[0]
    planned = plan.plan(held_out, workspace, also, glance=True)
    whole = {trial.trial_id for trial in spec.trials()}
    if not held_out.holds_out:
        return {}, f"{held_out.name} holds no images out"
    if any(entry.trial.replace(validation_fraction=0.0).canonical().trial_id not in whole for entry in planned):
        return {}, f"{held_out.name} trains other things than this sweep with images held out"
    lacking = sum(entry.state.state != "done" for entry in planned)
    if lacking == len(planned):
        return {}, f"`harness sweep {held_out.name}` has not run"
    why = f"{lacking} of the {len(planned)} trainings of {held_out.name} are not finished" if lacking else ""
    metrics = {"validation-fine": "validation_recall_at_1", "validation-coarse": "validation_coarse_recall_at_1"}
    frame = _frame(planned)
    found = results.summaries(frame, held_out, tuple(metrics.values()), "final")
    return {rule: [one for one in found if one.metric == metric] for rule, metric in metrics.items()}, why
