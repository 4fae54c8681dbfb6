"""The same map seen at several rates at once, and fused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import Block, Shape, parse_rates, register
from atrous.spec import parse_integer

FUSIONS = ("sum", "concat", "attention")


@register
class MultiScale(Block):
    """Parallel convolutions at several rates, fused by sum, side by side, or by attention.

    Input `(batch, *space, channels)`, output `(batch, *space, filters)`; with `fuse="concat"` there are `filters` channels a
    rate. The branches are `dilated1`, `dilated2`, …, in the order of `rates`.

    With attention each position weighs the scales: all branches together go through `attend` (a unit at rate 1) and `scores`
    (1×1, a map a scale); the softmax over the scales weighs the branches, whose sum is the output.

    Args:
        filters: Channels of each branch.
        rates: A rate a branch.
        fuse: `"sum"`, `"concat"` or `"attention"`.
        kernel_size: Taps along each axis.
        padding: `"same"`, or `"causal"` with one axis.
        **kwargs: How the units are, as for `Block`: `normalization`, `activation`, `separable`, `rank`, …; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.

    Source of the attention: Chen, Yang, Wang, Xu, Yuille 2016, "Attention to Scale: Scale-aware Semantic Image Segmentation",
    section 3.2 (arXiv 1511.03339), where scales are resized images; here they are rates.
    """

    def __init__(
        self,
        filters: int,
        rates: Sequence[int] = (1, 2, 4),
        fuse: str = "sum",
        kernel_size: int = 3,
        padding: str = "same",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if fuse not in FUSIONS:
            raise ValueError(f"`fuse` must be one of {', '.join(map(repr, FUSIONS))}. Received: fuse={fuse!r}.")
        self.filters = parse_integer("filters", filters)
        self.rates = parse_rates(rates)
        self.kernel_size = parse_integer("kernel_size", kernel_size)
        self.fuse, self.padding = fuse, padding
        self.branches = [
            self.unit(filters, self.kernel_size, dilation_rate=rate, padding=padding, name=f"dilated{i}")
            for i, rate in enumerate(self.rates, 1)
        ]
        self.concat = self.attend = self.scores = None
        if fuse != "sum":
            self.concat = keras.layers.Concatenate(self.channel_axis, dtype=self.dtype_policy, name="concat")
        if fuse == "attention":
            self.attend = self.unit(filters, self.kernel_size, padding=padding, name="attend")
            self.scores = self.unit(len(self.rates), 1, activation=None, normalization=None, name="scores")

    def build(self, input_shape: Shape) -> None:
        """Builds every branch, and what fuses them."""
        for branch in self.branches:
            branch.build(input_shape)
        if self.concat is not None:
            self.concat.build([self.with_channels(input_shape, self.filters)] * len(self.rates))
        if self.attend is not None and self.scores is not None:
            self.attend.build(self.with_channels(input_shape, self.filters * len(self.rates)))
            self.scores.build(self.with_channels(input_shape, self.filters))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Looks at every rate, then fuses."""
        maps = [branch(inputs, training=training) for branch in self.branches]
        joined = maps[0] if self.concat is None else self.concat(maps)
        if self.fuse == "concat":
            return joined
        if self.attend is not None and self.scores is not None:
            scores = self.scores(self.attend(joined, training=training))
            weights = ops.split(ops.softmax(scores, axis=self.channel_axis), len(maps), axis=self.channel_axis)
            maps = [ops.multiply(weight, each) for weight, each in zip(weights, maps, strict=True)]
        x = maps[0]
        for each in maps[1:]:
            x = ops.add(x, each)
        return x

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output; unknown lengths stay `None`."""
        return self.with_channels(input_shape, self.filters * (len(self.rates) if self.fuse == "concat" else 1))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "rates": self.rates,
            "fuse": self.fuse,
            "kernel_size": self.kernel_size,
            "padding": self.padding,
        }
