"""The tables of a written page, read back as texts."""

from __future__ import annotations

import html.parser
from collections.abc import Mapping


def of(page: str) -> Mapping[str, list[list[str]]]:
    """The body cells of each table in a `<figure id=NAME>`, by name, row by row."""
    reader = _Reader()
    reader.feed(page)
    return reader.found


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self.name = ""
        self.in_body = False
        self.text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A figure names the table; a body, a row and a cell begin."""
        if tag == "figure":
            self.name = dict(attrs).get("id") or ""
        elif tag == "tbody":
            self.in_body = True
        elif tag == "tr" and self.in_body and self.name:
            self.found.setdefault(self.name, []).append([])
        elif tag in ("td", "th") and self.in_body:
            self.text = []

    def handle_endtag(self, tag: str) -> None:
        """A cell, a body, a figure end."""
        if tag in ("td", "th") and self.text is not None:
            if self.name:
                self.found[self.name][-1].append("".join(self.text))
            self.text = None
        elif tag == "tbody":
            self.in_body = False
        elif tag == "figure":
            self.name = ""

    def handle_data(self, data: str) -> None:
        """Text inside a cell."""
        if self.text is not None:
            self.text.append(data)
