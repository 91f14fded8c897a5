"""The first thing that a report says: how many published numbers were reproduced, how many were not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness import power, protocol, verdicts
from harness.compare import Compared, Comparison
from harness.report.tables.verdicts import is_qualified

NOT_TRAINED = "not trained"
SHOWN = (
    verdicts.REPRODUCED,
    verdicts.LOWER,
    verdicts.HIGHER,
    verdicts.INCONCLUSIVE,
    verdicts.INSUFFICIENT,
    verdicts.NOT_COMPARABLE,
    NOT_TRAINED,
)  # even where nothing has them
JUDGED = SHOWN[:4]  # the verdicts of enough comparable runs
_PHRASES = {  # verdict → what follows "1 " and "2 "
    verdicts.LOWER: ("came out lower", "came out lower"),
    verdicts.HIGHER: ("came out higher", "came out higher"),
    verdicts.INCONCLUSIVE: ("is inconclusive", "are inconclusive"),
    verdicts.INSUFFICIENT: ("has too few runs", "have too few runs"),
    verdicts.NOT_COMPARABLE: ("is not comparable", "are not comparable"),
    verdicts.NO_MARGIN: ("has no declared margin", "have no declared margin"),
    NOT_TRAINED: ("is not trained yet", "are not trained yet"),
}
_MOST_CELLS = 10  # that are named for one verdict
_MOST = 3  # settings that a sentence names; the table of verdicts names all


@dataclass(frozen=True)
class Said:
    """A claim in words, its verdict, and by how much."""

    text: str
    verdict: str
    points: str  # mean difference in Recall@1, or nothing


@dataclass(frozen=True)
class Summary:
    """What stands on the first screen."""

    counts: dict[str, int]  # published numbers by verdict; empty where nothing is published
    lead: str  # the plain sentence
    cells: dict[str, str]  # which numbers they are, by each verdict of `JUDGED` that one has
    remarks: tuple[str, ...]  # what the lead leaves open
    claims: tuple[Said, ...]


def of_comparison(comparison: Comparison) -> Summary:
    """Counts and sentences. Cells that are the same training stand beside one published number and count once."""
    entries = comparison.verdicts
    counts = count(entries)
    return Summary(
        counts=counts if entries else {},
        lead=lead(counts, entries, comparison.spec.margin) if entries else "Nothing is published for this sweep.",
        cells=_cells(comparison, entries),
        remarks=tuple(_remarks(comparison, counts, entries)) if entries else (),
        claims=_claims(comparison),
    )


def count(entries: Sequence[Compared]) -> dict[str, int]:
    """How many published numbers have each verdict, those of `SHOWN` first and even at 0."""
    found = Counter(_verdict(entry) for entry in entries)
    return {verdict: found[verdict] for verdict in SHOWN} | dict(found)


def lead(counts: dict[str, int], entries: Sequence[Compared], margin: float | None) -> str:
    """In one plain sentence: of how many published numbers how many were reproduced, and what of the others."""
    total, reproduced = sum(counts.values()), counts[verdicts.REPRODUCED]
    others = {verdict: number for verdict, number in counts.items() if number and verdict != verdicts.REPRODUCED}
    if len(others) == 1 and not reproduced and (reason := _reason(next(iter(others)), entries)):
        return (
            "The one published number cannot be " if total == 1 else f"None of {total} published numbers can be "
        ) + reason
    within = "" if margin is None else f" within ±{_points(margin)}"
    if not others:
        return f"{_all(total)} reproduced{within}."
    if total == 1:
        (verdict,) = others
        return f"The one published number was not found reproduced{within}: it {_PHRASES[verdict][0]}."
    rest = _listed([f"{number} {_PHRASES[verdict][number > 1]}" for verdict, number in others.items()])
    if not reproduced:
        return f"None of {total} published numbers was found reproduced{within}: {rest}."
    return (
        f"Of {total} published numbers {reproduced} {'was' if reproduced == 1 else 'were'} reproduced{within}; {rest}."
    )


def _all(total: int) -> str:
    return {1: "The one published number was", 2: "Both published numbers were"}.get(
        total, f"All {total} published numbers were"
    )


def _reason(verdict: str, entries: Sequence[Compared]) -> str:
    """Why nothing at all could be judged, after "can be"; nothing for a verdict that is a judgement."""
    if verdict == verdicts.NOT_COMPARABLE:
        return f"compared: this sweep is not as its source states in {_differs(entries)}."
    if verdict == verdicts.INSUFFICIENT:
        runs = max(entry.runs for entry in entries)
        there = f"there {'is' if runs == 1 else 'are'} {runs}"
        return f"judged: a verdict needs at least {verdicts.FEWEST_RUNS} runs of a cell, and {there}."
    if verdict == verdicts.NO_MARGIN:
        return "judged: the sweep declares no margin δ."
    return "judged yet: nothing is trained." if verdict == NOT_TRAINED else ""


def _remarks(comparison: Comparison, counts: dict[str, int], entries: Sequence[Compared]) -> list[str]:
    """What qualifies the verdicts, what prevents others, and how much they can tell."""
    found = []
    qualified = [entry for entry in entries if is_qualified(entry)]
    if qualified:
        judged = sum(counts[verdict] for verdict in JUDGED)
        number = "The verdict is" if judged == 1 else f"{len(qualified)} of {judged} verdicts are"
        number = f"All {judged} verdicts are" if len(qualified) == judged > 1 else number
        fields = _named(Counter(field for entry in qualified for field in entry.qualified))
        found.append(f"{number} QUALIFIED, by what the source's text does not settle: {fields}.")
    if 0 < counts[verdicts.NOT_COMPARABLE] < len(entries):
        found.append(f"NOT COMPARABLE, by what the source states otherwise: {_differs(entries)}.")
    if 0 < counts[verdicts.INSUFFICIENT] < len(entries):
        found.append(f"A verdict needs at least {verdicts.FEWEST_RUNS} runs of a cell.")
    if any(counts[verdict] for verdict in JUDGED):
        found += power.power_sentences(comparison)
    return found


def _cells(comparison: Comparison, entries: Sequence[Compared]) -> dict[str, str]:
    """The cells of each judgement with ours − published in points, those that are furthest off first."""
    titles, found = protocol.cell_titles(comparison.spec), {}
    for verdict in JUDGED:
        of_it = [entry for entry in entries if _verdict(entry) == verdict]
        of_it.sort(key=lambda entry: -abs(entry.difference or 0))
        named = [_named_cell(titles[entry.cell.label], entry) for entry in of_it[:_MOST_CELLS]]
        more = [f"{len(of_it) - _MOST_CELLS} more"] if len(of_it) > _MOST_CELLS else []
        if named:
            found[verdict] = "; ".join(named + more)
    return found


def _named_cell(title: str, entry: Compared) -> str:
    settings = [(symbol, entry.cell.shown(name)) for symbol, name in (("w", "weight"), ("τ", "temperature"))]
    shown = ", ".join(f"{symbol} = {value}" for symbol, value in settings if value != "–")
    where = f"{title} ({shown})".replace(" = ", "\u00a0=\u00a0") if shown else title
    return f"{where}\u00a0{signed(entry.difference or 0)}"  # no break between a name and its number


def signed(points: float) -> str:
    """A difference as tables print it."""
    return f"{points:+.2f}".replace("-", "−")


def _claims(comparison: Comparison) -> tuple[Said, ...]:
    titles = protocol.method_titles(comparison.spec)
    return tuple(
        Said(
            f"{titles[claim.better]} beats {titles[claim.than]}",
            claim.verdict,
            "" if claim.mean is None else signed(claim.mean),
        )
        for claim in comparison.claims
    )


def _verdict(entry: Compared) -> str:
    """A cell without any run has no verdict yet, whatever its settings."""
    return str(entry.verdict) if entry.runs else NOT_TRAINED


def _differs(entries: Sequence[Compared]) -> str:
    return _named(Counter(field for entry in entries for field in entry.differs))


def _named(fields: Counter[str]) -> str:
    """The settings named most often, each with its most frequent values."""
    by_name: dict[str, str] = {}
    for field, _ in fields.most_common():
        by_name.setdefault(field.partition(" ")[0], field)
    shown = list(by_name.values())[:_MOST]
    more = len(by_name) - len(shown)
    return _listed([*shown, *([f"{more} more"] if more else [])])


def _listed(parts: Sequence[str]) -> str:
    """ "a, b and c" """
    return ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + "".join(parts[-1:])


def _points(margin: float) -> str:
    return f"{margin:g} {'point' if margin == 1 else 'points'}"
