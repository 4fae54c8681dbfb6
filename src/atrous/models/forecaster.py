"""A causal network over the past of a series, and from each of its steps the quantiles of the steps ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from atrous.blocks.unit import register
from atrous.layers import Conv1D
from atrous.models.tcn import TCN

_STATE = 8  # channels for each step ahead
_HIDDEN = 32
_LINEAR = 8  # last changes that the linear part looks at
_LEAST = 1e-3  # of differences, relative to values

VALUE, THERE, REST = 0, 1, 2
"""Channels of the input: the value, 0 or 1 whether it is known, then calendar and covariates."""


def Forecaster(  # noqa: N802
    channels: int,
    look_back: int,
    horizon: int,
    base: int = 1,
    rates: Sequence[int] = (1, 2, 4, 8),
    quantiles: Sequence[float] = (0.1, 0.5, 0.9),
    filters: int = 16,
    kernel_size: int = 3,
    dropout: float = 0.0,
    dtype: Any = None,
    name: str = "temporal_convolutional_network",
) -> keras.Model:
    """A temporal convolutional network that forecasts.

    Takes (batch, steps, channels): `look_back` steps, then as many more as there are further origins, then `horizon` steps of
    which only calendar and covariates are known. Gives (batch, origins, horizon, quantiles), in the values' unit: one origin
    behind `look_back` steps, another behind each further one. So one pass trains all of them (the forking of sequences of Wen
    et al. 2017, arXiv 1711.11053). No origin sees a later value: the TCN is causal, and mean and scale are those of the
    first `look_back` steps.

    What lies `base` steps back is corrected by the network, and by a linear function of the last changes against the values
    `base` steps before (the autoregressive part of Lai et al. 2018, arXiv 1703.07015): of few weeks of data, a network alone
    learns that a load above last week's stays above it only where it was above in training.

    Args:
        channels: Of the input: value, 0 or 1 whether it is known, calendar and covariates.
        look_back: Steps before the first origin.
        horizon: Steps ahead.
        base: How many steps ago the values are that are corrected; a season, or 1.
        rates: Dilation rate of each block of the TCN.
        quantiles: Ascending, with 0.5 among them.
        filters: Channels of each block.
        kernel_size: Taps of each convolution, two a block.
        dropout: Share of channels dropped behind each convolution in training.
        dtype: Type or policy of the TCN; everything else computes in float32.
        name: Name of the model.
    """
    x = keras.Input((None, channels), name="steps")
    past, naive, future, unit = ForecastWindows(look_back, horizon, base, dtype="float32", name="windows")(x)
    tcn = TCN(
        (None, channels + 1),
        filters,
        filters,
        kernel_size,
        rates,
        dropout=dropout,
        activation="relu",
        dtype=dtype,
        name="tcn",
    )
    state = ForecastOrigins(look_back, dtype="float32", name="origins")(tcn(past))
    ahead = layers.Dense(horizon * _STATE, dtype="float32", name="ahead")(state)
    ahead = layers.Reshape((-1, horizon, _STATE), dtype="float32", name="steps_ahead")(ahead)
    ahead = layers.Concatenate(dtype="float32", name="known")([ahead, future])
    ahead = layers.Dense(_HIDDEN, "relu", dtype="float32", name="hidden")(ahead)
    raw = layers.Dense(len(quantiles), kernel_initializer="zeros", dtype="float32", name="raw")(ahead)
    changes = ForecastChanges(dtype="float32", name="changes")(past)
    linear = Conv1D(
        horizon, min(_LINEAR, look_back), padding="causal", kernel_initializer="zeros", dtype="float32", name="linear"
    )(changes)
    linear = ForecastOrigins(look_back, dtype="float32", name="linear_origins")(linear)
    median = list(quantiles).index(0.5)
    out = ForecastQuantiles(median, dtype="float32", name="quantiles")([raw, linear, naive, unit])
    return keras.Model(x, out, name=name)


@register
class ForecastWindows(layers.Layer):
    """What the network is given, of raw values: scaled ones, their differences, and what is known of the steps ahead.

    Input (batch, steps, channels): see `Forecaster`. Returns

    - past (batch, steps − horizon, channels + 1): scaled value, scaled difference to `base` steps ago, whether known, the rest;
    - naive (batch, origins, horizon): scaled, the values `base` steps before the steps ahead, or twice as many steps, …, so
      that they are known at the origin;
    - future (batch, origins, horizon, channels − 1): calendar and covariates of the steps ahead, and the naive value;
    - unit (batch, 3): mean and deviation of the known values of the first `look_back` steps, and how much values change, in
      units of the deviation, in `base` steps, or, where the horizon is longer, in half of it.

    Args:
        look_back: Steps before the first origin.
        horizon: Steps ahead.
        base: How many steps ago the values are that are corrected.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, look_back: int, horizon: int, base: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.look_back, self.horizon, self.base = look_back, horizon, base
        # From values of the last step, those of half a horizon later are far: what is added to them must be measured so.
        self.reach = max(base, min(base * round(horizon / 2 / base), look_back // 2))

    def call(self, inputs: Any) -> Any:
        """Scales and gathers."""
        steps = ops.shape(inputs)[1]
        value, there, rest = inputs[..., VALUE], inputs[..., THERE], inputs[..., REST:]
        mean, deviation = self._moments(value[:, : self.look_back], there[:, : self.look_back])
        scaled = (value - mean) / deviation
        change, typical = self._changes(scaled, there, self.base)
        ahead_typical = typical if self.reach == self.base else self._changes(scaled, there, self.reach)[1]
        channels = ops.stack([scaled * there, change / typical, there], axis=-1)
        past = ops.concatenate([channels, rest], axis=-1)[:, : steps - self.horizon]

        origins = ops.arange(self.look_back, steps - self.horizon + 1, dtype="int32")[:, None]
        ahead = ops.arange(self.horizon, dtype="int32")[None]
        naive = ops.take(scaled, origins + ahead - self.base * (1 + ahead // self.base), axis=1)
        future = ops.concatenate([ops.take(rest, origins + ahead, axis=1), naive[..., None]], axis=-1)
        return past, naive, future, ops.concatenate([mean, deviation, ahead_typical], axis=-1)

    def _changes(self, scaled: Any, there: Any, lag: int) -> tuple[Any, Any]:
        """Differences to `lag` steps ago, 0 where either isn't known, and their root mean square in the look-back."""
        zeros = ops.zeros_like(scaled[:, :lag])
        both = there * ops.concatenate([zeros, there[:, :-lag]], axis=1)
        change = (scaled - ops.concatenate([zeros, scaled[:, :-lag]], axis=1)) * both
        squares = ops.sum(ops.square(change[:, : self.look_back]), axis=1, keepdims=True)
        number = ops.maximum(ops.sum(both[:, : self.look_back], axis=1, keepdims=True), 1.0)
        return change, ops.maximum(ops.sqrt(squares / number), _LEAST)

    def _moments(self, value: Any, there: Any) -> tuple[Any, Any]:
        """Mean and deviation of what is known; of a constant, 1."""
        number = ops.maximum(ops.sum(there, axis=1, keepdims=True), 1.0)
        mean = ops.sum(value * there, axis=1, keepdims=True) / number
        deviation = ops.sqrt(ops.sum(ops.square(value - mean) * there, axis=1, keepdims=True) / number)
        least = 1e-6 * ops.maximum(ops.abs(mean), 1e-6)  # what rounding leaves of a constant
        return mean, ops.where(deviation > least, deviation, ops.ones_like(deviation))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the four."""
        batch, steps, channels = input_shape
        origins = None if steps is None else steps - self.look_back - self.horizon + 1
        past = None if steps is None else steps - self.horizon
        ahead = (batch, origins, self.horizon)
        return (batch, past, channels + 1), ahead, (*ahead, channels - 1), (batch, 3)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The same, without a trace."""
        return tuple(keras.KerasTensor(shape, self.compute_dtype) for shape in self.compute_output_shape(inputs.shape))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "look_back": self.look_back, "horizon": self.horizon, "base": self.base}


@register
class ForecastChanges(layers.Layer):
    """The second channel of `past` of `ForecastWindows`: (batch, steps, channels) to (batch, steps, 1)."""

    def call(self, inputs: Any) -> Any:
        """Takes it."""
        return inputs[..., 1:2]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """One channel."""
        return (*input_shape[:-1], 1)


@register
class ForecastOrigins(layers.Layer):
    """The steps behind which a forecast begins: (batch, steps, channels) without the first `look_back` − 1."""

    def __init__(self, look_back: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.look_back = look_back

    def call(self, inputs: Any) -> Any:
        """Takes them."""
        return inputs[:, self.look_back - 1 :]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Fewer steps."""
        batch, steps, channels = input_shape
        return batch, None if steps is None else steps - self.look_back + 1, channels

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "look_back": self.look_back}


@register
class ForecastQuantiles(layers.Layer):
    """Quantiles that never cross, in the values' unit: (batch, origins, horizon, quantiles).

    The median is the naive value and what the network adds to it; every other quantile is the one next to it, nearer to the
    median, and a positive number, softplus, away from it.

    Args:
        median: Place of the median among the quantiles.
        **kwargs: `name`, `dtype`.
    """

    def __init__(self, median: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.median = median

    def call(self, inputs: Any) -> Any:
        """Takes raw (…, quantiles), what is added to the median, (…), naive (…) and unit of `ForecastWindows`."""
        raw, linear, naive, unit = inputs
        mean, deviation, typical = (unit[:, i, None, None, None] for i in range(3))
        middle = raw[..., self.median : self.median + 1] + linear[..., None]
        parts = [middle]
        if self.median:
            below = ops.softplus(raw[..., : self.median])
            parts.insert(0, middle - ops.flip(ops.cumsum(ops.flip(below, -1), -1), -1))
        if self.median < raw.shape[-1] - 1:
            parts.append(middle + ops.cumsum(ops.softplus(raw[..., self.median + 1 :]), -1))
        return mean + deviation * (naive[..., None] + typical * ops.concatenate(parts, -1))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the raw quantiles."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "median": self.median}
