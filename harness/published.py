"""Published numbers: what papers, supplements and logs print for a training (`reports/published/*.toml`).

One file per source: `[source]`, the `[[protocol]]` it states (narrowed by `datasets` and `methods`; later entries win)
and `[[tables]]`, whose `rows` are trainings with `values` in the order of the table's `metrics`. `[[tables.errata]]`
give one printed number each the reading to use instead; without a `reading` nothing better is printed, with the printed
one the number is in doubt. `[[statistics]]` count images and classes. Adding a paper is adding a file.
    python -c "from harness import published; print(published.reference('cifar100', 'maskcon', 1.0, 0.05))"
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from harness import resources
from harness.errors import UsageError, unknown

# Which print counts first: a paper's own tables, its appendix, a run's log, slides, bar charts.
STANDINGS = ("main", "appendix", "log", "slides", "chart")

UNITS = {
    **{f"recall_at_{k}": "percent" for k in (1, 2, 5, 10, 50, 100)},
    **dict.fromkeys(("map", "cf1", "of1"), "percent"),  # multi-label: mean average precision, F1 per class and overall
    **dict.fromkeys(("linear_top_1", "online_linear_top_1", "online_linear_top_5", "knn_top_1"), "percent"),
    **dict.fromkeys(("frozen_top_1", "finetuned_top_1"), "percent"),
    **dict.fromkeys(("gain_over_supce", "gain_of_multi_crop"), "points"),
    "train_loss": "nats",
}
SCALES = {"percent": 1, "fraction": 100}  # a file's `unit` → what brings its percent and points to percent
KEYS = {  # each kind of table in a file → the keys it may have; those of `protocol` and `statistics` are open
    "file": {"key", "unit", "source", "protocol", "tables", "statistics"},
    "source": {"title", "authors", "venue", "year"},
    "tables": {"table", "standing", "page", "dataset", "note", "metrics", "rows", "errata", "protocol"},
    "rows": {"dataset", "method", "weight", "temperature", "values", "note", "reprint_of", "protocol", *UNITS},
    "errata": {"method", "weight", "temperature", "metric", "printed", "reading", "reason"},
}
Setting = float | None


@dataclass(frozen=True, kw_only=True)
class Published:
    """One printed number of one training; recalls and accuracies in percent even where the source prints fractions."""

    source: str  # the file's key
    table: str
    page: int | None  # in the source, where known
    standing: str  # one of STANDINGS
    dataset: str
    method: str
    weight: float | None  # w, as printed
    temperature: float | None  # τ, as printed; None where the method has none or the source does not say
    metric: str
    unit: str  # "percent", "points" or "nats"
    value: float  # as printed; a fraction times 100
    reading: float | None  # the value to use; None: the print is wrong and there is no better one
    note: str | None
    erratum: str | None  # where `value` is wrong, contradicted or in doubt: both values and why
    reprint_of: str | None  # where a source copies another's number, which no comparison uses
    protocol: dict[str, Any] = field(hash=False)  # what the source states, under TrialConfig's names where it has them


def load(folder: Path | None = None) -> list[Published]:
    """Every published number, in the order of the files' names and of the tables in them."""
    return list(_load(folder or resources.folder("reports/published")))


def for_dataset(dataset: str, metric: str | None = None) -> list[Published]:
    """What is published on a dataset, for one metric or all; empty where nothing is."""
    return [row for row in load() if row.dataset == dataset and metric in (None, row.metric)]


def datasets() -> list[str]:
    """Every dataset that something is published on."""
    return sorted({row.dataset for row in load()})


def statistics(dataset: str) -> list[dict[str, Any]]:
    """What sources print of a dataset's images and classes, each entry with its `source` and `table`."""
    return [
        {"source": document["key"], **entry}
        for document in _documents(resources.folder("reports/published"))
        for entry in document.get("statistics", [])
        if entry["dataset"] == dataset
    ]


def sources() -> dict[str, dict[str, Any]]:
    """What to cite: each source's key → its title, and authors, venue and year where known."""
    return {document["key"]: document["source"] for document in _documents(resources.folder("reports/published"))}


def canonical(method: str, weight: Setting, temperature: Setting) -> tuple[str, Setting, Setting]:
    """The one name of equivalent trainings, as a TrialConfig's `canonical()` gives it (paper Sec. 3.2 and 4).

    MaskCon at τ = ∞ is Grafit; MaskCon, Grafit and CoIns at w = 0 are SelfCon; Grafit at w = 1 is SupCon, CoIns at
    w = 1 SupCE. A setting that a method does not have is dropped: SupCE printed with w = 1 is SupCE.
    """
    if method == "maskcon" and temperature == math.inf:
        method = "grafit"
    if method in ("maskcon", "maskcon_attributes", "grafit", "coins") and weight == 0:
        method = "selfcon"
    if weight == 1:
        method = {"grafit": "supcon", "coins": "supce"}.get(method, method)
    if method in ("selfcon", "supcon", "supce", "supfine"):
        return method, None, None
    return method, weight, None if method in ("grafit", "coins") else temperature


