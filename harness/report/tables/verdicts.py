"""Each published Recall@1 beside ours, with a verdict."""

from __future__ import annotations

from harness import protocol, verdicts
from harness.compare import PRIMARY, Compared, Comparison
from harness.report.content import Content
from harness.report.table import Entry, Table
from harness.results import EPOCH_RULES

position = 4


def table(content: Content) -> Table | None:
    """None for a sweep that nothing is published for."""
    return of_comparison(content.comparison) if content.comparison.verdicts else None


def of_comparison(comparison: Comparison) -> Table:
    """A row per published number of the sweep."""
    spec, titles = comparison.spec, protocol.cell_titles(comparison.spec)
    margin = f"δ = {spec.margin} points" if spec.margin else "no margin δ is declared"
    return Table(
        name="verdicts",
        heading="What was reproduced",
        caption=f"{spec.title}: Recall@1 in percent at {EPOCH_RULES[comparison.epoch_rule]}, beside the published numbers; "
        f"{margin}.",
        columns=("Method", "w", "τ", "ours", "n", "published", "difference", "90 % from", "90 % to", "verdict"),
        groups=(tuple(_row(titles, entry) for entry in comparison.verdicts),),
        footnotes=tuple(
            note for note in (_rule(comparison), *_qualifications(comparison), *_errata(comparison)) if note
        ),
    )


def _row(titles: dict[str, str], entry: Compared) -> tuple[Entry, ...]:
    ours = Entry(missing=True) if entry.ours is None else Entry(entry.ours, entry.deviation, trials=entry.trial_ids)
    difference = Entry(text="–") if entry.difference is None else Entry(entry.difference, signed=True)
    low, high = [Entry(text="–")] * 2 if entry.interval is None else [Entry(end, signed=True) for end in entry.interval]
    return (
        Entry(text=titles[entry.cell.label]),
        Entry(text=entry.cell.shown("weight")),
        Entry(text=entry.cell.shown("temperature")),
        ours,
        Entry(text=str(entry.runs)),
        Entry(entry.theirs),
        difference,
        low,
        high,
        Entry(text=verdict_text(entry)),
    )


def verdict_text(entry: Compared) -> str:
    """The verdict, that it is qualified, and what makes it not comparable."""
    if entry.verdict == verdicts.NOT_COMPARABLE:
        return f"{entry.verdict}: {'; '.join(entry.differs)}"
    if not entry.runs:
        return f"{entry.verdict} (not trained)"
    return f"{entry.verdict}, QUALIFIED" if is_qualified(entry) else str(entry.verdict)


def is_qualified(entry: Compared) -> bool:
    """Whether a verdict depends on what the source's text does not settle."""
    judged = (verdicts.REPRODUCED, verdicts.LOWER, verdicts.HIGHER, verdicts.INCONCLUSIVE)
    return bool(entry.qualified) and entry.verdict in judged


def _rule(comparison: Comparison) -> str:
    deviation, degrees = comparison.spread[PRIMARY]
    spread = (
        f"s = {deviation:.2f} points, pooled with {degrees} degrees of freedom" if degrees else "s is not known yet"
    )
    return (
        f"90 %: interval of ours − published, d ± t·s·√(1 + 1/n), the published number being one run itself; {spread}, "
        "which takes the runs of all cells for independent and equally spread. "
        "REPRODUCED: inside ±δ; LOWER, HIGHER: wholly outside; INCONCLUSIVE: neither. "
        f"INSUFFICIENT RUNS: fewer than {verdicts.FEWEST_RUNS}. NOT COMPARABLE: what the source states differs."
    )


def _qualifications(comparison: Comparison) -> list[str]:
    """What QUALIFIED stands for, each field once."""
    fields = dict.fromkeys(field for entry in comparison.verdicts if is_qualified(entry) for field in entry.qualified)
    return [f"QUALIFIED: {'; '.join(fields)}."] if fields else []


def _errata(comparison: Comparison) -> list[str]:
    return [
        f"Erratum: {text}." for text in dict.fromkeys(entry.erratum for entry in comparison.verdicts if entry.erratum)
    ]
