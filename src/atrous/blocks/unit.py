"""Convolution, normalisation, activation: the triple that every block is made of, named once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from atrous import layers
from atrous.spec import parse_integer

Shape = Sequence[int | None]

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
DEPTHWISE = {1: layers.DepthwiseConv1D, 2: layers.DepthwiseConv2D}
NORMALIZATIONS = ("batch", "layer", "group")
MOST_GROUPS = 32
"""Groups of `normalization="group"` (Wu & He 2018, arXiv 1803.08494): the largest divisor of this that divides the channels."""

register = keras.saving.register_keras_serializable("atrous")


class Block(keras.layers.Layer):
    """What blocks have in common: how the units are that they are made of.

    Args:
        normalization: `"batch"`, `"layer"` (over channels), `"group"`, `None`, or a Keras layer, of which copies are used
            with the block's type.
        activation: A name, a function, or `None`.
        separable: Whether convolutions that are larger than 1×1 are separable.
        use_bias: Whether convolutions add a bias; `None` means without normalisation only.
        rank: Number of spatial axes.
        kernel_initializer: Of every kernel; an initializer without seed draws anew for each.
        kernel_regularizer: Of every kernel.
        data_format: `"channels_last"` or `"channels_first"`; Keras's default if `None`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        *,
        normalization: Any = "batch",
        activation: Any = "relu",
        separable: bool = False,
        use_bias: bool | None = None,
        rank: int = 2,
        kernel_initializer: Any = "he_normal",
        kernel_regularizer: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_rank(rank, separable)
        self.normalization = normalization_config(normalization)
        self.activation = keras.activations.get(activation)
        self.separable, self.use_bias, self.rank = separable, use_bias, rank
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    @property
    def channel_axis(self) -> int:
        """Where the channels are."""
        return -1 if self.data_format == "channels_last" else 1

    def space(self, shape: Shape) -> Shape:
        """The spatial part of a shape."""
        return shape[1:-1] if self.data_format == "channels_last" else shape[2:]

    def with_channels(self, shape: Shape, channels: int) -> tuple[int | None, ...]:
        """A shape with other channels."""
        space = self.space(shape)
        return (shape[0], *space, channels) if self.data_format == "channels_last" else (shape[0], channels, *space)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "normalization": normalization_config(self.normalization),
            "activation": keras.activations.serialize(self.activation),
            "separable": self.separable,
            "use_bias": self.use_bias,
            "rank": self.rank,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "data_format": self.data_format,
        }

    def unit(self, filters: int, kernel_size: int, **more: Any) -> ConvNormActivation:
        """A unit of the block's kind; `more` are arguments of its own."""
        shared = {
            "normalization": self.normalization,
            "activation": self.activation,
            "separable": self.separable and kernel_size != 1,
            "use_bias": self.use_bias,
            "rank": self.rank,
            "kernel_initializer": fresh(self.kernel_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "data_format": self.data_format,
            "dtype": self.dtype_policy,
        }
        return ConvNormActivation(filters, kernel_size, **{**shared, **more})


@register
class ConvNormActivation(Block):
    """Convolution → normalisation → activation.

    Input `(batch, *space, channels)`, output `(batch, *new space, filters)`; channels first with `data_format`. The sublayers
    are `conv`, `norm`, `act`; of a separable unit `depthwise`, `depthwise_norm`, `depthwise_act`, `conv` (1×1), `norm`, `act`,
    as DeepLabv3+ has them (Chen et al. 2018, arXiv 1802.02611). Those that are left out are `None`.

    Args:
        filters: Channels of the output.
        kernel_size: Taps, one integer or one a spatial axis.
        strides: Input positions between outputs, one integer or one an axis.
        dilation_rate: Input positions between taps, one integer or one an axis.
        padding: As for `atrous.layers.Conv2D`.
        groups: Groups of channels; 1 if separable.
        **kwargs: How the unit is, as for `Block`: `normalization` ("batch"), `activation` ("relu"), `separable`, `use_bias`,
            `rank` (2), `kernel_initializer` ("he_normal"), `kernel_regularizer`, `data_format`; and `name`, `dtype`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        dilation_rate: int | Sequence[int] = 1,
        padding: Any = "same",
        groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.groups = parse_integer("filters", filters), groups
        if self.separable and groups != 1:
            raise ValueError(f"`groups` must be 1 in a separable unit, with a group a channel. Received: groups={groups!r}.")
        shared = {
            "use_bias": self.normalization is None if self.use_bias is None else self.use_bias,
            "data_format": self.data_format,
            "dtype": self.dtype_policy,
        }
        window = {"strides": strides, "dilation_rate": dilation_rate, "padding": padding}
        self.depthwise = self.depthwise_norm = self.depthwise_act = None
        if self.separable:
            self.depthwise = DEPTHWISE[self.rank](
                kernel_size, **window, **self._weights_of("depthwise"), **shared, name="depthwise"
            )
            self.depthwise_act = self._activation("depthwise_act")
            kernel_size, window = 1, {}
        self.conv = CONVOLUTIONS[self.rank](
            filters, kernel_size, groups=groups, **window, **self._weights_of("kernel"), **shared, name="conv"
        )
        self.norm = self._normalization(self.filters, "norm")
        self.act = self._activation("act")

    def _weights_of(self, kernel: str) -> dict[str, Any]:
        return {f"{kernel}_initializer": fresh(self.kernel_initializer), f"{kernel}_regularizer": self.kernel_regularizer}

    def _activation(self, name: str) -> keras.layers.Layer | None:
        if self.activation is keras.activations.linear:
            return None
        return keras.layers.Activation(self.activation, dtype=self.dtype_policy, name=name)

    def _normalization(self, channels: int, name: str) -> keras.layers.Layer | None:
        return normalization_layer(self.normalization, channels, self.channel_axis, dtype=self.dtype_policy, name=name)

    @property
    def sublayers(self) -> tuple[keras.layers.Layer, ...]:
        """The layers that there are, in order."""
        chain = (self.depthwise, self.depthwise_norm, self.depthwise_act, self.conv, self.norm, self.act)
        return tuple(layer for layer in chain if layer is not None)

    def build(self, input_shape: Shape) -> None:
        """Builds the sublayers one behind another."""
        if self.depthwise is not None:  # how many channels it has, and so how many groups, is known only now
            self.depthwise_norm = self._normalization(input_shape[self.channel_axis] or 0, "depthwise_norm")
        build_chain(self.sublayers, input_shape)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolves, normalises, activates."""
        return call_chain(self.sublayers, inputs, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output; unknown lengths stay `None`."""
        if self.depthwise is not None:
            input_shape = self.depthwise.compute_output_shape(input_shape)
        shape: Shape = self.conv.compute_output_shape(input_shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        window: Any = self.conv if self.depthwise is None else self.depthwise
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": window.kernel_size,
            "strides": window.strides,
            "dilation_rate": window.dilation_rate,
            "padding": window.padding,
            "groups": self.groups,
        }


def build_chain(chain: Iterable[keras.layers.Layer], shape: Shape) -> Shape:
    """Builds layers that follow one another, and returns the shape behind the last."""
    for layer in chain:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def call_chain(chain: Iterable[keras.layers.Layer], x: Any, training: bool | None = None) -> Any:
    """Calls layers that follow one another; `training` goes to those that take it."""
    for layer in chain:
        x = layer(x, training=training) if layer._call_has_training_arg else layer(x)
    return x


def normalization_layer(
    normalization: Any, channels: int, axis: int = -1, dtype: Any = None, name: str | None = None
) -> keras.layers.Layer | None:
    """A new normalisation layer.

    Args:
        normalization: As for `Block`, or what `normalization_config` made of it.
        channels: Of its input.
        axis: Where they are.
        dtype: Its type or policy.
        name: Its name.
    """
    if normalization is None:
        return None
    if normalization == "batch":
        return keras.layers.BatchNormalization(axis, dtype=dtype, name=name)
    if normalization == "layer":
        return keras.layers.LayerNormalization(axis, dtype=dtype, name=name)
    if normalization == "group":
        return keras.layers.GroupNormalization(math.gcd(MOST_GROUPS, channels), axis, dtype=dtype, name=name)
    given = normalization_config(normalization)
    config = {**given["config"], "name": name, "dtype": dtype}
    if config.get("axis") == -1:  # Keras's default, which stands for the channels
        config["axis"] = axis
    return keras.saving.deserialize_keras_object({**given, "config": config})


def normalization_config(normalization: Any) -> Any:
    """`normalization` as JSON's types: a name, `None`, or a layer's configuration.

    Raises:
        ValueError: It is none of them.
    """
    if normalization is None or normalization in NORMALIZATIONS:
        return normalization
    if isinstance(normalization, keras.layers.Layer):
        return keras.saving.serialize_keras_object(normalization)
    if isinstance(normalization, dict):
        return dict(normalization)
    raise ValueError(
        f"`normalization` must be one of {', '.join(map(repr, NORMALIZATIONS))}, None or a Keras layer. "
        f"Received: normalization={normalization!r}."
    )


def fresh(initializer: Any) -> Any:
    """A copy of an initializer: one that is shared, and has no seed, gives all kernels of one shape the same weights."""
    return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer


def check_rank(rank: int, separable: bool) -> None:
    """Raises a ValueError where there is no such convolution."""
    known = DEPTHWISE if separable else CONVOLUTIONS
    if rank not in known:
        kind = " of separable convolutions" if separable else ""
        raise ValueError(f"`rank`{kind} must be one of {', '.join(map(str, known))}. Received: rank={rank!r}.")


def parse_rates(rates: Any, name: str = "rates") -> tuple[int, ...]:
    """Rates of layers or branches, one integer each; one alone is a list of one.

    Raises:
        ValueError: There is none, or one isn't a positive integer.
    """
    entries = tuple(rates) if isinstance(rates, Iterable) else (rates,)
    if not entries:
        raise ValueError(f"`{name}` must have at least one rate: one dilated convolution a rate. Received: {name}={rates!r}.")
    return tuple(parse_integer(name, rate) for rate in entries)
