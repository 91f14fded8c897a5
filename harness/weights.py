"""ImageNet weights of torchvision's ResNets: found in a data folder or torch's own cache, or fetched.

Torch-free, so that a sweep can say before it starts that they are not to be had.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

from harness import datasets, files
from harness.errors import MissingData

# torchvision's IMAGENET1K_V1 files; the name ends in the first eight digits of the file's sha256
FILES = {
    "resnet18": "resnet18-f37072fd.pth",
    "resnet34": "resnet34-b627a593.pth",
    "resnet50": "resnet50-0676ba61.pth",
}
URL = "https://download.pytorch.org/models/"


def find(encoder: str, *, fetch: bool = True) -> Path:
    """The file of an encoder's ImageNet weights, fetched where it is not here. Raises MissingData where neither works."""
    name = FILES[encoder]
    home = os.environ.get("TORCH_HOME") or str(Path.home() / ".cache" / "torch")
    cache = Path(home) / "hub" / "checkpoints" / name
    places = [*(root / "weights" / name for root in datasets.roots()), cache]
    for place in places:
        if place.is_file() and _is_whole(place, name):
            return place
    reason = "not looked for on the network"
    if fetch:
        try:
            with urllib.request.urlopen(URL + name, timeout=20) as response:  # nosec B310: a constant
                content = response.read()
            files.replace(cache, lambda stream: stream.write(content))
            if _is_whole(cache, name):
                return cache
            reason = "the download is not the published file"
        except (urllib.error.URLError, OSError) as error:
            reason = f"{URL}{name}: {error}"
    raise MissingData(
        f"ImageNet weights for {encoder} are not to be had ({reason}). Put {name} into one of "
        f"{', '.join(str(place.parent) for place in places)}, or start from random weights with "
        "--set initialisation=random."
    )


def _is_whole(path: Path, name: str) -> bool:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(Path(name).stem.split("-")[1])
