"""Metrics of a trained encoder. `recall_at_k` is the paper's (Sec. 4); `recall_within` looks inside each coarse class."""

from harness.evaluation.recall import recall_at_k
from harness.evaluation.within import recall_within

__all__ = ["recall_at_k", "recall_within"]
