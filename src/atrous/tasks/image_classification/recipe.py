"""What a recipe for image classification chooses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer, parse_integers
from atrous.tasks.fine_tuning import FineTuning
from atrous.tasks.recipe import option, parse_choice, parse_names, parse_number, parse_rates

AUGMENTATIONS = ("flip", "shift", "rotate", "zoom", "colour")
CLASS_WEIGHTS = ("none", "balanced")
HEADS = ("auto", "flatten", "average")
RESIZES = ("stretch", "crop")


@dataclass(frozen=True, kw_only=True)
class ImageClassification(FineTuning):
    """How a network is trained on images with one class each; what it begins with: see `FineTuning`.

    The network is `atrous.models.DilatedClassifier`, or a backbone with the mean over its map, dropout and a last layer.

    Args:
        backbone: A name of `atrous.models.ResNet`'s table, "drn_" and a variant of `atrous.models.DRN`, such as "drn_d_22", or
            a name of `keras.applications`; `None` is the small network.
        output_stride: Of a backbone: pixels between neighbours of its last map; below its own, which `None` stands for, late
            strides are left out and what follows is dilated. A DRN's is 8.
        rates: Dilation rates of the small network's 3×3 layers at the lowest resolution, one layer a rate. 1 with a backbone
            makes every rate in it 1, and changes nothing else: parameters and sizes of maps stay.
        depth: Of the small network: convolution-and-pooling stages in front of them.
        reduction: Of the small network: filters of the 1×1 layer behind them; 0 leaves it out.
        head: Of the small network: `"flatten"`, `"average"`, or `"auto"`: by the size of the images.
        dropout: Share of units dropped in front of the last layer, in training.
        augment: Random changes of the training images: any of `AUGMENTATIONS`.
        image_size: Height and width that images are resized to, in pixels; `None` leaves that to the data set.
        resize: How: `"stretch"` changes proportions; `"crop"` keeps them and cuts off what is too long, at a random place in
            training and else on both sides.
        class_weights: `"balanced"`: an example counts in the loss as n / (classes · examples of its class), at most 10, so that
            rare classes count as much as frequent ones; `loss` in `metrics.csv` is weighted then, `val_loss` isn't.

    Raises:
        ValueError: A value breaks its rule, or choices of one network are made for the other.
    """

    task: str = "image-classification"
    backbone: str | None = option(
        None, "Instead of the small network: resnet_14_small … resnet_101, drn_d_22, …, or of keras.applications."
    )
    output_stride: int | None = option(None, "Of a backbone: pixels between neighbours of its last map; smaller is dilated.")
    rates: tuple[int, ...] = option((2,), "Of the small network: one dilated layer a rate; 1: no dilation, of a backbone, too.")
    depth: int = option(2, "Of the small network: convolution-and-pooling stages in front of them.")
    reduction: int = option(64, "Of the small network: filters of the 1×1 layer behind them; 0 leaves it out.")
    head: str = option("auto", f"Of the small network: what ends the convolutions: {', '.join(HEADS)}.")
    dropout: float = option(0.5, "Share of units dropped in front of the last layer in training.")
    augment: tuple[str, ...] = option((), f"Random changes of training images: {', '.join(AUGMENTATIONS)}.")
    image_size: tuple[int, int] | None = option(None, "Resize images to this height and width in pixels.", "N|H,W")
    resize: str = option("stretch", f"{', '.join(RESIZES)}: crop keeps proportions and cuts off what is too long.")
    class_weights: str = option("none", f"{', '.join(CLASS_WEIGHTS)}: rare classes count as much as frequent ones.")
    metric: str = "accuracy"

    network_choices: ClassVar[tuple[str, ...]] = ("backbone", "output_stride", "rates", "depth", "reduction", "head", "resize")
    facts: ClassVar[tuple[str, ...]] = ("class_names", "image_shape", "skipped")
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth", "reduction"):
            self._set(name, parse_integer(name, getattr(self, name), minimum=0))
        if self.output_stride is not None:
            self._set("output_stride", parse_integer("output_stride", self.output_stride))
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        self._set("rates", parse_rates(self.rates, "one dilated layer a rate"))
        if self.image_size is not None:
            self._set("image_size", parse_integers("image_size", self.image_size, rank=2))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        parse_choice("head", self.head, HEADS)
        parse_choice("resize", self.resize, RESIZES)
        parse_choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        self._check_network()

    @property
    def is_undilated(self) -> bool:
        """Whether every rate in the network is to be 1."""
        return set(self.rates) == {1}

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Size of the images, number of classes, the network."""
        size = "×".join(map(str, facts["image_shape"]))
        return f"of {size}, {len(facts['class_names'])} classes · {self.network()}"

    def network(self) -> str:
        """The network in a few words."""
        if self.backbone is None:
            return f"rates {', '.join(map(str, self.rates))}"
        stride = "" if self.output_stride is None else f" at output stride {self.output_stride}"
        return f"{self.backbone}{stride}{', no dilation' if self.is_undilated else ''}"

    def _check_network(self) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        if self.backbone is not None:
            for name in ("depth", "reduction", "head"):
                if getattr(self, name) != defaults[name]:
                    raise ValueError(
                        f"`{name}` must be left out with `backbone`: it is the small network's. "
                        f"Received: {name}={getattr(self, name)!r} with backbone={self.backbone!r}."
                    )
            if self.rates not in ((1,), defaults["rates"]):
                raise ValueError(
                    "`rates` must be 1, or left out, with `backbone`, whose rates follow from `output_stride`. "
                    f"Received: rates={self.rates} with backbone={self.backbone!r}."
                )
            if self.backbone.startswith("drn_") and self.output_stride not in (None, 8):
                raise ValueError(
                    f"`output_stride` must be 8, or left out, with a DRN. Received: output_stride={self.output_stride}."
                )
            if self.weights == "imagenet" and self.backbone.islower():  # as names of built-in backbones are
                raise ValueError(
                    "`weights` must be None or a file for a built-in backbone; weights of PyTorch are imported by "
                    f"`atrous.surgery.import_weights`. Received: weights='imagenet' with backbone={self.backbone!r}."
                )
        elif self.output_stride is not None or self.weights == "imagenet":
            name = "weights" if self.output_stride is None else "output_stride"
            value = getattr(self, name)
            raise ValueError(f"`{name}={value!r}` must come with a `backbone`. Received: {name}={value!r} and no backbone.")
