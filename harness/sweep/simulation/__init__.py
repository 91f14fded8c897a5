"""A sweep on a cluster, simulated: how much of the GPUs' time becomes training, and where the rest goes.

    python -m harness.sweep.simulation --measure --output reports/scaling/costs.json
    python -m harness.sweep.simulation --costs reports/scaling/costs.json --output reports/scaling

The first measures what a trial costs beside its training, on up to 16 real processes under Ray; the second simulates sweeps of
30 to 10,000 trials on 1 to 256 GPUs with these costs, with nodes that fail, and writes `scaling.json`, `README.md` and
`scaling.png`.
"""

from __future__ import annotations

from harness.sweep.simulation.events import simulate
from harness.sweep.simulation.model import CAUSES, Cluster, Costs, Outcome, Work, efficiency

__all__ = ["CAUSES", "Cluster", "Costs", "Outcome", "Work", "efficiency", "simulate"]
