"""What a recipe for image classification chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer, parse_integers
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_names, parse_number, parse_rates

AUGMENTATIONS = ("flip", "shift")
HEADS = ("auto", "flatten", "average")


@dataclass(frozen=True, kw_only=True)
class ImageClassification(Recipe):
    """How `atrous.models.DilatedClassifier` is trained on images with one class each.

    Args:
        rates: Dilation rates of the model's 3×3 layers at the lowest resolution, one layer a rate.
        depth: Convolution-and-pooling stages in front of them.
        reduction: Filters of the 1×1 layer behind them; 0 leaves it out.
        head: `"flatten"`, `"average"`, or `"auto"`: by the size of the images.
        dropout: Share of the last hidden layer's units dropped in training.
        augment: Random changes of the training images: any of `AUGMENTATIONS`.
        image_size: Height and width that images are resized to, in pixels; `None` leaves that to the data set.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "image-classification"
    rates: tuple[int, ...] = option((2,), "Dilation rates: one dilated layer a rate, such as 2 or 2,4,8.")
    depth: int = option(2, "Convolution-and-pooling stages in front of them.")
    reduction: int = option(64, "Filters of the 1×1 layer behind them; 0 leaves it out.")
    head: str = option("auto", f"What ends the convolutions: {', '.join(HEADS)}.")
    dropout: float = option(0.5, "Share of units dropped in training.")
    augment: tuple[str, ...] = option((), f"Random changes of training images: {', '.join(AUGMENTATIONS)}.")
    image_size: tuple[int, int] | None = option(None, "Resize images to this height and width in pixels.", "N|H,W")
    metric: str = "accuracy"

    facts: ClassVar[tuple[str, ...]] = ("class_names", "image_shape")
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("depth", "reduction"):
            self._set(name, parse_integer(name, getattr(self, name), minimum=0))
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        self._set("rates", parse_rates(self.rates, "one dilated layer a rate"))
        if self.image_size is not None:
            self._set("image_size", parse_integers("image_size", self.image_size, rank=2))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        parse_choice("head", self.head, HEADS)

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Size of the images, number of classes, rates."""
        size = "×".join(map(str, facts["image_shape"]))
        return f"of {size}, {len(facts['class_names'])} classes · rates {', '.join(map(str, self.rates))}"
