"""`harness data`: what the datasets are, whether they are here, and coarse classes made from features."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import config, datasets, errors, spec
from harness import workspace as workspaces
from harness.config import TrialConfig
from harness.datasets import FileState, Listing
from harness.decode_display import decoded
from harness.errors import MissingData, UsageError


@dataclass(frozen=True)
class Asked:
    """The options of the command line."""

    download: bool = False
    archive: Path | None = None
    decode: bool = False
    skip_unreadable: bool = False
    verify: bool = False
    overrides: Sequence[str] = ()


def overview(out: Console, as_json: bool) -> int:
    """Every dataset in a line."""
    found = [_described(name) for name in datasets.names()]
    if as_json:
        out.print_json(json.dumps(found))
        return 0
    table = Table(box=None, pad_edge=False)
    for head in ("dataset", "images", "classes", "on disk", "here"):
        table.add_column(head)
    for each in found:
        images = f"{each['train_images']:,} + {each['test_images']:,}" if each["train_images"] else "yours"
        classes = f"{each['fine_classes']} in {each['coarse_classes']}" if each["fine_classes"] else "yours"
        size = workspaces.describe(each["bytes"]) if each["bytes"] else "–"
        table.add_row(each["name"], images, classes, size, each["state"])
    out.print(table)
    out.print()
    for each in found:
        out.print(
            f"[bold]{each['name']}[/bold]  {escape(each['source'])}; licence: {escape(each['licence'])}", soft_wrap=True
        )
    out.print("More of one: harness data NAME. Folders: " + ", ".join(map(str, datasets.roots())), soft_wrap=True)
    return 0


def one(out: Console, err: Console, name: str, asked: Asked) -> int:
    """A dataset: its files, its classes, and what was asked for. 0 where everything is there."""
    module = datasets.load(name)
    if asked.archive or (asked.download and _lacking(name)):
        _fetch(out, name, asked.archive)
    counts = (
        f"{module.train_size:,} training and {module.test_size:,} test images"
        if module.train_size
        else "as many images as you have"
    )
    out.print(f"[bold]{module.title}[/bold]: {counts}")
    out.print(f"Source: {escape(module.source)}; licence: {escape(module.licence)}", soft_wrap=True)
    out.print(f"Coarse groupings: {', '.join(module.groupings)}")
    states = datasets.states(name)
    if states:
        out.print(
            f"Looked for in: {', '.join(map(str, datasets.roots()))} (set HARNESS_DATA to name another)", soft_wrap=True
        )
    for state in states:
        colour = {"intact": "green", "differs": "yellow", "missing": "red"}[state.state]
        out.print(f"  [{colour}]{state.state:8}[/] {escape(str(state.path))}", soft_wrap=True)
    if any(state.state == "missing" for state in states):
        automatic = f"harness data {name} --download   ({module.url})" if module.url else module.how_to_get
        out.print(f"Get it with: {escape(automatic)}", soft_wrap=True)
        return 1
    if states and datasets.local_digest(name):
        out.print("These are not the published files. They still train, as other trials, and reports say so.")
    if datasets.of_photographs(name):
        return _photographs(out, err, name, asked)
    if not states:
        out.print("[green]Nothing to get:[/green] it comes with a library.")
    return 0


def coarsen(
    out: Console, name: str, groups: int, trial: str | None, output: Path, workspace: Path, texts: Sequence[str]
) -> int:
    """Coarse classes out of the features of a trained encoder, or of the dataset's attributes, as a CSV."""
    from harness import coarsen as coarsening

    if trial:
        features, fine, names = _features(workspace, trial, name)
    else:
        found = (
            datasets.listing(_any_trial(name, texts, "maskcon_attributes")) if datasets.of_photographs(name) else None
        )
        if found is None or found.train_attributes is None:
            raise UsageError(f"{name} has no attributes to go by: name a finished trial with --trial ID.")
        features, fine, names = found.train_attributes, found.train_fine, found.fine_names
    means = coarsening.class_means(features, fine)
    if len(means) < len(names):
        raise UsageError(f"{name}: the class {names[len(means)]} has no training images.")
    found_groups = coarsening.groups_of(means, groups)
    coarsening.write_csv(output, names, found_groups)
    out.print(f"{len(names)} fine classes in {groups} coarse ones: {output}", soft_wrap=True)
    out.print(f"Train with them: --set coarse={output}", soft_wrap=True)
    return 0


def _features(workspace: Path, trial_id: str, name: str) -> tuple[Any, Any, tuple[str, ...]]:
    """Of the training images by a finished trial's encoder, their fine labels, the names of the fine classes."""
    import torch

    from harness.export import load_encoder
    from harness.training.data import TrialData
    from harness.training.loop import embed

    encoder, trial = load_encoder(workspace, trial_id)
    if trial.dataset != name:
        raise UsageError(f"trial {trial.trial_id} was trained on {trial.dataset}, not on {name}.")
    loaded = datasets.read(trial)
    data = TrialData(trial, None, torch.device("cpu"), loaded)
    return embed(encoder, data.train_images, data, trial).numpy(), loaded.train_fine, loaded.fine_names


