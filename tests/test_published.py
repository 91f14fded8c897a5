"""The published numbers: the files are sound, hold what the sources print, and are found under canonical names."""

import csv
import math
import os
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from harness import published, resources
from harness.errors import UsageError

FILES = sorted(resources.folder("reports/published").glob("*.toml"))
FACTS = [Path(os.environ.get("HARNESS_FACTS", "/nowhere")), Path(__file__).parents[2] / "shared" / "facts"]
# Fig. 2 of the paper, Recall@1 on CIFAR-100: row w = 0 is SelfCon, column τ = ∞ Grafit, the rest is in Table 10.
FIGURE_2 = {
    (0, 0): 40.5, (0, 0.01): 40.5, (0, 0.05): 40.5, (0, 0.1): 40.5, (0, 0.5): 40.5, (0, math.inf): 40.5,
    (0.2, math.inf): 47.8,
    (0.5, 0.01): 54.22, (0.5, 0.05): 58.89, (0.5, 0.1): 60.18, (0.5, 0.5): 57.46, (0.5, math.inf): 57.78,
    (0.8, math.inf): 60.57,
    (1, 0.01): 61.41, (1, 0.05): 65.52, (1, 0.1): 62.52, (1, 0.5): 59.76, (1, math.inf): 58.65,
}  # fmt: skip


def readings(dataset, method, weight=None, temperature=None, ks=(1, 2, 5, 10)):
    found = (published.reference(dataset, method, weight, temperature, f"recall_at_{k}") for k in ks)
    return [row and row.reading for row in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_opens_with_a_comment_and_says_what_it_is(path):
    text = path.read_text(encoding="utf-8")
    document = tomllib.loads(text)
    assert text.startswith("# ")
    assert len(text) < 200_000
    assert document["key"] == path.stem
    assert document["unit"] in published.SCALES
    assert document["source"]["title"]
    assert {table["standing"] for table in document["tables"]} <= set(published.STANDINGS)


def test_every_number_has_a_known_unit_and_a_value_in_its_range():
    for row in published.load():
        assert published.UNITS[row.metric] == row.unit
        low, high = {"percent": (1, 100), "points": (-1, 40), "nats": (0, 20)}[row.unit]
        assert low < row.value <= high
        assert row.reading is None or low < row.reading <= high
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.dataset)
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", row.method)
        assert row.weight is None or 0 <= row.weight <= 1


def test_fractions_and_percents_are_told_apart():
    log = published.cell("cub20", "maskcon", 1.0, 0.5)[0]
    assert (log.standing, log.value) == ("log", 80.194)
    assert all(row.value > 10 for row in published.load() if row.metric == "recall_at_1")


def test_table_2_is_the_papers():
    table = {
        ("selfcon", None, None): [40.50, 51.83, 66.23, 76.66],
        ("grafit", 0.8, None): [60.57, 71.13, 82.32, 89.21],
        ("supcon", None, None): [58.65, 70.04, 82.18, 89.09],
        ("coins", 0.5, None): [60.10, 70.89, 83.14, 89.52],
        ("supce", None, None): [47.25, 61.24, 77.78, 87.01],
        ("supfine", None, None): [71.13, 80.03, 87.61, 91.59],
        ("maskcon", 1, 0.05): [65.52, 74.46, 83.64, 89.25],
    }
    found = defaultdict(list)
    for row in published.for_dataset("cifar100"):
        if row.table == "Table 2" and row.metric.startswith("recall"):
            found[row.method, row.weight, row.temperature].append(row.value)
    assert found == table
    assert {training: readings("cifar100", *training) for training in table} == table


def test_the_18_published_cells_of_figure_2_follow_and_the_others_do_not():
    grid = [(weight, tau) for weight in (0, 0.2, 0.5, 0.8, 1) for tau in (0, 0.01, 0.05, 0.1, 0.5, math.inf)]
    found = {cell: readings("cifar100", "maskcon", *cell, ks=[1])[0] for cell in grid}
    assert {cell: value for cell, value in found.items() if value is not None} == FIGURE_2


def test_gains_over_supce_are_what_the_recalls_give():
    gains = [row for row in published.load() if row.metric == "gain_over_supce"]
    assert len(gains) == 7
    for row in gains:
        best = next(
            r
            for r in published.for_dataset(row.dataset, "recall_at_1")
            if r.table == row.table and r.method == "maskcon"
        )
        (supce,) = readings(row.dataset, "supce", ks=[1])
        assert row.reading == pytest.approx(best.reading - supce)
        assert (row.erratum is not None) == (row.value != row.reading)
    assert {(row.value, row.reading) for row in gains if row.erratum} == {(18.17, 18.27), (6.86, 6.85)}


