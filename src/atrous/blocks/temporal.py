"""The residual block of temporal convolutional networks, and the weight-normalised convolution that it is made of.

Source: Bai, Kolter, Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
Modeling" (arXiv 1803.01271).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from atrous.blocks.unit import Shape, build_chain, call_chain, fresh, normalization_layer, register
from atrous.layers import Conv1D
from atrous.spec import parse_integer

NORMALIZATIONS = ("weight", "batch", "layer", None)
"""Those that keep a causal network causal: group normalisation, for one, averages over time."""


@register
class WeightNormConv1D(Conv1D):
    """`atrous.layers.Conv1D` whose kernel is g·v / ‖v‖, with a length g and a direction v for each filter.

    Input `(batch, time, channels)`, output `(batch, new time, filters)`. v is drawn as `kernel_initializer` says, and g begins
    as ‖v‖, so that the kernel begins as v. The norm is over taps and channels, as in PyTorch's `weight_norm`. The attribute
    `kernel` is the product; the weights are v, bias and `scale` (g), which has one value a filter.

    Source: Salimans & Kingma 2016, "Weight Normalization" (arXiv 1602.07868), equation 2.
    """

    def build(self, input_shape: Shape) -> None:
        """Makes v and the bias as `Conv1D` does, then g."""
        super().build(input_shape)
        self.scale = self.add_weight(
            name="scale", shape=(self.filters,), initializer=lambda *_, **__: _norm(self._kernel), dtype=self.dtype
        )

    @property
    def direction(self) -> Any:
        """v, (taps, channels / groups, filters)."""
        return super().kernel

    @property
    def kernel(self) -> Any:
        """g·v / ‖v‖, (taps, channels / groups, filters)."""
        direction = self.direction
        norm = _norm(direction)
        return direction * ops.cast(ops.cast(self.scale, norm.dtype) / norm, direction.dtype)

    def save_own_variables(self, store: Any) -> None:
        """Stores v and the bias as `Conv1D` does, which would store `kernel`, and g."""
        if self.built:
            store["0"], store["scale"] = self.direction, self.scale
            if self.use_bias:
                store["1"] = self.bias

    def load_own_variables(self, store: Any) -> None:
        """Takes them back."""
        super().load_own_variables(store)
        if self.built:
            self.scale.assign(store["scale"])


def _norm(direction: Any) -> Any:
    """‖v‖ of each filter; in 32 bits or more, for squares of small numbers vanish in 16. Never 0: its gradient is finite."""
    dtype = keras.backend.result_type(direction.dtype, "float32")
    squares = ops.sum(ops.square(ops.cast(direction, dtype)), axis=(0, 1))
    return ops.sqrt(ops.maximum(squares, keras.config.epsilon() ** 4))


@register
class CausalUnit(keras.layers.Layer):
    """Causal convolution → normalisation → activation → dropout: half of a `TemporalBlock`.

    Input `(batch, time, channels)`, output `(batch, time, filters)`. The sublayers are `conv`, `norm`, `act` and `dropout`; of
    a gated unit also `gate` and `gate_norm`, and the activation is tanh(conv)·σ(gate). Arguments are those of `TemporalBlock`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        dilation_rate: int = 1,
        dropout: float = 0.0,
        gated: bool = False,
        normalization: str | None = "weight",
        activation: Any = "relu",
        kernel_initializer: Any = "he_normal",
        spatial_dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {', '.join(map(repr, NORMALIZATIONS))}: none of them looks at other steps. "
                f"Received: normalization={normalization!r}."
            )
        self.filters = parse_integer("filters", filters)
        self.kernel_size = parse_integer("kernel_size", kernel_size)
        self.dilation_rate = parse_integer("dilation_rate", dilation_rate)
        self.dropout_rate, self.gated, self.normalization = dropout, gated, normalization
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.conv, self.norm = self._conv("conv"), self._norm("norm")
        self.gate = self._conv("gate") if gated else None
        self.gate_norm = self._norm("gate_norm") if gated else None
        self.act = keras.layers.Activation("tanh" if gated else self.activation, dtype=self.dtype_policy, name="act")
        self.spatial_dropout = spatial_dropout
        drops = keras.layers.SpatialDropout1D if spatial_dropout else keras.layers.Dropout
        self.dropout = drops(dropout, dtype=self.dtype_policy, name="dropout")

    def _conv(self, name: str) -> Conv1D:
        return (WeightNormConv1D if self.normalization == "weight" else Conv1D)(
            self.filters,
            self.kernel_size,
            dilation_rate=self.dilation_rate,
            padding="causal",
            use_bias=self.normalization in ("weight", None),
            kernel_initializer=fresh(self.kernel_initializer),
            data_format="channels_last",
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name: str) -> keras.layers.Layer | None:
        kind = None if self.normalization == "weight" else self.normalization
        return normalization_layer(kind, self.filters, dtype=self.dtype_policy, name=name)

    @property
    def _branches(self) -> list[list[keras.layers.Layer]]:
        branches = [self.conv, self.norm], [self.gate, self.gate_norm]
        return [found for branch in branches if (found := [layer for layer in branch if layer is not None])]

    def build(self, input_shape: Shape) -> None:
        """Builds the sublayers."""
        for branch in self._branches:
            shape = build_chain(branch, input_shape)
        build_chain([self.act, self.dropout], shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolves, normalises, activates, drops."""
        x, *gate = (call_chain(branch, inputs, training) for branch in self._branches)
        x = self.act(x)
        if gate:
            x = x * ops.sigmoid(gate[0])
        return self.dropout(x, training=training)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output: that of the input with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "dropout": self.dropout_rate,
            "gated": self.gated,
            "normalization": self.normalization,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "spatial_dropout": self.spatial_dropout,
        }


@register
class TemporalBlock(keras.layers.Layer):
    """Two causal units at one rate, added to the input, and an activation: figure 1b of the paper.

    Input `(batch, time, channels)`, output `(batch, time, filters)`; step t sees t and the 2·(k − 1)·rate steps before it. The
    sublayers are `unit1`, `unit2` (each a `CausalUnit`), `skip` (1×1, only where the input has other channels) and `act`.

    Args:
        filters: Channels of the output.
        kernel_size: Taps of both convolutions, k.
        dilation_rate: Steps between taps.
        dropout: Share of channels, or of values, dropped behind each convolution in training.
        gated: Whether the units end with tanh(a)·σ(b) instead of the activation, for two convolutions a and b (van den Oord et
            al. 2016, arXiv 1609.03499, equation 2), which doubles the weights.
        normalization: `"weight"` (see `WeightNormConv1D`), `"batch"`, `"layer"` (over channels) or `None`.
        activation: Of the units and behind the sum.
        padding: `"causal"`, and nothing else.
        kernel_initializer: Of the units' kernels. The paper's code asks for normal values of deviation 0.01, which its weight
            normalisation overwrites.
        spatial_dropout: Whether whole channels are dropped, as the paper says, or single values, as its code does.
        **kwargs: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        dilation_rate: int = 1,
        dropout: float = 0.0,
        gated: bool = False,
        normalization: str | None = "weight",
        activation: Any = "relu",
        padding: str = "causal",
        kernel_initializer: Any = "he_normal",
        spatial_dropout: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_causal(padding)
        self.unit1, self.unit2 = (
            CausalUnit(
                filters,
                kernel_size,
                dilation_rate,
                dropout,
                gated,
                normalization,
                activation,
                kernel_initializer,
                spatial_dropout,
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("unit1", "unit2")
        )
        self.skip: Conv1D | None = None
        self.act = keras.layers.Activation(activation, dtype=self.dtype_policy, name="act")

    def build(self, input_shape: Shape) -> None:
        """Builds the units, and the 1×1 where it is needed."""
        shape = build_chain([self.unit1, self.unit2], input_shape)
        if input_shape[-1] != shape[-1]:
            self.skip = Conv1D(shape[-1], 1, data_format="channels_last", dtype=self.dtype_policy, name="skip")
            self.skip.build(input_shape)
        self.act.build(shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Both units, the skip connection, the activation."""
        x = call_chain([self.unit1, self.unit2], inputs, training)
        return self.act(x + (inputs if self.skip is None else self.skip(inputs)))

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output: that of the input with `filters` channels."""
        return self.unit1.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = super().get_config()
        return {**self.unit1.get_config(), **own, "padding": "causal"}


@register
class LastStep(keras.layers.Layer):
    """The last step of a sequence: `(batch, time, channels)` to `(batch, channels)`."""

    def call(self, inputs: Any) -> Any:
        """Takes it."""
        return inputs[:, -1]

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output: that of the input without time."""
        return (input_shape[0], *input_shape[2:])


def check_causal(padding: Any) -> None:
    """Raises a ValueError if `padding` isn't `"causal"`."""
    if not isinstance(padding, str) or padding.lower() != "causal":
        raise ValueError(
            "`padding` must be 'causal': no step may see a later one. For a network that looks both ways, stack "
            f"`atrous.layers.Conv1D(padding='same')`. Received: padding={padding!r}."
        )
