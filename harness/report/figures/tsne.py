"""t-SNE of test features, the same images for every method (paper Fig. 3, there all test images of CIFARtoy)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.report.content import Content
from harness.report.figures import NotDrawn, _features, _style
from harness.report.figures._features import Stored, TestImages

if TYPE_CHECKING:
    import numpy as np

position = 27
heading = "Test features in two dimensions"
PREFERRED = ("maskcon", "grafit", "selfcon", "supce", "supcon", "supfine")
METHODS, CLASSES, PER_CLASS = 4, 10, 50  # at most
PERPLEXITY, SEED, STEPS = 30, 0, 500
FEWEST = 2 * PERPLEXITY  # images; t-SNE needs more than its perplexity


@dataclass(frozen=True)
class Chosen:
    """Which test images are shown."""

    rows: np.ndarray  # (n,) of the test images
    fine: np.ndarray  # (n,) fine class of each
    names: dict[int, str]  # by fine class, in the order of the legend
    groups: dict[int, str]  # the coarse class of each of them; empty where none is known


def needs(content: Content) -> bool:
    """Features of enough test images."""
    found = _methods(content)
    return bool(found) and len(_chosen(content).rows) >= FEWEST


def panels(content: Content) -> tuple[int, int]:
    """One beside the other, two rows for more than two."""
    count = len(_methods(content))
    return (2, 2) if count > 2 else (1, count)


def size(content: Content) -> tuple[float, float]:
    """Inches, with a line of legend for three classes."""
    rows, columns = panels(content)
    return max(5.0, 3.6 * columns), 3.3 * rows + 0.2 * (2 + len(_chosen(content).names) // 3)


def draw(content: Content, axes: Any) -> None:
    """A point per image; colour and marker are its fine class, hollow in every second coarse class."""
    from matplotlib.lines import Line2D

    chosen, looks = _chosen(content), _looks(_chosen(content))
    for panel in axes.ravel():
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_visible(False)
    for panel, method in zip(axes.ravel(), _methods(content), strict=False):
        panel.set_visible(True)
        panel.set_title(method.title, fontsize=9)
        points = _embedded(_features_of(content, method))
        if points is None:
            panel.text(0.5, 0.5, "collapsed: all features\nare the same", transform=panel.transAxes, ha="center")
            continue
        for label, look in looks.items():
            mine = points[chosen.fine == label]
            panel.plot(mine[:, 0], mine[:, 1], rasterized=True, **look)
    handles = [Line2D([], [], label=_label(chosen, label), **look) for label, look in looks.items()]
    _style.legend_below(axes.flat[0].figure, handles, columns=2 if axes.shape[1] == 1 else 3)


def caption(content: Content) -> str:
    """Which images, methods and settings."""
    chosen = _chosen(content)
    if chosen.groups:
        count = len(set(chosen.groups.values()))
        which = f"{len(chosen.names)} fine classes of {count} coarse {'class' if count == 1 else 'classes'}"
        drawn = "coarse classes drawn by lot as long as all their fine ones fit, at most 10; hollow: every second coarse class"
    else:
        which, drawn = f"{len(chosen.names)} fine classes", "classes drawn by lot, at most 10"
    return (
        f"t-SNE of the encoder's test features on {content.spec.title}: the same {len(chosen.rows)} images of {which} "
        f"in every panel ({drawn}; at most {PER_CLASS} images of each; seed {SEED}). Each method at its cell ({content.rule}), "
        f"its lowest finished seed. Perplexity {PERPLEXITY}, seed {SEED}, {STEPS} steps from the principal components; "
        "distances between far groups mean little."
    )


def alternative(content: Content) -> str:
    """What a picture of points cannot be put into: how often the nearest of the shown images is of the same class."""
    chosen, said = _chosen(content), []
    for method in _methods(content):
        share = 100 * _nearest_of_same_class(_features_of(content, method), chosen.fine)
        said.append(f"{method.title} {share:.0f} %")
    return (
        f"t-SNE of {len(chosen.rows)} test images. Share of them whose nearest other one, by cosine of the features, is of the "
        f"same fine class: {', '.join(said)}."
    )


def _methods(content: Content) -> list[Stored]:
    return content.once("t-SNE methods", lambda: _features.stored(content, PREFERRED)[:METHODS])


def _chosen(content: Content) -> Chosen:
    return content.once("t-SNE images", lambda: _choose(content, _methods(content)[0]))


def _features_of(content: Content, method: Stored) -> np.ndarray:
    """Of the images shown."""
    return content.once(f"t-SNE features of {method.trial.trial_id}", lambda: method.features()[_chosen(content).rows])


def _choose(content: Content, method: Stored) -> Chosen:
    """Classes by lot: whole coarse classes where these are known; then images by lot within each."""
    import numpy as np

    labels, draw = method.labels(), np.random.default_rng(SEED)
    images = _images(content, method)
    coarse = images.coarse if images is not None else None
    groups: dict[int, str] = {}
    if coarse is None:
        classes = draw.permutation(np.unique(labels))[:CLASSES].tolist()
    else:
        classes = []
        for group in draw.permutation(np.unique(coarse)).tolist():
            members = np.unique(labels[coarse == group]).tolist()
            if not classes or len(classes) + len(members) <= CLASSES:
                classes += draw.permutation(members)[:CLASSES].tolist()
                groups |= {label: _group_name(images, group) for label in members if label in classes}
    rows = np.sort(np.concatenate([draw.permutation(np.flatnonzero(labels == one))[:PER_CLASS] for one in classes]))
    ordered = sorted(classes, key=lambda label: (groups.get(label, ""), label))
    names = {label: images.fine_name(label) if images else f"class {label}" for label in ordered}
    return Chosen(rows, labels[rows], names, groups)


def _images(content: Content, method: Stored) -> TestImages | None:
    """For the names of classes; the figure goes without where the data is not on this disk, or is other data."""
    try:
        found = _features.test_images(content, method.trial)
    except NotDrawn:
        return None
    labels = method.labels()
    return found if found.fine.shape == labels.shape and bool((found.fine == labels).all()) else None


def _group_name(images: TestImages | None, group: int) -> str:
    names = images.coarse_names if images else ()
    return names[group].replace("_", " ") if group < len(names) else f"coarse class {group}"


def _looks(chosen: Chosen) -> dict[int, dict[str, Any]]:
    """By fine class."""
    order = list(dict.fromkeys(chosen.groups.values()))
    looks = {}
    for place, label in enumerate(chosen.names):
        colour = _style.COLOURS[place % len(_style.COLOURS)]
        hollow = bool(order) and sorted(order).index(chosen.groups[label]) % 2 == 1
        looks[label] = {
            "color": colour,
            "marker": _style.MARKERS[place % len(_style.MARKERS)],
            "markerfacecolor": "white" if hollow else colour,
            "markersize": 4,
            "markeredgewidth": 0.7,
            "linestyle": "",
        }
    return looks


def _label(chosen: Chosen, label: int) -> str:
    group = chosen.groups.get(label)
    return chosen.names[label] + (f" ({group})" if group else "")


def _embedded(features: np.ndarray) -> np.ndarray | None:
    """(n, 2), by cosine; None where all features are the same. 500 × 512 take 1 s."""
    from sklearn.manifold import TSNE

    directions = _features.directions(features)
    if _features.collapsed(directions):
        return None
    return TSNE(perplexity=PERPLEXITY, init="pca", random_state=SEED, max_iter=STEPS).fit_transform(directions)


def _nearest_of_same_class(features: np.ndarray, labels: np.ndarray) -> float:
    import numpy as np

    directions = _features.directions(features)
    similarity = directions @ directions.T
    np.fill_diagonal(similarity, -np.inf)
    return float((labels[similarity.argmax(axis=1)] == labels).mean())
