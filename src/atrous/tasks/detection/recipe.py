"""What a recipe for detection chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer, parse_integers
from atrous.tasks.fine_tuning import FineTuning
from atrous.tasks.recipe import option, parse_names, parse_number, parse_rates

AUGMENTATIONS = ("scale", "crop", "flip", "colour")


@dataclass(frozen=True, kw_only=True)
class Detection(FineTuning):
    """How a dilated detector is trained on images with boxes; what it begins with: see `FineTuning`.

    Args:
        backbone: A name of `atrous.models.ResNet`'s table, or of `keras.applications`.
        output_stride: Pixels between neighbouring locations, each of which says one box: small objects want a small one.
        rates: Of the encoder's residual blocks, for an output stride of 32, as published; at 16 they are twice as large.
            If all are 1, every rate in the network is, the backbone's, too, and nothing else changes: parameters and sizes of
            maps stay. `1` alone stands for as many as the default has.
        filters: Of encoder and towers.
        depth: Convolutions in each of the two towers, of classes and of boxes.
        crop_size: Height and width of what is cut out of training images, in pixels; `None`: the images' median, at most 256
            and in whole output strides.
        augment: Random changes of images, and of boxes with them: any of `AUGMENTATIONS`. Without `"crop"`, the middle is cut
            out.
        scales: Least and largest factor of `"scale"`.
        confidence: Least score of a box that is shown, told by `predict`, or counted in precision and recall. The average
            precision is of all scores.
        overlap: Of two boxes of one class whose intersection is more than this share of their union, the one with the lower
            score is dropped.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "detection"
    metric: str = "ap"
    backbone: str = option("resnet_14_small", "resnet_14_small … resnet_101, or of keras.applications.")
    output_stride: int = option(16, "Pixels between neighbouring locations: 16, or 8 for small objects.")
    rates: tuple[int, ...] = option((1, 2), "Of the encoder for output stride 32 (published 2,4,6,8); 1: no dilation anywhere.")
    filters: int = option(64, "Of encoder and towers; published 256.")
    depth: int = option(2, "Convolutions in each tower; published 4.")
    crop_size: tuple[int, int] | None = option(None, "Height and width of what is cut out of training images.", "N|H,W")
    augment: tuple[str, ...] = option(AUGMENTATIONS, f"Random changes of images and boxes: {', '.join(AUGMENTATIONS)}.")
    scales: tuple[float, ...] = option((0.75, 1.5), "Least and largest factor of scale.", "X,X")
    confidence: float = option(0.4, "Least score of a box that is shown and counted; the average precision is of all.")
    overlap: float = option(0.5, "Of two boxes that share more of their union, the worse one is dropped.")

    network_choices: ClassVar[tuple[str, ...]] = ("backbone", "output_stride", "rates", "filters", "depth")
    facts: ClassVar[tuple[str, ...]] = ("class_names", "category_ids", "image_size", "objects", "skipped", "mended")
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("output_stride", "filters", "depth"):
            self._set(name, parse_integer(name, getattr(self, name)))
        self._set("rates", parse_rates(self.rates, "one residual block a rate"))
        if self.crop_size is not None:
            self._set("crop_size", parse_integers("crop_size", self.crop_size, rank=2))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        scales = self.scales if isinstance(self.scales, (tuple, list)) else (self.scales,) * 2
        self._set("scales", tuple(parse_number("scales", scale, 0, 16) for scale in scales))
        if len(self.scales) != 2 or self.scales[0] > self.scales[1]:
            raise ValueError(f"`scales` must be the least and the largest factor. Received: scales={self.scales}.")
        for name in ("confidence", "overlap"):
            self._set(name, parse_number(name, getattr(self, name), 0, 1))

    @property
    def is_undilated(self) -> bool:
        """Whether every rate in the network is to be 1."""
        return set(self.rates) == {1}

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Size of the images, objects, the network."""
        size, objects = "×".join(map(str, facts["image_size"])), sum(facts["objects"])
        of = f"of {len(facts['class_names'])} classes" if len(facts["class_names"]) > 1 else facts["class_names"][0]
        rates = ", ".join(map(str, self.rates))
        return f"of {size}, {objects:,} objects {of} · detector on {self.backbone}, rates {rates}"
