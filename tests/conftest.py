"""Shared by all tests: a skip is a failure where CI says so, and nothing outside a test's own folder is written."""

from __future__ import annotations

import os
import signal

import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so do its children

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """With HARNESS_NO_SKIP set, a test that is skipped has failed: CI has everything that tests need."""
    report = yield
    if report.skipped and os.environ.get("HARNESS_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and HARNESS_NO_SKIP is set: {report.longrepr}"
    return report
