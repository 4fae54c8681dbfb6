"""What a recipe for segmentation chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer, parse_integers
from atrous.tasks.fine_tuning import FineTuning
from atrous.tasks.recipe import option, parse_choice, parse_names, parse_number, parse_rates

NETWORKS = ("deeplab", "dilated-net")
AUGMENTATIONS = ("scale", "crop", "flip", "colour")
CLASS_WEIGHTS = ("none", "balanced")


@dataclass(frozen=True, kw_only=True)
class Segmentation(FineTuning):
    """How a dilated network is trained on images with a class for each pixel; what it begins with: see `FineTuning`.

    Args:
        network: `"deeplab"`, `atrous.models.DeepLabV3Plus`; or `"dilated-net"`, `atrous.models.DilatedNet`.
        backbone: Of DeepLab: a name of `atrous.models.ResNet`'s table, "drn_" and a variant of `atrous.models.DRN`, such as
            "drn_d_22", or a name of `keras.applications`.
        output_stride: Of DeepLab: pixels between neighbours of the map that ASPP looks at.
        rates: Of DeepLab's ASPP, for an output stride of 16 (they are doubled at 8); of the context module of `DilatedNet`, one
            a layer. If all are 1, every rate in the network is, and nothing else changes: parameters and sizes of maps stay.
            (DilatedNet's front end stays dilated.) `1` alone stands for as many as the default has.
        filters: Of DeepLab's ASPP and decoder.
        widths: Of DilatedNet: channels of its five stages and of `fc6`, `fc7`.
        dropout: Share of channels dropped behind ASPP, or behind `fc6` and `fc7`, in training.
        crop_size: Height and width of what is cut out of training images, in pixels; `None`: two thirds of the images' median,
            at most 256 and in whole output strides; of images up to 96 pixels a side, all.
        augment: Random changes of image and mask together: any of `AUGMENTATIONS`. Without `"crop"`, the middle is cut out.
        scales: Least and largest factor of `"scale"`.
        class_weights: `"balanced"`: classes count as if they had equally many pixels, as far as a factor of 10 goes.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "segmentation"
    metric: str = "mean_iou"
    network: str = option("deeplab", f"{', '.join(NETWORKS)}.")
    backbone: str = option(
        "resnet_14_small", "Of DeepLab: resnet_14_small … resnet_101, drn_d_22, …, or of keras.applications."
    )
    output_stride: int = option(8, "Of DeepLab: pixels between neighbours of the map that ASPP looks at.")
    rates: tuple[int, ...] = option(
        (2, 4, 6), "Of ASPP for output stride 16 (published 6,12,18), or of DilatedNet's context; 1: no dilation anywhere."
    )
    filters: int = option(64, "Of DeepLab's ASPP and decoder; published 256.")
    widths: tuple[int, ...] = option((16, 32, 64, 96, 96, 128), "Of DilatedNet's stages; published 64,128,256,512,512,4096.")
    dropout: float = option(0.1, "Share of channels dropped behind the pyramid in training.")
    crop_size: tuple[int, int] | None = option(None, "Height and width of what is cut out of training images.", "N|H,W")
    augment: tuple[str, ...] = option(AUGMENTATIONS, f"Random changes of image and mask: {', '.join(AUGMENTATIONS)}.")
    scales: tuple[float, ...] = option((0.75, 1.5), "Least and largest factor of scale.", "X,X")
    class_weights: str = option("none", f"{', '.join(CLASS_WEIGHTS)}: rare classes count as much as frequent ones.")

    network_choices: ClassVar[tuple[str, ...]] = ("network", "backbone", "output_stride", "rates", "filters", "widths")
    facts: ClassVar[tuple[str, ...]] = ("class_names", "palette", "image_size", "pixels", "skipped")
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_choice("network", self.network, NETWORKS)
        for name in ("output_stride", "filters"):
            self._set(name, parse_integer(name, getattr(self, name)))
        self._set("rates", parse_rates(self.rates, "one branch, or one layer, a rate"))
        self._set("widths", parse_integers("widths", self.widths, rank=6))
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        if self.crop_size is not None:
            self._set("crop_size", parse_integers("crop_size", self.crop_size, rank=2))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        scales = self.scales if isinstance(self.scales, (tuple, list)) else (self.scales,) * 2
        self._set("scales", tuple(parse_number("scales", scale, 0, 16) for scale in scales))
        if len(self.scales) != 2 or self.scales[0] > self.scales[1]:
            raise ValueError(f"`scales` must be the least and the largest factor. Received: scales={self.scales}.")
        parse_choice("class_weights", self.class_weights, CLASS_WEIGHTS)

    @property
    def is_undilated(self) -> bool:
        """Whether every rate in the network is to be 1."""
        return set(self.rates) == {1}

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Size of the images, number of classes, the network."""
        size = "×".join(map(str, facts["image_size"]))
        of = f"deeplab on {self.backbone}" if self.network == "deeplab" else self.network
        return f"of {size}, {len(facts['class_names'])} classes · {of}, rates {', '.join(map(str, self.rates))}"
