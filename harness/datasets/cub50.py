"""CUB-50: the first 50 species of Caltech-UCSD Birds-200-2011; groupings, views and attributes as in `_cub`."""

from __future__ import annotations

from pathlib import Path

from harness.datasets import Listing, _cub, digest_of

title = "CUB-50"
train_size, test_size = 1_500, 1_389
classes = (25, 50)
source = f"{_cub.SOURCE}, the first 50 species"
licence = _cub.LICENCE
url = _cub.URL
archives = {_cub.MD5: "."}
how_to_get = _cub.HOW_TO_GET
groupings = _cub.GROUPINGS
settings: dict = {"image_size": 224}
mean, std = _cub.MEAN, _cub.STD
views, files, download = _cub.views, _cub.files, _cub.download
digest = digest_of([file.md5 for file in files()])


def listing(root: Path, grouping: str, *, attributes: bool) -> Listing:
    """The published split of these species; 312 attributes of each training image where they are asked for."""
    return _cub.listing(root, grouping, attributes, species=50)
