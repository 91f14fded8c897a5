"""t-SNE and nearest images: the same images in every panel, true neighbours, no report that fails for what is not there."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from harness import datasets, report, spec, trials
from harness.report import figures
from harness.report.figures import _features, retrieval, tsne
from tests import builders

CELLS = ("[[cells]]", 'method = "selfcon"', "[[cells]]", 'method = "maskcon"', "weight = [0.5, 1]", "temperature = 0.1")


def with_features(workspace, sweep, features_of):
    """Finish a sweep; each trial has `features_of(trial, labels)` as its test features"""
    builders.finished_sweep(workspace, sweep)
    for trial in sweep.trials():
        labels = datasets.read(trial).test_fine
        features = features_of(trial, labels).astype(np.float16)
        np.savez_compressed(
            trials.directory(workspace, trial) / trials.FEATURES, features=features, labels=labels.astype(np.int64)
        )
    return report.gather(sweep, workspace)


def clustered(trial, labels):
    """A direction per class with noise: 3 of it for SelfCon, 1 for others"""
    draw = np.random.default_rng(trial.seed)
    noise = 3 if trial.method == "selfcon" else 1
    return 2 * draw.normal(size=(10, 16))[labels] + noise * draw.normal(size=(len(labels), 16))


def drawn(module, content):
    axes = Figure(figsize=module.size(content)).subplots(*module.panels(content), squeeze=False)
    module.draw(content, axes)
    return axes


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("features")
    return with_features(workspace, builders.small_spec(workspace, *CELLS), clustered)


@pytest.fixture(scope="module")
def embedded(content):
    return drawn(tsne, content)


def test_every_panel_of_tsne_has_the_same_images(content, embedded):
    assert [axes.get_title() for axes in embedded.flat] == ["MaskCon, w = 1, τ = 0.1", "SelfCon"]
    labels = datasets.read(content.spec.trials()[0]).test_fine
    counts = np.bincount(labels).tolist()
    for axes in embedded.flat:
        assert sorted(len(line.get_xdata()) for line in axes.lines) == sorted(min(50, count) for count in counts)
        assert np.isfinite(np.concatenate([line.get_xydata() for line in axes.lines])).all()
        shapes = {(line.get_marker(), line.get_markerfacecolor() == "white") for line in axes.lines}
        assert len(shapes) == 10, "classes can be told without their colours"
    caption = tsne.caption(content)
    assert "the same 449 images of 10 fine classes of 2 coarse classes" in caption
    assert "Perplexity 30, seed 0, 500 steps" in caption


def test_classes_of_one_coarse_class_are_all_hollow_or_all_filled(embedded):
    (legend,) = embedded.flat[0].figure.legends
    hollow = {
        text.get_text(): handle.get_markerfacecolor() == "white"
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert hollow == {f"{digit} (with a loop)": False for digit in (0, 6, 8, 9)} | {
        f"{digit} (without a loop)": True for digit in (1, 2, 3, 4, 5, 7)
    }


def test_tsne_sets_clusters_apart_that_the_features_have(embedded):
    apart = []
    for axes in embedded.flat:
        centres = np.array([line.get_xydata().mean(axis=0) for line in axes.lines])
        spread = np.mean([line.get_xydata().std(axis=0).mean() for line in axes.lines])
        apart.append(np.linalg.norm(centres[:, None] - centres, axis=-1)[np.triu_indices(10, 1)].min() / spread)
    assert apart[0] > 1 > apart[1], "MaskCon's clusters were made clear here, SelfCon's were not"


def test_the_words_of_tsne_are_a_number_of_the_features_not_of_the_picture(content):
    method = tsne._methods(content)[0]
    features, labels = method.features()[tsne._chosen(content).rows], tsne._chosen(content).fine
    hits = 0
    for query in range(len(labels)):
        cosines = features @ features[query] / np.linalg.norm(features, axis=1)
        cosines[query] = -np.inf
        hits += labels[int(np.argmax(cosines))] == labels[query]
    assert f"MaskCon, w = 1, τ = 0.1 {100 * hits / len(labels):.0f} %" in tsne.alternative(content)


def test_a_collapsed_encoder_is_named_and_few_images_have_no_figure(tmp_path):
    sweep = builders.small_spec(tmp_path, *CELLS, seeds=1)
    content = with_features(tmp_path, sweep, lambda trial, labels: np.zeros((len(labels), 8)))
    for axes in drawn(tsne, content).flat:
        assert [text.get_text() for text in axes.texts] == ["collapsed: all features\nare the same"]
    assert "collapsed" in drawn(retrieval, content)[0, 0].get_title()
    few = spec.load(tmp_path / "mine.toml", overrides=["test_limit=15"], seeds=1)
    content = with_features(tmp_path, few, clustered)
    assert not tsne.needs(content)
    assert not retrieval.needs(content)


def test_without_stored_features_there_is_no_figure_and_no_note(tmp_path):
    sweep = builders.small_spec(tmp_path, *CELLS, seeds=1)
    builders.finished_sweep(tmp_path, sweep)
    content = report.gather(sweep, tmp_path)
    assert (tsne.needs(content), retrieval.needs(content)) == (False, False)


def test_damaged_features_are_a_note_of_the_report_and_nothing_worse(tmp_path):
    sweep = builders.small_spec(tmp_path, *CELLS, seeds=1)
    with_features(tmp_path, sweep, clustered)
    for trial in sweep.trials():
        (trials.directory(tmp_path, trial) / trials.FEATURES).write_bytes(b"PK\x03\x04 cut off")
    written = report.write(sweep, tmp_path)
    about = [note for note in written.notes if "features.npz is damaged" in note]
    assert len(about) == 2
    assert not (written.folder / "tsne.png").exists()


def test_neighbours_are_the_nearest_by_cosine_without_the_query(content):
    (first, second) = retrieval._found(content)
    assert [found.method.title for found in (first, second)] == ["MaskCon, w = 1, τ = 0.1", "SelfCon"]
    assert (first.queries == second.queries).all()
    labels = first.method.labels()
    assert len(set(labels[first.queries])) == 5
    for found in (first, second):
        features = found.method.features().astype(float)
        for query, neighbours, right in zip(found.queries, found.neighbours, found.right, strict=True):
            cosines = features @ features[query] / np.linalg.norm(features, axis=1)
            cosines[query] = -np.inf
            assert cosines[neighbours].tolist() == pytest.approx(sorted(cosines, reverse=True)[:10])
            assert right.tolist() == [labels[one] == labels[query] for one in neighbours]
    assert first.right.mean() > second.right.mean()


def test_the_pictures_are_those_of_the_neighbours_and_wrong_ones_are_marked(content):
    axes = drawn(retrieval, content)[1, 0]
    found = retrieval._found(content)[1]
    images = datasets.read(content.spec.trials()[0]).test_images
    shown = [np.asarray(image.get_array()) for image in axes.get_images()]
    expected = [one for query, row in zip(found.queries, found.neighbours, strict=True) for one in (query, *row)]
    assert len(shown) == 55
    assert all((picture == images[one, 0]).all() for picture, one in zip(shown, expected, strict=True))
    wrong = int((~found.right).sum())
    assert wrong > 0
    assert [text.get_text() for text in axes.texts].count("×") == wrong
    dashed = [patch for patch in axes.patches if patch.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == wrong
    assert "seed 0" in retrieval.caption(content)


def test_few_classes_are_asked_again_before_there_are_fewer_queries():
    queries = retrieval.drawn(np.array([3, 3, 3, 3, 8, 8, 8]))
    assert len(set(queries.tolist())) == 5
    assert len({int(np.array([3, 3, 3, 3, 8, 8, 8])[one]) for one in queries[:2]}) == 2


def test_a_limit_on_test_images_keeps_pictures_and_features_together(tmp_path):
    builders.small_spec(tmp_path, *CELLS, seeds=1)
    limited = spec.load(tmp_path / "mine.toml", overrides=["test_limit=60"], seeds=1)
    content = with_features(tmp_path, limited, clustered)
    trial = limited.trials()[0]
    whole = datasets.read(trial.replace(test_limit=None))
    kept = datasets.within_limit(len(whole.test_fine), 60)
    shown = _features.test_images(content, trial)
    assert (shown.fine == whole.test_fine[kept]).all()
    assert (shown.picture(7) == whole.test_images[kept[7], 0]).all()


def test_other_images_on_disk_than_those_embedded_are_a_note(tmp_path):
    sweep = builders.small_spec(tmp_path, *CELLS, seeds=1)
    with_features(tmp_path, sweep, clustered)
    for trial in sweep.trials():
        path = trials.directory(tmp_path, trial) / trials.FEATURES
        stored = np.load(path)
        np.savez_compressed(path, features=stored["features"], labels=stored["labels"][::-1])
    content = report.gather(sweep, tmp_path)
    with pytest.raises(figures.NotDrawn, match="not those that the encoders saw"):
        drawn(retrieval, content)
    assert set(tsne._chosen(content).names.values()) == {f"class {digit}" for digit in range(10)}, (
        "no names, no coarse ones"
    )


def test_a_dataset_that_is_not_on_this_disk_is_a_note_that_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "nowhere"))
    lines = ('title = "Away"', 'dataset = "cifar100"', "seeds = 1", "[settings]", "epochs = 1", "test_limit = 80")
    sweep = spec.load(builders.written_spec(tmp_path, *lines, *CELLS))
    builders.finished_sweep(tmp_path, sweep)
    draw = np.random.default_rng(0)
    for trial in sweep.trials():
        path = trials.directory(tmp_path, trial) / trials.FEATURES
        np.savez_compressed(path, features=draw.normal(size=(80, 8)).astype(np.float16), labels=np.arange(80) % 12)
    drawn_figures, notes = figures.draw_all(report.gather(sweep, tmp_path), tmp_path)
    assert len(notes) == 1
    assert "harness data cifar100 --download" in notes[0]
    assert "10 fine classes in every panel" in drawn_figures[tsne.position].caption


def test_photographs_are_read_from_their_files_within_the_limit(tmp_path):
    colours = {"red": (255, 0, 0), "blue": (0, 0, 255)}
    for split, name in ((split, name) for split in ("train", "test") for name in colours):
        (tmp_path / "data" / split / name).mkdir(parents=True)
        for number in range(70 if split == "train" else 12):
            picture = Image.new("RGB", (200, 100), colours[name])
            picture.save(tmp_path / "data" / split / name / f"{number}.png")
    (tmp_path / "data" / "coarse.csv").write_text("fine,coarse\nred,colour\nblue,colour\n")
    lines = ('dataset = "folder"', "seeds = 1", "[settings]", 'root = "data"', "epochs = 1", "test_limit = 20")
    trial = spec.load(builders.written_spec(tmp_path, *lines, *CELLS)).trials()[-1]
    found = _features._images(trial)
    assert len(found.fine) == 20
    for index, label in enumerate(found.fine):
        picture = found.picture(index)
        assert picture.shape == (48, 96, 3)
        assert tuple(picture[0, 0]) == colours[found.fine_name(int(label))]


def test_a_heavy_png_is_made_lighter_and_a_light_one_left_alone(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    for name, pixels in (("heavy", noise), ("light", noise[:50])):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    light = (tmp_path / "light.png").read_bytes()
    for name in ("heavy", "light"):
        figures._lighten(tmp_path / f"{name}.png")
    assert (tmp_path / "heavy.png").stat().st_size <= figures.LARGEST_PNG
    assert (tmp_path / "light.png").read_bytes() == light
