"""Dilated depthwise convolution followed by a 1×1 convolution."""

from __future__ import annotations

from typing import Any

import keras

from atrous import ops
from atrous.layers.conv import register
from atrous.layers.dilated import Dilated
from atrous.spec import ConvSpec


class _SeparableConv(Dilated):
    def call(self, inputs: Any) -> Any:
        """Convolves each channel, mixes the channels, adds the bias, applies the activation."""
        layer: Any = self
        spread = ops.depthwise_conv(inputs, layer.depthwise_kernel, self.spec, layer.data_format)
        ones = (1,) * self.rank
        return self._activate(
            ops.conv(spread, layer.pointwise_kernel, ConvSpec(ones, ones, ones), layer.data_format, self._bias)
        )


@register
class SeparableConv1D(_SeparableConv, keras.layers.SeparableConv1D):
    """Separable convolution over (batch, time, channels): `keras.layers.SeparableConv1D` without its limits.

    `padding` may also be `"causal"`, an integer or (before, after).
    """

    rank = 1


@register
class SeparableConv2D(_SeparableConv, keras.layers.SeparableConv2D):
    """Separable convolution over (batch, height, width, channels): `keras.layers.SeparableConv2D` without its limits.

    Strides may differ between the axes; `padding` may also be an integer, or for each axis an integer or (before, after).
    """

    rank = 2
