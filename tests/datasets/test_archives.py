"""Archives: what is unpacked, what is refused, and that a refused one leaves nothing behind."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from functools import partial
from pathlib import Path

import pytest

from harness.datasets import _archives, cifar100
from harness.errors import UsageError

NAMES = ("photos/a/1.JPG", "photos/list.txt", "top.txt")


def write_tar(path: Path, names: tuple[str, ...] = NAMES, links: dict[str, str] | None = None) -> str:
    """A .tar.gz of three-byte files and of links; its md5."""
    with tarfile.open(path, "w:gz") as tar:
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return md5_of(path)


def write_zip(path: Path, names: tuple[str, ...] = NAMES, links: dict[str, str] | None = None) -> str:
    """A .zip of three-byte files and of links; its md5."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, target in (links or {}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = 0o120777 << 16
            zipped.writestr(member, target)
        for name in names:
            zipped.writestr(zipfile.ZipInfo(name), b"abc")
    return md5_of(path)


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def served(tmp_path):
    """A folder and the URL that a local server gives it."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


WRITERS = pytest.mark.parametrize("write", [write_tar, write_zip])


@WRITERS
def test_fetched_archive_with_the_right_md5_is_unpacked(tmp_path, served, write):
    folder, url = served
    md5 = write(folder / "archive")
    _archives.fetch(f"{url}/archive", md5, tmp_path / "data")
    assert everything(tmp_path / "data") == {"photos", "photos/a", *NAMES}
    assert (tmp_path / "data" / "photos" / "a" / "1.JPG").read_bytes() == b"abc"


@WRITERS
def test_file_url_and_given_archive_are_unpacked_alike(tmp_path, write):
    md5 = write(tmp_path / "archive")
    _archives.fetch((tmp_path / "archive").as_uri(), md5, tmp_path / "fetched")
    _archives.unpack(tmp_path / "archive", md5, tmp_path / "given")
    assert everything(tmp_path / "fetched") == everything(tmp_path / "given") == {"photos", "photos/a", *NAMES}
    assert (tmp_path / "archive").is_file()


def test_download_of_a_dataset_goes_through_the_same_checks(tmp_path, served, monkeypatch):
    folder, url = served
    write_tar(folder / "archive.tar.gz", ("cifar-100-python/train",))
    monkeypatch.setattr(cifar100, "url", f"{url}/archive.tar.gz")
    with pytest.raises(UsageError, match="the published archive has eb9058c3a382ffc7106e4002c42a8d85"):
        cifar100.download(tmp_path / "data")
    assert everything(tmp_path / "data") == set()


@WRITERS
def test_another_md5_leaves_nothing_behind(tmp_path, served, write):
    folder, url = served
    write(folder / "archive")
    with pytest.raises(UsageError, match="nothing was unpacked"):
        _archives.fetch(f"{url}/archive", "0" * 32, tmp_path / "data")
    with pytest.raises(UsageError, match="nothing was unpacked"):
        _archives.unpack(folder / "archive", "0" * 32, tmp_path / "data")
    assert everything(tmp_path / "data") == set()


@pytest.mark.parametrize(
    ("write", "names", "links"),
    [
        (write_tar, ("photos/1", "../outside"), {}),
        (write_tar, ("photos/1", "photos/../../../outside"), {}),
        (write_tar, ("link/outside",), {"link": ".."}),
        (write_tar, ("photos/1",), {"link": "/etc/passwd"}),
        (write_zip, ("photos/1", "../outside"), {}),
        (write_zip, ("photos/1", "photos/../../outside"), {}),
        (write_zip, ("photos/1", "..\\outside"), {}),
        (write_zip, ("photos/1", "/outside"), {}),
        (write_zip, ("photos/1", "C:\\outside"), {}),
        (write_zip, ("photos/1",), {"link": "inside"}),
    ],
)
def test_member_that_would_leave_the_folder_refuses_the_whole_archive(tmp_path, write, names, links):
    (tmp_path / "data").mkdir()
    md5 = write(tmp_path / "archive", names, links)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        _archives.unpack(tmp_path / "archive", md5, tmp_path / "data")
    assert everything(tmp_path) == {"archive", "data"}


@WRITERS
def test_cut_archive_is_named(tmp_path, write):
    write(tmp_path / "archive", tuple(f"photos/{number}" for number in range(200)))
    whole = (tmp_path / "archive").read_bytes()
    (tmp_path / "archive").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="archive cannot be unpacked"):
        _archives.unpack(tmp_path / "archive", md5_of(tmp_path / "archive"), tmp_path / "data")
    assert everything(tmp_path / "data") == set()


def test_files_that_were_there_are_replaced_and_others_stay(tmp_path):
    (tmp_path / "data" / "photos" / "a").mkdir(parents=True)
    (tmp_path / "data" / "photos" / "a" / "1.JPG").write_bytes(b"half")
    (tmp_path / "data" / "photos" / "own.txt").write_bytes(b"mine")
    md5 = write_tar(tmp_path / "archive")
    _archives.unpack(tmp_path / "archive", md5, tmp_path / "data")
    assert (tmp_path / "data" / "photos" / "a" / "1.JPG").read_bytes() == b"abc"
    assert (tmp_path / "data" / "photos" / "own.txt").read_bytes() == b"mine"


def test_file_in_the_place_of_a_folder_is_named_before_anything_moves(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "photos").write_bytes(b"a file")
    md5 = write_zip(tmp_path / "archive")
    with pytest.raises(UsageError, match="data/photos stands in the way"):
        _archives.unpack(tmp_path / "archive", md5, tmp_path / "data")
    assert everything(tmp_path / "data") == {"photos"}


def test_missing_archive_is_named(tmp_path):
    with pytest.raises(UsageError, match="there is no archive"):
        _archives.unpack(tmp_path / "archive", "0" * 32, tmp_path / "data")
