"""The presets, and each setting in which the paper's text and the released code differ.

The preset `paper`, the default, follows the text, and the released code wherever the text is silent; `released-code` follows
the code throughout. `PROTOCOL` is what a report prints of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness import errors

NAMES = ("paper", "released-code")
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Row:
    """One setting: what the paper says, what the released code does. `datasets` empty: all of them."""

    setting: str
    paper: Any
    released: Any
    name: str | None = None  # the setting's name in TrialConfig, where it is one
    datasets: tuple[str, ...] = ()


PROTOCOL = (
    Row("encoder initialisation", NOT_STATED, "imagenet", "initialisation"),
    Row("projection dimension D", 128, 256, "projection_dimension"),
    Row("warm-up epochs", NOT_STATED, 5, "warmup_epochs"),
    Row("momentum m of the key encoder", NOT_STATED, 0.99, "key_momentum"),
    Row("own keys in the bank", "exclude", "keep", "own_keys"),
    Row("bank size P on ImageNet32", 8192, 16384, "bank_size", ("imagenet32",)),
    Row("coarse classes of CIFARtoy's bad split", "bad", "bad-released", "grouping", ("cifartoy",)),
    Row("precision of the networks", NOT_STATED, "fp32", "precision"),
    Row("reported epoch", NOT_STATED, "last-evaluation", None),
    Row("seeds", NOT_STATED, "1228, one run", None),
)


def overrides(preset: str, dataset: str) -> dict[str, Any]:
    """The settings that a preset lays over those of the dataset and the method."""
    if preset not in NAMES:
        raise errors.unknown("preset", preset, NAMES)
    if preset == "paper":
        return {}  # the defaults are the paper's
    return {
        row.name: row.released
        for row in PROTOCOL
        if row.name and row.paper != NOT_STATED and row.name != "grouping" and _applies(row, dataset)
    }


def grouping(preset: str, name: str) -> str:
    """The coarse classes that a preset means by a name: CIFARtoy's `bad` split is another one in the released code."""
    return "bad-released" if preset == "released-code" and name == "bad" else name


def epoch_rule(preset: str) -> str:
    """Which evaluation a table shows: the released code's last one comes before its last ten epochs."""
    return "last-evaluation" if preset == "released-code" else "final"


def _applies(row: Row, dataset: str) -> bool:
    return not row.datasets or dataset in row.datasets