def test_recall_never_falls_with_k():
    trainings = defaultdict(dict)
    for row in published.load():
        if row.metric.startswith("recall"):
            training = (row.source, row.table, row.dataset, row.method, row.weight, row.temperature)
            trainings[training][int(row.metric.removeprefix("recall_at_"))] = row.reading
    for recalls in trainings.values():
        known = [recalls[k] for k in sorted(recalls) if recalls[k] is not None]
        assert known == sorted(known)


def test_within_a_source_all_prints_of_a_training_have_one_reading():
    rounded = {"Paper vs Reproduced": 0.5, "Novelty Results Across Class Settings": 0.01}  # half a unit, or cut
    for row in published.load():
        first = published.cell(row.dataset, row.method, row.weight, row.temperature, row.metric, **row.protocol)
        first = next(other for other in first if other.source == row.source)
        assert row.reading == pytest.approx(first.reading, abs=rounded.get(row.table, 1e-9)), row


def test_a_missing_digit_is_read_from_the_main_table():
    prints = published.cell("cifartoy-good", "coins", 1.0, None, "recall_at_2")
    assert [(row.table, row.value, row.reading) for row in prints] == [
        ("Table 1", 85.26, 85.26),
        ("Table 12", 8.26, 85.26),
    ]
    assert "8.26" in prints[1].erratum
    assert "85.26" in prints[1].erratum


def test_a_print_without_a_usable_reading_is_shown_but_not_compared_with():
    (row,) = published.cell("imagenet32", "supce", None, None, "recall_at_2")
    assert (row.value, row.reading) == (14.15, None)
    assert published.reference("imagenet32", "supce", None, None, "recall_at_2") is None


def test_contradicting_prints_stay_visible_behind_the_main_table():
    prints = published.cell("cifartoy-good", "supfine", None, None)
    assert [(row.table, row.value) for row in prints] == [("Table 1", 94.11), ("Table 12", 94.14)]
    assert published.reference("cifartoy-good", "supfine", None, None).table == "Table 1"


def test_the_paper_counts_before_a_reproduction_of_it():
    assert {row.source for row in published.cell("cifar100", "maskcon", 1.0, 0.1)} == {"maskcon", "attributes"}
    assert readings("cifar100", "maskcon", 1.0, 0.1) == [62.52, 72.51, 83.27, 89.18]


@pytest.mark.parametrize(
    ("training", "name"),
    [
        (("maskcon", 0, 0.05), ("selfcon", None, None)),
        (("maskcon", 0.5, math.inf), ("grafit", 0.5, None)),
        (("maskcon", 1, math.inf), ("supcon", None, None)),
        (("maskcon", 0, math.inf), ("selfcon", None, None)),
        (("grafit", 0, None), ("selfcon", None, None)),
        (("grafit", 1, math.inf), ("supcon", None, None)),
        (("coins", 0, None), ("selfcon", None, None)),
        (("coins", 1, None), ("supce", None, None)),
        (("supfine", 1, 0.5), ("supfine", None, None)),
        (("maskcon", None, None), ("maskcon", None, None)),
        (("maskcon_attributes", 1, math.inf), ("maskcon_attributes", 1, math.inf)),
    ],
)
def test_equivalent_trainings_have_one_name(training, name):
    assert published.canonical(*training) == name


def test_nothing_published_is_none():
    assert published.reference("cifar100", "maskcon", 0.7, 0.05) is None
    assert published.for_dataset("no-such-dataset") == []


def test_several_protocols_must_be_told_apart():
    with pytest.raises(UsageError, match="published more than once"):
        published.reference("imagenet", "swav", None, None, "linear_top_1")
    found = published.reference("imagenet", "swav", None, None, "linear_top_1", epochs=800)
    assert (found.source, found.reading) == ("swav-repository", 75.3)


def test_reprints_are_not_compared_with():
    assert published.cell("coco2014", "cma", None, None, "map")[0].reprint_of
    assert published.reference("coco2014", "cma", None, None, "map") is None


def test_a_protocol_holds_what_the_source_states_for_that_dataset():
    cifar, imagenet = (published.reference(name, "supcon", None, None).protocol for name in ("cifar100", "imagenet32"))
    assert (cifar["epochs"], cifar["batch_size"], cifar["lr"]) == (200, 128, 0.02)
    assert (imagenet["epochs"], imagenet["batch_size"], imagenet.get("lr")) == (100, 256, None)
    assert cifar["bank_size"] == imagenet["bank_size"] == 8192


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("standing", "standng", "Did you mean 'standing'"),
        ("printed = 18.17", "printed = 18.2", "its erratum is for 18.2"),
        ("temperature = 0.05\nmetric", "temperature = 0.5\nmetric", "no row fits the errata"),
    ],
)
def test_a_slip_in_a_file_is_an_error(tmp_path, old, new, message):
    text = next(path for path in FILES if path.stem == "maskcon").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "maskcon.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        published.load(tmp_path)


