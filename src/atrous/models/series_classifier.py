"""A dilated residual network over a whole series, and from the mean over its steps the series' class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from atrous.blocks.unit import register
from atrous.layers import Conv1D

TRUNK, POOL, HEAD = "trunk", "average", "probabilities"
_LEAST = 1e-6  # of a deviation, relative to the mean: below is what rounding leaves of a constant


def SeriesClassifier(  # noqa: N802
    channels: int,
    classes: int,
    mean: Sequence[float],
    deviation: Sequence[float],
    per_case: bool = False,
    rates: Sequence[int] = (1, 2, 4, 8),
    filters: int = 32,
    kernel_size: int = 3,
    stem: int = 7,
    stride: int = 1,
    dropout: float = 0.0,
    dtype: Any = None,
    name: str = "series_classifier",
) -> keras.Model:
    """A residual network that looks both ways, with a rate a block, and global average pooling.

    Takes (batch, steps, channels + 1): values, none missing, and 1 for each step that belongs to the series, 0 for what fills
    it up behind its end. Gives (batch, classes), probabilities. What fills up is zero in front of each convolution, as what
    lies outside is, and isn't averaged over: a series has the same probabilities however many steps it is filled up with, as
    long as the number of steps is a multiple of the stride.

    Residual blocks and global average pooling are those of Wang, Yan, Oates 2017 (arXiv 1611.06455), here with rates in the
    place of large kernels.

    Args:
        channels: Of the series.
        classes: How many there are.
        mean: Of each channel, over the training series.
        deviation: Likewise.
        per_case: Whether each channel of each series is brought to mean 0 and deviation 1 instead.
        rates: Dilation rate of each block.
        filters: Channels of each block.
        kernel_size: Taps of each convolution, two a block.
        stem: Taps of the first convolution.
        stride: Steps that it goes on by.
        dropout: Share of channels dropped in front of the last layer in training.
        dtype: Type or policy of the convolutions; the last layers compute in float32.
        name: Name of the model.
    """
    x = keras.Input((None, channels + 1), name="steps")
    scaled, there = SeriesScaling(mean, deviation, per_case, dtype="float32", name="scaling")(x)
    if stride > 1:
        there = layers.MaxPooling1D(stride, padding="same", dtype="float32", name="there")(there)
    features = _trunk(channels, rates, filters, kernel_size, stem, stride, dtype)([scaled, there])
    pooled = SeriesAverage(dtype="float32", name=POOL)([features, there])
    if dropout:
        pooled = layers.Dropout(dropout, dtype="float32", name="dropout")(pooled)
    return keras.Model(x, layers.Dense(classes, "softmax", dtype="float32", name=HEAD)(pooled), name=name)


def _trunk(
    channels: int, rates: Sequence[int], filters: int, kernel_size: int, stem: int, stride: int, dtype: Any
) -> keras.Model:
    """Scaled values and what is there → features of each step."""
    values, there = keras.Input((None, channels), name="values"), keras.Input((None, 1), name="inside")

    def unit(x: Any, taps: int, rate: int, name: str, strides: int = 1, active: bool = True) -> Any:
        """Convolution, normalisation, activation, of nothing but the series' own steps."""
        x = Conv1D(
            filters,
            taps,
            strides=strides,
            padding="same",
            dilation_rate=rate,
            use_bias=False,
            kernel_initializer="he_normal",
            data_format="channels_last",
            dtype=dtype,
            name=f"{name}_conv",
        )(x)
        x = layers.BatchNormalization(momentum=0.8, dtype=dtype, name=f"{name}_norm")(kept(x, f"{name}_kept"))
        return kept(layers.ReLU(dtype=dtype, name=f"{name}_relu")(x), f"{name}_inside") if active else x

    def kept(x: Any, name: str) -> Any:
        return layers.Multiply(dtype=dtype, name=name)([x, there])

    x = unit(values, stem, 1, "stem", stride)
    for i, rate in enumerate(rates, 1):
        y = unit(unit(x, kernel_size, rate, f"block{i}_1"), kernel_size, rate, f"block{i}_2", active=False)
        y = layers.Add(dtype=dtype, name=f"block{i}_sum")([y, x])
        x = kept(layers.ReLU(dtype=dtype, name=f"block{i}_relu")(y), f"block{i}_inside")
    return keras.Model([values, there], x, name=TRUNK)


@register
class SeriesScaling(layers.Layer):
    """Brings values to mean 0 and deviation 1: (batch, steps, channels + 1) to (batch, steps, channels) and (batch, steps, 1).

    The last channel says which steps belong to the series; the second output is that, the first is zero elsewhere.

    Args:
        mean: Of each channel, over the training series.
        deviation: Likewise.
        per_case: Whether mean and deviation of each series are taken instead; of a constant, deviation 1.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], per_case: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean, self.deviation, self.per_case = tuple(mean), tuple(deviation), per_case

    def call(self, inputs: Any) -> Any:
        """Scales."""
        values, there = inputs[..., :-1], inputs[..., -1:]
        scaled = (values - ops.convert_to_tensor(self.mean, values.dtype)) / ops.convert_to_tensor(self.deviation, values.dtype)
        if self.per_case:  # behind the first scaling, so that squares stay in range
            number = ops.maximum(ops.sum(there, axis=1, keepdims=True), 1.0)
            mean = ops.sum(scaled * there, axis=1, keepdims=True) / number
            deviation = ops.sqrt(ops.sum(ops.square(scaled - mean) * there, axis=1, keepdims=True) / number)
            least = _LEAST * ops.maximum(ops.abs(mean), 1.0)
            scaled = (scaled - mean) / ops.where(deviation > least, deviation, ops.ones_like(deviation))
        return scaled * there, there

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of both."""
        *outer, channels = input_shape
        return (*outer, channels - 1), (*outer, 1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The same, without a trace."""
        return tuple(keras.KerasTensor(shape, self.compute_dtype) for shape in self.compute_output_shape(inputs.shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation, "per_case": self.per_case}


@register
class SeriesAverage(layers.Layer):
    """The mean over the steps that belong to a series: (batch, steps, channels) and (batch, steps, 1) to (batch, channels)."""

    def call(self, inputs: Any) -> Any:
        """Averages."""
        features, there = inputs
        return ops.sum(features * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Without steps."""
        features, _ = input_shape
        return features[0], features[-1]
