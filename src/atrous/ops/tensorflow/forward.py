"""The forward convolution as TensorFlow has it: one node with the `dilations` attribute, or an equivalent.

`Conv2D` takes every stride, rate, explicit pad, group count and floating type on every CPU build. `Conv3D` knows rates only
with oneDNN in float32 and bfloat16, and groups not at all: what it lacks is a sum of 2D convolutions, one for each tap along
the first axis, whose slices are folded into the batch.
"""

from __future__ import annotations

import functools
from typing import Any

import tensorflow as tf

from atrous.ops.tensorflow.geometry import Geometry, pad_or_crop, space, spans

Tensor = Any


def forward(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Convolution over two or three axes, with TensorFlow's own gradient where it has one.

    Args:
        x: Input, (batch, *space, channels).
        kernel: Weights, (*kernel_size, channels / groups, filters).
        geometry: With pads that are not negative.
    """
    if x.shape.num_elements() == 0:  # of nothing, TensorFlow's kernels return the shape of the input
        return tf.zeros((x.shape[0], *_output_size(x, kernel, geometry), kernel.shape[-1]), x.dtype)
    if geometry.rank == 2:
        return tf.nn.conv2d(x, kernel, geometry.strides, geometry.tf_padding, dilations=geometry.rates)
    x = pad_or_crop(x, geometry.pads)  # Conv3D takes no explicit pads
    # The shape function of Conv3D confuses the rates of the last two axes: a graph would not trust its result.
    if geometry.groups == 1 and geometry.rates[1] == geometry.rates[2] and (geometry.undilated or runs_dilated_conv3d(x.dtype)):
        return tf.nn.conv3d(x, kernel, (1, *geometry.strides, 1), "VALID", dilations=(1, *geometry.rates, 1))
    return _sum_over_slices(x, kernel, geometry)


def _output_size(x: Tensor, kernel: Tensor, geometry: Geometry) -> tuple[Any, ...]:
    reach = spans(kernel.shape[:-2], geometry.rates)
    return tuple(
        (n + sum(pair) - span) // stride + 1
        for n, pair, span, stride in zip(space(x), geometry.pads, reach, geometry.strides, strict=True)
    )


@functools.cache
def runs_dilated_conv3d(dtype: tf.DType) -> bool:
    """Whether this build and device run a dilated `Conv3D` of this type."""
    with tf.init_scope():
        x, kernel = tf.zeros((1, 3, 3, 3, 1), dtype), tf.zeros((2, 2, 2, 1, 1), dtype)
        try:
            tf.nn.conv3d(x, kernel, (1,) * 5, "VALID", dilations=(1, 2, 2, 2, 1))
        except (tf.errors.OpError, ValueError):
            return False
    return True


def _sum_over_slices(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    stride, rate = geometry.strides[0], geometry.rates[0]
    depth, height, width = space(x)
    outputs = (depth - (kernel.shape[0] - 1) * rate - 1) // stride + 1
    plane = Geometry(geometry.strides[1:], geometry.rates[1:], ((0, 0), (0, 0)), geometry.groups)
    terms = []
    for tap in range(kernel.shape[0]):
        slices = x[:, tap * rate : tap * rate + (outputs - 1) * stride + 1 : stride]
        terms.append(forward(tf.reshape(slices, (-1, height, width, x.shape[-1])), kernel[tap], plane))
    total = functools.reduce(tf.add, terms)
    return tf.reshape(total, (-1, outputs, *space(total), total.shape[-1]))
