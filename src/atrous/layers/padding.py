"""What a strided layer pads, by itself, on a denser grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from atrous.layers.conv import register
from atrous.layers.dilated import Shape
from atrous.spec import Pads, parse_integers, parse_padding

Tensor = Any


@register
class StridedPadding(keras.layers.Layer):
    """The padding of a strided layer whose stride is removed, where it depends on the input's length n.

    Let every d-th position of a map be a position of an original map (d is `grid`), whose length is m = ⌈n / d⌉ then. There, a
    layer of kernel size k, stride s and (p, q) zeros in front and behind has M = ⌊(m + p + q − k) / s⌋ + 1 outputs.
    `StridedPadding`, then the layer with stride 1, rate d and `padding="valid"`, give them at every (d·s)-th position:

        in front   d·p
        behind     d·q, and what it takes to keep the length n, but to M·d·s at most: there are M outputs then, too

    By `padding="same"`, p depends on m, p = ⌊max((⌈m / s⌉ − 1)·s + k − m, 0) / 2⌋ (TensorFlow's rule), and the length is kept.

    Args:
        kernel_size: Effective kernel size on the original map, one for each spatial axis.
        strides: Of the original layer, likewise.
        padding: Of the original layer: `"same"`, `"valid"`, or zeros in front and behind for each axis.
        grid: How many times denser the map is, one for each axis or one for all.
        spare: How many of the n positions are padding already, likewise: the length to keep is n less those.
        value: What is put there: −inf in front of a maximum.
        data_format: `"channels_last"` or `"channels_first"`; `None` takes Keras's default.
        **kwargs: Of `keras.layers.Layer`.
    """

    def __init__(
        self,
        kernel_size: Sequence[int],
        strides: Any = 1,
        padding: Any = "same",
        grid: Any = 1,
        spare: Any = 0,
        value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        rank = len(kernel_size)
        self.kernel_size = parse_integers("kernel_size", kernel_size, rank)
        self.strides = parse_integers("strides", strides, rank)
        self.padding = parse_padding(padding, rank)
        self.grid = parse_integers("grid", grid, rank)
        self.spare = parse_integers("spare", spare, rank, minimum=0)
        self.value = float(value)
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    def pads(self, sizes: Sequence[Any]) -> list[tuple[Any, Any]]:
        """What is put in front of and behind axes of these lengths."""
        return [strided_pads(n, *axis) for n, axis in zip(sizes, self._axes, strict=True)]

    def call(self, inputs: Tensor) -> Tensor:
        """Pads the spatial axes."""
        for axis, geometry in enumerate(self._axes, self._first):
            inputs = pad_strided(inputs, axis, *geometry, value=self.value)
        return inputs

    def compute_output_shape(self, input_shape: Shape) -> tuple[int | None, ...]:
        """Shape of the output for an input of this shape; unknown lengths stay `None`."""
        shape = list(input_shape)
        for axis, geometry in enumerate(self._axes, self._first):
            if (n := shape[axis]) is not None:
                shape[axis] = n + sum(strided_pads(n, *geometry))
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        names = "kernel_size", "strides", "padding", "grid", "spare", "value", "data_format"
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}

    @property
    def _axes(self) -> list[tuple[int, int, tuple[int, int] | None, int, int]]:
        """The arguments of `strided_pads` for each axis, but the length."""
        rank = len(self.kernel_size)
        pairs: Pads = ((0, 0),) * rank
        explicit = [None] * rank if self.padding == "same" else pairs if isinstance(self.padding, str) else self.padding
        return list(zip(self.kernel_size, self.strides, explicit, self.grid, self.spare, strict=True))

    @property
    def _first(self) -> int:
        return 1 if self.data_format == "channels_last" else 2


def strided_pads(
    n: Any, span: int, stride: int, pair: tuple[int, int] | None, grid: int = 1, spare: int = 0
) -> tuple[Any, Any]:
    """What `StridedPadding` puts in front of and behind an axis.

    Args:
        n: Length, an integer or a scalar tensor.
        span: Effective kernel size on the original map.
        stride: Of the original layer.
        pair: Zeros of the original layer in front and behind; `None` for `same`.
        grid: How many times denser the map is.
        spare: How many of the n positions are padding already.
    """
    least, most = (min, max) if isinstance(n, int) else (keras.ops.minimum, keras.ops.maximum)
    m = -(-n // grid)
    if pair is None:
        total = span - 1 if stride == 1 else most((-(-m // stride) - 1) * stride + span - m, 0)
        before = grid * (total // 2)
        return before, grid * (span - 1) - before
    outputs = (m + sum(pair) - span) // stride + 1
    natural = n + grid * (sum(pair) - span + 1)
    filled = most(natural, least(n - spare, outputs * stride * grid))
    return grid * pair[0], grid * pair[1] + filled - natural


def pad_strided(
    x: Tensor,
    axis: int,
    span: int,
    stride: int,
    pair: tuple[int, int] | None,
    grid: int = 1,
    spare: int = 0,
    value: float = 0.0,
) -> Tensor:
    """Pads one axis as `StridedPadding` does; its length need not be known before the data is."""
    n = keras.ops.shape(x)[axis]
    before, behind = strided_pads(n, span, stride, pair, grid, spare)
    if isinstance(n, int):
        return pad(x, axis, before, behind, value)
    reach = grid * (span - 1)  # the most that there can be; what is too much is cut, so that the other lengths stay known
    first, last = (reach // 2, reach) if pair is None else (grid * pair[0], grid * pair[1] + reach)
    return pad(x, axis, first, last, value)[along(axis, slice(first - before, first + n + behind))]


def pad(x: Tensor, axis: int, before: int, after: int, value: float = 0.0) -> Tensor:
    """Puts values in front of and behind one axis."""
    if before == after == 0:
        return x
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = before, after
    return keras.ops.pad(x, widths, constant_values=value)


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """Index of a part of one axis."""
    return (*(slice(None),) * axis, part)
