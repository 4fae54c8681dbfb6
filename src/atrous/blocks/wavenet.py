"""The gated residual block of WaveNet, with conditions.

Source: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio" (arXiv 1609.03499), equation 2 and figure 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from atrous.blocks.temporal import check_causal
from atrous.blocks.unit import Shape, fresh, register
from atrous.layers import Conv1D
from atrous.spec import parse_integer


@register
class WaveNetBlock(keras.layers.Layer):
    """z = tanh(W_f ∗ x + Σ V_f·h) ⊙ σ(W_g ∗ x + Σ V_g·h); returns x + W_r·z for the next block, and W_s·z for the output.

    W_f and W_g are causal dilated convolutions, all others 1×1. Input is x, `(batch, time, filters)`, or a list of x and
    conditions h, each `(batch, time, any channels)`, or with a time of 1 where it is the same at every step (a speaker): global
    and local conditioning are one thing. Output is the pair of `(batch, time, filters)` and `(batch, time, skip_filters)`; the
    second alone with `residual=False`. Step t sees t and the (k − 1)·rate steps before it. The sublayers are `filter`, `gate`,
    `residual`, `skip`, and for condition i `filter_condition{i}` and `gate_condition{i}`.

    Args:
        filters: Channels of x and of the first output.
        kernel_size: Taps of the dilated convolutions, k.
        dilation_rate: Steps between taps.
        gate_filters: Channels of z; `filters` if `None`.
        skip_filters: Channels of the second output; `filters` if `None`.
        residual: Whether there is a next block, and so the first output.
        padding: `"causal"`, and nothing else.
        kernel_initializer: Of every kernel.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 2,
        dilation_rate: int = 1,
        gate_filters: int | None = None,
        skip_filters: int | None = None,
        residual: bool = True,
        padding: str = "causal",
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_causal(padding)
        self.filters = parse_integer("filters", filters)
        self.kernel_size = parse_integer("kernel_size", kernel_size)
        self.dilation_rate = parse_integer("dilation_rate", dilation_rate)
        self.gate_filters = parse_integer("gate_filters", filters if gate_filters is None else gate_filters)
        self.skip_filters = parse_integer("skip_filters", filters if skip_filters is None else skip_filters)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        window: dict[str, Any] = {"kernel_size": self.kernel_size, "dilation_rate": self.dilation_rate, "padding": "causal"}
        self.filter = self._conv(self.gate_filters, "filter", **window)
        self.gate = self._conv(self.gate_filters, "gate", **window)
        self.residual = self._conv(self.filters, "residual") if residual else None
        self.skip = self._conv(self.skip_filters, "skip")
        self.filter_conditions: list[Conv1D] = []
        self.gate_conditions: list[Conv1D] = []

    def _conv(self, filters: int, name: str, kernel_size: int = 1, **more: Any) -> Conv1D:
        shared = {"data_format": "channels_last", "dtype": self.dtype_policy, "name": name}
        return Conv1D(filters, kernel_size, kernel_initializer=fresh(self.kernel_initializer), **shared, **more)

    def build(self, input_shape: Shape | Sequence[Shape]) -> None:
        """Builds the sublayers, and makes two for each condition.

        Raises:
            ValueError: The input has other channels than `filters`, or a condition has another length.
        """
        shape, *conditions = _shapes(input_shape)
        if shape[-1] != self.filters:
            raise ValueError(
                f"The input of WaveNetBlock must have `filters` channels, to be added to. "
                f"Received: input_shape={tuple(shape)}, filters={self.filters}."
            )
        inside = (*shape[:-1], self.gate_filters)
        self.filter.build(shape)
        self.gate.build(shape)
        for layer in (self.residual, self.skip):
            if layer is not None:
                layer.build(inside)
        for condition in conditions:
            if None not in (condition[1], shape[1]) and condition[1] not in (1, shape[1]):
                raise ValueError(
                    "A condition must be as long as the input, or have length 1. "
                    f"Received: input_shape={tuple(shape)}, condition of shape {tuple(condition)}."
                )
        self.filter_conditions = [self._condition(f"filter_condition{i}", h) for i, h in enumerate(conditions, 1)]
        self.gate_conditions = [self._condition(f"gate_condition{i}", h) for i, h in enumerate(conditions, 1)]

    def _condition(self, name: str, shape: Shape) -> Conv1D:
        layer = self._conv(self.gate_filters, name, use_bias=False)  # `filter` and `gate` have one already
        layer.build(shape)
        return layer

    def call(self, inputs: Any) -> Any:
        """Convolves, adds what the conditions say, gates; then both 1×1 convolutions."""
        x, *conditions = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        a, b = self.filter(x), self.gate(x)
        for h, to_filter, to_gate in zip(conditions, self.filter_conditions, self.gate_conditions, strict=True):
            a, b = a + to_filter(h), b + to_gate(h)
        z = ops.tanh(a) * ops.sigmoid(b)
        return self.skip(z) if self.residual is None else (x + self.residual(z), self.skip(z))

    def compute_output_shape(self, input_shape: Shape | Sequence[Shape]) -> Any:
        """Shapes of both outputs, or of the one that there is."""
        shape, *_ = _shapes(input_shape)
        skip = (*shape[:-1], self.skip_filters)
        return skip if self.residual is None else (tuple(shape), skip)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "gate_filters": self.gate_filters,
            "skip_filters": self.skip_filters,
            "residual": self.residual is not None,
            "padding": "causal",
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _shapes(input_shape: Any) -> Any:
    return input_shape if isinstance(input_shape[0], (list, tuple)) else [input_shape]
