"""Turning the hue of a batch by way of PIL's HSV, bit for bit (Pillow's src/libImaging/Convert.c).

PIL keeps hue, saturation and value in a byte each. Images are (n, 3, H, W) float32 with integer levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.devices import send


def turn(images: Tensor, turns: Tensor) -> Tensor:
    """torchvision's adjust_hue. turns: (n,) on the host, shares of a turn. A grey image stays as it is.

    NOTE: as there 255 steps are a turn, but a byte has 256, and a turn of 0 is still rounded to bytes and back.
    """
    if images.shape[1] == 1:
        return images
    hue, saturation, value = to_hsv(images)
    steps = send(torch.trunc(255 * turns.to(torch.float64)), images.device, torch.float32)[:, None, None, None]
    return to_rgb(torch.remainder(hue + steps, 256), saturation, value)


def to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """PIL's conversion to "HSV". (n, 1, H, W) float32 bytes each.

    The hue is truncated, and where it should be an integer the roundings on the way to it decide: the same float32 and
    float64 as there.
    """
    value, least = images.amax(dim=1, keepdim=True), images.amin(dim=1, keepdim=True)
    spread = value - least
    saturation = torch.floor(255 * spread / value.clamp(min=1))
    red, green, blue = ((value - images) / spread.clamp(min=1)).to(torch.float64).split(1, dim=1)
    sixths = torch.where(green == 0, 2 + red - blue, 4 + green - red)
    sixths = torch.where(red == 0, blue - green, sixths).to(torch.float32)
    turns = torch.frac(sixths.to(torch.float64) / 6 + 1).to(torch.float32)
    hue = torch.floor(turns.to(torch.float64) * 255).to(torch.float32)
    return hue, saturation, value


def to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """PIL's conversion from "HSV" to "RGB". (n, 3, H, W).

    A channel is value · (1 − saturation · w), where w falls from 1 to 0 and rises again as the hue goes round: in
    255ths, integers below 2^24, rounded. It agrees with PIL's floating point for every hue, saturation and value.
    """
    start = torch.arange(5, 0, -2, device=hue.device, dtype=torch.float32)[:, None, None]  # red, green, blue
    angle = torch.remainder(6 * hue + 255 * start, 6 * 255)  # (n, 3, H, W)
    falls = torch.minimum(angle, 4 * 255 - angle).clamp(0, 255)
    # A tensor, as CUDA divides by a number through its rounded reciprocal.
    scale = torch.full((), 255 * 255, device=hue.device, dtype=torch.float32)
    return torch.floor((value * (255 * 255 - saturation * falls) + 255 * 255 // 2) / scale)
