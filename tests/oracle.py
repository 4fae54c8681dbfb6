"""What every numerical test is measured against: the definition in float64, and the one tolerance rule.

Written from the definition alone and in plain NumPy; nothing of the package is imported here.

    y[i] = Σ_m x[i·s + r·m − p] · w[m]
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

TOLERANCE = 8
"""Allowed error in units of eps · Σ|x||w|."""

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
Pads = Sequence[tuple[int, int]]


def assert_close(actual: Any, expected: np.ndarray, scale: np.ndarray, dtype: str = "float32") -> None:
    """The one rule: |actual − expected| ≤ TOLERANCE · eps · Σ|x||w|, element by element.

    `scale` is Σ|x||w|, the same sum with every term made positive; what is below the smallest normal number counts as zero.
    """
    actual = np.asarray(actual).astype("float64")
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    if not actual.size:
        return
    allowed = TOLERANCE * EPSILON[dtype] * scale + np.finfo("float32").tiny
    excess = np.abs(actual - expected) / allowed
    worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
    assert excess[worst] <= 1, (
        f"{actual[worst]} at {tuple(map(int, worst))}, expected {expected[worst]}: {excess[worst]:.3g} times the allowed error"
    )


def pads(size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], rates: Sequence[int], padding: Any) -> Pads:
    """Zeros before and after each axis, from a padding name or from explicit pairs."""
    if not isinstance(padding, str):
        return padding
    pairs = []
    for n, k, s, r in zip(size, kernel, strides, rates, strict=True):
        reach = (k - 1) * r
        if padding == "valid":
            pairs.append((0, 0))
        elif padding == "causal":
            pairs.append((reach, 0))
        else:
            total = max((math.ceil(n / s) - 1) * s + reach + 1 - n, 0)
            pairs.append((total // 2, total - total // 2))
    return pairs


def conv(x: np.ndarray, w: np.ndarray, strides: Sequence[int], rates: Sequence[int], pads: Pads, groups: int = 1) -> np.ndarray:
    """Forward: x (batch, *space, channels), w (*taps, channels / groups, filters)."""
    x, w = np.asarray(x, "float64"), np.asarray(w, "float64")
    y = np.zeros((x.shape[0], *_outputs(x.shape[1:-1], w.shape[:-2], strides, rates, pads), w.shape[-1]))
    padded = _padded(x, pads)
    for tap, window in _windows(y.shape[1:-1], w.shape[:-2], strides, rates):
        y += _grouped(padded[window], w[tap], groups)
    return y


def input_gradient(
    g: np.ndarray, w: np.ndarray, size: Sequence[int], strides: Sequence[int], rates: Sequence[int], pads: Pads, groups: int = 1
) -> np.ndarray:
    """Gradient of Σ g·conv(x, w) for x, whose spatial size is `size`; a transposed convolution."""
    g, w = np.asarray(g, "float64"), np.asarray(w, "float64")
    channels = w.shape[-2] * groups
    lengths = [max(n + a + b, (o - 1) * s + (k - 1) * r + 1) for n, (a, b), o, s, k, r in zip(
        size, pads, g.shape[1:-1], strides, w.shape[:-2], rates, strict=True)]  # fmt: skip
    full = np.zeros((g.shape[0], *lengths, channels))
    for tap, window in _windows(g.shape[1:-1], w.shape[:-2], strides, rates):
        transposed = np.concatenate(np.split(w[tap], groups, axis=1), axis=0).reshape(groups, w.shape[-2], -1)
        back = transposed.transpose(2, 0, 1).reshape(-1, channels)  # (filters / groups, channels)
        full[window] += _grouped(g, back, groups)
    return full[(slice(None), *[slice(a, a + n) for n, (a, _) in zip(size, pads, strict=True)])]


def kernel_gradient(
    x: np.ndarray, g: np.ndarray, taps: Sequence[int], strides: Sequence[int], rates: Sequence[int], pads: Pads, groups: int = 1
) -> np.ndarray:
    """Gradient of Σ g·conv(x, w) for w, whose taps are `taps`."""
    x, g = np.asarray(x, "float64"), np.asarray(g, "float64")
    channels, filters = x.shape[-1] // groups, g.shape[-1] // groups
    w = np.zeros((*taps, channels, groups * filters))
    right, padded = _by_group(g, groups, filters), _padded(x, pads)
    for tap, window in _windows(g.shape[1:-1], taps, strides, rates):
        left = _by_group(padded[window], groups, channels)
        w[tap] = np.matmul(left.swapaxes(1, 2), right).swapaxes(0, 1).reshape(channels, -1)
    return w


def conv_transpose(
    x: np.ndarray, w: np.ndarray, strides: Sequence[int], rates: Sequence[int], before: Sequence[int], size: Sequence[int]
) -> np.ndarray:
    """Transposed: w (*taps, filters, channels); output position i·s + r·m − before gets x[i]·w[m]; `size` long."""
    reach = [(n - 1) * s + (k - 1) * r + 1 for n, s, k, r in zip(x.shape[1:-1], strides, w.shape[:-2], rates, strict=True)]
    pads = [(b, max(full - b - n, 0)) for b, full, n in zip(before, reach, size, strict=True)]
    return input_gradient(x, w, size, strides, rates, pads)


def _outputs(size: Sequence[int], taps: Sequence[int], strides: Sequence[int], rates: Sequence[int], pads: Pads) -> list[int]:
    return [(n + a + b - (k - 1) * r - 1) // s + 1 for n, (a, b), k, s, r in zip(size, pads, taps, strides, rates, strict=True)]


def _padded(x: np.ndarray, pads: Pads) -> np.ndarray:
    return np.pad(x, [(0, 0), *pads, (0, 0)])


def _windows(outputs: Sequence[int], taps: Sequence[int], strides: Sequence[int], rates: Sequence[int]) -> Any:
    """For every tap, the slices of the padded input that it meets."""
    for tap in itertools.product(*map(range, taps)):
        starts = [m * r for m, r in zip(tap, rates, strict=True)]
        cut = [slice(a, a + (o - 1) * s + 1, s) for a, o, s in zip(starts, outputs, strides, strict=True)]
        yield tap, (slice(None), *cut)


def _grouped(x: np.ndarray, w: np.ndarray, groups: int) -> np.ndarray:
    """x (..., groups · inner) times w (inner, groups · outer), group by group."""
    inner, outer = w.shape[0], w.shape[1] // groups
    product = np.matmul(_by_group(x, groups, inner), _by_group(w, groups, outer))
    return product.swapaxes(0, 1).reshape(*x.shape[:-1], -1)


def _by_group(a: np.ndarray, groups: int, each: int) -> np.ndarray:
    """(…, groups · each) as (groups, everything else, each)."""
    return a.reshape(-1, groups, each).swapaxes(0, 1)
