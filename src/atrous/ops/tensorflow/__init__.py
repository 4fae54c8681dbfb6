"""Convolution in TensorFlow from stock operations.

`conv` is one `Conv2D` or `Conv3D` node with the `dilations` attribute wherever TensorFlow has that kernel, never
SpaceToBatchND → Conv → BatchToSpaceND. Where TensorFlow's own gradient is missing, `gradients` supplies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from atrous.ops.tensorflow import depthwise, gradients
from atrous.ops.tensorflow import fused as fused
from atrous.ops.tensorflow import native_gradients as native_gradients
from atrous.ops.tensorflow import native_vectorized as native_vectorized
from atrous.ops.tensorflow.geometry import Geometry, pad_or_crop, space, trim, without_idle_taps
from atrous.ops.tensorflow.layout import channels_last, restore
from atrous.spec import ConvSpec, Pads, TransposedAxis, same_pads

Tensor = Any
LAYOUTS = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


def conv(x: Tensor, kernel: Tensor, spec: ConvSpec, data_format: str) -> Tensor:
    """See `atrous.ops.conv`."""
    x, kernel = channels_last(x, data_format), tf.convert_to_tensor(kernel)  # a variable is read once
    known = spec.output_size(x.shape[1:-1])
    if max(spec.dilation_rate) == 1 and spec.groups == 1:
        y = _undilated(x, kernel, spec)
    else:
        padded, pads = _resolve_pads(x, spec)
        y = _conv(*without_idle_taps(padded, kernel, Geometry(spec.strides, spec.dilation_rate, pads, spec.groups)))
    return restore(_with_shape(y, (x.shape[0], *known, kernel.shape[-1])), data_format)


def conv_transpose(x: Tensor, kernel: Tensor, spec: ConvSpec, output_padding: Sequence[int] | None, data_format: str) -> Tensor:
    """See `atrous.ops.conv_transpose`."""
    x, kernel = channels_last(x, data_format), tf.convert_to_tensor(kernel)
    axes = spec.transposed(output_padding)
    if max(spec.dilation_rate) == 1:
        y = _undilated_transpose(
            x, kernel, spec, "SAME" if spec.padding == "same" and output_padding is None else "VALID", axes
        )
    else:
        y = _dilated_transpose(x, kernel, spec, axes)
    known = [axis.output_size(n) for axis, n in zip(axes, x.shape[1:-1], strict=True)]
    return restore(_with_shape(y, (x.shape[0], *known, kernel.shape[-2])), data_format)


def _undilated(x: Tensor, kernel: Tensor, spec: ConvSpec) -> Tensor:
    """TensorFlow's own operation and gradients, which are complete for its own padding names."""
    layout = LAYOUTS[spec.rank]  # TensorFlow's eager second-order gradients fail where it is left to the default
    if spec.padding == "same":
        return tf.nn.convolution(x, kernel, spec.strides, "SAME", layout)
    pads = tuple(pair for pair in spec.pads(x.shape[1:-1]) if pair is not None)
    return tf.nn.convolution(pad_or_crop(x, pads), kernel, spec.strides, "VALID", layout)


def _conv(x: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    if geometry.rank == 1:  # TensorFlow has no kernels for one axis
        return tf.squeeze(_conv(x[:, None], kernel[None], geometry.with_flat_axis()), 1)
    if geometry.rank == 2 and geometry.groups > 1 and kernel.shape[-2] == 1:
        return depthwise.conv(x, kernel, geometry)
    return gradients.conv(x, kernel, geometry)


def _undilated_transpose(x: Tensor, kernel: Tensor, spec: ConvSpec, padding: str, axes: Sequence[TransposedAxis]) -> Tensor:
    spans = spec.effective_kernel_size if padding == "VALID" else spec.strides
    full = [(n - 1) * axis.stride + span for n, axis, span in zip(space(x), axes, spans, strict=True)]
    y = tf.nn.conv_transpose(x, kernel, tf.stack([tf.shape(x)[0], *full, kernel.shape[-2]]), spec.strides, padding)
    if padding == "SAME":
        return y
    cut = [(-axis.before, axis.stride + axis.growth + axis.before - span) for axis, span in zip(axes, spans, strict=True)]
    return pad_or_crop(y, cut)


def _dilated_transpose(x: Tensor, kernel: Tensor, spec: ConvSpec, axes: Sequence[TransposedAxis]) -> Tensor:
    # The forward convolution whose input gradient this is has `before` zeros in front and as many behind as make its output
    # exactly as long as x. Fewer than none means that the last outputs see nothing: those zeros are appended at the end.
    behind = [
        span - axis.stride - axis.growth - axis.before for axis, span in zip(axes, spec.effective_kernel_size, strict=True)
    ]
    size = tuple(n * axis.stride + axis.growth + min(b, 0) for n, axis, b in zip(space(x), axes, behind, strict=True))
    pads = tuple((axis.before, max(b, 0)) for axis, b in zip(axes, behind, strict=True))
    geometry = Geometry(spec.strides, spec.dilation_rate, pads, 1)
    if spec.rank == 1:
        y = gradients.input_gradient(x[:, None], kernel[None], geometry.with_flat_axis(), (1, *size))[:, 0]
    else:
        y = gradients.input_gradient(x, kernel, geometry, size)
    return pad_or_crop(y, tuple((0, max(-b, 0)) for b in behind))


def _resolve_pads(x: Tensor, spec: ConvSpec) -> tuple[Tensor, Pads]:
    """The pads as numbers; those that depend on a length known only at run time are added to x here."""
    pads = spec.pads(x.shape[1:-1])
    if all(pair is not None for pair in pads):
        return x, tuple(pair for pair in pads if pair is not None)
    most, cuts = [], []
    for pair, n, span, stride in zip(pads, space(x), spec.effective_kernel_size, spec.strides, strict=True):
        # `same` depends on the length modulo the stride alone.
        table = [pair or same_pads(length, span, stride) for length in range(stride, 2 * stride)]
        before, after = max(before for before, _ in table), max(after for _, after in table)
        cut = tf.constant([(before - b, after - a) for b, a in table])[n % stride]
        most.append((before, after))
        cuts.append((0, 0) if pair else (cut[0], cut[1]))
    return trim(pad_or_crop(x, most), cuts), ((0, 0),) * spec.rank


def _with_shape(y: Tensor, shape: tuple[int | None, ...]) -> Tensor:
    if 0 in shape and None not in shape:  # of an empty batch, TensorFlow's kernels return the shape of the input
        return tf.reshape(y, shape)
    y.set_shape(shape)
    return y
