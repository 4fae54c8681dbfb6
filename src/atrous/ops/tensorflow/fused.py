"""Convolution with its bias by the native core, where `atrous.ops.path` chooses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from atrous.ops.path import Path, choose
from atrous.ops.tensorflow import native, surroundings
from atrous.ops.tensorflow.layout import channels_last, restore
from atrous.spec import ConvSpec

Tensor = Any
FLOAT32 = tf.float32


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None, spec: ConvSpec, data_format: str, depthwise: bool = False
) -> Tensor | None:
    """`atrous.ops.conv` or `depthwise_conv`, and the bias; `None` where the path is not native."""
    x, kernel, bias = _tensor(x), _tensor(kernel), _tensor(bias)
    geometry = native.geometry(spec, depthwise)
    if not _path(x, kernel, bias, spec, geometry).native:
        return None
    x = channels_last(x, data_format)
    try:
        return restore(native.conv(x, kernel, bias, geometry), data_format)
    except (tf.errors.InvalidArgumentError, ValueError):
        spec.output_size(x.shape[1:-1])  # says more, where this is what is wrong
        raise


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor | None, spec: ConvSpec, output_padding: Sequence[int] | None, data_format: str
) -> Tensor | None:
    """`atrous.ops.conv_transpose`, and the bias; `None` where the path is not native."""
    x, kernel, bias = _tensor(x), _tensor(kernel), _tensor(bias)
    geometry, axes = native.transposed_geometry(spec, None if output_padding is None else tuple(output_padding))
    if not _path(x, kernel, bias, spec, geometry).native:
        return None
    return restore(native.conv_transpose(channels_last(x, data_format), kernel, bias, geometry, axes), data_format)


def path_of(spec: ConvSpec, dtype: str) -> Path:
    """`atrous.ops.path_of`."""
    return _choose(spec, dtype, native.geometry(spec))


def _path(x: Tensor, kernel: Tensor, bias: Tensor | None, spec: ConvSpec, geometry: tuple[int, ...]) -> Path:
    if x.dtype is FLOAT32 and kernel.dtype is FLOAT32 and (bias is None or bias.dtype is FLOAT32):
        return _choose(spec, "float32", geometry)
    return _choose(spec, next(v.dtype.name for v in (x, kernel, bias) if v is not None and v.dtype != FLOAT32), geometry)


def _choose(spec: ConvSpec, dtype: str, geometry: tuple[int, ...]) -> Path:
    obstacle = native.obstacle() or native.misfit(geometry)
    return choose(spec, dtype, surroundings.device(), surroundings.tracing(), obstacle)


def _tensor(value: Any) -> Tensor:
    """A tensor, or a `tf.Variable`, which the operation reads itself; `None` stays."""
    if value is None or isinstance(value, tf.Tensor | tf.Variable):
        return value
    return value.value if isinstance(value, keras.Variable) else tf.convert_to_tensor(value)
