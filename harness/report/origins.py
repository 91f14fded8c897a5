"""What the page says of where its numbers come from: code, environment, hardware, data, failures, and the rules of choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.report.content import Content
from harness.report.table import Entry, Table
from harness.spec import SweepSpec

Line = tuple[str, tuple[str, ...]]


def lines(content: Content, known: Mapping[str, Any]) -> list[Line]:
    """(what, its facts) in the order of the page; `known` is provenance.json."""
    sweep, *rest = of_spec(content.spec, known)
    return [sweep, ("Epoch", (content.epoch_rule,)), ("Choice of w and τ", (content.rule,)), *rest]


def of_spec(spec: SweepSpec, known: Mapping[str, Any]) -> list[Line]:
    """What can be said of any sweep's trials."""
    entries = known["trials"]
    finished = [entry for entry in entries if entry["state"] == "done"]
    hours = known["hours"]
    data = known["data"]
    digest = known["sweep"]["settings"].get("data_digest") or data["published_digest"]
    return [
        ("Sweep", (spec.slug,)),
        ("Data", (f"{data['name']}, digest {digest}", data["source"])),
        ("Code of the trials", _counted(_code(entry["environment"]) for entry in finished)),
        ("Environment", _counted(_environment(entry["environment"]) for entry in finished)),
        ("Hardware", _counted(_hardware(entry) for entry in finished)),
        ("Training", (f"{hours['training']:.3f} h, of which {hours['on_gpu']:.3f} GPU-hours",)),
        ("Trials", (_states(entries),)),
        ("Failures and retries", _incidents(entries)),
        ("This report", (f"made {known['made']}", _code(known["code"]), _versions(known["versions"]))),
    ]


def trials_table(known: Mapping[str, Any]) -> Table:
    """A row per trial: its state, how long it took and where, and what was noted."""
    return Table(
        name="trials",
        heading="Trials",
        caption="Every trial of this sweep",
        columns=("Trial", "State", "Seconds", "Device", "Notes"),
        groups=(tuple(_row(entry) for entry in known["trials"]),),
    )


def _row(entry: Mapping[str, Any]) -> tuple[Entry, ...]:
    seconds = Entry(text="–") if entry["seconds"] is None else Entry(entry["seconds"])
    notes = "; ".join(_noted(entry))
    texts = (entry["environment"].get("device", "–"), notes or "–")
    return (Entry(text=entry["trial_id"]), Entry(text=entry["state"]), seconds, *(Entry(text=text) for text in texts))


def _noted(entry: Mapping[str, Any]) -> list[str]:
    """The notes of a finished trial, and why one failed or how far it is."""
    return [text for text in (*entry["notes"], entry["note"]) if text]


def _code(known: Mapping[str, Any]) -> str:
    if not known.get("commit"):
        return "an installed copy, of no known commit"
    dirty = known.get("dirty")
    changes = "unknown whether with" if dirty is None else "with" if dirty else "without"
    return f"commit {known['commit']}, {changes} uncommitted changes"


def _environment(known: Mapping[str, Any]) -> str:
    named = (("Python", "python"), ("torch", "torch"), ("torchvision", "torchvision"), ("harness", "harness"))
    return ", ".join(f"{title} {known[name]}" for title, name in named if name in known) or "unknown"


def _hardware(entry: Mapping[str, Any]) -> str:
    known = entry["environment"]
    parts = [known.get("device", "unknown device"), entry.get("precision", ""), known.get("platform", "")]
    parts.append(f"{known['threads']} of {known['cpus']} CPUs" if {"threads", "cpus"} <= known.keys() else "")
    return ", ".join(part for part in parts if part)


def _versions(known: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'missing'}" for name, version in known.items())


def _states(entries: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(entry["state"] for entry in entries)
    return ", ".join(f"{number} {state}" for state, number in counts.most_common())


def _incidents(entries: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Each failure and each note of a trial, those that say the same together."""
    found = [f"{entry['state']}: {note}" for entry in entries for note in _noted(entry) if entry["state"] != "running"]
    return _counted(found) or ("none on record",)


def _counted(texts: Iterable[str]) -> tuple[str, ...]:
    """Each text once, with the number of its trials."""
    counts = Counter(texts)
    return tuple(f"{text} ({number} {'trial' if number == 1 else 'trials'})" for text, number in counts.most_common())
