"""What a recipe for generating sound chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import Recipe, option, parse_choice, parse_rates

if TYPE_CHECKING:
    from atrous.data.recordings import Listing

HEADS = ("categorical", "logistics")


@dataclass(frozen=True, kw_only=True)
class AudioGeneration(Recipe):
    """How WaveNet is trained to generate sound.

    Args:
        head: `"categorical"`: hears mu-law codes, and says how likely each is next. `"logistics"`: hears samples, and says a
            mixture of logistics. What is measured, and trained for, is the same: the probability of the next mu-law code.
        sample_rate: In Hz, to which all is resampled; `None`: that of most files, at most 16,000.
        rates: Dilation rate of each block in a stack; `()`: 1, 2, 4, … until the field has 50 ms. `1` alone stands for as many
            blocks without dilation.
        stacks: How often the rates are repeated.
        filters: Channels between blocks, and inside.
        skip_filters: Channels of the skips and of the layer behind their sum.
        kernel_size: Taps of each dilated convolution.
        input_kernel_size: Taps of the convolution in front of the blocks.
        classes: Number of mu-law codes.
        mixtures: Number of logistics.
        crop: Samples of an example of training.
        crops: Examples drawn in an epoch.
        trim: Whether silence at both ends of a file is cut off.
        file: Column of paths in a list; by default found.
        split: Column of parts in a list; by default found.
        where: Which rows of a list are taken: `"speech=1"`, several with commas between.

    Raises:
        ValueError: A value breaks its rule.
    """

    task: str = "audio-generation"
    metric: str = "bits_per_sample"
    batch_size: int = option(1, "Crops a step.")
    head: str = option("categorical", "categorical (mu-law codes) or logistics (a mixture, of samples).")
    sample_rate: int | None = option(None, "All is resampled to it. Default: that of most files, at most 16000.", "HZ")
    rates: tuple[int, ...] = option((), "Of each block in a stack; 1: no dilation. Default: 1,2,4,… to 50 ms.")
    stacks: int = option(1, "How often the rates are repeated.")
    filters: int = option(32, "Channels of each block.")
    skip_filters: int = option(64, "Channels of what all blocks say together.")
    kernel_size: int = option(2, "Taps of each dilated convolution.")
    input_kernel_size: int = option(4, "Taps of the convolution in front of the blocks.")
    classes: int = option(256, "Number of mu-law codes.")
    mixtures: int = option(10, "Number of logistics.")
    crop: int = option(2048, "Samples of an example of training.", "SAMPLES")
    crops: int = option(1400, "Examples drawn in an epoch.")
    trim: bool = option(False, "Cut off silence at both ends of files.")
    file: str | None = option(None, "Column of paths in a list. Default: found.", "COLUMN")
    split: str | None = option(None, "Column of parts in a list. Default: found.", "COLUMN")
    where: str | None = option(None, "Rows of a list that are taken: speech=1.", "COLUMN=VALUE,…")

    facts: ClassVar[tuple[str, ...]] = ("plan",)
    examples: ClassVar[str] = "clips"
    lower_is_better: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = ("predictor_bits_per_sample",)
    neutral: ClassVar[tuple[str, ...]] = ("predictor_bits_per_sample",)

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_choice("head", self.head, HEADS)
        for name in ("stacks", "filters", "skip_filters", "input_kernel_size", "mixtures", "crop", "crops"):
            self._set(name, parse_integer(name, getattr(self, name)))
        for name, least in (("kernel_size", 2), ("classes", 2), ("crop", 2)):
            if parse_integer(name, getattr(self, name)) < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={getattr(self, name)}.")
        if self.sample_rate is not None:
            self._set("sample_rate", parse_integer("sample_rate", self.sample_rate))
        self._set("rates", parse_rates(self.rates, "one a block") if self.rates != () else ())
        for each in (self.where or "").split(",") if self.where else ():
            if "=" not in each.strip("="):
                raise ValueError(f"`where` must be COLUMN=VALUE, several with commas between. Received: where={self.where!r}.")

    @property
    def listing(self) -> Listing:
        """How a list of files is read."""
        from atrous.data.recordings import Listing  # with it comes NumPy, which the command line does without

        pairs = [each.partition("=") for each in self.where.split(",")] if self.where else []
        return Listing(self.file, self.split, tuple((column.strip(), value.strip()) for column, _, value in pairs))

    def summary(self, facts: Mapping[str, Any]) -> str:
        """Length of the sound, sample rate, field."""
        plan = facts["plan"]
        rate, rates = plan["sample_rate"], ", ".join(map(str, plan["rates"]))
        return (
            f"from {plan['seconds'] / 60:.3g} minutes at {rate:,} Hz · sees {1000 * plan['field'] / rate:.3g} ms, "
            f"rates {rates}{f' × {self.stacks}' if self.stacks > 1 else ''}"
        )
