"""What is installed is what the checkout has, and it works without the checkout."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from harness import resources

ROOT = resources.PACKAGE.parent


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_every_package_folder_is_listed_in_setup_cfg():
    listed = set(_setup()["options"]["packages"].split())
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "harness").rglob("__init__.py")}
    assert {".".join(folder.parts) for folder in folders} == {name for name in listed if "_resources" not in name}


def test_wheel_has_experiments_published_numbers_and_templates_and_plans_from_them(tmp_path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "installed")
    for folder in ("experiments", "reports/published", "reports/templates"):
        for path in (ROOT / folder).iterdir():
            assert f"harness/_resources/{folder}/{path.name}" in names
    assert not [name for name in names if name.startswith(("tests/", "build/"))]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    script = (
        "import harness, harness.published as p, harness.spec as s; print(harness.__file__);"
        "print(len(s.load('cifar100').trials()), p.reference('cifar100', 'maskcon', 1.0, 0.05).reading)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert str(tmp_path / "installed") in answer.stdout
    assert answer.stdout.splitlines()[-1] == "90 65.52"


def test_pinned_versions_cover_what_setup_cfg_asks_for():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in Path(ROOT / "constraints.txt").read_text().splitlines()
    }
    options = _setup()
    asked = (options["options"]["install_requires"] + options["options.extras_require"]["test"]).split()
    names = {name.split("[")[0].split(">")[0].split("<")[0].lower() for name in asked}
    assert names <= pinned
