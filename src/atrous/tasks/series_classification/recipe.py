"""What a recipe for series classification chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_names, parse_number, parse_rates

AUGMENTATIONS = ("jitter", "scale", "warp", "crop")
CLASS_WEIGHTS = ("none", "balanced")
NORMALIZATIONS = ("auto", "data", "case")


@dataclass(frozen=True, kw_only=True)
class SeriesClassification(Recipe):
    """How a dilated residual network is trained to classify series: see `atrous.models.SeriesClassifier`.

    Args:
        rates: Dilation rate of each block; `()`: 1, 2, 4, … until the field covers the longest series of the training part.
            `1` alone stands for as many blocks without dilation.
        blocks: Number of blocks, if `rates` doesn't say it.
        filters: Channels of each block.
        kernel_size: Taps of each convolution, two a block.
        stride: Steps that the first convolution goes on by; `None`: as many as leave at most 256.
        dropout: Share of channels dropped in front of the last layer in training.
        augment: Random changes of training series: any of `AUGMENTATIONS`.
        normalize: `"case"`: each channel of each series to mean 0 and deviation 1, so that levels tell nothing; `"data"`: by
            mean and deviation over all of the training part; `"auto"`: `"case"` where levels differ so much between series that
            little of their shape would be left.
        class_weights: `"balanced"`: an example counts in the loss as n / (classes · examples of its class), at most 10.
        validation: Share of the training cases held out to choose the best epoch by; 0 holds out none, and the best epoch is
            that which fits the training cases best; `None`: 0 for fewer than 300 training cases, else 0.1.
        cases: Cases that an epoch has at least: fewer come several times, each time changed anew.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "series-classification"
    metric: str = "accuracy"
    rates: tuple[int, ...] = option((), "Of each block; 1: no dilation. Default: 1,2,4,… over the longest series.")
    blocks: int | None = option(None, "Number of blocks, if rates don't say it.")
    filters: int = option(32, "Channels of each block.")
    kernel_size: int = option(3, "Taps of each convolution, two a block.")
    stride: int | None = option(None, "Steps that the first convolution goes on by. Default: leaves at most 256.", "STEPS")
    dropout: float = option(0.3, "Share of channels dropped in front of the last layer in training.")
    augment: tuple[str, ...] = option((), f"Random changes of training series: {', '.join(AUGMENTATIONS)}.")
    normalize: str = option("auto", f"{', '.join(NORMALIZATIONS)}: case makes levels tell nothing; auto: by the data.")
    class_weights: str = option("none", f"{', '.join(CLASS_WEIGHTS)}: rare classes count as much as frequent ones.")
    validation: float | None = option(None, "Share of training cases held out. Default: 0 below 300 cases, else 0.1.", "SHARE")
    cases: int = option(256, "Cases an epoch at least: fewer come several times.")

    facts: ClassVar[tuple[str, ...]] = ("class_names", "channels", "plan", "skipped")
    examples: ClassVar[str] = "series"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("blocks", "stride"):
            if getattr(self, name) is not None:
                self._set(name, parse_integer(name, getattr(self, name)))
        for name in ("filters", "kernel_size", "cases"):
            self._set(name, parse_integer(name, getattr(self, name)))
        self._set("rates", parse_rates(self.rates, "one a block") if self.rates != () else ())
        if self.dropout != 0:
            self._set("dropout", parse_number("dropout", self.dropout, 0, 1))
        if self.validation is not None:
            self._set("validation", 0.0 if self.validation == 0 else parse_number("validation", self.validation, 0, 1))
        self._set("augment", parse_names("augment", self.augment, AUGMENTATIONS))
        parse_choice("normalize", self.normalize, NORMALIZATIONS)
        parse_choice("class_weights", self.class_weights, CLASS_WEIGHTS)

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Length and channels of the series, number of classes, rates."""
        plan = facts["plan"]
        channels = "" if facts["channels"] == 1 else f", {facts['channels']} channels"
        return (
            f"of up to {plan['steps']:,} steps{channels}, {len(facts['class_names'])} classes · rates "
            f"{', '.join(map(str, plan['rates']))}"
        )
