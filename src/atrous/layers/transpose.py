"""Dilated transposed convolution layers."""

from __future__ import annotations

from typing import Any

import keras

from atrous import ops
from atrous.layers.conv import register
from atrous.layers.dilated import Dilated, Shape


class _ConvTranspose(Dilated):
    def call(self, inputs: Any) -> Any:
        """Spreads each input over the taps, adds the bias, applies the activation."""
        layer: Any = self
        return self._activate(
            ops.conv_transpose(inputs, layer.kernel, self.spec, layer.output_padding, layer.data_format, self._bias)
        )

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape; unknown lengths stay `None`.

        Raises:
            ValueError: The output would be empty.
        """
        layer: Any = self
        axes = self.spec.transposed(layer.output_padding)
        before = self._space(input_shape)
        space = [axis.output_size(n) for axis, n in zip(axes, before, strict=True)]
        if any(n is not None and n <= 0 and (m, n) != (0, 0) for m, n in zip(before, space, strict=True)):
            raise ValueError(
                "The output would be empty: `padding` must crop less than the result is long. Received: "
                f"padding={layer.padding!r}, input_shape={tuple(input_shape)}, "
                f"effective kernel size={self.spec.effective_kernel_size}."
            )
        return self._shape(input_shape, space, self._output_channels(input_shape))


@register
class Conv1DTranspose(_ConvTranspose, keras.layers.Conv1DTranspose):
    """Transposed convolution over (batch, time, channels): `keras.layers.Conv1DTranspose` without its limits.

    `strides` and `dilation_rate` may both be above 1. `padding` may also be `"causal"` (n steps become n · stride, none of
    which sees a later input), or an integer or (before, after), which crop as in PyTorch.
    """

    rank = 1


@register
class Conv2DTranspose(_ConvTranspose, keras.layers.Conv2DTranspose):
    """Transposed convolution over (batch, height, width, channels): `keras.layers.Conv2DTranspose` without its limits.

    `strides` and `dilation_rate` may both be above 1; `padding` may also be an integer, or for each axis an integer or
    (before, after), which crop as in PyTorch.
    """

    rank = 2


@register
class Conv3DTranspose(_ConvTranspose, keras.layers.Conv3DTranspose):
    """Transposed convolution over (batch, depth, height, width, channels): `keras.layers.Conv3DTranspose` without its limits.

    `strides` and `dilation_rate` may both be above 1; `padding` may also be an integer, or for each axis an integer or
    (before, after), which crop as in PyTorch.
    """

    rank = 3
