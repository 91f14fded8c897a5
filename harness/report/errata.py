"""Where a sweep's published numbers are printed wrong, contradict each other or are in doubt, and which reading is used."""

from __future__ import annotations

from harness import methods, published
from harness.published import Published
from harness.report.table import Entry, Table
from harness.spec import SweepSpec


def table(spec: SweepSpec) -> Table | None:
    """A row per erratum of the sweep's published dataset; None where there is none."""
    rows = published.for_dataset(spec.published_name) if spec.published_name else []
    corrected = [row for row in rows if row.erratum]
    if not corrected:
        return None
    return Table(
        name="errata",
        heading="Errata",
        caption=f"Printed numbers of {spec.published_name} that are wrong, contradicted or in doubt, and how they are read",
        columns=("Source", "Table", "Training", "Metric", "printed", "read as", "Why"),
        groups=(tuple(_row(row) for row in corrected),),
        footnotes=tuple(_notes(rows)),
    )


def _row(row: Published) -> tuple[Entry, ...]:
    page = f", p. {row.page}" if row.page else ""
    reading = "not used" if row.reading is None else _number(row.reading)
    texts = (row.source, row.table + page, _training(row), _metric(row.metric), _number(row.value), reading, _why(row))
    return tuple(Entry(text=text) for text in texts)


def _training(row: Published) -> str:
    settings = [
        f"{symbol} = {'∞' if value == float('inf') else f'{value:g}'}"
        for symbol, value in (("w", row.weight), ("τ", row.temperature))
        if value is not None
    ]
    name = methods.load(row.method).title if row.method in methods.names() else row.method
    return ", ".join([name, *settings])


def _metric(name: str) -> str:
    if name.startswith("recall_at_"):
        return f"Recall@{name.removeprefix('recall_at_')}"
    return name.replace("_", " ").replace("supce", "SupCE")


def _number(value: float) -> str:
    """Two digits as elsewhere, more where more are printed: readings may differ in the third."""
    return f"{value:.2f}" if round(value, 2) == value else f"{value:g}"


def _why(row: Published) -> str:
    """The reason alone: what is printed and what is read stand in columns of their own."""
    assert row.erratum is not None, "only errata have a reason"
    return row.erratum.partition(" prints ")[2].partition(": ")[2]


def _notes(rows: list[Published]) -> list[str]:
    """What the sources' tables need said, each once."""
    return list(dict.fromkeys(f"{row.source}, {row.table}: {row.note}." for row in rows if row.note))
