"""A trial: one frozen, validated set of settings, and the id under which its results are kept.

    resolve("cifar100", "maskcon", overrides={"weight": "0.5"}).trial_id

Settings come from, each layer over the one before: field default < dataset < method < preset < spec < `--set`.
The defaults are the preset `paper`: what the paper's text says, and the released code wherever the text is silent.
A file that a setting names enters the id by its content, not by its path.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import datasets, errors, files, methods, presets
from harness.errors import UsageError
from harness.settings import Setting

AUTO = ("auto", "on", "off")


def _setting(default: Any, doc: str, **limits: Any) -> Any:
    return field(default=default, metadata={"setting": Setting(default, doc, **limits)})


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """Every setting of one training. Comments give the paper's symbol and the released code's flag."""

    dataset: str = _setting("cifar100", "what it trains on")
    method: str = _setting("maskcon", "how it trains")
    seed: int = _setting(0, "seed of every random stream", at_least=0)

    weight: float = _setting(1.0, "share of the coarse part", at_least=0, at_most=1, group="weight")  # w; --w
    temperature: float = _setting(
        0.05, "sharpness of the soft relations, 0 to inf", at_least=0, infinite=True, group="temperature"
    )  # τ; --t
    contrastive_temperature: float = _setting(0.1, "divides all logits", at_least=1e-4, group="bank")  # τ0; --t0
    bank_size: int = _setting(8192, "keys remembered", at_least=1, group="bank")  # P; --K
    key_momentum: float = _setting(
        0.99, "of the key encoder's moving average", at_least=0, at_most=1, group="bank"
    )  # m; --m; not in the paper
    own_keys: str = _setting(
        "exclude", "older keys of the same image in the bank", choices=("exclude", "keep"), group="bank"
    )  # Eq. 11
    projector_hidden: int = _setting(512, "width of the projector's hidden layer", at_least=1, group="bank")
    projection_dimension: int = _setting(128, "width of a projection", at_least=1, group="bank")  # D; --dim

    encoder: str = _setting("resnet18", "the backbone", choices=("resnet18", "resnet34", "resnet50", "small"))
    initialisation: str = _setting("imagenet", "initial encoder weights", choices=("imagenet", "random", "checkpoint"))
    checkpoint: str | None = _setting(
        None,
        "file of encoder weights, for initialisation=checkpoint",
        kind=str,
        optional=True,
        path=True,
        identity=False,
    )
    checkpoint_digest: str | None = _setting(None, "of that file; filled in", kind=str, optional=True)
    image_size: int = _setting(32, "pixels a side", at_least=4, at_most=1024)
    stored_side: int = _setting(256, "even; shorter side that photographs are stored at", at_least=8, at_most=2048)
    test_resize: str = _setting(
        "shorter",
        "test photographs: shorter side to image_size, squeezed to a square, or the centre of the shorter",
        choices=("shorter", "square", "centre"),
    )
    grouping: str = _setting("default", "which coarse classes, where a dataset has several")
    coarse: str | None = _setting(
        None,
        "CSV or TOML file, fine class to coarse class, in place of a grouping",
        kind=str,
        optional=True,
        path=True,
        identity=False,
    )
    coarse_digest: str | None = _setting(None, "of that file; filled in", kind=str, optional=True)
    policy: str = _setting("released", "variant of AutoAugment's CIFAR-10 policy", choices=("released", "torchvision"))
    train_limit: int | None = _setting(None, "train on this many images only", kind=int, at_least=2, optional=True)
    test_limit: int | None = _setting(None, "test on this many images only", kind=int, at_least=2, optional=True)
    validation_fraction: float = _setting(
        0.0, "share of the training images that is held out, to choose settings by", at_least=0, below=1
    )

    epochs: int = _setting(200, "passes over the training images", at_least=1)  # --epochs
    batch_size: int = _setting(128, "images a step", at_least=2)  # --batch_size
    lr: float = _setting(0.02, "peak learning rate of SGD", at_least=0)  # --lr
    warmup_epochs: int = _setting(
        5, "epochs of linear warm-up before the cosine, at most a tenth of all", at_least=0
    )  # not in the paper
    sgd_momentum: float = _setting(0.9, "momentum of SGD", at_least=0, at_most=1)
    weight_decay: float = _setting(5e-4, "of SGD, on all parameters", at_least=0)
    precision: str = _setting("fp32", "of the networks; losses are always fp32", choices=("fp32", "bf16"))
    data_digest: str | None = _setting(
        None, "set where the local files are not the published ones", kind=str, optional=True
    )

    eval_every: int = _setting(10, "epochs between evaluations", at_least=1, identity=False)
    device: str = _setting("auto", "auto, cpu or cuda", choices=("auto", "cpu", "cuda"), identity=False)
    compile: str = _setting(
        "auto",
        "torch.compile of the networks; auto: where `harness bench` found it faster",
        choices=AUTO,
        identity=False,
    )
    cuda_graphs: str = _setting(
        "auto", "the step as one CUDA graph; auto: where `harness bench` found it faster", choices=AUTO, identity=False
    )
    threads: int | None = _setting(
        None, "CPU threads of the trial", kind=int, at_least=1, optional=True, identity=False
    )

    options: Mapping[str, Any] = field(default_factory=dict)  # settings that only this method or dataset has

    def __post_init__(self) -> None:
        for name, setting in fields().items():
            object.__setattr__(self, name, setting.check(name, getattr(self, name)))
        known = options_of(self.dataset, self.method)
        for name in self.options:
            if name not in known:
                raise errors.unknown(f"option of {self.method} on {self.dataset}", name, known)
        checked = {name: known[name].check(name, value) for name, value in self.options.items()}
        for name, value in checked.items():
            if known[name].path and value is not None:
                checked[name] = str(Path(value).expanduser().resolve())
        object.__setattr__(self, "options", checked)
        dataset = datasets.load(self.dataset)
        if self.grouping != "default" and self.grouping not in dataset.groupings:
            raise errors.unknown(f"grouping of {self.dataset}", self.grouping, dataset.groupings)
        if self.encoder == "small" and self.initialisation == "imagenet":
            raise UsageError(
                "encoder='small' has no ImageNet weights: add --set initialisation=random, or choose a ResNet."
            )
        if self.initialisation == "checkpoint" and not (self.checkpoint or self.checkpoint_digest):
            raise UsageError("initialisation='checkpoint' needs its file: add --set checkpoint=FILE.")
        if self.initialisation != "checkpoint" and self.checkpoint:
            raise UsageError(f"checkpoint={self.checkpoint!r} needs --set initialisation=checkpoint.")
        if self.stored_side % 2:
            raise UsageError(f"stored_side={self.stored_side} must be even; try {self.stored_side + 1}.")
        self._fill_digest("checkpoint", True)
        self._fill_digest("coarse", self.label_source == "coarse")
        images = min((size for size in (self.train_limit, dataset.train_size) if size), default=None)
        if images is not None and self.batch_size > images:
            raise UsageError(
                f"batch_size={self.batch_size} is more than the {images} training images; try "
                f"--set batch_size={max(2, images // 4)}."
            )
        if images is not None:
            datasets.held_out_size(self, images)
        if "bank" in self.uses and self.bank_size < self.batch_size:
            raise UsageError(
                f"bank_size={self.bank_size} is smaller than batch_size={self.batch_size}: the bank must hold at least "
                f"one batch; try bank_size={self.batch_size} or more."
            )

    def _fill_digest(self, name: str, matters: bool) -> None:
        """The digest of the file that a setting names, unless it is known, as in a trial that was written."""
        path = getattr(self, name)
        if path:
            object.__setattr__(self, name, str(Path(path).expanduser().resolve()))
        if path and matters and getattr(self, f"{name}_digest") is None:
            object.__setattr__(self, f"{name}_digest", files.digest(Path(path).expanduser(), name))

    @property
    def method_options(self) -> dict[str, Any]:
        """The options that its method takes."""
        return {name: value for name, value in self.options.items() if name in methods.options(self.method)}

    @property
    def dataset_options(self) -> dict[str, Any]:
        """The options that its dataset takes."""
        return {name: value for name, value in self.options.items() if name in datasets.options(self.dataset)}

    @property
    def label_source(self) -> str | None:
        """Which labels its method trains on: "coarse", "fine" or None."""
        return methods.load(self.method).label_source

    @property
    def needs_attributes(self) -> bool:
        """Whether its method trains on attributes of the images, too."""
        return getattr(methods.load(self.method), "needs_attributes", False)

    @property
    def uses(self) -> frozenset[str]:
        """The groups of settings that matter to this trial's method."""
        return methods.uses(self.method, self.method_options)

    def replace(self, **changes: Any) -> TrialConfig:
        """A copy with other settings, validated again."""
        return dataclasses.replace(self, **changes)

    def with_seed(self, seed: int) -> TrialConfig:
        """A copy with another seed. No other setting depends on it, so that nothing else is validated again."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.pop("trial_id", None)
        object.__setattr__(copy, "seed", fields()["seed"].check("seed", seed))
        return copy

    def canonical(self) -> TrialConfig:
        """The simplest name of the same training, every setting that cannot matter at its default.

        MaskCon(0, ·) becomes SelfCon, MaskCon(w, ∞) Grafit(w), Grafit(1) SupCon, CoIns(1) SupCE; a method without coarse
        labels drops the grouping.
        """
        if self.__dict__.get("_is_canonical"):
            return self
        module = methods.load(self.method)
        known = methods.options(self.method)
        own = {name: self.options.get(name, setting.default) for name, setting in known.items()}
        simpler = module.reduces_to(self.weight, self.temperature, **own) if hasattr(module, "reduces_to") else None
        if simpler:
            name, changes = simpler
            options = {**self.dataset_options, **changes.get("options", {})}
            return self.replace(**{"method": name, **changes, "options": options}).canonical()
        unused = {
            name: setting.default
            for name, setting in fields().items()
            if setting.group is not None and setting.group not in self.uses
        }
        if self.initialisation != "checkpoint":
            unused["checkpoint_digest"] = None
        if not datasets.of_photographs(self.dataset):
            unused |= {name: fields()[name].default for name in ("stored_side", "test_resize")}
        if module.label_source != "coarse":
            unused |= {"grouping": "default", "coarse_digest": None}
        elif self.coarse_digest:
            unused["grouping"] = "default"  # the file takes its place
        elif self.grouping == datasets.load(self.dataset).groupings[0]:
            unused["grouping"] = "default"  # named or not, it is the same one
        simplest = self.replace(**unused)
        object.__setattr__(simplest, "_is_canonical", True)  # its id asks again
        return simplest

    def identity(self) -> dict[str, Any]:
        """What decides the result: the canonical settings that differ from their default, and what they apply to."""
        trial = self.canonical()
        settings = {
            name: getattr(trial, name)
            for name, setting in fields().items()
            if setting.identity and getattr(trial, name) != setting.default
        }
        known = options_of(trial.dataset, trial.method)
        settings |= {
            name: value
            for name, value in trial.options.items()
            if known[name].identity and value != known[name].default
        }
        return settings | {
            "dataset": trial.dataset,
            "method": trial.method,
            "seed": trial.seed,
            "protocol": methods.load(trial.method).protocol,
            "data": datasets.load(trial.dataset).digest,
        }

    @functools.cached_property
    def trial_id(self) -> str:
        """16 hex digits that name this training wherever and whenever it runs."""
        canonical = json.dumps({name: _plain(value) for name, value in self.identity().items()}, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """All settings, ready for JSON; `from_dict` reads them back."""
        settings = {name: _plain(getattr(self, name)) for name in fields()}
        return settings | {"options": {name: _plain(value) for name, value in self.options.items()}}


@functools.cache
def fields() -> dict[str, Setting]:
    """Every setting that is common to all methods, by name."""
    declared = dataclasses.fields(TrialConfig)
    return {entry.name: entry.metadata["setting"] for entry in declared if "setting" in entry.metadata}


def from_dict(settings: Mapping[str, Any]) -> TrialConfig:
    """The trial that `to_dict` wrote. An unknown setting is an error: another version of the project wrote it."""
    known = set(fields()) | {"options"}
    for name in settings:
        if name not in known:
            raise errors.unknown("setting", name, known)
    return TrialConfig(**settings)


def options_of(dataset: str, method: str) -> dict[str, Setting]:
    """The settings that only this dataset and this method have."""
    return {**datasets.options(dataset), **methods.options(method)}


@functools.cache
def known_settings() -> Mapping[str, Setting]:
    """Every name that `--set` takes: the common settings and the options of all methods and datasets."""
    found = {name: setting for name, setting in fields().items() if name not in ("dataset", "method", "seed")}
    for method in methods.names():
        found |= methods.options(method)
    for dataset in datasets.names():
        found |= datasets.options(dataset)
    return found


def resolve(
    dataset: str,
    method: str,
    *,
    seed: int = 0,
    preset: str = "paper",
    spec: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> TrialConfig:
    """One trial out of all layers of settings.

    An option of another method or dataset is passed over, an unknown name an error.
    """
    layers = [
        datasets.load(dataset).settings,
        getattr(methods.load(method), "settings", {}),
        presets.overrides(preset, dataset),
        spec or {},
        overrides or {},
    ]
    known = known_settings()
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in known:
                raise errors.unknown("setting", name, known)
            known[name].check(name, value)
            merged[name] = value
    merged["grouping"] = presets.grouping(preset, dataset, merged.get("grouping", "default"))
    common = {name: value for name, value in merged.items() if name in fields()}
    own = {name: value for name, value in merged.items() if name in options_of(dataset, method)}
    if not common.get("coarse") and (beside := datasets.default_coarse(dataset, own)):
        common["coarse"] = str(beside)
    return TrialConfig(dataset=dataset, method=method, seed=seed, options=own, **common)


def _plain(value: Any) -> Any:
    """JSON has no infinity: it is written "inf", which `Setting.check` reads back."""
    return "inf" if isinstance(value, float) and math.isinf(value) else value
