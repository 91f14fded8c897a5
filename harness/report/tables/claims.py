"""What the runs say of the declared claims that one method beats another."""

from __future__ import annotations

from harness import protocol
from harness.claims import Claim
from harness.compare import Comparison
from harness.report.content import Content
from harness.report.table import Entry, Table

position = 6


def table(content: Content) -> Table | None:
    """None for a sweep that declares no claims."""
    return of_comparison(content.comparison) if content.comparison.claims else None


def of_comparison(comparison: Comparison) -> Table:
    """A row per claim."""
    titles = protocol.method_titles(comparison.spec)
    return Table(
        name="claims",
        heading="Which method beats which",
        caption=f"{comparison.spec.title}: differences in Recall@1 in points, paired by seed.",
        columns=("Claim", "difference", "n", "95 % from", "95 % to", "p", "p (Holm)", "verdict"),
        groups=(tuple(_row(titles, claim) for claim in comparison.claims),),
        footnotes=(
            "Each method at the cell that is best on the other seeds (leave-one-seed-out), never the oracle's: a bigger grid "
            "would win by chance. Student's test of the paired differences, two-sided, its variance corrected where a cell was "
            "chosen; Holm over the tested claims; HOLDS and REVERSED at 5 %. IDENTICAL: the same training on both "
            "sides, nothing to test.",
        ),
    )


def p_text(p: float | None) -> str:
    """Three decimals; a smaller one as the bound that it is below."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _row(titles: dict[str, str], claim: Claim) -> tuple[Entry, ...]:
    nothing = Entry(text="–")
    mean = nothing if claim.mean is None else Entry(claim.mean, signed=True, trials=claim.trials)
    low, high = [nothing] * 2 if claim.interval is None else [Entry(end, signed=True) for end in claim.interval]
    p, p_holm = (Entry(text=p_text(value)) for value in (claim.p, claim.p_holm))
    sentence = Entry(text=f"{titles[claim.better]} beats {titles[claim.than]}")
    return (sentence, mean, Entry(text=str(len(claim.differences))), low, high, p, p_holm, Entry(text=claim.verdict))
