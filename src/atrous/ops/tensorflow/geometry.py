"""What a convolution needs at run time: numbers only, no padding names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

Tensor = Any


@dataclass(frozen=True)
class Geometry:
    """A convolution over channels-last data whose pads are numbers; channels are not part of it."""

    strides: tuple[int, ...]
    rates: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    groups: int

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.strides)

    @property
    def undilated(self) -> bool:
        """Whether every rate is 1."""
        return max(self.rates) == 1

    @property
    def tf_padding(self) -> Any:
        """The pads as `tf.nn.conv2d` takes them."""
        return [(0, 0), *self.pads, (0, 0)] if any(map(any, self.pads)) else "VALID"

    def with_flat_axis(self) -> Geometry:
        """The same over one more axis in front, of length 1: TensorFlow has no 1D kernels."""
        return Geometry((1, *self.strides), (1, *self.rates), ((0, 0), *self.pads), self.groups)


def space(x: Tensor) -> tuple[Any, ...]:
    """Lengths of the spatial axes of channels-last data: integers where known, scalar tensors where not."""
    return tuple(tf.shape(x)[axis + 1] if n is None else n for axis, n in enumerate(x.shape[1:-1]))


def spans(kernel_size: Sequence[int], rates: Sequence[int]) -> tuple[int, ...]:
    """Effective kernel sizes."""
    return tuple((k - 1) * r + 1 for k, r in zip(kernel_size, rates, strict=True))


def pad_or_crop(x: Tensor, pads: Sequence[tuple[int, int]]) -> Tensor:
    """Adds zeros along the spatial axes of channels-last data, or cuts where a pad is negative.

    Args:
        x: Data, (batch, *space, channels).
        pads: A (before, after) pair an axis.
    """
    if any(side > 0 for pair in pads for side in pair):
        x = tf.pad(x, [(0, 0), *[(max(before, 0), max(after, 0)) for before, after in pads], (0, 0)])
    if any(side < 0 for pair in pads for side in pair):
        cut = [slice(max(-before, 0), min(after, 0) or None) for before, after in pads]
        x = x[(slice(None), *cut)]
    return x


def without_idle_taps(x: Tensor, kernel: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor, Geometry]:
    """The same convolution without taps that meet nothing but padding, along axes whose length is known.

    Their weights contribute nothing, whatever they are, and their pads could be far larger than the data.

    Args:
        x: Data, (batch, *space, channels).
        kernel: Weights, (*kernel_size, channels / groups, filters).
        geometry: Of the convolution.
    """
    kept, pads, rates = [], [], []
    for n, taps, (before, after), rate, stride in zip(
        x.shape[1:-1], kernel.shape[:-2], geometry.pads, geometry.rates, geometry.strides, strict=True
    ):
        busy = list(range(taps))
        if n is not None:
            last_output = (n + before + after - (taps - 1) * rate - 1) // stride * stride
            busy = [m for m in busy if -last_output <= m * rate - before < n] or busy
        kept.append(slice(busy[0], busy[-1] + 1))
        pads.append((before - busy[0] * rate, after - (taps - 1 - busy[-1]) * rate))
        rates.append(1 if len(busy) == 1 and geometry.rank < 3 else rate)  # Conv3D wants equal rates
    if any(cut.stop - cut.start < taps for cut, taps in zip(kept, kernel.shape[:-2], strict=True)):
        kernel = kernel[tuple(kept)]
    x = pad_or_crop(x, [(min(before, 0), min(after, 0)) for before, after in pads])
    positive = tuple((max(before, 0), max(after, 0)) for before, after in pads)
    return x, kernel, replace(geometry, pads=positive, rates=tuple(rates))


def trim(x: Tensor, cuts: Sequence[tuple[Any, Any]]) -> Tensor:
    """Cuts as many positions as only the running graph knows, so that a pad may depend on a length.

    Padding by the most and trimming keeps the number of channels known, to TensorFlow and to converters; padding by a tensor
    does not.

    Args:
        x: Data, (batch, *space, channels).
        cuts: Positions to cut (before, after) each axis; integers or scalar tensors, not negative.
    """
    if all(isinstance(side, int) and side == 0 for pair in cuts for side in pair):
        return x
    return x[(slice(None), *[slice(before, n - after) for (before, after), n in zip(cuts, space(x), strict=True)])]
