"""Dilated pooling layers."""

from __future__ import annotations

import functools
from typing import Any

import keras

from atrous.layers.conv import register
from atrous.layers.dilated import Shape
from atrous.layers.padding import along, pad, pad_strided
from atrous.spec import ConvSpec, parse_integers

Tensor = Any


class _Pooling:
    """Mixin in front of a Keras pooling layer of rank `rank`.

    A window of rate r is every r-th position: y[i] is the maximum or the mean of x[i·s + r·m − p], m = 0 … k−1. Padding is no
    data: the maximum ignores it, the mean doesn't count it. Windows are boxes, so that axis after axis gives the same.
    """

    rank: int
    _nothing: float

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        size = parse_integers("pool_size", pool_size, self.rank)
        spec = ConvSpec.parse(self.rank, size, size if strides is None else strides, dilation_rate, padding)
        super().__init__(size, spec.strides, "valid", data_format=data_format, name=name, **kwargs)  # type: ignore[call-arg]
        self.padding = spec.padding
        self.dilation_rate = spec.dilation_rate

    @property
    def spec(self) -> ConvSpec:
        """Geometry of the layer."""
        layer: Any = self
        return ConvSpec(layer.pool_size, layer.strides, self.dilation_rate, self.padding)

    def call(self, inputs: Tensor) -> Tensor:
        """Pools."""
        spec, first = self.spec, self._first
        if max(spec.dilation_rate) == 1 and spec.padding in ("valid", "same"):
            return super().call(inputs)  # type: ignore[misc]
        spec.output_size(self._space(inputs.shape))
        pads = spec.pads(self._space(inputs.shape))
        geometry = zip(spec.kernel_size, spec.strides, spec.dilation_rate, pads, strict=True)
        for axis, (k, s, r, pair) in enumerate(geometry, first):
            inputs = self._along(inputs, axis, k, s, r, pair)
        return inputs

    def _along(self, x: Tensor, axis: int, k: int, s: int, r: int, pair: tuple[int, int] | None) -> Tensor:
        """Pools along one axis; with padding by a rule where `pair` is `None`."""
        raise NotImplementedError

    def _padded(self, x: Tensor, axis: int, k: int, s: int, r: int, pair: tuple[int, int] | None) -> Tensor:
        if pair is None:
            return pad_strided(x, axis, (k - 1) * r + 1, s, None, value=self._nothing)
        return pad(x, axis, *pair, self._nothing)

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape; unknown lengths stay `None`."""
        space = self.spec.output_size(self._space(input_shape))
        first = self._first
        return (*input_shape[:first], *space, *input_shape[first + self.rank :])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "dilation_rate": self.dilation_rate}  # type: ignore[misc]

    @property
    def _first(self) -> int:
        layer: Any = self
        return 1 if layer.data_format == "channels_last" else 2

    def _space(self, shape: Shape) -> Shape:
        return shape[self._first : self._first + self.rank]


class _MaxPooling(_Pooling):
    _nothing = float("-inf")

    def _along(self, x: Tensor, axis: int, k: int, s: int, r: int, pair: tuple[int, int] | None) -> Tensor:
        return functools.reduce(keras.ops.maximum, _taps(self._padded(x, axis, k, s, r, pair), axis, k, s, r))


class _AveragePooling(_Pooling):
    _nothing = 0.0

    def _along(self, x: Tensor, axis: int, k: int, s: int, r: int, pair: tuple[int, int] | None) -> Tensor:
        total = _sum(_taps(self._padded(x, axis, k, s, r, pair), axis, k, s, r))
        if pair == (0, 0):
            return total / k
        alone = keras.ops.ones((keras.ops.shape(x)[axis],), dtype=x.dtype)
        count = _sum(_taps(self._padded(alone, 0, k, s, r, pair), 0, k, s, r))
        count = keras.ops.reshape(keras.ops.maximum(count, 1), [-1 if d == axis else 1 for d in range(len(x.shape))])
        return total / count  # of nothing, the mean is 0


def _taps(x: Tensor, axis: int, k: int, s: int, r: int) -> list[Tensor]:
    """For every tap of a window, what all outputs meet there."""
    return [x[along(axis, slice(m * r, (m - k + 1) * r or None, s))] for m in range(k)]


def _sum(parts: list[Tensor]) -> Tensor:
    return functools.reduce(keras.ops.add, parts)


@register
class MaxPooling1D(_MaxPooling, keras.layers.MaxPooling1D):
    """Maximum over windows of (batch, time, channels): `keras.layers.MaxPooling1D` with `dilation_rate`.

    `padding` may also be `"causal"`, an integer or (before, after).
    """

    rank = 1


@register
class MaxPooling2D(_MaxPooling, keras.layers.MaxPooling2D):
    """Maximum over windows of (batch, height, width, channels): `keras.layers.MaxPooling2D` with `dilation_rate`.

    `padding` may also be an integer, or for each axis an integer or (before, after).
    """

    rank = 2


@register
class MaxPooling3D(_MaxPooling, keras.layers.MaxPooling3D):
    """Maximum over windows of (batch, depth, height, width, channels): `keras.layers.MaxPooling3D` with `dilation_rate`.

    `padding` may also be an integer, or for each axis an integer or (before, after).
    """

    rank = 3


@register
class AveragePooling1D(_AveragePooling, keras.layers.AveragePooling1D):
    """Mean over windows of (batch, time, channels): `keras.layers.AveragePooling1D` with `dilation_rate`.

    `padding` may also be `"causal"`, an integer or (before, after); it isn't counted.
    """

    rank = 1


@register
class AveragePooling2D(_AveragePooling, keras.layers.AveragePooling2D):
    """Mean over windows of (batch, height, width, channels): `keras.layers.AveragePooling2D` with `dilation_rate`.

    `padding` may also be an integer, or for each axis an integer or (before, after); it isn't counted.
    """

    rank = 2


@register
class AveragePooling3D(_AveragePooling, keras.layers.AveragePooling3D):
    """Mean over windows of (batch, depth, height, width, channels): `keras.layers.AveragePooling3D` with `dilation_rate`.

    `padding` may also be an integer, or for each axis an integer or (before, after); it isn't counted.
    """

    rank = 3
