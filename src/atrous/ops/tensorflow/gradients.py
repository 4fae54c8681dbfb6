"""The three maps of a convolution, each the gradient of the others, from operations that TensorFlow has on every build.

With x the input, w the kernel and g the gradient of the output, `conv(x, w)`, `input_gradient(g, w)` and
`kernel_gradient(x, g)` are linear in each argument, and the gradient of any of them is made of the other two: derivatives of
every order follow.

TensorFlow's CPU kernels for the gradients of a dilated Conv2D exist with oneDNN only, for two types and two paddings, and take
seconds for wide kernels; its forward kernel exists everywhere. So the input gradient is a forward convolution with the kernel
flipped, and the kernel gradient is one matrix product a tap.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from atrous.ops.tensorflow.forward import forward
from atrous.ops.tensorflow.geometry import Geometry, pad_or_crop, space, spans, trim

Tensor = Any


def conv(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Forward convolution with gradients of every order."""
    taps = tuple(kernel.shape[:-2])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return input_gradient(upstream, kernel, geometry, space(x)), kernel_gradient(x, upstream, geometry, taps)

        return forward(x, kernel, geometry), gradient

    return apply(x, kernel)


def input_gradient(upstream: Tensor, kernel: Tensor, geometry: Geometry, size: tuple[Any, ...]) -> Tensor:
    """Gradient of `conv` for its input, which is also the transposed convolution.

    Args:
        upstream: Gradient of the output, (batch, *output_space, filters).
        kernel: Weights, (*kernel_size, channels / groups, filters).
        geometry: Of the forward convolution.
        size: Lengths of the spatial axes of the forward input, integers or scalar tensors.
    """
    taps = tuple(kernel.shape[:-2])

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(upstream: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradient(change: Tensor) -> tuple[Tensor, Tensor]:
            return conv(change, kernel, geometry), kernel_gradient(change, upstream, geometry, taps)

        return _flipped_conv(upstream, kernel, geometry, size), gradient

    return apply(upstream, kernel)


def kernel_gradient(x: Tensor, upstream: Tensor, geometry: Geometry, taps: tuple[int, ...]) -> Tensor:
    """Gradient of `conv` for its kernel.

    Args:
        x: Input, (batch, *space, channels).
        upstream: Gradient of the output, (batch, *output_space, filters).
        geometry: Of the forward convolution.
        taps: Kernel size.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor, upstream: Tensor) -> tuple[Tensor, Any]:
        def gradient(change: Tensor) -> tuple[Tensor, Tensor]:
            return input_gradient(upstream, change, geometry, space(x)), conv(x, change, geometry)

        return _product_per_tap(x, upstream, geometry, taps), gradient

    return apply(x, upstream)


def _flipped_conv(upstream: Tensor, kernel: Tensor, geometry: Geometry, size: Sequence[Any]) -> Tensor:
    """Input gradient as a forward convolution: zeros between the outputs (stride), kernel flipped, channels swapped."""
    pads: list[tuple[int, int]] = []
    cuts: list[tuple[Any, Any]] = []
    known = True
    for axis, span in enumerate(spans(kernel.shape[:-2], geometry.rates)):
        before, after = geometry.pads[axis]
        stride, outputs = geometry.strides[axis], space(upstream)[axis]
        most = span - 1 - after
        # With a stride, up to stride − 1 of the last inputs met no tap, or less of the zeros behind were needed.
        behind = most if stride == 1 else size[axis] + before - outputs * stride
        known &= isinstance(behind, int)
        pads.append((span - 1 - before, behind if isinstance(behind, int) else most))
        cuts.append((0, 0) if isinstance(behind, int) else (0, most - behind))
    stretched = _zeros_between(upstream, geometry.strides)
    if not known or min(map(min, pads)) < 0:
        stretched, pads = trim(pad_or_crop(stretched, pads), cuts), [(0, 0)] * geometry.rank
    flipped = _swap_channels(tf.reverse(kernel, list(range(geometry.rank))), geometry.groups)
    ones = (1,) * geometry.rank
    return forward(stretched, flipped, Geometry(ones, geometry.rates, tuple(pads), geometry.groups))


def _product_per_tap(x: Tensor, upstream: Tensor, geometry: Geometry, taps: tuple[int, ...]) -> Tensor:
    """Kernel gradient: for every tap, the inputs it met times the gradients they went to."""
    x = pad_or_crop(x, geometry.pads)
    outputs = space(upstream)
    channels, filters, groups = x.shape[-1], upstream.shape[-1], geometry.groups
    right = tf.reshape(upstream, (-1, filters))
    products = []
    for tap in itertools.product(*map(range, taps)):
        starts = [m * r for m, r in zip(tap, geometry.rates, strict=True)]
        window = [
            slice(start, start + n * stride, stride) for start, n, stride in zip(starts, outputs, geometry.strides, strict=True)
        ]
        left = tf.reshape(x[(slice(None), *window)], (-1, channels))
        if groups == 1:
            products.append(tf.matmul(left, right, transpose_a=True))
        else:
            product = tf.einsum(
                "pgi,pgo->igo",
                tf.reshape(left, (-1, groups, channels // groups)),
                tf.reshape(right, (-1, groups, filters // groups)),
            )
            products.append(tf.reshape(product, (channels // groups, filters)))
    return tf.reshape(tf.stack(products), (*taps, channels // groups, filters))


def _zeros_between(x: Tensor, strides: Sequence[int]) -> Tensor:
    """Follows every position with stride − 1 zeros along each axis."""
    for axis, stride in enumerate(strides, 1):
        if stride > 1:
            sizes = [tf.shape(x)[0], *space(x), x.shape[-1]]
            inner = functools.reduce(operator.mul, sizes[axis + 1 :])
            apart = tf.pad(tf.reshape(x, (-1, 1, inner)), [(0, 0), (0, stride - 1), (0, 0)])
            x = tf.reshape(apart, [*sizes[:axis], sizes[axis] * stride, *sizes[axis + 1 :]])
    return x


def _swap_channels(kernel: Tensor, groups: int) -> Tensor:
    """(*taps, channels / groups, filters) → (*taps, filters / groups, channels), group by group."""
    *taps, inner, filters = kernel.shape
    rank = len(taps)
    split = tf.reshape(kernel, (*taps, inner, groups, filters // groups))
    swapped = tf.transpose(split, (*range(rank), rank + 2, rank + 1, rank))
    return tf.reshape(swapped, (*taps, filters // groups, groups * inner))
