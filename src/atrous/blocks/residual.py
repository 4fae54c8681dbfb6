"""Residual blocks, basic and bottleneck, at any rate; and without the residual, as the end of a network that leaves no grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import Block, ConvNormActivation, Shape, build_chain, call_chain, register
from atrous.spec import parse_integer, parse_integers

EXPANSION = 4
"""Channels of a bottleneck block's output, in multiples of its 3×3 convolution's."""


class ResidualBlock(Block):
    """What both blocks have in common: a branch of units, a shortcut, their sum, an activation.

    Args:
        filters: Channels of the 3×3 convolutions.
        strides: Of the block.
        residual: Whether the input is added. DRN's last blocks add nothing: what a rate leaves of its grid would go on through
            the sum (Yu, Koltun, Funkhouser 2017, section 3).
        projection: Whether the shortcut is a 1×1 unit, `shortcut`. `None`: where it must be, because the stride or the number
            of channels changes. `True` without residual makes the weights that the reference has there, which do nothing.
        output_filters: Channels of the output.
        **kwargs: How the units are, as for `Block`.
    """

    def __init__(
        self, filters: int, strides: int, residual: bool, projection: bool | None, output_filters: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.strides = parse_integer("filters", filters), parse_integer("strides", strides)
        self.residual, self.projection, self.output_filters = residual, projection, output_filters
        self.convs: list[ConvNormActivation] = []
        self.shortcut: ConvNormActivation | None = None
        self.act = keras.layers.Activation(self.activation, dtype=self.dtype_policy, name="act")

    def wide(self, filters: int, rate: int, strides: int, name: str, **more: Any) -> ConvNormActivation:
        """A 3×3 unit with as many zeros before as behind, at any stride: those of PyTorch's networks."""
        return self.unit(filters, 3, strides=strides, dilation_rate=rate, padding=rate, name=name, **more)

    def build(self, input_shape: Shape) -> None:
        """Builds the units, and the shortcut where there is one."""
        build_chain(self.convs, input_shape)
        changes = self.strides != 1 or input_shape[self.channel_axis] != self.output_filters
        if changes and self.residual and self.projection is False:
            raise ValueError(
                "`projection` must not be False where the stride or the number of channels changes. "
                f"Received: projection=False, strides={self.strides}, {input_shape[self.channel_axis]} channels in and "
                f"{self.output_filters} out."
            )
        if self.projection or (self.projection is None and self.residual and changes):
            self.shortcut = self.unit(self.output_filters, 1, strides=self.strides, activation=None, name="shortcut")
            self.shortcut.build(input_shape)
        self.act.build(self.compute_output_shape(input_shape))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The branch, and the input added."""
        x = call_chain(self.convs, inputs, training)
        if self.residual:
            x = ops.add(x, inputs if self.shortcut is None else self.shortcut(inputs, training=training))
        return self.act(x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output; unknown lengths stay `None`."""
        for unit in self.convs:
            input_shape = unit.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "residual": self.residual,
            "projection": self.projection,
        }


@register
class BasicBlock(ResidualBlock):
    """Two 3×3 units and a shortcut.

    Input `(batch, *space, channels)`, output `(batch, *space / strides, filters)`. The units are `conv1`, `conv2`, and
    `shortcut` where there is one; `act` follows the sum.

    Args:
        filters: Channels of both units.
        strides: Of the first.
        dilation_rate: Of both, or one each. In a network whose strides became rates, a block at the former stride has its first
            unit at the rate before, its second at the rate behind.
        residual: Whether the input is added.
        projection: Whether the shortcut is a 1×1 unit; `None`: where it must be.
        **kwargs: How the units are, as for `Block`; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.

    Source: He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", figure 5, left (arXiv 1512.03385);
    dilated, and without residual: Yu, Koltun, Funkhouser 2017, "Dilated Residual Networks" (arXiv 1705.09914).
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        dilation_rate: int | Sequence[int] = 1,
        residual: bool = True,
        projection: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, strides, residual, projection, filters, **kwargs)
        self.dilation_rate = parse_integers("dilation_rate", dilation_rate, 2)
        first, second = self.dilation_rate
        self.convs = [
            self.wide(filters, first, strides, "conv1"),
            self.wide(filters, second, 1, "conv2", activation=None),
        ]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dilation_rate": self.dilation_rate}


@register
class BottleneckBlock(ResidualBlock):
    """1×1 down, 3×3, 1×1 up, and a shortcut.

    Input `(batch, *space, channels)`, output `(batch, *space / strides, expansion·filters)`. The units are `conv1`, `conv2`,
    `conv3`, and `shortcut` where there is one; `act` follows the sum. Stride and rate are those of `conv2`, as in PyTorch's
    networks ("version 1.5"), where the paper has the stride in `conv1`.

    Args:
        filters: Channels of `conv1` and `conv2`.
        strides: Of `conv2`.
        dilation_rate: Of `conv2`.
        expansion: Channels of the output are `expansion` times `filters`.
        residual: Whether the input is added.
        projection: Whether the shortcut is a 1×1 unit; `None`: where it must be.
        **kwargs: How the units are, as for `Block`; `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.

    Source: He, Zhang, Ren, Sun 2016, "Deep Residual Learning for Image Recognition", figure 5, right (arXiv 1512.03385).
    """

    def __init__(
        self,
        filters: int,
        strides: int = 1,
        dilation_rate: int = 1,
        expansion: int = EXPANSION,
        residual: bool = True,
        projection: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.expansion = parse_integer("expansion", expansion)
        super().__init__(filters, strides, residual, projection, parse_integer("filters", filters) * expansion, **kwargs)
        self.dilation_rate = parse_integer("dilation_rate", dilation_rate)
        self.convs = [
            self.unit(filters, 1, name="conv1"),
            self.wide(filters, self.dilation_rate, strides, "conv2"),
            self.unit(self.output_filters, 1, name="conv3", activation=None),
        ]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "dilation_rate": self.dilation_rate, "expansion": self.expansion}
