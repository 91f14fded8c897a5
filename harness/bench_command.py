"""`harness bench` at the terminal: its options, its progress, its tables."""

from __future__ import annotations

import json
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import bench, files, spec
from harness.bench import table


@dataclass(frozen=True)
class Asked:
    """The options of the command line."""

    dataset: str
    method: str
    overrides: Sequence[str]
    against: str | None
    parts: Sequence[str] | None
    repeats: int
    recall_images: int | None
    report_trainings: int | None
    output: Path | None


def run(out: Console, err: Console, asked: Asked, workspace: Path, as_json: bool) -> None:
    """Measure, keep and print."""
    trainings = asked.report_trainings or bench.REPORT_TRAININGS
    parts = tuple(asked.parts or bench.PARTS)
    options = bench.Options(parts, asked.repeats, asked.against, asked.recall_images, trainings)
    trial = bench.resolve(asked.dataset, asked.method, spec.parse_overrides(asked.overrides))
    if asked.output:
        files.check_writable(asked.output, "--output")
    command = shlex.join(["harness", *sys.argv[1:]])
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # PyTorch's profiler is talkative
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    written: list[Path] = []

    def keep(result: dict[str, Any]) -> None:
        written[:] = [bench.path_in(workspace, result), *([asked.output] if asked.output else [])]
        for path in written:
            files.write_json(path, result)

    try:
        with tempfile.TemporaryDirectory() as cold:  # what compiling costs is what it costs the first time
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = cold
            result = bench.run(trial, options, command, lambda text: err.print(text, style="dim"), keep)
    finally:
        for path in written:
            err.print(f"written: {path}", soft_wrap=True)
    if as_json:
        out.print_json(json.dumps(result))
    else:
        out.print(table.markdown(result), soft_wrap=True, markup=False, highlight=False)


def show(out: Console, err: Console, paths: Sequence[Path], workspace: Path, as_json: bool) -> None:
    """The tables of results that were kept."""
    found = bench.read(paths, workspace)
    if as_json:
        out.print_json(json.dumps(list(found.values())))
        return
    for path, result in found.items():
        try:
            text = table.markdown(result)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            err.print(f"{path} is damaged ({problem!r}) and left out.", soft_wrap=True, markup=False)
            continue
        err.print(f"{path}:", soft_wrap=True, markup=False)
        out.print(text, soft_wrap=True, markup=False, highlight=False)
    if not found:
        out.print("Nothing was measured yet: `harness bench` does.")
