"""Photographs in files: decoded as Pillow does, once, whatever happens to the process, the disk and the files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness.datasets import _build, _cache, _decode
from harness.datasets._photographs import Photographs, load, unlisted, verify
from harness.errors import UnreadableImages, UsageError

ROOT = Path(__file__).parents[2]
SIDE = 32
CHILD = """
import sys, time
from pathlib import Path
from harness.datasets import _build, _decode, _photographs
_build.RECORD_IMAGES = 8
root, seconds, told = Path(sys.argv[1]), float(sys.argv[2]), []
decode = _decode.pixels
def slowly(*words):
    with (root.parent / f"{root.name}.decoded").open("a") as log:
        log.write(words[0].name + "\\n")
    time.sleep(seconds)
    return decode(*words)
_decode.pixels = slowly
_photographs.load(root, sorted(path.name for path in root.iterdir()), 32, lambda done, count: told.append(done))
print(told[0] if told else None)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HARNESS_CACHE_GIB", raising=False)
    return tmp_path / "cache"


def drawn(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A smooth picture."""
    few = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def filled(root: Path, count: int, size: tuple[int, int] = (48, 40)) -> list[str]:
    """So many JPEGs in a folder; their names."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{number:04}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        drawn(*size, seed=number).save(root / name, quality=90)
    return names


def by_pillow(path: Path, side: int = SIDE) -> np.ndarray:
    """(3, h, w), the shorter side `side`, the longer one the even number next to what it should be."""
    image = Image.open(path)
    short, long = sorted(image.size)
    even = min(range(side, 2 * long * side, 2), key=lambda length: abs(length - long * side / short))
    size = (even, side) if image.width >= image.height else (side, even)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether pixels are Pillow's but for a level here and there: torch rounds otherwise, Pillow 13 also takes rows first."""
    off = abs(found.astype(int) - expected)
    return found.shape == expected.shape and off.max() <= 1 and (off > 0).mean() < 0.3


def whole(photographs: Photographs, image: int) -> np.ndarray:
    return photographs.frames(np.array([image]))[0][0]


def garble(root: Path) -> None:
    """No file keeps a readable byte; every one keeps its length and its time."""
    for path in root.iterdir():
        before = path.stat()
        path.write_bytes(b"x" * before.st_size)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_image_in_the_place_of_another_one_of_the_same_length_is_seen(tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "one.bmp"
    for colour in ("red", "blue"):
        Image.new("RGB", (40, 30), colour).save(path)
        assert alike(whole(load(tmp_path / "in", ["one.bmp"], SIDE), 0), by_pillow(path))


def child(root: Path, seconds: float = 0.0) -> subprocess.Popen:
    """A process that decodes a folder, so many seconds longer per image; it prints where it began."""
    command = [sys.executable, "-c", CHILD, str(root), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen) -> str:
    told, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    return told.strip()


def folders(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob("*/plan.json"))


def digest_in(place: Path) -> str:
    (folder,) = folders(place)
    return json.loads((folder / "index.json").read_text())["sha256"]


VARIETY = {
    "wide.jpg": (drawn(100, 60), {"quality": 90}),
    "tall.jpg": (drawn(37, 91), {"quality": 90}),
    "tiny.png": (drawn(5, 4), {}),
    "progressive.jpg": (drawn(80, 81), {"progressive": True}),
    "grey.jpg": (drawn(70, 50, "L"), {}),
    "grey and alpha.png": (drawn(50, 50, "LA"), {}),
    "alpha.png": (drawn(64, 41, "RGBA"), {}),
    "palette.png": (drawn(55, 66, "P"), {}),
    "palette.gif": (drawn(55, 66, "P"), {}),
    "bits.png": (drawn(40, 44, "1"), {}),
    "cmyk.jpg": (drawn(45, 60, "CMYK"), {}),
    "narrow.png": (drawn(1, 20), {}),
    "folder/some.webp": (drawn(64, 48), {"lossless": True}),
    "some.bmp": (drawn(33, 34), {}),
    "some.tif": (drawn(63, 34), {}),
}


def test_pixels_are_those_of_pillow_and_sizes_even(tmp_path):
    for name, (image, options) in VARIETY.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "in" / name, **options)
    found = load(tmp_path / "in", list(VARIETY), SIDE)
    assert len(found) == len(VARIETY)
    assert found.sizes.dtype == np.int64
    assert (found.sizes.min(axis=1) == SIDE).all()
    assert (found.sizes % 2 == 0).all()
    for number, name in enumerate(VARIETY):
        assert alike(whole(found, number), by_pillow(tmp_path / "in" / name)), name


def test_a_very_large_jpeg_differs_little_from_its_whole_decoding(tmp_path):
    drawn(800, 600).save(tmp_path / "large.jpg", quality=90)
    got = whole(load(tmp_path, ["large.jpg"], SIDE), 0).astype(int)
    difference = abs(got - by_pillow(tmp_path / "large.jpg"))
    assert difference.max() <= 4
    assert difference.mean() < 1


def test_a_turn_asked_for_by_exif_is_not_made(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn(60, 40).save(tmp_path / "turned.jpg", exif=exif)
    assert load(tmp_path, ["turned.jpg"], SIDE).sizes.tolist() == [[32, 48]]


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 480), (256, 342)), ((480, 640), (342, 256)), ((7, 7), (256, 256)), ((501, 500), (256, 256))],
)
def test_the_longer_side_is_the_nearest_even_number(size, expected):
    assert _decode.size_in_cache(*size, 256) == expected


