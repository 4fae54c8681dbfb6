"""Dilated convolution layers that treat each channel by itself."""

from __future__ import annotations

from typing import Any

import keras

from atrous import ops
from atrous.layers.conv import register
from atrous.layers.dilated import Dilated, Shape


class _DepthwiseConv(Dilated):
    def call(self, inputs: Any) -> Any:
        """Convolves each channel, adds the bias, applies the activation."""
        layer: Any = self
        return self._activate(ops.depthwise_conv(inputs, layer.kernel, self.spec, layer.data_format, self._bias))

    def _output_channels(self, input_shape: Shape) -> int:
        layer: Any = self
        return int(layer.depth_multiplier * (self._channels(input_shape) or 0))


@register
class DepthwiseConv1D(_DepthwiseConv, keras.layers.DepthwiseConv1D):
    """Depthwise convolution over (batch, time, channels): `keras.layers.DepthwiseConv1D` without its limits.

    `padding` may also be `"causal"`, an integer or (before, after).
    """

    rank = 1


@register
class DepthwiseConv2D(_DepthwiseConv, keras.layers.DepthwiseConv2D):
    """Depthwise convolution over (batch, height, width, channels): `keras.layers.DepthwiseConv2D` without its limits.

    Strides may differ between the axes; `padding` may also be an integer, or for each axis an integer or (before, after).
    """

    rank = 2
