"""The tables: one file each, found by its name; each declares its `position` and has `table(content) -> Table | None`, None
where a sweep has nothing for it."""

from __future__ import annotations

import importlib

from harness import resources
from harness.report.content import Content
from harness.report.table import Table


def all_tables(content: Content) -> dict[int, Table]:
    """Every table of a report, by its position among tables and figures."""
    names = resources.modules("report/tables")
    modules = [importlib.import_module(f"harness.report.tables.{name}") for name in names]
    made = {module.position: module.table(content) for module in modules}
    return {position: table for position, table in made.items() if table is not None}
