"""AutoAugment's sub-policies for CIFAR-10 (Cubuk et al., CVPR 2019, Table 7) and what their magnitude indices mean."""

from __future__ import annotations

import numpy as np
import torch

# One row per sub-policy: two stages of (operation, probability, magnitude index or None where there is no magnitude).
SUB_POLICIES = (
    (("invert", 0.1, None), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, None), ("equalize", 0.9, None)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, None), ("equalize", 0.5, None)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, None), ("autocontrast", 0.4, None)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, None)),
    (("equalize", 0.2, None), ("autocontrast", 0.6, None)),
    (("equalize", 0.2, None), ("equalize", 0.6, None)),
    (("color", 0.9, 9), ("equalize", 0.6, None)),
    (("autocontrast", 0.8, None), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, None)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, None), ("solarize", 0.8, 3)),
    (("equalize", 0.8, None), ("invert", 0.1, None)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, None)),
)

UNSCALED = ("autocontrast", "equalize", "invert")
ENHANCEMENTS = ("brightness", "color", "contrast", "sharpness")
SIGNED = (*ENHANCEMENTS, "shear_x", "shear_y", "translate_x", "translate_y")  # their magnitude gets a random sign


def released_magnitudes(height: int, width: int) -> dict[str, list[float]]:
    """Ten magnitudes per operation, as in DeepVoltaire/AutoAugment, which the MaskCon code copies."""
    return {
        "shear_x": np.linspace(0, 0.3, 10).tolist(),
        "shear_y": np.linspace(0, 0.3, 10).tolist(),
        "translate_x": (np.linspace(0, 150 / 331, 10) * width).tolist(),
        "translate_y": (np.linspace(0, 150 / 331, 10) * height).tolist(),
        "rotate": np.linspace(0, 30, 10).tolist(),
        "posterize": np.round(np.linspace(8, 4, 10)).tolist(),
        "solarize": np.linspace(256, 0, 10).tolist(),
        **{name: np.linspace(0, 0.9, 10).tolist() for name in ENHANCEMENTS},
        **{name: [0.0] * 10 for name in UNSCALED},
    }


def torchvision_magnitudes(height: int, width: int) -> dict[str, list[float]]:
    """Ten magnitudes per operation, as in torchvision.transforms.AutoAugment: in float32, the shift in whole pixels."""
    return {
        "shear_x": torch.linspace(0, 0.3, 10).tolist(),
        "shear_y": torch.linspace(0, 0.3, 10).tolist(),
        "translate_x": torch.linspace(0, 150 / 331 * width, 10).trunc().tolist(),
        "translate_y": torch.linspace(0, 150 / 331 * height, 10).trunc().tolist(),
        "rotate": torch.linspace(0, 30, 10).tolist(),
        "posterize": np.round(np.linspace(8, 4, 10)).tolist(),
        "solarize": torch.linspace(255, 0, 10).tolist(),
        **{name: torch.linspace(0, 0.9, 10).tolist() for name in ENHANCEMENTS},
        **{name: [0.0] * 10 for name in UNSCALED},
    }
