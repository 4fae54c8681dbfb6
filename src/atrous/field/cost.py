"""Multiply-adds and parameters of every use of a layer.

Counted are sums of products: convolutions, dense layers, matrix products, attention, recurrent layers. Everything elementwise,
normalisation, pooling, resizing and biases are counted as 0. What isn't known is `None`, never 0.

*Dense* multiply-adds are those of a kernel that meets every tap: taps × outputs. *Valid* ones leave out the taps that fall into
the padding, as `native/plan.cpp` counts them: along one axis, tap m of output i is valid if 0 ≤ i·s + r·m − p < n, and what is
valid along every axis is the product of the counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from keras import layers

from atrous.field.graph import Use
from atrous.field.registry import Call, rule_of
from atrous.field.rules.convolutions import CONVOLUTIONS, TRANSPOSED, spec_of
from atrous.field.rules.operations import OPERATIONS
from atrous.spec import ConvSpec


class Macs(NamedTuple):
    """Multiply-adds for one example."""

    dense: int
    valid: int

    def times(self, factor: int) -> Macs:
        """As many times."""
        return Macs(self.dense * factor, self.valid * factor)

    def plus(self, other: Macs) -> Macs:
        """Both."""
        return Macs(self.dense + other.dense, self.valid + other.valid)


NONE = Macs(0, 0)

_GATES = ((layers.LSTM, 4), (layers.GRU, 3), (layers.SimpleRNN, 1))
_ATTENTION = tuple(
    getattr(layers, name)
    for name in ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")
    if hasattr(layers, name)
)
_PRODUCTS = frozenset({"Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose", "Matmul", "Dot", "DotProductAttention"})


def macs(use: Use) -> Macs | None:
    """Multiply-adds of one use of a layer for one example; `None` if they are not known."""
    return _macs(use.call)


def valid_taps(n: int, outputs: int, kernel_size: int, stride: int, rate: int, before: int) -> int:
    """How often a tap meets data along one axis: pairs (i, m) with 0 ≤ i·stride + rate·m − before < n.

    Args:
        n: Length of the input.
        outputs: Length of the output.
        kernel_size: Taps.
        stride: Stride.
        rate: Dilation rate.
        before: Zeros in front.
    """
    total = 0
    for m in range(kernel_size):
        shift = rate * m - before
        first = max(0, -(shift // stride))  # ⌈−shift / stride⌉
        last = min(outputs - 1, (n - 1 - shift) // stride)
        total += max(0, last - first + 1)
    return total


def conv_macs(spec: ConvSpec, sizes: Sequence[int], channels: int, filters: int) -> Macs:
    """Of a convolution of `sizes` positions with `channels` to `filters`; depthwise: groups = channels."""
    outputs = [n for n in spec.output_size(sizes) if n is not None]
    pads = [pair or (0, 0) for pair in spec.pads(sizes)]
    pairs = channels // spec.groups * filters
    valid = [
        valid_taps(n, out, k, s, r, pair[0])
        for n, out, k, s, r, pair in zip(sizes, outputs, spec.kernel_size, spec.strides, spec.dilation_rate, pads, strict=True)
    ]
    return Macs(math.prod(spec.kernel_size) * math.prod(outputs) * pairs, math.prod(valid) * pairs)


def transposed_macs(spec: ConvSpec, sizes: Sequence[int], channels: int, filters: int, output_padding: Any) -> Macs:
    """Of a transposed convolution, every tap of every input; valid are those that land on an output."""
    extra = (output_padding,) * spec.rank if isinstance(output_padding, int) else output_padding
    dense = valid = channels * filters
    for axis, n, k, r in zip(spec.transposed(extra), sizes, spec.kernel_size, spec.dilation_rate, strict=True):
        dense *= k * n
        valid *= valid_taps(n * axis.stride + axis.growth, n, k, axis.stride, r, axis.before)
    return Macs(dense, valid)


def _macs(call: Call) -> Macs | None:
    layer = call.layer
    for types, count in _COUNTS:
        if isinstance(layer, types):
            return count(call)
    if not isinstance(layer, layers.Layer):
        return _of_operation(call)
    known = rule_of(layer)
    return NONE if known is not None and known.__module__.startswith("atrous.field.rules") else None


def _channels(call: Call) -> int:
    return call.shape[next(d for d in range(len(call.shape)) if d not in call.space)]


def _convolution(call: Call) -> Macs:
    layer, channels, spec = call.layer, _channels(call), spec_of(call.layer, len(call.space))
    if not hasattr(layer, "depth_multiplier"):
        return conv_macs(spec, call.sizes, channels, layer.filters)
    return _depthwise(spec, call.sizes, channels, layer.depth_multiplier, getattr(layer, "filters", None))


def _depthwise(spec: ConvSpec, sizes: Sequence[int], channels: int, multiplier: int, filters: int | None) -> Macs:
    """Each channel by itself, then, with `filters`, a 1×1 convolution."""
    spread = channels * multiplier
    first = conv_macs(replace(spec, groups=channels), sizes, channels, spread)
    if filters is None:
        return first
    mixed = math.prod(n for n in spec.output_size(sizes) if n is not None) * spread * filters
    return first.plus(Macs(mixed, mixed))


def _transposed(call: Call) -> Macs:
    layer = call.layer
    spec = spec_of(layer, len(call.space))
    return transposed_macs(spec, call.sizes, _channels(call), layer.filters, layer.output_padding)


def _same(products: int) -> Macs:
    return Macs(products, products)


def _dense(call: Call) -> Macs:
    return _same(math.prod(call.shape) * call.layer.units)


def _einsum_dense(call: Call) -> Macs:
    """Every label of the equation is one loop; `...` stands for as many as are left."""
    given, _, weights = call.layer.equation.replace(" ", "").partition("->")[0].partition(",")
    left = len(call.shape) + 1 - len(given.replace("...", ""))
    labels = given.replace("...", "0123456789"[:left])
    lengths = dict(zip(weights, call.layer.kernel.shape, strict=True)) | dict(zip(labels, (1, *call.shape), strict=True))
    return _same(math.prod(lengths.values()))


def _recurrent(call: Call) -> Macs | None:
    for type_, gates in _GATES:
        if isinstance(call.layer, type_):
            steps, channels = call.shape
            return _same(steps * gates * call.layer.units * (channels + call.layer.units))
    return None


def _bidirectional(call: Call) -> Macs | None:
    once = _macs(replace(call, layer=call.layer.forward_layer))
    return once and once.times(2)


def _time_distributed(call: Call) -> Macs | None:
    once = _macs(Call(call.layer.layer, (call.shape[1:],)))
    return once and once.times(call.shape[0])


def _wrapped(call: Call) -> Macs | None:
    """At inference: the power iteration of a spectral normalisation runs in training only."""
    return _macs(replace(call, layer=call.layer.layer))


def _multi_head(call: Call) -> Macs | None:
    """Projections of query, key, value and output; scores; weighted sums. Masked pairs are computed, so they count."""
    layer, query, value = call.layer, call.shape, call.shapes[1]
    key = call.shapes[2] if len(call.shapes) > 2 else value
    if len(query) != 2 or getattr(layer, "_output_shape", None):
        return None
    heads = getattr(layer, "num_heads", None) or layer.num_query_heads
    stored = getattr(layer, "num_key_value_heads", heads)
    size = getattr(layer, "key_dim", None) or getattr(layer, "_key_dim", None) or layer.head_dim
    out = getattr(layer, "_value_dim", None) or size
    projections = query[0] * query[1] * heads * size + key[0] * key[1] * stored * size + value[0] * value[1] * stored * out
    return _same(projections + query[0] * value[0] * heads * (size + out) + query[0] * heads * out * query[1])


def _attention(call: Call) -> Macs:
    query, value = call.shapes[:2]
    return _same(query[0] * value[0] * (query[1] + value[1]))


def _of_operation(call: Call) -> Macs | None:
    name = type(call.layer).__name__
    if name not in OPERATIONS:
        return None
    return _product(name, call) if name in _PRODUCTS else NONE


def _product(name: str, call: Call) -> Macs | None:
    if name == "DotProductAttention":
        (steps, heads, size), value = call.shape, call.shapes[-1]
        return _same(steps * value[0] * heads * (size + value[-1]))
    given = (
        *call.args[1:],
        *(v for k, v in call.kwargs.items() if k in ("x2", "kernel", "depthwise_kernel", "pointwise_kernel")),
    )
    weights = next((v for v in given if hasattr(v, "shape")), None)
    if weights is None:
        return None
    if name in ("Matmul", "Dot"):
        return _same(math.prod(call.shape) * weights.shape[-1])
    *window, inner, last = weights.shape
    options = call.layer
    spec = ConvSpec.parse(len(window), tuple(window), options.strides, options.dilation_rate, options.padding)
    channels = _channels(call)
    if name == "ConvTranspose":
        return transposed_macs(spec, call.sizes, channels, inner, options.output_padding)
    if name == "Conv":
        return conv_macs(replace(spec, groups=channels // inner), call.sizes, channels, last)
    pointwise = [v for v in given if hasattr(v, "shape")][1:2] if name == "SeparableConv" else []
    return _depthwise(spec, call.sizes, channels, last, pointwise[0].shape[-1] if pointwise else None)


_COUNTS: tuple[tuple[Any, Callable[[Call], Macs | None]], ...] = (
    (CONVOLUTIONS, _convolution),
    (TRANSPOSED, _transposed),
    (layers.Dense, _dense),
    (layers.EinsumDense, _einsum_dense),
    (layers.Bidirectional, _bidirectional),
    (layers.RNN, _recurrent),
    (layers.TimeDistributed, _time_distributed),
    (layers.SpectralNormalization, _wrapped),
    (_ATTENTION, _multi_head),
    (layers.AdditiveAttention, lambda call: None),  # sums of tanh, not of products
    (layers.Attention, _attention),
)
