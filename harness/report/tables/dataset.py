"""The dataset as it was trained on (paper Tables 8 and 9): images, classes, and fine classes per coarse class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness import published, trials
from harness.compare import PRIMARY
from harness.report.content import Content
from harness.report.table import Entry, Table

position = 45
_COUNTS = {
    "train_images": "training images",
    "test_images": "test images",
    "coarse_classes": "coarse classes",
    "fine_classes": "fine classes",
}


def table(content: Content) -> Table | None:
    """A row per count; None before the first trial with coarse labels has finished."""
    result = _result(content)
    if result is None:
        return None
    printed, places = _printed(content)
    classes: Mapping[str, int] = result.get("fine_per_coarse", {})
    ours = {name: result[name] for name in ("train_images", "test_images")}
    ours |= {"coarse_classes": len(classes) or None, "fine_classes": sum(classes.values()) or None}
    rows = [_row(title, ours[name], printed.get(name), result) for name, title in _COUNTS.items()]
    per_class: Sequence[int | None] = printed.get("fine_classes_per_coarse_class") or [None] * len(classes)
    groups = [tuple(rows)]
    if classes:
        each = zip(classes.items(), per_class, strict=False)
        groups.append(tuple(_row(f"fine classes in “{name}”", count, theirs, result) for (name, count), theirs in each))
    where = f" Published: {'; '.join(places)}." if places else " Nothing is published on it."
    return Table(
        name="dataset",
        heading="The data",
        caption=f"{content.spec.title}: the data as it was trained on.",
        columns=("Count", "this sweep", "published"),
        groups=tuple(groups),
        footnotes=(f"As trial {result['trial_id']} had it.{where}",),
    )


def _row(title: str, ours: int | None, theirs: int | None, result: Mapping[str, Any]) -> tuple[Entry, ...]:
    shown = Entry(text="–") if ours is None else Entry(text=f"{ours:,}", trials=(result["trial_id"],))
    differs = ours is not None and theirs is not None and ours != theirs
    return (
        Entry(text=title),
        shown,
        Entry(text="–" if theirs is None else f"{theirs:,}" + (" (differs)" if differs else "")),
    )


def _result(content: Content) -> dict[str, Any] | None:
    """Of the first finished trial that trains on the sweep's coarse labels, or of any."""
    finished = [trial for trial in content.spec.trials() if trial.trial_id in content.directories]
    coarse = [trial for trial in finished if trial.label_source == "coarse"]
    first = next(iter(coarse or finished), None)
    return None if first is None else trials.read_result(content.directories[first.trial_id])


def _printed(content: Content) -> tuple[dict[str, Any], list[str]]:
    """Published counts by name, and where they are printed: in tables of statistics, or with a training's protocol."""
    dataset = content.spec.published_name or "nothing"
    found: dict[str, Any] = {}
    places = []
    prints = [row for row in published.for_dataset(dataset, PRIMARY) if row.reprint_of is None]
    for source in sorted(
        {row.source for row in prints}, key=lambda name: name != "maskcon"
    ):  # the paper's own words first
        protocol = next(row.protocol for row in prints if row.source == source)
        new = {name: count for name, count in protocol.items() if name in _COUNTS and name not in found}
        found |= new
        places += [f"{source}, text"] if new else []
    for entry in published.statistics(dataset):
        known = {
            name: value for name, value in entry.items() if name in _COUNTS or name == "fine_classes_per_coarse_class"
        }
        if known:
            found |= known
            places.append(f"{entry['source']}, {entry['table']}")
    return found, places
