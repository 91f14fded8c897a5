"""Where experiments, published numbers and templates lie: in the checkout, or beside the modules of an installed wheel."""

from __future__ import annotations

import functools
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder `name` ("experiments", "reports/published", "reports/templates"), wherever this copy keeps it.

    setup.cfg maps these top-level folders into the wheel as `harness/_resources/NAME`.
    """
    checkout = PACKAGE.parent / name
    if (PACKAGE.parent / "setup.cfg").is_file() and checkout.is_dir():
        return checkout
    installed = PACKAGE / "_resources" / name
    if not installed.is_dir():
        raise FileNotFoundError(f"this installation lacks its folder {name!r} (looked in {checkout} and {installed})")
    return installed


@functools.cache
def modules(package: str) -> list[str]:
    """The components in a package's folder: its files and sub-packages whose name has no leading underscore."""
    found = [path.stem for path in (PACKAGE / package).glob("*.py")]
    return sorted(name for name in found if not name.startswith("_"))
