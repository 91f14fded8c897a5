"""How a sweep's training differs from the paper's: what every table, figure and comparison of it must say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness import config, datasets, methods, presets
from harness.config import TrialConfig
from harness.spec import SweepSpec

_VARIED = ("dataset", "method", "seed", "weight", "temperature", "grouping")  # what a table itself shows


@dataclass(frozen=True)
class Departure:
    """One setting in which a sweep is not what its source, the paper or the student's code, did."""

    setting: str
    ran: Any
    paper: Any
    reason: str = ""
    source: str = "paper"

    def __str__(self) -> str:
        return f"{self.setting} {self.ran} ({self.source}: {self.paper})" + (f": {self.reason}" if self.reason else "")


def departures(spec: SweepSpec) -> list[Departure]:
    """Every setting, common to the sweep's trials or of some of them, that the source has otherwise."""
    found: dict[tuple[str, Any], Departure] = {}
    source = presets.source(spec.preset)
    expected = presets.expected(spec.preset, spec.dataset, datasets.load(spec.dataset).settings)
    for trial in _trainings(spec):
        for name, setting in config.fields().items():
            ran = getattr(trial, name)
            default = expected.get(name, setting.default)
            unused = setting.group is not None and setting.group not in trial.uses
            if name in _VARIED or not setting.identity or unused:
                continue
            if ran != default:
                reason = "the local files are not the published ones" if name == "data_digest" else ""
                paper = "the published files" if name == "data_digest" else _paper(name, default)
                found[name, ran] = Departure(name, _shown(ran), paper, reason, source)
        for name, value in trial.options.items():
            known = config.options_of(trial.dataset, trial.method)[name]
            default = known.default
            if known.identity and value != default:
                found[name, value] = Departure(name, value, default, source=source)
    return list(found.values())


def reduced(spec: SweepSpec) -> str:
    """A sentence for a sweep that trained less than the paper did, or nothing."""
    small = [entry for entry in departures(spec) if _is_less(entry)]
    if not small:
        return ""
    whose = "the paper's" if presets.source(spec.preset) == "paper" else "its source's"
    return f"A reduced run, not {whose}: " + ", ".join(f"{entry.setting} {entry.ran}" for entry in small) + "."


def other_data(spec: SweepSpec) -> str:
    """A sentence for a sweep on files that are not the published ones, or nothing."""
    local = {trial.data_digest for trial in _trainings(spec)} - {None}
    module = datasets.load(spec.dataset)
    if not local or module.train_size is None:
        return ""
    return (
        f"The local files of {module.title} are not the published ones (digest {', '.join(map(str, local))}, published "
        f"{module.digest}): no number here is a result on the published data."
    )


def ledger(spec: SweepSpec) -> list[tuple[str, str, str, str]]:
    """Where text and released code differ, and what this sweep did: (setting, paper, released code, this sweep)."""
    rows = []
    for row in presets.PROTOCOL:
        if row.datasets and spec.dataset not in row.datasets:
            continue
        rows.append((row.setting, str(row.paper), str(row.released), _ran(spec, row.name, row.setting)))
    return rows


def method_titles(spec: SweepSpec) -> dict[str, str]:
    """How tables name the sweep's methods; SupFINE says with which loss, since the paper does not."""
    titles = {}
    for cell in spec.cells():
        title = methods.load(cell.method).title
        if cell.method == "supfine":
            title = f"SupFINE ({cell.trials[0].options.get('supfine_loss', 'cross-entropy')})"
        titles[cell.method] = title
    return titles


def cell_titles(spec: SweepSpec) -> dict[str, str]:
    """By cell label: its method, and what sets it apart from the method's other cells beside w and τ."""
    cells, methods_shown = spec.cells(), method_titles(spec)
    values: dict[tuple[str, str], set[Any]] = {}
    for cell in cells:
        for name, value in cell.settings:
            values.setdefault((cell.method, name), set()).add(value)
    counts = {method: sum(cell.method == method for cell in cells) for method in methods_shown}
    stated: dict[tuple[str, str], int] = {}
    for cell in cells:
        for name, _ in cell.settings:
            stated[cell.method, name] = stated.get((cell.method, name), 0) + 1
    found = {}
    for cell in cells:
        apart = [
            f"{name} {cell.shown(name)}"
            for name, _ in cell.settings
            if name not in ("weight", "temperature")
            and (len(values[cell.method, name]) > 1 or stated[cell.method, name] < counts[cell.method])
        ]
        found[cell.label] = methods_shown[cell.method] + (f" ({', '.join(apart)})" if apart else "")
    return found


def _is_less(entry: Departure) -> bool:
    """Whether a departure means fewer images, fewer epochs or a smaller network than the paper's."""
    fewer_epochs = entry.setting == "epochs" and entry.ran < entry.paper
    fewer_images = entry.setting in ("train_limit", "test_limit") and entry.ran != "all"
    return fewer_epochs or fewer_images or entry.setting == "validation_fraction" or entry.ran == "small"


def _trainings(spec: SweepSpec) -> list[TrialConfig]:
    """One per cell: its seeds differ in nothing that is looked at here."""
    return [cell.trials[0] for cell in spec.cells()] or ([spec.middle] if spec.search else [])


def _ran(spec: SweepSpec, name: str | None, setting: str) -> str:
    if name is None:
        seeds = f"0–{spec.seeds - 1}, {spec.seeds} runs" if spec.seeds > 1 else "0, one run"
        return seeds if setting == "seeds" else presets.epoch_rule(spec.preset)
    values = {
        str(_shown(datasets.group_name(trial) if name == "grouping" else getattr(trial, name)))
        for trial in _trainings(spec)
        if (config.fields()[name].group is None or config.fields()[name].group in trial.uses)
        and (name != "grouping" or methods.load(trial.method).label_source == "coarse")
    }
    return ", ".join(sorted(values)) or "not used"


def _paper(name: str, default: Any) -> Any:
    """The preset's value, and that it is not the paper's where the paper has none."""
    silent = any(row.name == name and row.paper == presets.NOT_STATED for row in presets.PROTOCOL)
    return f"{presets.NOT_STATED}; preset: {_shown(default)}" if silent else _shown(default)


def _shown(value: Any) -> Any:
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else value
