"""Published archives (.tar.gz, .tgz, .zip): fetched or given, checked, unpacked, moved into place.

Nothing appears in a data folder before the whole archive is fetched, right and unpacked; a file that was there is only
ever replaced by a whole one.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import stat
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from harness.errors import UsageError

# What the libraries raise for a damaged, hostile or encrypted archive; another OSError says something of the disk.
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


def fetch(url: str, md5: str, root: Path) -> None:
    """Get an archive from a URL (http, https, ftp, file) and unpack it below `root`. OSError where that fails."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as scratch:
        archive = Path(scratch) / "archive"
        # a dataset's own address, file: among them; what arrives is held against its md5
        with urllib.request.urlopen(url, timeout=60) as response, archive.open("wb") as stream:  # nosec B310
            shutil.copyfileobj(response, stream, 1 << 20)
        _unpack(archive, url, md5, root)


def unpack(archive: Path, md5: str, root: Path) -> None:
    """Unpack an archive that the user has fetched below `root`. The archive stays as it is."""
    if not archive.is_file():
        raise UsageError(f"there is no archive {archive}: give the path of the file that was fetched.")
    root.mkdir(parents=True, exist_ok=True)
    _unpack(archive, str(archive), md5, root)


def _unpack(archive: Path, name: str, md5: str, root: Path) -> None:
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != md5:
        raise UsageError(f"{name} has md5 {found}, the published archive has {md5}: nothing was unpacked.")
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpack-") as scratch:
        try:
            _extract(archive, Path(scratch))
        except _DAMAGED as error:
            raise UsageError(f"{name} cannot be unpacked ({error}): nothing was.") from error
        _check_places(Path(scratch), root, name)
        _place(Path(scratch), root)


def _extract(archive: Path, target: Path) -> None:
    """All members below `target`. Raises what the libraries raise, also for a member that would leave it."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")  # nosec B202: the filter refuses what would leave it
    else:
        with zipfile.ZipFile(archive) as zipped:
            for member in zipped.infolist():
                _check_member(member)
            zipped.extractall(target)  # nosec B202: checked above


def _check_member(member: zipfile.ZipInfo) -> None:
    """A zip file's member must lie below the folder and be a file or a folder: extractall would rename it quietly."""
    path = PureWindowsPath(member.filename)  # knows both slashes, and drives
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.anchor or ".." in path.parts:
        raise zipfile.BadZipFile(f"its member {member.filename!r} would leave the folder")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise zipfile.BadZipFile(f"its member {member.filename!r} is a link or a device")


def _check_places(source: Path, target: Path, name: str) -> None:
    """No folder of the archive may meet a file there, and no file a folder."""
    for path in source.rglob("*"):
        place = target / path.relative_to(source)
        if place.exists() and path.is_dir() != place.is_dir():
            raise UsageError(f"{name}: {place} stands in the way of its {path.relative_to(source)}: nothing was moved.")


def _place(source: Path, target: Path) -> None:
    """Move what `source` holds into `target`: a new folder at once, into one that is there file by file."""
    for path in sorted(source.iterdir()):
        place = target / path.name
        if path.is_dir() and not path.is_symlink() and place.is_dir():
            _place(path, place)
        else:
            os.replace(path, place)
