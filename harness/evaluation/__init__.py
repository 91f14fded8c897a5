"""Metrics of a trained encoder. `recall_at_k` is the paper's (Sec. 4)."""

from harness.evaluation.recall import recall_at_k

__all__ = ["recall_at_k"]