# The facts, published.csv, hold every printed number as it was collected from the sources, outside the repository.
SOURCES = {"002": "maskcon", "000": "attributes", "aveej": "attributes", "003": "swav", "004": "mulcon",
           "facebook": "swav-repository", "solo": "solo-learn", "lightly": "lightly", "megvii": "ml-gcn",
           "Alibaba": "asl"}  # fmt: skip
NAMES = {
    "wandb summary": "W&B summary", "last train log line": "last training line", "ImageNet-1K": "imagenet",
    "CUB-20": "cub20", "CUB-50": "cub50", "CUB-200": "cub200", "MS-COCO 2014": "coco2014", "MS-COCO": "coco2014",
    "NUS-WIDE": "nuswide", "MaskCon reproduced": "maskcon", "Novelty": "maskcon_attributes",
    "Res-101 GAP": "global_average_pooling", "Res-101 GMP": "global_max_pooling", "Backbone with BCE": "backbone_bce",
    "Backbone with BCE + SCL": "backbone_bce_supcon", "MulCon with BCE only": "mulcon_bce",
    "delta": "gain_of_multi_crop", "labels/image": "labels_per_image",
}  # fmt: skip
PROTOCOL = re.compile(r"(\d+)ep|bs(\d+)|(\d+x\d+\S*)|after (\d+)|seed (\d+)| RN50-(w\d)| TResNet_(\w+)| (ResNet18)")


def facts():
    files = [folder / "published.csv" for folder in FACTS if (folder / "published.csv").is_file()]
    if not files:
        pytest.skip("no published.csv: set HARNESS_FACTS to the folder that holds it, or lay it in ../shared/facts")
    return list(csv.DictReader(files[0].open(encoding="utf-8")))


def name(text):
    """Our id of a method or metric in the facts, which write parts of the protocol behind it."""
    plain = re.split(r" \(|,| RN50| TResNet| ResNet18", text)[0]
    return NAMES.get(plain, re.sub(r"[- ]", "_", plain.lower().replace("r@", "recall_at_")))


def place(line):
    table = line["table"].split(" (")[0]
    source = next(key for start, key in SOURCES.items() if line["source"].startswith(start))
    return source, NAMES.get(table, table), NAMES.get(line["dataset"], line["dataset"].lower())


def fits(row, line):
    """Whether a print is the line's: the training, what the line tells of its protocol, the value in percent."""
    weight, temperature = line["w"].replace("args.w=", "").split(";")[0], line["tau"]
    if row.source not in ("maskcon", "attributes"):  # there τ is the contrastive temperature
        temperature = ""
    training = published.canonical(row.method, *(float(text) if text else None for text in (weight, temperature)))
    told = {word.lower() for words in PROTOCOL.findall(" ".join(line.values())) for word in words if word}
    scale = 100 if row.source in ("attributes", "lightly") and row.unit == "percent" else 1
    return (
        training == published.canonical(row.method, row.weight, row.temperature)
        and told <= {str(fact).split("-")[-1] for fact in row.protocol.values()}
        and row.value == pytest.approx(scale * float(line["value"].rstrip("*")))
    )


def test_every_line_of_the_facts_is_accounted_for_and_nothing_else_is_claimed():
    prints, counts = defaultdict(list), {}
    for row in published.load():
        prints[(row.source, row.table, row.dataset), row.method, row.metric].append(row)
    for path in FILES:
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("statistics", []):
            counts[path.stem, entry["table"], entry["dataset"]] = entry
    claimed = {key: list(rows) for key, rows in prints.items()}
    for line in facts():
        where, method, metric = place(line), name(line["method"]), name(line["metric"])
        if "re-print" in where[1]:  # left out of attributes.toml: equal to the paper's own print
            original = prints[("maskcon", where[1].removeprefix("re-print of paper "), where[2]), method, metric]
            assert float(line["value"]) in [row.value for row in original], line
        elif where[1] == "Table 7":  # the settings of the rows of Tables 4 to 6
            setting = {"hyperparameter_w": "weight", "hyperparameter_tau": "temperature"}[metric]
            rows = [row for row in published.for_dataset(where[2]) if row.standing == "main" and row.method == method]
            assert {getattr(row, setting) for row in rows} == {float(line["value"])}, line
        elif where in counts:
            several = counts[where].get("fine_classes_per_coarse_class")
            count = several[int(method.removeprefix("coarse_class_"))] if several else counts[where][metric]
            assert count == float(line["value"]), line
        elif line["value"] == "-":
            assert not prints[where, method, metric], line
        else:
            match = next((row for row in claimed[where, method, metric] if fits(row, line)), None)
            assert match, line
            claimed[where, method, metric].remove(match)
    beyond = [(row.metric, row.value) for rows in claimed.values() for row in rows if row.metric != "gain_over_supce"]
    assert beyond == [("recall_at_100", 89.19)]  # garbled in the slides' text, not in the facts
