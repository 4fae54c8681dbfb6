"""What a recipe is: every choice of a training, as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypedDict

from atrous.spec import parse_integer, parse_integers

TASKS = ("image-classification",)
DECAYS = ("none", "linear", "cosine")
AUGMENTATIONS = ("flip", "shift")
HEADS = ("auto", "flatten", "average")


class Options(TypedDict, total=False):
    """The choices of a recipe that a user may change; see `Recipe` for their meaning."""

    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    decay: str | None
    rates: int | tuple[int, ...] | list[int] | None
    depth: int | None
    reduction: int | None
    head: str | None
    dropout: float | None
    augment: bool | str | tuple[str, ...] | list[str] | None
    mixed_precision: bool | None
    early_stopping: int | None
    seed: int | None
    image_size: int | tuple[int, int] | list[int] | None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained on a kind of data.

    Args:
        name: What the recipe is called in tables.
        task: One of `TASKS`.
        kind: Kind of data it is made for (`Dataset.kind`); "" for a recipe that fits any data.
        epochs: Passes over the training images.
        batch_size: Images a step.
        learning_rate: Step size of Adam in the first step.
        decay: How the learning rate falls to zero in the last step: one of `DECAYS`.
        rates: Dilation rates of the model's 3×3 layers at the lowest resolution, one layer a rate.
        depth: Convolution-and-pooling stages in front of them.
        reduction: Filters of the 1×1 layer behind them; 0 leaves it out.
        head: `"flatten"`, `"average"`, or `"auto"`: by the size of the images.
        dropout: Share of the last hidden layer's units dropped in training.
        augment: Random changes of the training images: any of `AUGMENTATIONS`.
        mixed_precision: Whether layers compute in bfloat16 (CPU) or float16 (GPU); weights stay float32.
        early_stopping: Epochs without a better `metric` after which training ends; 0 for never.
        seed: Of the first weights, the order of images, augmentation and dropout.
        image_size: Height and width that images are resized to, in pixels; `None` leaves that to the data set.
        metric: What the best epoch is chosen by, on the validation images.

    Raises:
        ValueError: A value breaks its rule.
    """

    name: str
    task: str = "image-classification"
    kind: str = ""
    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    decay: str = "none"
    rates: tuple[int, ...] = (2,)
    depth: int = 2
    reduction: int = 64
    head: str = "auto"
    dropout: float = 0.5
    augment: tuple[str, ...] = ()
    mixed_precision: bool = False
    early_stopping: int = 0
    seed: int = 0
    image_size: tuple[int, int] | None = None
    metric: str = "accuracy"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            self._set(name, parse_integer(name, getattr(self, name)))
        for name in ("depth", "reduction", "early_stopping", "seed"):
            self._set(name, parse_integer(name, getattr(self, name), minimum=0))
        self._set("learning_rate", _parse_number("learning_rate", self.learning_rate, 0, math.inf))
        if self.dropout != 0:
            self._set("dropout", _parse_number("dropout", self.dropout, 0, 1))
        rates = self.rates if isinstance(self.rates, (tuple, list)) else (self.rates,)
        self._set("rates", tuple(parse_integer("rates", rate) for rate in rates))
        if not self.rates:
            raise ValueError("`rates` must have at least one rate: one dilated layer a rate. Received: rates=().")
        if self.image_size is not None:
            self._set("image_size", parse_integers("image_size", self.image_size, rank=2))
        self._set("augment", _parse_augment(self.augment))
        parse_choice("task", self.task, TASKS)
        parse_choice("decay", self.decay, DECAYS)
        parse_choice("head", self.head, HEADS)

    def replace(self, options: Mapping[str, Any]) -> Self:
        """Returns the recipe with a user's options applied; an option that is `None` keeps the recipe's choice.

        Raises:
            ValueError: There is no such option, or its value breaks a rule.
        """
        for option in options:
            parse_choice("options", option, tuple(Options.__annotations__))
        return dataclasses.replace(self, **{name: value for name, value in options.items() if value is not None})

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen for everyone else


def parse_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raises a ValueError that lists the choices unless `value` is one of them."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}.")


def _parse_augment(value: object) -> tuple[str, ...]:
    if isinstance(value, bool):
        return AUGMENTATIONS if value else ()
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (tuple, list)):
        raise ValueError(f"`augment` must be a list of {', '.join(AUGMENTATIONS)}. Received: augment={value!r}.")
    for name in names:
        parse_choice("augment", name, AUGMENTATIONS)
    return tuple(dict.fromkeys(names))


def _parse_number(name: str, value: object, low: float, high: float) -> float:
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not low < number < high:
        rule = f"between {low:g} and {high:g}" if high < math.inf else "a positive number"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return float(number)