def test_a_second_start_reads_no_image(tmp_path, place):
    paths = filled(tmp_path / "in", 5)
    first = load(tmp_path / "in", paths, SIDE)
    garble(tmp_path / "in")
    again = load(tmp_path / "in", paths, SIDE)
    assert (again.pixels == first.pixels).all()
    assert (again.sizes == first.sizes).all()
    assert not again.pixels.flags.writeable
    assert len(folders(place)) == 1


def test_another_side_order_or_file_is_another_cache(tmp_path, place):
    paths = filled(tmp_path / "in", 3)
    load(tmp_path / "in", paths, SIDE)
    load(tmp_path / "in", paths, SIDE + 2)
    load(tmp_path / "in", paths[::-1], SIDE)
    assert len(folders(place)) == 3
    drawn(90, 40).save(tmp_path / "in" / paths[1])
    found = load(tmp_path / "in", paths, SIDE)
    assert len(folders(place)) == 4
    assert alike(whole(found, 1), by_pillow(tmp_path / "in" / paths[1]))


def test_an_odd_side_names_the_even_one(tmp_path):
    with pytest.raises(UsageError, match=r"side=33: .* try 34"):
        load(tmp_path, [], 33)


def test_no_images_are_no_photographs(tmp_path):
    found = load(tmp_path, [], SIDE)
    assert len(found) == 0
    frames, sizes = found.frames(np.zeros(0, np.int64))
    assert (frames.shape, sizes.shape) == ((0, 3, 0, 0), (0, 2))
    assert verify(tmp_path, [], SIDE) == "intact"


def test_progress_ends_with_all(tmp_path):
    told = []
    paths = filled(tmp_path / "in", 9)
    load(tmp_path / "in", paths, SIDE, lambda done, count: told.append((done, count)))
    assert told[-1] == (9, 9)
    assert told == sorted(told)


def test_the_cache_is_the_same_however_many_threads_decode(tmp_path, place, monkeypatch):
    paths = filled(tmp_path / "in", 60)
    digests = set()
    for cores in (1, 2, 7):
        monkeypatch.setattr(_build, "threads", lambda cores=cores: cores)
        shutil.rmtree(place, ignore_errors=True)
        load(tmp_path / "in", paths, SIDE)
        digests.add(digest_in(place))
    assert len(digests) == 1


def test_as_many_threads_as_the_process_may_use_cores():
    assert _build.threads() == len(os.sched_getaffinity(0))


