"""Groups of dilated convolutions whose rates leave no holes, and rates within a stage."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous import schedules
from atrous.blocks.unit import Block, Shape, build_chain, call_chain, parse_rates, register
from atrous.spec import parse_integer


@register
class HybridDilatedGroup(Block):
    """Hybrid dilated convolution: units one behind another, whose rates together see every position.

    Input `(batch, *space, channels)`, output `(batch, *space, filters)`. The units are `conv1`, `conv2`, ….

    Args:
        filters: Channels of every unit.
        rates: A rate a unit. `None`: `schedules.hybrid(3, kernel_size)`, that is 1, 2, 5 with three taps.
        kernel_size: Taps along each axis.
        residual: Whether the input is added in front of the last activation; through a 1×1 `shortcut` if it has other channels.
        check: Whether rates that leave holes are refused, and those that break the paper's rule warned about.
        padding: `"same"`, or `"causal"` with one axis.
        **kwargs: How the units are, as for `Block`; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule; or, with `check`, the rates leave holes (`schedules.hole_free`).

    With `check` it warns where the rates leave none, but M₂, the greatest distance between positions that are seen from the
    second layer on, is above the kernel size (equation 2 of the paper, `schedules.max_distances`).

    Source: Wang et al. 2018, "Understanding Convolution for Semantic Segmentation", section 3.2 (arXiv 1702.08502).
    """

    def __init__(
        self,
        filters: int,
        rates: Sequence[int] | None = None,
        kernel_size: int = 3,
        residual: bool = False,
        check: bool = True,
        padding: str = "same",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = parse_integer("filters", filters)
        self.kernel_size = parse_integer("kernel_size", kernel_size, minimum=2)
        self.rates = schedules.hybrid(3, self.kernel_size) if rates is None else parse_rates(rates)
        self.residual, self.check, self.padding = residual, check, padding
        if check:
            check_rates(self.rates, self.kernel_size)
        window = {"padding": padding}
        self.convs = [
            self.unit(filters, self.kernel_size, dilation_rate=rate, name=f"conv{i}", **window)
            for i, rate in enumerate(self.rates[:-1], 1)
        ]
        last: dict[str, Any] = {"activation": None} if residual else {}
        name = f"conv{len(self.rates)}"
        self.convs.append(self.unit(filters, self.kernel_size, dilation_rate=self.rates[-1], name=name, **window, **last))
        self.shortcut: keras.layers.Layer | None = None
        self.act = keras.layers.Activation(self.activation, dtype=self.dtype_policy, name="act") if residual else None

    def build(self, input_shape: Shape) -> None:
        """Builds the units, and the shortcut where the number of channels changes."""
        build_chain(self.convs, input_shape)
        if self.act is None:
            return
        if input_shape[self.channel_axis] != self.filters:
            self.shortcut = self.unit(self.filters, 1, activation=None, name="shortcut")
            self.shortcut.build(input_shape)
        self.act.build(self.compute_output_shape(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Unit after unit, and the input added."""
        x = call_chain(self.convs, inputs, training)
        if self.act is None:
            return x
        kept = inputs if self.shortcut is None else self.shortcut(inputs, training=training)
        return self.act(ops.add(x, kept))

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output; unknown lengths stay `None`."""
        return self.with_channels(input_shape, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "rates": self.rates,
            "kernel_size": self.kernel_size,
            "residual": self.residual,
            "check": self.check,
            "padding": self.padding,
        }


def multi_grid(unit_rates: Sequence[int], rate: int) -> tuple[int, ...]:
    """Rates of the units of a stage at a rate: `multi_grid((1, 2, 4), 2)` is 2, 4, 8.

    The products, as Chen et al. 2017 define them (arXiv 1706.05587, section 3.2.1), who take the unit rates 1, 2, 4 in the
    three units of a network's last stage.

    Raises:
        ValueError: There is no unit rate, or one isn't positive.
    """
    return tuple(each * parse_integer("rate", rate) for each in parse_rates(unit_rates, "unit_rates"))


def check_rates(rates: Sequence[int], kernel_size: int) -> None:
    """Refuses rates with holes, and warns where they break the rule of Wang et al. without having any.

    Raises:
        ValueError: Positions inside the field don't reach the output; the message says which rates do better.
    """
    received = f"Received: rates={tuple(rates)}, kernel_size={kernel_size}."
    if not schedules.hole_free((kernel_size,) * len(rates), rates):
        better = schedules.gridding_free(rates, kernel_size)
        raise ValueError(
            f"`rates` must leave no holes (gridding) in what the group sees. {received} "
            f"Use for instance rates={better}, which see as much or nearly so, or `check=False`."
        )
    if len(rates) > 1 and (distance := schedules.max_distances(rates)[1]) > kernel_size:
        warnings.warn(
            "`rates` should keep the rule of hybrid dilated convolution, M₂ at most the kernel size; there are no holes. "
            f"M₂ is {distance}. {received} Let rates grow within a group, begin a new group where they start again, or say "
            "`check=False`.",
            stacklevel=3,
        )
