"""The tables: one file each, found by its name; each has `table(content) -> Table`."""

from __future__ import annotations

import importlib

from harness import resources
from harness.report.content import Content
from harness.report.table import Table


def all_tables(content: Content) -> list[Table]:
    """Every table of a report."""
    names = resources.modules("report/tables")
    modules = [importlib.import_module(f"harness.report.tables.{name}") for name in names]
    ordered = sorted(modules, key=lambda module: module.position)
    return [module.table(content) for module in ordered]
