"""Sweep, benchmark and compare methods that learn fine-grained representations from coarse labels."""

__version__ = "0.1.0"
