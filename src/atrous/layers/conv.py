"""Dilated convolution layers."""

from __future__ import annotations

from typing import Any

import keras

from atrous import ops
from atrous.layers.dilated import Dilated

register = keras.saving.register_keras_serializable("atrous")


class _Conv(Dilated):
    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """The convolution itself; Keras's wrappers and LoRA may pass another kernel than the layer's."""
        layer: Any = self
        return ops.conv(inputs, kernel, self.spec, layer.data_format)

    def call(self, inputs: Any) -> Any:
        """Convolves, adds the bias, applies the activation."""
        layer: Any = self
        if type(self).convolution_op is _Conv.convolution_op:
            return self._activate(ops.conv(inputs, layer.kernel, self.spec, layer.data_format, self._bias))
        y = self.convolution_op(inputs, layer.kernel)  # a subclass convolves in its own way
        return self._activate(ops.add_bias(y, self._bias, layer.data_format))


@register
class Conv1D(_Conv, keras.layers.Conv1D):
    """Convolution over (batch, time, channels): `keras.layers.Conv1D` without its limits.

    `strides` and `dilation_rate` may both be above 1; `padding` may also be an integer or (before, after).
    """

    rank = 1


@register
class Conv2D(_Conv, keras.layers.Conv2D):
    """Convolution over (batch, height, width, channels): `keras.layers.Conv2D` without its limits.

    `strides` and `dilation_rate` may both be above 1; `padding` may also be an integer, or for each axis an integer or
    (before, after).
    """

    rank = 2


@register
class Conv3D(_Conv, keras.layers.Conv3D):
    """Convolution over (batch, depth, height, width, channels): `keras.layers.Conv3D` without its limits.

    `strides` and `dilation_rate` may both be above 1; `padding` may also be an integer, or for each axis an integer or
    (before, after).
    """

    rank = 3
