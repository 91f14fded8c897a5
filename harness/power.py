"""What the verdicts of a sweep can tell with its spread and its number of seeds: simulated, in words."""

from __future__ import annotations

from harness import compare, verdicts
from harness.compare import Comparison


def power(comparison: Comparison) -> dict[str, dict[str, float]]:
    """How often a verdict falls with this sweep's spread and number of seeds, by the true difference in margins."""
    deviation, degrees = comparison.spread[compare.PRIMARY]
    margin, runs = comparison.spec.margin, _runs(comparison)
    if margin is None or not degrees or runs < verdicts.FEWEST_RUNS or not comparison.verdicts:
        return {}
    shifts = {"0": 0.0, "margin": margin, "2 margins": 2 * margin}
    return {name: verdicts.power(deviation, degrees, runs, margin, shift) for name, shift in shifts.items()}


def _runs(comparison: Comparison) -> int:
    """The fewest that a judged cell has."""
    return min((entry.runs for entry in comparison.verdicts if entry.interval is not None), default=0)


def power_sentences(comparison: Comparison) -> list[str]:
    """What the verdicts of this sweep can tell, for a reader who would take INCONCLUSIVE for an answer."""
    found = power(comparison)
    if not found:
        return []
    deviation, degrees = comparison.spread[compare.PRIMARY]
    same, at_margin, apart = (found[name] for name in ("0", "margin", "2 margins"))
    margin, runs = comparison.spec.margin, _runs(comparison)
    return [
        f"With {runs} runs of s = {deviation:.2f} points ({degrees} degrees of freedom) and δ = {margin}: a number that is "
        f"reproduced exactly is found REPRODUCED in {100 * same[verdicts.REPRODUCED]:.0f} % of cases; one that is off by δ in "
        f"{100 * at_margin[verdicts.REPRODUCED]:.0f} %; one that is off by 2δ is found LOWER or HIGHER in "
        f"{100 * apart[verdicts.HIGHER]:.0f} %. The rest is INCONCLUSIVE, which is neither answer (simulated)."
    ]
