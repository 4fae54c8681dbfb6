"""The residual block of SpliceAI: two long dilated convolutions over a sequence.

Source: Jaganathan et al. 2019, "Predicting Splicing from Primary Sequence with Deep Learning", figure 1B (doi
10.1016/j.cell.2018.12.015).
"""

from __future__ import annotations

from typing import Any

import keras

from atrous.blocks.unit import Shape, build_chain, call_chain, fresh, register
from atrous.layers import Conv1D
from atrous.spec import parse_integer


@register
class SpliceBlock(keras.layers.Layer):
    """Batch normalisation → ReLU → dilated convolution, twice, added to the input.

    Input and output `(batch, length, filters)`; each position sees k − 1 times the rate on either side of it, that is
    2·(k − 1)·rate + 1 positions. The sublayers are `norm1`, `act1`, `conv1`, `norm2`, `act2`, `conv2`.

    Args:
        filters: Channels of input and output.
        kernel_size: Taps of both convolutions, k; odd, so that the field has a middle.
        dilation_rate: Positions between taps.
        kernel_initializer: Of both kernels.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        dilation_rate: int = 1,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = parse_integer("filters", filters)
        self.kernel_size = parse_integer("kernel_size", kernel_size)
        self.dilation_rate = parse_integer("dilation_rate", dilation_rate)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd, for the field to have a middle. Received: kernel_size={kernel_size}.")
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.norm1, self.act1, self.conv1 = self._half(1)
        self.norm2, self.act2, self.conv2 = self._half(2)

    def _half(self, i: int) -> tuple[keras.layers.Layer, ...]:
        return (
            keras.layers.BatchNormalization(dtype=self.dtype_policy, name=f"norm{i}"),
            keras.layers.ReLU(dtype=self.dtype_policy, name=f"act{i}"),
            Conv1D(
                self.filters,
                self.kernel_size,
                dilation_rate=self.dilation_rate,
                padding="same",
                kernel_initializer=fresh(self.kernel_initializer),
                data_format="channels_last",
                dtype=self.dtype_policy,
                name=f"conv{i}",
            ),
        )

    @property
    def _chain(self) -> list[keras.layers.Layer]:
        return [self.norm1, self.act1, self.conv1, self.norm2, self.act2, self.conv2]

    def build(self, input_shape: Shape) -> None:
        """Builds the sublayers.

        Raises:
            ValueError: The input has other channels than `filters`.
        """
        if input_shape[-1] != self.filters:
            raise ValueError(
                "The input of SpliceBlock must have `filters` channels, to be added to. "
                f"Received: input_shape={tuple(input_shape)}, filters={self.filters}."
            )
        build_chain(self._chain, input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The input and what both convolutions make of it."""
        return inputs + call_chain(self._chain, inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output: that of the input."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