def test_a_killed_build_goes_on_where_it_was(tmp_path, place):
    paths = filled(tmp_path / "in", 120)
    load(tmp_path / "in", paths, SIDE)
    undisturbed = digest_in(place)
    shutil.rmtree(place)
    first = child(tmp_path / "in", seconds=0.02)
    record: dict = {}
    deadline = time.monotonic() + 60
    while not record.get("done") and time.monotonic() < deadline:
        record = next((_cache.content_of(path) for path in place.glob("*/progress.json")), {})
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    (folder,) = folders(place)
    done = _cache.content_of(folder / "progress.json")["done"]
    assert 0 < done < 120
    assert not (folder / "index.json").exists()
    assert ended(child(tmp_path / "in")) == str(done)
    assert digest_in(place) == undisturbed
    assert verify(tmp_path / "in", paths, SIDE) == "intact"


def test_of_two_processes_one_decodes_and_the_other_waits(tmp_path, place):
    paths = filled(tmp_path / "in", 40)
    both = [child(tmp_path / "in", seconds=0.02) for _ in range(2)]
    for process in both:
        ended(process)
    assert sorted((tmp_path / "in.decoded").read_text().split()) == paths
    assert verify(tmp_path / "in", paths, SIDE) == "intact"


def test_unreadable_images_are_named_after_all_others_were_decoded(tmp_path, place):
    paths = filled(tmp_path / "in", 20)
    jpeg = (tmp_path / "in" / paths[3]).read_bytes()
    (tmp_path / "in" / paths[3]).write_bytes(jpeg[: len(jpeg) * 2 // 3])
    (tmp_path / "in" / paths[5]).unlink()
    (tmp_path / "in" / paths[7]).write_text("not a picture")
    (tmp_path / "in" / paths[8]).write_bytes(b"")
    drawn(60, 60).save(tmp_path / "whole.png")
    png = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "in" / paths[9]).write_bytes(png[: len(png) * 2 // 3])
    for _ in range(2):  # the second time from what is there
        with pytest.raises(UnreadableImages) as raised:
            load(tmp_path / "in", paths, SIDE, name="birds")
        assert raised.value.paths == tuple(paths[number] for number in (3, 5, 7, 8, 9))
        lines = str(raised.value).splitlines()
        assert lines[0].startswith("5 of 20 images")
        assert lines[1:6] == [
            "  0003.jpg: truncated",
            "  0005.jpg: missing",
            "  0007.jpg: no image",
            "  0008.jpg: no image",
            "  0009.jpg: truncated",
        ]
        assert "`harness data birds --skip-unreadable`" in lines[-1]
    (folder,) = folders(place)
    assert _cache.content_of(folder / "progress.json")["done"] == 20


def test_ten_unreadable_images_are_named_and_the_others_counted(tmp_path):
    with pytest.raises(UnreadableImages, match=r"0009.jpg: missing\n  and 3 more\n") as raised:
        load(tmp_path, [f"{number:04}.jpg" for number in range(13)], SIDE)
    assert "0010.jpg" not in str(raised.value)
    assert len(raised.value.paths) == 13


def test_without_the_unreadable_images_nothing_is_decoded_again(tmp_path):
    paths = filled(tmp_path / "in", 6)
    expected = [by_pillow(tmp_path / "in" / path) for path in paths]
    (tmp_path / "in" / paths[2]).write_text("not a picture")
    with pytest.raises(UnreadableImages):
        load(tmp_path / "in", paths, SIDE)
    garble(tmp_path / "in")
    kept = [0, 1, 3, 4, 5]
    found = load(tmp_path / "in", [paths[number] for number in kept], SIDE)
    for number, before in enumerate(kept):
        assert alike(whole(found, number), expected[before])


@pytest.mark.parametrize("damage", ["header", "end"])
def test_a_mended_image_of_the_same_length_is_decoded(damage, tmp_path):
    paths = filled(tmp_path / "in", 4)
    good = (tmp_path / "in" / paths[1]).read_bytes()
    bad = b"x" * len(good) if damage == "header" else _with_a_false_end(good)
    (tmp_path / "in" / paths[1]).write_bytes(bad)
    with pytest.raises(UnreadableImages):
        load(tmp_path / "in", paths, SIDE)
    (tmp_path / "in" / paths[1]).write_bytes(good)
    found = load(tmp_path / "in", paths, SIDE)
    for number, path in enumerate(paths):
        assert alike(whole(found, number), by_pillow(tmp_path / "in" / path))
    assert verify(tmp_path / "in", paths, SIDE) == "intact"


def _with_a_false_end(jpeg: bytes) -> bytes:
    """A JPEG of the same length whose picture is cut off: what follows its tables are comments."""
    scan = jpeg.index(b"\xff\xda")
    rest = len(jpeg) - scan
    return jpeg[:scan] + b"\xff\xfe" + (rest - 2).to_bytes(2, "big") + b" " * (rest - 4)


def test_a_full_disk_is_said_before_anything_is_decoded(tmp_path, place, monkeypatch):
    paths = filled(tmp_path / "in", 4)
    # stands in for a full disk
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    monkeypatch.setattr(_decode, "pixels", None)
    with pytest.raises(UsageError, match=r"need .* GiB in .*cache, where .* GiB are free.*HARNESS_CACHE"):
        load(tmp_path / "in", paths, SIDE)
    assert folders(place) == []


def test_a_disk_that_fills_up_is_said_and_the_build_goes_on_later(tmp_path, monkeypatch):
    paths = filled(tmp_path / "in", 4)
    pwrite = os.pwrite

    def full(descriptor, content, offset):
        # stands in for a disk that another process fills
        if offset:
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, content, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UsageError, match=r"disk is full: .*cache.* HARNESS_CACHE"):
        load(tmp_path / "in", paths, SIDE)
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    assert alike(whole(load(tmp_path / "in", paths, SIDE), 3), by_pillow(tmp_path / "in" / paths[3]))


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    paths = filled(tmp_path / "in", 1)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"cannot be kept in .*file.* HARNESS_CACHE"):
        load(tmp_path / "in", paths, SIDE)


def test_the_least_recently_used_caches_make_room(tmp_path, place, monkeypatch):
    sets = [filled(tmp_path / str(number), 4, (48 + 2 * number, 40)) for number in range(4)]
    each = load(tmp_path / "0", sets[0], SIDE).pixels.nbytes
    first = folders(place)[0]
    load(tmp_path / "1", sets[1], SIDE)
    (second,) = set(folders(place)) - {first}
    (place / "mine").mkdir()
    for age, folder in ((1000, first), (2000, second)):
        os.utime(folder / "used", (time.time() - age,) * 2)
    monkeypatch.setenv("HARNESS_CACHE_GIB", str(3.3 * each / 2**30))
    load(tmp_path / "2", sets[2], SIDE)
    assert {first, second} < set(folders(place))  # all three fit
    os.utime(first / "used", (time.time() - 3000,) * 2)
    load(tmp_path / "0", sets[0], SIDE)  # used now
    load(tmp_path / "3", sets[3], SIDE)
    assert first.exists()
    assert not second.exists()
    assert (place / "mine").is_dir()


def test_a_cache_that_is_being_built_is_not_removed(tmp_path, place, monkeypatch):
    sets = [filled(tmp_path / str(number), 4, (48 + 2 * number, 40)) for number in range(2)]
    each = load(tmp_path / "0", sets[0], SIDE).pixels.nbytes
    (first,) = folders(place)
    monkeypatch.setenv("HARNESS_CACHE_GIB", str(1.5 * each / 2**30))
    with _cache.locked(first.with_name(f"{first.name}.lock"), lambda: None):
        with pytest.raises(UsageError, match="other processes are building"):
            load(tmp_path / "1", sets[1], SIDE)
        assert first.exists()
    load(tmp_path / "1", sets[1], SIDE)
    assert not first.exists()


def test_a_cache_larger_than_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE_GIB", "0.000001")
    with pytest.raises(UsageError, match=r"more than all caches .* Set HARNESS_CACHE_GIB to at least 1"):
        load(tmp_path / "in", filled(tmp_path / "in", 2), SIDE)


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan", "inf"])
def test_a_bound_that_is_no_number_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE_GIB", text)
    with pytest.raises(UsageError, match=f"HARNESS_CACHE_GIB={text}: a number of GiB above 0"):
        load(tmp_path / "in", filled(tmp_path / "in", 1), SIDE)


@pytest.mark.parametrize("damaged", ["pixels cut", "pixels gone", "index cut", "index of others"])
def test_a_damaged_cache_is_built_again(damaged, tmp_path, place):
    paths = filled(tmp_path / "in", 5)
    load(tmp_path / "in", paths, SIDE)
    (folder,) = folders(place)
    index = json.loads((folder / "index.json").read_text())
    if damaged == "pixels cut":
        os.truncate(folder / "pixels", 100)
    elif damaged == "pixels gone":
        (folder / "pixels").unlink()
    elif damaged == "index cut":
        (folder / "index.json").write_text((folder / "index.json").read_text()[:-20])
    else:
        (folder / "index.json").write_text(json.dumps(index | {"sizes": index["sizes"][:-2]}))
    found = load(tmp_path / "in", paths, SIDE)
    for number, path in enumerate(paths):
        assert alike(whole(found, number), by_pillow(tmp_path / "in" / path))
    assert json.loads((folder / "index.json").read_text()) == index


def test_verify_finds_one_wrong_byte_and_the_next_start_decodes_again(tmp_path, place):
    paths = filled(tmp_path / "in", 5)
    assert verify(tmp_path / "in", paths, SIDE) == "missing"
    load(tmp_path / "in", paths, SIDE)
    assert verify(tmp_path / "in", paths, SIDE) == "intact"
    (folder,) = folders(place)
    with (folder / "pixels").open("r+b") as stream:
        stream.seek(1234)
        byte = stream.read(1)[0]
        stream.seek(1234)
        stream.write(bytes([byte ^ 1]))
    assert verify(tmp_path / "in", paths, SIDE) == "differs"
    assert verify(tmp_path / "in", paths, SIDE) == "missing"
    load(tmp_path / "in", paths, SIDE)
    assert verify(tmp_path / "in", paths, SIDE) == "intact"


def test_frames_are_those_of_a_naive_loop(tmp_path):
    sizes = [(60, 40), (40, 60), (45, 45), (80, 33), (33, 70)]
    for number, size in enumerate(sizes):
        drawn(*size, seed=number).save(tmp_path / f"{number}.png")
    found = load(tmp_path, [f"{number}.png" for number in range(5)], SIDE)
    for chosen in ([0, 1, 2, 3, 4], [2], [3, 3, 0], [4, 1]):
        frames, inner = found.frames(np.array(chosen))
        images = [whole(found, number) for number in chosen]
        height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
        expected = np.zeros((len(chosen), 3, height, width), np.uint8)
        for row, image in enumerate(images):
            top, left = (height - image.shape[1]) / 2, (width - image.shape[2]) / 2
            assert top == int(top)
            assert left == int(left)
            for y in range(image.shape[1]):
                for x in range(image.shape[2]):
                    expected[row, :, int(top) + y, int(left) + x] = image[:, y, x]
        assert frames.dtype == np.uint8
        assert (frames == expected).all()
        assert inner.tolist() == [list(image.shape[1:]) for image in images]


def test_taken_images_are_the_same_in_the_new_order(tmp_path):
    paths = filled(tmp_path, 6)
    found = load(tmp_path, paths, SIDE)
    some = found.take(np.array([4, 1]))
    assert len(some) == 2
    assert some.pixels is found.pixels
    assert (some.frames(np.array([1, 0]))[0] == found.frames(np.array([1, 4]))[0]).all()


def test_unlisted_images_are_found_by_their_suffix(tmp_path):
    for name in ("a/1.jpg", "a/b/2.PNG", "a/b/3.txt", "a/4.webp", "c/5.jpg", "a/6.Tiff"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert unlisted(tmp_path, ["a"], ["a/1.jpg"]) == ["a/4.webp", "a/6.Tiff", "a/b/2.PNG"]
    assert unlisted(tmp_path, ["a", "a/b", "c"], ["a/1.jpg", "a/4.webp", "a/6.Tiff"]) == ["a/b/2.PNG", "c/5.jpg"]
    assert unlisted(tmp_path, ["."], []) == ["a/1.jpg", "a/4.webp", "a/6.Tiff", "a/b/2.PNG", "c/5.jpg"]
    assert unlisted(tmp_path, ["nowhere"], []) == []
