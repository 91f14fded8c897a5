"""How the figures look alike. Colours of Okabe and Ito (https://jfly.uni-koeln.de/color), never without a marker, a line
style or a word beside them, so that a grey print can be read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from harness.report.content import Content
from harness.spec import Cell

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#808080"  # grey takes the place of their pale yellow
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "h")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 1)))

_OF_METHODS: dict[str, tuple[str, str, Any]] = {
    "selfcon": (BLUE, "<", ":"),
    "grafit": (GREEN, "s", "--"),
    "supcon": (SKY, "^", "-."),
    "coins": (ORANGE, "v", LINES[4]),
    "supce": (PURPLE, "D", LINES[7]),
    "supfine": (BLACK, "*", LINES[6]),
    "nnclr": (GREY, "P", LINES[5]),
    "ascl": (GREY, "X", "--"),
    "maskcon": (VERMILLION, "o", "-"),
    "maskcon_attributes": (BLACK, "h", "-."),
}


def of_methods(content: Content) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of each of the sweep's methods: the same in every figure and report; others take what is left."""
    found = {}
    for place, method in enumerate(content.methods()):
        free = (COLOURS[place % len(COLOURS)], MARKERS[-1 - place % len(MARKERS)], LINES[place % len(LINES)])
        colour, marker, line = _OF_METHODS.get(method, free)
        found[method] = {"color": colour, "marker": marker, "linestyle": line}
    return found


def in_order(count: int) -> list[dict[str, Any]]:
    """Looks for the values of one quantity, dark to light, as lines on white."""
    from matplotlib import colormaps

    shades = [colormaps["cividis"](0.74 * place / max(1, count - 1)) for place in range(count)]
    return [
        {"color": shade, "marker": MARKERS[place % len(MARKERS)], "linestyle": LINES[place % len(LINES)]}
        for place, shade in enumerate(shades)
    ]


def readable_on(colour: Any) -> str:
    """White or black, by the relative luminance of WCAG: the contrast is at least 4.58."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return "white" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179 else "black"


def number(value: float) -> str:
    """A weight or temperature."""
    return "∞" if math.isinf(value) else f"{value:g}"


def place(cell: Cell) -> str:
    """Where a cell stands on its method's axes: "w = 0.5, τ = ∞"; empty where it varies neither."""
    varied = dict(cell.settings)
    names = {"weight": "w", "temperature": "τ"}
    return ", ".join(f"{symbol} = {number(varied[name])}" for name, symbol in names.items() if name in varied)


def named(content: Content, cell: Cell) -> str:
    """A cell's method with its place."""
    return ", ".join(part for part in (content.title(cell), place(cell)) if part)


def signed(value: float) -> str:
    """A difference in points, with a real minus."""
    return f"{value:+.1f}".replace("-", "−")


def plain(axes: Iterable[Any]) -> None:
    """Without the upper and the right edge, with a light grid behind."""
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color="0.92", linewidth=0.6)
        one.set_axisbelow(True)


def legend_below(figure: Any, handles: list[Any], columns: int) -> None:
    """One legend for all panels."""
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
