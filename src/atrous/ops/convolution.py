"""The public operations; each hands over to the module of the active Keras backend."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from typing import Any

import keras

from atrous.spec import ConvSpec

Tensor = Any
BACKENDS = ("tensorflow", "jax", "torch", "numpy")


def conv(x: Tensor, kernel: Tensor, spec: ConvSpec, data_format: str = "channels_last") -> Tensor:
    """Convolution of any rank, with every combination of stride, rate, padding and groups.

    Args:
        x: Input, (batch, *space, channels), or (batch, channels, *space) with `data_format="channels_first"`.
        kernel: Weights, (*kernel_size, channels / groups, filters), of the same dtype.
        spec: Geometry; `spec.groups` divides channels and filters.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Output, (batch, *output_space, filters), in the layout of `x`.

    Raises:
        ValueError: The output would be empty.
    """
    spec.output_size(x.shape[1:-1] if data_format == "channels_last" else x.shape[2:])
    return _backend().conv(keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel), spec, data_format)


def depthwise_conv(x: Tensor, kernel: Tensor, spec: ConvSpec, data_format: str = "channels_last") -> Tensor:
    """Convolution of each channel by itself.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, channels, depth_multiplier).
        spec: Geometry; its groups are not looked at.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Output with channels · depth_multiplier channels, those of one input channel side by side.
    """
    *size, channels, multiplier = kernel.shape
    grouped = keras.ops.reshape(kernel, (*size, 1, channels * multiplier))
    return conv(x, grouped, dataclasses.replace(spec, groups=channels), data_format)


def conv_transpose(
    x: Tensor,
    kernel: Tensor,
    spec: ConvSpec,
    output_padding: Sequence[int] | None = None,
    data_format: str = "channels_last",
) -> Tensor:
    """Transposed convolution: the input gradient of `conv`, as an operation of its own.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, filters, channels): those of the convolution that maps `filters` to `channels`.
        spec: Geometry of that convolution, with one group. Explicit pads crop the output, as in PyTorch.
        output_padding: Extra length behind each axis, below the stride; `None` takes Keras's default.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Output, (batch, *space, filters), in the layout of `x`; lengths by `spec.transposed`.
    """
    x, kernel = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
    return _backend().conv_transpose(x, kernel, spec, output_padding, data_format)


def _backend() -> Any:
    name = keras.config.backend()
    if name not in BACKENDS:
        raise ValueError(f"The Keras backend must be one of {BACKENDS}. Received: {name!r}. Set KERAS_BACKEND.")
    return importlib.import_module(f"atrous.ops.{name}")
