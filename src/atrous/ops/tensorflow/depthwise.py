"""Convolution of each channel by itself, over two axes.

TensorFlow has a fast kernel for it, `DepthwiseConv2dNative`, whose rates above 1 run only with oneDNN (elsewhere they raise, or
in its gradients are silently ignored) and whose strides must agree. The phases of a dilated convolution are undilated ones:
that formulation runs everywhere and supplies the gradient.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import tensorflow as tf

from atrous.ops.tensorflow.geometry import Geometry, pad_or_crop, spans
from atrous.spec import same_pads

Tensor = Any


def conv(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Depthwise convolution.

    Args:
        x: Input, (batch, height, width, channels).
        kernel: Weights, (height, width, 1, channels · multiplier).
        geometry: With as many groups as channels.
    """
    *taps, _, filters = kernel.shape
    kernel = tf.reshape(kernel, (*taps, geometry.groups, filters // geometry.groups))
    if taps[0] == 1 and x.shape[1] == 1 and geometry.pads[0] == (0, 0):
        # 1D data: along one row the stride is free, and TensorFlow wants equal ones.
        geometry = replace(geometry, strides=(geometry.strides[1],) * 2)
    if geometry.strides[0] != geometry.strides[1]:
        return _subsampled(x, kernel, geometry)
    if geometry.undilated:
        return _native(x, kernel, geometry)
    if max(geometry.strides) > 1 or not runs_dilated(x.dtype):
        return _subsampled(x, kernel, geometry)
    return _native_with_gradient_by_phases(x, kernel, geometry)


@functools.cache
def runs_dilated(dtype: tf.DType) -> bool:
    """Whether this build and device run a dilated `DepthwiseConv2dNative` of this type."""
    with tf.init_scope():
        try:
            _native(tf.zeros((1, 3, 3, 1), dtype), tf.zeros((2, 2, 1, 1), dtype), Geometry((1, 1), (2, 2), ((0, 0), (0, 0)), 1))
        except (tf.errors.OpError, ValueError):
            return False
    return True


def _native(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    # Never "EXPLICIT": where a bias follows in a graph, TensorFlow fuses the two and then aborts the process.
    padding = "SAME" if _is_same(x, kernel, geometry) else "VALID"
    if padding == "VALID":
        x = pad_or_crop(x, geometry.pads)
    strides, rates = [1, *geometry.strides, 1], [1, *geometry.rates, 1]
    return tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=strides, padding=padding, dilations=rates)


def _is_same(x: Tensor, kernel: Tensor, geometry: Geometry) -> bool:
    """Whether the pads are those of TensorFlow's `"SAME"`, which onnxruntime refuses together with a rate."""
    if not geometry.undilated:
        return False
    lengths = [n if stride > 1 else 0 for n, stride in zip(x.shape[1:3], geometry.strides, strict=True)]
    if None in lengths:
        return False
    reach = spans(kernel.shape[:2], geometry.rates)
    return geometry.pads == tuple(map(same_pads, lengths, reach, geometry.strides))


def _native_with_gradient_by_phases(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def apply(x: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        def gradient(upstream: Tensor) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((x, kernel))
                y = _by_phases(x, kernel, geometry)
            return tape.gradient(y, (x, kernel), upstream)

        return _native(x, kernel, geometry), gradient

    return apply(x, kernel)


def _by_phases(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Dilated convolution at stride 1: each phase of the input, put into the batch, meets the undilated kernel."""
    undilated = Geometry((1, 1), (1, 1), ((0, 0), (0, 0)), geometry.groups)
    return tf.nn.with_space_to_batch(
        pad_or_crop(x, geometry.pads),
        tf.constant(geometry.rates),
        "VALID",
        lambda phases, num_spatial_dims, padding: _native(phases, kernel, undilated),
        filter_shape=kernel.shape[:2],
    )


def _subsampled(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Strides that TensorFlow cannot combine: every output is computed, and those between are dropped."""
    dense = Geometry((1, 1), geometry.rates, geometry.pads, geometry.groups)
    y = _native(x, kernel, dense) if geometry.undilated else _by_phases(x, kernel, dense)
    return y[:, :: geometry.strides[0], :: geometry.strides[1]]
