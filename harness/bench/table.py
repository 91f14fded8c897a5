"""A benchmark's result as Markdown tables. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PART_NAMES = ("data", "momentum", "query forward", "key forward", "loss", "backward", "optimiser", "bank", "rest")


def markdown(result: dict[str, Any]) -> str:
    """Every part that was measured, with what it was measured on."""
    sections = [_head(result)]
    for name, render in (
        ("products", _products),
        ("step", _step),
        ("precision", _precision),
        ("epoch", _epoch),
        ("scaling", _scaling),
        ("recall", _recall),
        ("sweep", _sweep),
        ("decoding", _decoding),
        ("report", _report),
    ):
        if name in result:
            sections.append("\n".join(render(result)))
    return "\n\n".join(sections) + "\n"


def _head(result: dict[str, Any]) -> str:
    settings, versions = result["settings"], result["versions"]
    threads = f", {result['threads']} threads" if result["device_type"] == "cpu" else ""
    commit = f", commit {result['commit'][:10]}" if result.get("commit") else ""
    changed = " with uncommitted changes" if result.get("dirty") else ""
    return (
        f"### {result['device']}{threads}\n\n"
        f"`{result['command']}`, {result['date'][:10]}, torch {versions['torch']}{commit}{changed}. "
        f"{settings['method']} on {settings['dataset']}, {settings['encoder']} at {settings['image_size']} px, batch "
        f"{settings['batch_size']}, P = {settings['bank_size']}; images: {result['images']}. "
        f"Load before: {result['machine']['load_before']}. Median [lowest – highest]."
    )


def _products(result: dict[str, Any]) -> list[str]:
    products = result["products"]
    sizes = sorted({size for rates in products.values() for size in rates["flops_by_size"]}, key=int)
    rows = [
        [precision, *(_rate(rates["flops_by_size"].get(size)) for size in sizes)]
        for precision, rates in products.items()
    ]
    return ["Matrix products, GFLOP/s", "", *_table(["precision", *(f"{size}³" for size in sizes)], rows)]


def _step(result: dict[str, Any]) -> list[str]:
    step = result["step"]
    entries = dict(step["ways"])
    ratios = step.get("against", {}).get("ratio", {})
    if "against" in step:
        entries[step["against"]["pipeline"]] = step["against"] | {"precision": "fp32"}
    peaks = {name: rates["peak"] for name, rates in result.get("products", {}).items()}
    head = ["step", "seconds", "images/s", "GFLOP/s", "of the peak", *(["against plain"] if ratios else []), "start, s"]
    rows = []
    for name, entry in entries.items():
        peak = peaks.get(entry["precision"])
        rows.append(
            [
                name,
                _spread(entry["seconds"]["total"]),
                f"{entry['images_per_second']:g}",
                f"{entry['flops_per_second'] / 1e9:.0f}",
                f"{entry['flops_per_second'] / peak:.0%}" if peak else "",
                *([f"{ratios[name]:.2f}" if name in ratios else "1"] if ratios else []),
                f"{entry['start_seconds']:g}" if "start_seconds" in entry else "",
            ]
        )
    found = [f"The step: {step['flops'] / 1e9:,.0f} GFLOP", "", *_table(head, rows), ""]
    parts = [part for part in PART_NAMES if any(part in entry["seconds"] for entry in entries.values())]
    shown = [
        [
            name,
            *(f"{1000 * entry['seconds'][part]['median']:.1f}" if part in entry["seconds"] else "" for part in parts),
        ]
        for name, entry in entries.items()
    ]
    found += ["Milliseconds by part", "", *_table(["step", *parts], shown)]
    waiting = ", ".join(f"{name} {_share_of_data(entry):.1%}" for name, entry in entries.items())
    found += ["", f"Share of the step that goes to getting its batch: {waiting}."]
    found += [f"\n{name} was not measured: {why}" for name, why in step.get("failed", {}).items()]
    operators = step.get("operators", {})
    if operators.get("shares"):
        words = ", ".join(f"{kind} {share:.0%}" for kind, share in operators["shares"].items())
        found += ["", f"Of the time in operators ({operators['way']}): {words}."]
    return found


def _share_of_data(entry: dict[str, Any]) -> float:
    seconds = entry["seconds"]
    return seconds["data"]["median"] / seconds["total"]["median"] if "data" in seconds else 0.0


def _precision(result: dict[str, Any]) -> list[str]:
    rows = [
        [when, _spread(look["cosine"]), _spread(look["worst_tensor"])] for when, look in result["precision"].items()
    ]
    head = ["weights", "cosine of the gradient", "of the worst tensor"]
    return ["Gradients in bf16 against fp32", "", *_table(head, rows)]


def _scaling(result: dict[str, Any]) -> list[str]:
    names = {"batch_size": "a step, batch of", "bank_size": "a step, P =", "steps": "an epoch, steps"}
    rows = [
        [f"{words} {size}", _spread(seconds), f"{1000 * seconds['median'] / _per(name, int(size), result):.4g}"]
        for name, words in names.items()
        for size, seconds in result["scaling"][name].items()
    ]
    return ["Cost by batch, bank and dataset", "", *_table(["of", "seconds", "ms per image"], rows)]


def _per(name: str, size: int, result: dict[str, Any]) -> int:
    batch = result["settings"]["batch_size"]
    return {"batch_size": size, "bank_size": batch, "steps": size * batch}[name]


def _epoch(result: dict[str, Any]) -> list[str]:
    epoch = result["epoch"]
    way = epoch["precision"] + (", compiled" if epoch["speed"]["compile"] else "")
    way += ", graph" if epoch["speed"]["cuda_graphs"] else ""
    return [
        f"An epoch of {epoch['steps']} steps ({way}), without checkpoints: {_spread(epoch['seconds'])} s, of which beyond "
        f"the steps {_spread(epoch['beyond_steps'], percent=True)}. An evaluation of {epoch['test_images']:,} test "
        f"images: {_spread(epoch['evaluation_seconds'])} s. An epoch of this trial with its share of such an evaluation: "
        f"{epoch['dataset_epoch_seconds']:g} s ({epoch['dataset_epoch']})."
    ]


def _recall(result: dict[str, Any]) -> list[str]:
    recall, seconds = result["recall"], result["recall"]["seconds"]
    memory = "not measured" if recall["extra_mib"] is None else f"{recall['extra_mib']:g} MiB"
    return [
        f"Recall@K of {recall['images']:,} × {recall['dimension']}: {_spread(seconds['recall'])} s, the bare products "
        f"{_spread(seconds['bare products'])} s, ratio {recall['ratio']:g}; extra memory {memory}."
    ]


def _sweep(result: dict[str, Any]) -> list[str]:
    if "not measured" in result["sweep"]:
        return [f"The sweep's overhead was not measured: {result['sweep']['not measured']}."]
    names = {
        "command_to_first_step": "from the command to the first step",
        "per_trial_beside_training": "per trial beside its training",
        "last_trial_to_end": "from the last trial to the end",
        "nothing_to_do": "the same sweep again, nothing to do",
    }
    rows = [[words, _spread(result["sweep"][name])] for name, words in names.items()]
    return ["A sweep's own seconds", "", *_table(["", "seconds"], rows)]


def _decoding(result: dict[str, Any]) -> list[str]:
    decoding = result["decoding"]
    rates = {
        name: f"{rate['median']:.0f} [{rate['lowest']:.0f} – {rate['highest']:.0f}]"
        for name, rate in decoding["images_per_second"].items()
    }
    return [
        f"Photographs, {decoding['images']:,} of {decoding['width']} × {decoding['height']} and "
        f"{decoding['kilobytes']:g} kB, {decoding['threads']} threads: decoded into their cache at side "
        f"{decoding['side']}, {rates['cache']} images/s; decode_jpeg alone {rates['decode_jpeg']}; ratio "
        f"{decoding['ratio']:g}."
    ]


def _report(result: dict[str, Any]) -> list[str]:
    report = result["report"]
    about = (
        f"A sweep of {report['trainings']:,} finished trainings ({report['cells']:,} cells, {report['seeds']} seeds, "
        f"{report['epochs']} epochs with {report['evaluations']} evaluations), {report['bytes'] / 1e6:,.0f} MB on disk"
    )
    rows = [[f"`harness {command}`", _spread(seconds)] for command, seconds in report["seconds"].items()]
    return [about, "", *_table(["command", "seconds"], rows)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _spread(values: dict[str, float], percent: bool = False) -> str:
    unit, factor = ("%", 100) if percent else ("", 1)
    median, lowest, highest = (factor * values[name] for name in ("median", "lowest", "highest"))
    return f"{median:.3g}{unit} [{lowest:.3g} – {highest:.3g}]"


def _rate(rate: dict[str, float] | None) -> str:
    return _spread({name: value / 1e9 for name, value in rate.items()}) if rate else ""
