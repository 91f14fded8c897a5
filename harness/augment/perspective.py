"""Look at each image from another side with a given probability: torchvision's RandomPerspective on PIL images.

The four corners move inwards by whole pixels, and PIL's PERSPECTIVE transform (Pillow's src/libImaging/Geometry.c)
takes each output pixel from where the projective map sends it, bilinearly, bit for bit.

n or N images of C channels and H × W pixels.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from harness.augment import Drawn, _chosen
from harness.devices import send


def draw(
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    distortion_scale: float = 0.5,
    probability: float = 0.5,
    fill: float = 0,
) -> Drawn:
    """Corners move by up to `distortion_scale` of half an axis; what they leave gets grey level `fill`. Same shape."""
    happens = torch.rand(count, generator=generator) < probability  # (N,)
    corners = draw_corners(count, height, width, generator, distortion_scale)
    return functools.partial(_chosen.apply_to, functools.partial(move_corners, fill=fill)), (happens, corners)


def draw_corners(count: int, height: int, width: int, generator: torch.Generator, distortion_scale: float) -> Tensor:
    """Where the corners go, as RandomPerspective.get_params draws it. (count, 4, 2) int64.

    (x, y) of the top left, top right, bottom right and bottom left corner.
    """
    columns = torch.randint(int(distortion_scale * (width // 2)) + 1, (count, 4), generator=generator)
    rows = torch.randint(int(distortion_scale * (height // 2)) + 1, (count, 4), generator=generator)
    inwards = torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    return image_corners(height, width) + inwards * torch.stack([columns, rows], dim=2)


def image_corners(height: int, width: int) -> Tensor:
    """(x, y) of the top left, top right, bottom right and bottom left pixel. (4, 2) int64."""
    right, bottom = width - 1, height - 1
    return torch.tensor([[0, 0], [right, 0], [right, bottom], [0, bottom]])


def coefficients(corners: Tensor, height: int, width: int) -> Tensor:
    """torchvision's _get_perspective_coeffs: of the map from `corners` (n, 4, 2) back to the image's own. (n, 8).

    An output pixel (x, y) comes from ((a0 x + a1 y + a2) / w, (a3 x + a4 y + a5) / w) with w = a6 x + a7 y + 1.
    Solved in float64 and rounded to float32, as there. Returns float64.
    """
    targets = image_corners(height, width).to(torch.float64)  # (4, 2)
    x, y = corners.to(torch.float64).unbind(dim=2)  # (n, 4) each
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    for_x = torch.stack([x, y, one, zero, zero, zero, -targets[:, 0] * x, -targets[:, 0] * y], dim=2)
    for_y = torch.stack([zero, zero, zero, x, y, one, -targets[:, 1] * x, -targets[:, 1] * y], dim=2)
    equations = torch.stack([for_x, for_y], dim=2).reshape(-1, 8, 8)
    right_side = targets.reshape(1, 8, 1).expand(len(corners), -1, -1)
    solution = torch.linalg.lstsq(equations, right_side, driver="gels").solution  # (n, 8, 1)
    return solution[:, :, 0].to(torch.float32).to(torch.float64)


def move_corners(images: Tensor, corners: Tensor, fill: float) -> Tensor:
    """torchvision's `perspective` of each image to its `corners`, (n, 4, 2) on the host."""
    height, width = images.shape[2:]
    x, y = source_points(send(coefficients(corners, height, width), images.device), height, width)
    outside = ~((x >= 0) & (x < width) & (y >= 0) & (y < height))  # (n, H, W)
    moved = bilinear(images, x.masked_fill(outside, 0.5), y.masked_fill(outside, 0.5))
    return moved.masked_fill(outside[:, None], fill)


def source_points(maps: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where the centre of each output pixel comes from, in PIL's order of operations. maps: (n, 8). (n, H, W) each."""
    a0, a1, a2, a3, a4, a5, a6, a7 = maps.T[:, :, None, None]  # (n, 1, 1) each
    column = torch.arange(width, device=maps.device) + 0.5
    row = (torch.arange(height, device=maps.device) + 0.5)[:, None]
    scale = a6 * column + a7 * row + 1
    return (a0 * column + a1 * row + a2) / scale, (a3 * column + a4 * row + a5) / scale


def bilinear(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """PIL's bilinear filter at points in the image, (n, H, W) float64: edge pixels repeated, truncated.

    In float64: a result that should be an integer would otherwise lose a grey level by the truncation.
    """
    count, channels, _, width = images.shape
    left, top = torch.floor(x - 0.5), torch.floor(y - 0.5)  # from -1 on
    right_share, lower_share = (x - 0.5 - left)[:, None], (y - 0.5 - top)[:, None]  # (n, 1, H, W)
    line = width + 2
    framed = torch.nn.functional.pad(images.to(torch.float64), (1, 1, 1, 1), mode="replicate").flatten(2)
    source = ((top + 1) * line + (left + 1)).to(torch.int64)  # the upper left of the four pixels
    source = source.reshape(count, 1, -1).expand(-1, channels, -1)
    upper, upper_right, lower, lower_right = (
        framed[:, :, offset:].gather(2, source).reshape(images.shape) for offset in (0, 1, line, line + 1)
    )
    upper = upper + (upper_right - upper) * right_share
    lower = lower + (lower_right - lower) * right_share
    return torch.floor(upper + (lower - upper) * lower_share).to(images.dtype)
