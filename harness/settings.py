"""One setting: its default, what is allowed, how it is read from text, and what an error about it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError


@dataclass(frozen=True)
class Setting:
    """A named value of a trial. The kind (int, float, str) is that of the default unless `kind` says otherwise."""

    default: Any
    doc: str
    kind: type | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    infinite: bool = False  # ∞ is allowed
    optional: bool = False  # None is allowed and written "none"
    group: str | None = None  # it matters only to methods that use this group
    identity: bool = True  # False: it says how or where a trial runs, not which trial it is
    path: bool = False  # of a file or folder; in a sweep's file relative to that file

    def check(self, name: str, value: Any) -> Any:
        """The value, as this setting's kind. Raises UsageError that says what was got and what is allowed."""
        if value is None and self.optional:
            return None
        kind = self.kind or type(self.default)
        if isinstance(value, str) and kind is not str:
            value = self._from_text(name, value, kind)
        if value is None and self.optional:
            return None
        exact = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
        if kind is float and exact:
            value = float(value) + 0.0  # −0.0 is another text than 0.0, and would be another trial id
        elif kind is int and exact and float(value).is_integer():
            value = int(value)
        if not isinstance(value, kind) or isinstance(value, bool) or value != value:
            raise self._wrong(name, value)
        if isinstance(value, float) and math.isinf(value) and not self.infinite:
            raise self._wrong(name, value)
        number: Any = value
        outside = (
            (self.at_least is not None and number < self.at_least)
            or (self.at_most is not None and number > self.at_most)
            or (self.below is not None and number >= self.below)
        )
        if outside or (self.choices and value not in self.choices):
            raise self._wrong(name, value)
        return value

    def _from_text(self, name: str, text: str, kind: type) -> Any:
        if self.optional and text.lower() == "none":
            return None
        try:
            return int(text) if kind is int else float(text.replace("∞", "inf"))
        except ValueError:
            raise self._wrong(name, text) from None

    def _wrong(self, name: str, value: Any) -> UsageError:
        return UsageError(f"{name}={value!r} is not allowed: {name} is {self.allowed()} ({self.doc}).")

    def allowed(self) -> str:
        """What may be given, in words: "a number from 0 to 1", "one of fp32, bf16"."""
        if self.choices:
            words = "one of " + ", ".join(self.choices)
        else:
            kind = self.kind or type(self.default)
            words = {int: "a whole number", float: "a number", str: "text"}[kind]
            if self.at_least is not None and self.at_most is not None:
                words += f" from {self.at_least:g} to {self.at_most:g}"
            elif self.at_least is not None:
                words += f" of at least {self.at_least:g}"
            if self.below is not None:
                words += f" and below {self.below:g}"
        return words + (" or none" if self.optional else "")


def plain(value: Any) -> str:
    """A setting's value as people write it: "0.5", "∞", "bf16"."""
    return "∞" if value == math.inf else f"{value:g}" if isinstance(value, int | float) else str(value)
