"""Test images and the ten that an encoder finds nearest to each (paper Fig. 4)."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.content import Content
from harness.report.figures import NotDrawn, _features, _style
from harness.report.figures._features import Stored, TestImages

if TYPE_CHECKING:
    import numpy as np

position = 28
heading = "Nearest test images"
FIRST, CONTRAST = ("maskcon", "maskcon_attributes"), ("selfcon", "grafit")  # in order of preference
QUERIES, NEIGHBOURS, SEED = 5, 10, 0
FEWEST = 2 * NEIGHBOURS  # test images
GAP = 1.3  # from picture to picture, in pictures


@dataclass(frozen=True)
class Found:
    """What a method retrieves. Q queries, K neighbours."""

    method: Stored
    queries: np.ndarray  # (Q,) of the test images
    neighbours: np.ndarray  # (Q, K) by descending cosine
    right: np.ndarray  # (Q, K) bool: of the query's fine class
    collapsed: bool  # all features are the same


def needs(content: Content) -> bool:
    """Features of enough test images."""
    found = _methods(content)
    return bool(found) and len(found[0].labels()) >= FEWEST


def panels(content: Content) -> tuple[int, int]:
    """A row per method."""
    return len(_methods(content)), 1


def size(content: Content) -> tuple[float, float]:
    """Inches: pictures of about half an inch."""
    return 7.5, 0.5 + 3.5 * len(_methods(content))


def draw(content: Content, axes: Any) -> None:
    """The query on the left; a right neighbour in a solid blue frame, a wrong one in a dashed orange one with a cross."""
    images = _checked_images(content)
    for panel, found in zip(axes.ravel(), _found(content), strict=True):
        collapsed = " (collapsed: all features are the same, the order says nothing)" if found.collapsed else ""
        panel.set_title(found.method.title + collapsed, fontsize=9)
        for row, query in enumerate(found.queries):
            _picture(panel, images, int(query), 0, row, None)
            label = images.fine_name(int(images.fine[query]))
            panel.text(0, row * GAP - 0.06, textwrap.shorten(label, 60), fontsize=7, ha="left", va="bottom")
            for rank in range(found.neighbours.shape[1]):
                column = 1.25 + rank * (GAP - 0.2)
                _picture(panel, images, int(found.neighbours[row, rank]), column, row, bool(found.right[row, rank]))
        panel.set_xlim(-0.2, 1.25 + NEIGHBOURS * (GAP - 0.2))
        panel.set_ylim(QUERIES * GAP - 0.2, -0.35)
        panel.set_aspect("equal")
        panel.axis("off")


def _picture(panel: Any, images: TestImages, index: int, column: float, row: int, right: bool | None) -> None:
    """One image in a square of side 1 with its frame: a query (None), right or wrong."""
    from matplotlib.patches import Rectangle

    pixels, top = images.picture(index), row * GAP
    height, width = (side / max(pixels.shape[:2]) for side in pixels.shape[:2])
    left, upper = column + (1 - width) / 2, top + (1 - height) / 2
    extent = (left, left + width, upper + height, upper)
    panel.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent, interpolation="nearest")
    colour, line = {None: ("0.2", "-"), True: (_style.BLUE, "-"), False: (_style.VERMILLION, (0, (2, 1.2)))}[right]
    thick = 0.8 if right is None else 1.8
    panel.add_patch(Rectangle((column, top), 1, 1, fill=False, edgecolor=colour, linestyle=line, linewidth=thick))
    if right is False:
        place = (column + 0.86, top + 0.14)
        box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": colour, "linewidth": 0.5}
        panel.text(*place, "×", fontsize=7, ha="center", va="center", color="black", bbox=box)


def caption(content: Content) -> str:
    """The rule by which queries were taken, and of which trials the features are."""
    return (
        f"{QUERIES} test images of {content.spec.title} (left) and their {NEIGHBOURS} nearest others among all "
        f"{len(_methods(content)[0].labels())} by cosine of the encoder's features, nearest first. The queries were drawn by "
        f"lot (seed {SEED}), each of another fine class where there are enough, not picked by hand, and are the same for every "
        "method. Solid blue frame: same fine class; dashed orange frame with ×: another one. Each method at its cell "
        f"({content.rule}), its lowest finished seed."
    )


def alternative(content: Content) -> str:
    """How many of the neighbours are right, query by query."""
    said = []
    for found in _found(content):
        counts = ", ".join(str(int(count)) for count in found.right.sum(axis=1))
        said.append(f"{found.method.title}: {counts} of {found.neighbours.shape[1]}")
    return "Neighbours of the same fine class for each query. " + "; ".join(said) + "."


def _methods(content: Content) -> list[Stored]:
    """MaskCon and one for contrast, or what there is of these."""
    return content.once("retrieval methods", lambda: _choose(content))


def _choose(content: Content) -> list[Stored]:
    stored = _features.stored(content, (*FIRST, *CONTRAST))
    first = [one for one in stored if one.method in FIRST][:1]
    return (first + [one for one in stored if one.method not in FIRST])[:2]


def _found(content: Content) -> list[Found]:
    return content.once("retrieval", lambda: [retrieve(method) for method in _methods(content)])


def retrieve(method: Stored) -> Found:
    """The neighbours of queries that depend on the labels alone."""
    import numpy as np

    labels, features = method.labels(), method.features()
    queries = drawn(labels)
    directions = _features.directions(features)
    similarity = directions[queries] @ directions.T  # (Q, T)
    similarity[np.arange(len(queries)), queries] = -np.inf
    neighbours = np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]
    return Found(
        method, queries, neighbours, labels[neighbours] == labels[queries][:, None], _features.collapsed(directions)
    )


def drawn(labels: np.ndarray) -> np.ndarray:
    """(Q,) queries by lot, of different classes as long as there are any."""
    import numpy as np

    order = np.random.default_rng(SEED).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)  # where each class comes first
    again = np.setdiff1d(np.arange(len(order)), first)
    return order[np.concatenate([np.sort(first), again])[:QUERIES]]


def _checked_images(content: Content) -> TestImages:
    method = _methods(content)[0]
    images, labels = _features.test_images(content, method.trial), method.labels()
    if images.fine.shape != labels.shape or not bool((images.fine == labels).all()):
        raise NotDrawn("the test images on this disk are not those that the encoders saw")
    return images
