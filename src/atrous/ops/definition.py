"""Convolution and its two gradients by the definition, in plain NumPy: where there is no native core for them.

    y[i] = Σ_m x[i·s + r·m − p] · w[m]

One matrix product a tap over slices of the data. What lies in the padding is never read, so that its weights don't matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Geometry:
    """A convolution in numbers only, by the names of `native/atrous.h`: an entry an axis; `before` counts zeros in front."""

    batch: int
    channels: int
    filters: int
    groups: int
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    rates: tuple[int, ...]
    before: tuple[int, ...]


def forward(x: Array, kernel: Array, geometry: Geometry) -> Array:
    """Output (batch, *output, filters) from x (batch, *input, channels) and kernel (*kernel, channels / groups, filters)."""
    y = np.zeros((geometry.batch, *geometry.output, geometry.filters), x.dtype)
    for tap, seen, outputs in _taps(geometry):
        y[outputs] += _grouped(x[seen], kernel[tap], geometry.groups)
    return y


def input_gradient(upstream: Array, kernel: Array, geometry: Geometry) -> Array:
    """Gradient for x from that of the output and the kernel."""
    groups, inner = geometry.groups, geometry.channels // geometry.groups
    x = np.zeros((geometry.batch, *geometry.input, geometry.channels), upstream.dtype)
    for tap, seen, outputs in _taps(geometry):
        turned = kernel[tap].reshape(inner, groups, -1).transpose(2, 1, 0).reshape(-1, geometry.channels)
        x[seen] += _grouped(upstream[outputs], turned, groups)
    return x


def kernel_gradient(x: Array, upstream: Array, geometry: Geometry) -> Array:
    """Gradient for the kernel from x and that of the output."""
    groups, inner = geometry.groups, geometry.channels // geometry.groups
    kernel = np.zeros((*geometry.kernel, inner, geometry.filters), x.dtype)
    for tap, seen, outputs in _taps(geometry):
        left = x[seen].reshape(-1, groups, inner).transpose(1, 2, 0)
        right = upstream[outputs].reshape(-1, groups, geometry.filters // groups).transpose(1, 0, 2)
        kernel[tap] = (left @ right).transpose(1, 0, 2).reshape(inner, -1)
    return kernel


DIRECTIONS: dict[str, Callable[[Array, Array, Geometry], Array]] = {
    "forward": forward,
    "input_gradient": input_gradient,
    "kernel_gradient": kernel_gradient,
}
"""By the names of `atrous_direction`; the operands are channels last and of one dtype."""


def _taps(geometry: Geometry) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """Every tap that meets data: its index, the input positions it reads, the outputs it reads them for."""
    axes = [list(_axis_taps(geometry, axis)) for axis in range(len(geometry.kernel))]
    for taps in itertools.product(*axes):
        tap, seen, outputs = zip(*taps, strict=True)
        yield tap, (slice(None), *seen), (slice(None), *outputs)


def _axis_taps(geometry: Geometry, axis: int) -> Iterator[tuple[int, slice, slice]]:
    n, stride, rate = geometry.input[axis], geometry.strides[axis], geometry.rates[axis]
    for m in range(geometry.kernel[axis]):
        start = rate * m - geometry.before[axis]  # the position that output 0 reads
        first, end = max(0, -(start // stride)), min(geometry.output[axis], (n - 1 - start) // stride + 1)
        if first < end:
            yield m, slice(first * stride + start, (end - 1) * stride + start + 1, stride), slice(first, end)


def _grouped(data: Array, weights: Array, groups: int) -> Array:
    """Data (..., groups · inner) times weights (inner, groups · outer), group by group."""
    inner = weights.shape[0]
    left = data.reshape(-1, groups, inner).transpose(1, 0, 2)
    right = weights.reshape(inner, groups, -1).transpose(1, 0, 2)
    return (left @ right).transpose(1, 0, 2).reshape(*data.shape[:-1], weights.shape[1])
