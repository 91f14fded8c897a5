"""Whether a training may stand beside a printed number: what its source states, and what only the source's code says.

A field that the source states and the sweep has otherwise makes the two not comparable. Where text and code of the source
disagree and the sweep follows the code, or where the text is silent and the sweep is not the code's, a verdict is qualified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from harness import config, presets
from harness.config import TrialConfig
from harness.published import Published
from harness.spec import SweepSpec

_SHOWN_BY_TABLES = ("dataset", "method", "seed", "weight", "temperature")
# Other training or test images are other data, whatever a source says of its protocol.
_DATA = {"grouping", "coarse_digest", "train_limit", "test_limit", "validation_fraction", "data_digest", "draw"}
_SOURCES = {"maskcon": ("paper", "released-code"), "attributes": ("student", "student")}  # → presets of text and code


@dataclass(frozen=True)
class Differences:
    """How a training differs from what a printed number is of; each entry names a field and both values."""

    stated: tuple[str, ...]  # they make it another experiment
    unstated: tuple[str, ...]  # the source's text does not settle them


def differences(spec: SweepSpec, trial: TrialConfig, print_: Published, epoch_rule: str) -> Differences:
    """Of one canonical training from the source of one print."""
    presets_of = _SOURCES.get(print_.source, ("paper", "released-code"))
    own = {"grouping": spec.settings.get("grouping"), "supfine_loss": trial.options.get("supfine_loss")}
    chosen = tuple((name, value) for name, value in own.items() if value is not None)
    text, code = (_as_in(preset, trial.dataset, trial.method, chosen) for preset in presets_of)
    stated_values = _stated(print_, trial.dataset, presets_of[0])
    stated, unstated = [], []
    for name, ran in _fields(trial):
        by_code = code.get(name)
        if name in stated_values or name in _DATA:
            wanted = stated_values[name] if name in stated_values else text.get(name)
            if ran != wanted and ran == by_code:
                unstated.append(f"{name} {_shown(ran)} (text: {_shown(wanted)}, code: {_shown(by_code)})")
            elif ran != wanted:
                stated.append(f"{name} {_shown(ran)} ({print_.source}: {_shown(wanted)})")
        elif ran != by_code:
            unstated.append(f"{name} {_shown(ran)} (not stated; code: {_shown(by_code)})")
    if epoch_rule != "last-evaluation":  # both codes evaluate for the last time ten epochs before the end
        unstated.append(f"reported epoch {epoch_rule} (not stated; code: last-evaluation)")
    return Differences(tuple(stated), tuple(unstated))


def _fields(trial: TrialConfig) -> Iterator[tuple[str, Any]]:
    """Every setting that decides a training's result, beside those that a table shows."""
    known = config.options_of(trial.dataset, trial.method)
    for name, setting in config.fields().items():
        used = setting.group is None or setting.group in trial.uses
        if setting.identity and used and name not in _SHOWN_BY_TABLES and not _meaningless(name, trial):
            yield name, getattr(trial, name)
    for name, value in trial.options.items():
        if known[name].identity and name not in ("attribute_weight", "feature_weight"):
            yield name, value


def _meaningless(name: str, trial: TrialConfig) -> bool:
    """A method without coarse labels has no grouping; the canonical training dropped it."""
    return name in ("grouping", "coarse_digest") and trial.label_source != "coarse"


@cache
def _as_in(preset: str, dataset: str, method: str, chosen: tuple[tuple[str, Any], ...]) -> Mapping[str, Any]:
    """The settings of the source's own run of the method, with what the sweep `chosen` where a name means several."""
    trial = config.resolve(dataset, method, preset=presets.applicable(preset, dataset), spec=dict(chosen)).canonical()
    return {name: getattr(trial, name) for name in config.fields()} | dict(trial.options)


def _stated(print_: Published, dataset: str, preset: str) -> dict[str, Any]:
    """What the source's text says, under the names of settings."""
    found = {name: value for name, value in print_.protocol.items() if name in config.fields()}
    if "loss" in print_.protocol and print_.method == "supfine":
        found["supfine_loss"] = print_.protocol["loss"]
    if preset == "paper":
        rows = (row for row in presets.PROTOCOL if row.name and row.paper != presets.NOT_STATED)
        found |= {str(row.name): row.paper for row in rows if presets.applies(row, dataset) and row.name != "grouping"}
    return found


def _shown(value: Any) -> str:
    return "not set" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