def _described(name: str) -> dict[str, Any]:
    module = datasets.load(name)
    coarse, fine = module.classes or (None, None)
    return {
        "name": name,
        "title": module.title,
        "train_images": module.train_size,
        "test_images": module.test_size,
        "coarse_classes": coarse,
        "fine_classes": fine,
        "groupings": list(module.groupings),
        "source": module.source,
        "licence": module.licence,
        "state": state(name),
        "bytes": _bytes(name),
        "how_to_get": module.how_to_get,
    }


def state(name: str) -> str:
    """Whether a dataset is here, in words."""
    found = [each.state for each in datasets.states(name)]
    if not found:
        return "yours" if name == "folder" else "comes with a library"
    if "missing" in found:
        return "missing"
    try:
        return "there" if datasets.local_digest(name) is None else "there, but not the published files"
    except (UsageError, MissingData):
        return f"damaged: see harness data {name}"


def _bytes(name: str) -> int:
    """Of the folders that hold its files."""
    tops = {datasets.root_of(name) / Path(file.path).parts[0] for file in datasets.load(name).files()}
    return sum(workspaces.usage(top) for top in tops)


def _lacking(name: str) -> list[FileState]:
    return [each for each in datasets.states(name) if each.state == "missing"]


def _fetch(out: Console, name: str, archive: Path | None) -> None:
    module, root = datasets.load(name), datasets.roots()[0]
    if archive is None and not module.url:
        raise UsageError(f"{name} has no public download: {module.how_to_get}")
    out.print(f"{'unpacking' if archive else 'fetching'} {archive or module.url} into {root} …", soft_wrap=True)
    try:
        datasets.unpack(name, archive) if archive else module.download(root)
    except OSError as error:
        if archive:
            raise
        raise UsageError(f"the download failed ({error}). {module.how_to_get}") from None


def _photographs(out: Console, err: Console, name: str, asked: Asked) -> int:
    """Counts and balance; the images decoded where that was asked for, and always for the user's own."""
    trial = _any_trial(name, asked.overrides)
    if not (asked.decode or asked.skip_unreadable or asked.verify or name == "folder"):
        _print_balance(out, datasets.listing(trial), trial)
        out.print(f"Decoded once when a trial first needs them, or now: harness data {name} --decode")
        return 0
    if asked.verify:
        datasets.verify_cache(trial)
    try:
        decoded(err, trial)
    except errors.UnreadableImages as problem:
        if not asked.skip_unreadable:
            raise
        path = datasets.leave_out(trial, problem.paths)
        out.print(f"{len(problem.paths)} unreadable images are left out from now on: {path}", soft_wrap=True)
        decoded(err, trial)
    _print_balance(out, datasets.listing(trial), trial)
    out.print(f"All images can be read; kept decoded in {datasets.cache_folder(trial)}", soft_wrap=True)
    return 0


def _print_balance(out: Console, listing: Listing, trial: TrialConfig) -> None:
    """A line per coarse class: fine classes, images, and how evenly they are spread."""
    import numpy as np

    if trial.coarse:
        from harness.datasets import _coarse

        positions, names = _coarse.positions(_coarse.read(Path(trial.coarse)), listing.fine_names, trial.coarse)
        coarse = np.array(positions)[listing.train_fine]
        test = None if listing.open_set else np.array(positions)[listing.test_fine]
    else:
        names, coarse, test = listing.coarse_names, listing.train_coarse, listing.test_coarse
    out.print(
        f"{len(listing.train_paths):,} training and {len(listing.test_paths):,} test images, {len(listing.fine_names)} fine "
        f"classes in {len(names) or 'no'} coarse ones"
    )
    strangers = sorted(set(listing.test_fine_names) - set(listing.fine_names))
    if strangers:
        out.print(
            f"[yellow]Test classes that training does not have: {escape(', '.join(strangers))}.[/yellow] Test classes count as "
            "others than those of training then, and have coarse ones only where a file names them all."
        )
    untested = [] if listing.open_set else sorted(set(range(len(listing.fine_names))) - set(listing.test_fine.tolist()))
    if untested:
        out.print(
            f"[yellow]Without test images: {escape(', '.join(listing.fine_names[n] for n in untested))}.[/yellow]"
        )
    table = Table(box=None, pad_edge=False)
    for head in ("coarse class", "fine classes", "training", "per fine class", "test"):
        table.add_column(head, justify="left" if head == "coarse class" else "right")
    for number, title in enumerate(names):
        per_class = np.bincount(listing.train_fine[coarse == number])
        per_class = per_class[per_class > 0]
        spread = f"{per_class.min()}–{per_class.max()}" if len(per_class) else "–"
        tests = "–" if test is None else f"{(test == number).sum():,}"
        table.add_row(title, str(len(per_class)), f"{(coarse == number).sum():,}", spread, tests)
    if names:
        out.print(table)


def _any_trial(name: str, texts: Sequence[str], method: str = "selfcon") -> TrialConfig:
    """A trial that reads the dataset as the settings say."""
    given: Mapping[str, Any] = spec.parse_overrides(texts)
    return config.resolve(name, method, overrides={"initialisation": "random", **given})
