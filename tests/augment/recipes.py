"""The recipes that every dataset names, and every augmentation by itself."""

from __future__ import annotations

from harness import datasets
from harness.config import TrialConfig

CROP = ("random_resized_crop", {"size": (20, 28)})
SINGLE = {
    "random_resized_crop": (CROP,),
    "horizontal_flip": (("horizontal_flip", {}),),
    "rotation": (("rotation", {"degrees": 25, "fill": 7}),),
    "autoaugment": (("autoaugment", {}),),
    "autoaugment torchvision": (("autoaugment", {"policy": "torchvision"}),),
    "perspective": (("perspective", {"fill": 9}),),
    "color_jitter": (("color_jitter", {}),),
    "color_jitter without hue": (("color_jitter", {"hue": 0, "probability": 0.5}),),
    "grayscale": (("grayscale", {}),),
    "gaussian_blur": (("gaussian_blur", {}),),
}
PHOTOGRAPHS = (CROP, *(SINGLE[name][0] for name in ("perspective", "color_jitter", "grayscale", "gaussian_blur")))


def of_datasets() -> dict[str, tuple]:
    """By dataset, policy and view. The size is an argument of trials, whatever the dataset's images have."""
    return {
        f"{name} {policy} {view}": recipe
        for name in datasets.names()
        for policy in ("released", "torchvision")
        for view, recipe in datasets.load(name)
        .views(TrialConfig(dataset=name, method="selfcon", policy=policy, image_size=24))
        .items()
    }


ALL = {**SINGLE, "photographs": PHOTOGRAPHS, **of_datasets()}