def cell(
    dataset: str, method: str, weight: Setting, temperature: Setting, metric: str = "recall_at_1", **protocol: Any
) -> list[Published]:
    """Every print of a training's metric, the one that counts first at the head; contradictions stay visible.

    `protocol` narrows it where a method is trained in several ways: `epochs=400, crops="2x224"`.
    """
    prints = _by_training(dataset, metric).get(canonical(method, weight, temperature), ())
    found = [row for row in prints if protocol.items() <= row.protocol.items()]
    return sorted(found, key=lambda row: STANDINGS.index(row.standing))


def reference(
    dataset: str, method: str, weight: Setting, temperature: Setting, metric: str = "recall_at_1", **protocol: Any
) -> Published | None:
    """The print whose `reading` comparisons use: the first of `cell` that is no reprint and has a reading.

    None where there is none. Raises UsageError where prints of the best standing differ: their protocols do.
    """
    found = cell(dataset, method, weight, temperature, metric, **protocol)
    usable = [row for row in found if row.reprint_of is None and row.reading is not None]
    rivals = [row for row in usable if row.standing == usable[0].standing]
    if len({row.reading for row in rivals}) > 1:
        listed = "\n".join(f"  {row.reading:g} {metric}, {row.source}, {row.table}, {row.protocol}" for row in rivals)
        raise UsageError(f"{method} on {dataset} is published more than once; narrow it, as in epochs=200:\n{listed}")
    return usable[0] if usable else None


@cache
def _by_training(dataset: str, metric: str) -> dict[tuple[str, Setting, Setting], list[Published]]:
    """The prints of each training: a large sweep asks for thousands."""
    found: dict[tuple[str, Setting, Setting], list[Published]] = {}
    for row in for_dataset(dataset, metric):
        found.setdefault(canonical(row.method, row.weight, row.temperature), []).append(row)
    return found


@cache
def _load(folder: Path) -> tuple[Published, ...]:
    documents = _documents(folder)
    return tuple(row for document in documents for table in document["tables"] for row in _prints(document, table))


def _documents(folder: Path) -> list[dict[str, Any]]:
    documents = []
    for path in sorted(folder.glob("*.toml")):
        documents.append(tomllib.loads(path.read_text(encoding="utf-8")))
        _check(path.name, "file", documents[-1])
    return documents


def _check(file: str, place: str, entry: dict[str, Any]) -> None:
    """Refuse unknown keys here and in every table below."""
    for key, value in entry.items():
        if key not in KEYS[place]:
            raise unknown(f"key in {file}, {place}", key, KEYS[place])
        if key in KEYS:
            for child in value if isinstance(value, list) else [value]:
                _check(file, key, child)


def _prints(document: dict[str, Any], table: dict[str, Any]) -> Iterator[Published]:
    """The printed numbers of one table, each with its erratum; an erratum that fits none is an error."""
    errata = {(_training(entry), entry["metric"]): entry for entry in table.get("errata", [])}
    for row in table["rows"]:
        values = dict(zip(table["metrics"], row["values"], strict=True)) | {k: row[k] for k in UNITS if k in row}
        for metric, printed in values.items():
            if printed != "-":  # a cell that the source leaves empty
                erratum = errata.pop((_training(row), metric), {"printed": printed, "reading": printed})
                if erratum["printed"] != printed:
                    raise UsageError(f"{table['table']} prints {printed}, but its erratum is for {erratum['printed']}")
                yield _print(document, table, row, metric, erratum)
    if errata:
        raise UsageError(f"{document['key']}, {table['table']}: no row fits the errata for {list(errata)}")


def _training(entry: dict[str, Any]) -> tuple[str, Setting, Setting]:
    return entry["method"], entry.get("weight"), entry.get("temperature")


def _print(
    document: dict[str, Any], table: dict[str, Any], row: dict[str, Any], metric: str, erratum: dict[str, Any]
) -> Published:
    method, weight, temperature = _training(row)
    dataset = row.get("dataset") or table["dataset"]
    scale = 1 if UNITS[metric] == "nats" else SCALES[document["unit"]]
    printed, reading, reason = erratum["printed"], erratum.get("reading"), erratum.get("reason")
    used = "not used" if reading is None else f"read as {reading}"
    protocol = table.get("protocol", {}) | row.get("protocol", {})
    for part in reversed(document.get("protocol", [])):
        if dataset in part.get("datasets", [dataset]) and method in part.get("methods", [method]):
            protocol = {name: fact for name, fact in part.items() if name not in ("datasets", "methods")} | protocol
    return Published(
        source=document["key"],
        table=table["table"],
        page=table.get("page"),
        standing=table["standing"],
        dataset=dataset,
        method=method,
        weight=weight,
        temperature=temperature,
        metric=metric,
        unit=UNITS[metric],
        value=round(scale * printed, 6),
        reading=None if reading is None else round(scale * reading, 6),
        note="; ".join(part["note"] for part in (table, row) if "note" in part) or None,
        erratum=reason and f"{table['table']} prints {printed}, {used}: {reason}",
        reprint_of=row.get("reprint_of"),
        protocol=protocol,
    )
