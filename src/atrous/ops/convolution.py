"""The public operations; each hands over to the module of the active Keras backend."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import keras

from atrous.ops.path import Path, choose
from atrous.spec import ConvSpec

Tensor = Any
BACKENDS = ("tensorflow", "jax", "torch", "numpy")
Function = TypeVar("Function", bound=Callable[..., Any])


def _as_it_stands(function: Function) -> Function:
    """Keeps AutoGraph from rewriting a function: this is the mark of its own `do_not_convert`, without the wrapper's cost."""
    function.autograph_info__ = {"user_requested": True}  # type: ignore[attr-defined]
    return function


@_as_it_stands
def conv(x: Tensor, kernel: Tensor, spec: ConvSpec, data_format: str = "channels_last", bias: Tensor | None = None) -> Tensor:
    """Convolution of any rank, with every combination of stride, rate, padding and groups.

    Args:
        x: Input, (batch, *space, channels), or (batch, channels, *space) with `data_format="channels_first"`.
        kernel: Weights, (*kernel_size, channels / groups, filters), of the same dtype.
        spec: Geometry; `spec.groups` divides channels and filters.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (filters,), of the same dtype.

    Returns:
        Output, (batch, *output_space, filters), in the layout of `x`.

    Raises:
        ValueError: The output would be empty.
    """
    backend = _backend()
    if (fused := _fused(backend)) and (y := fused.conv(x, kernel, bias, spec, data_format)) is not None:
        return y
    x, kernel = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
    spec.output_size(x.shape[1:-1] if data_format == "channels_last" else x.shape[2:])
    return add_bias(backend.conv(x, kernel, spec, data_format), bias, data_format)


@_as_it_stands
def depthwise_conv(
    x: Tensor, kernel: Tensor, spec: ConvSpec, data_format: str = "channels_last", bias: Tensor | None = None
) -> Tensor:
    """Convolution of each channel by itself.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, channels, depth_multiplier), of the same dtype.
        spec: Geometry; its groups are not looked at.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (channels · depth_multiplier,), of the same dtype.

    Returns:
        Output with channels · depth_multiplier channels, those of one input channel side by side.

    Raises:
        ValueError: The output would be empty.
    """
    fused = _fused(_backend())
    if fused and (y := fused.conv(x, kernel, bias, spec, data_format, depthwise=True)) is not None:
        return y
    *size, channels, multiplier = kernel.shape
    grouped = keras.ops.reshape(kernel, (*size, 1, channels * multiplier))
    return conv(x, grouped, dataclasses.replace(spec, groups=channels), data_format, bias)


@_as_it_stands
def conv_transpose(
    x: Tensor,
    kernel: Tensor,
    spec: ConvSpec,
    output_padding: Sequence[int] | None = None,
    data_format: str = "channels_last",
    bias: Tensor | None = None,
) -> Tensor:
    """Transposed convolution: the input gradient of `conv`, as an operation of its own.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, filters, channels): those of the convolution that maps `filters` to `channels`.
        spec: Geometry of that convolution, with one group. Explicit pads crop the output, as in PyTorch.
        output_padding: Extra length behind each axis, below the stride; `None` takes Keras's default.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (filters,), of the same dtype.

    Returns:
        Output, (batch, *space, filters), in the layout of `x`; lengths by `spec.transposed`.
    """
    backend = _backend()
    fused = _fused(backend)
    if fused and (y := fused.conv_transpose(x, kernel, bias, spec, output_padding, data_format)) is not None:
        return y
    x, kernel = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(kernel)
    return add_bias(backend.conv_transpose(x, kernel, spec, output_padding, data_format), bias, data_format)


def path_of(spec: ConvSpec, dtype: str = "float32") -> Path:
    """The path that a convolution takes here and now, and why.

    Args:
        spec: Geometry.
        dtype: Type of the data and weights.
    """
    name = keras.config.backend()
    if fused := _fused(_backend()):
        path: Path = fused.path_of(spec, dtype)
        return path
    if name == "numpy":
        return choose(spec, dtype)
    return Path(False, f"Keras runs on {name}, which has operations of its own")


def add_bias(y: Tensor, bias: Tensor | None, data_format: str) -> Tensor:
    """Adds a bias, (filters,), to the output of a convolution, where there is one."""
    if bias is None:
        return y
    if data_format == "channels_last":
        return keras.ops.add(y, keras.ops.reshape(bias, (1,) * (len(y.shape) - 1) + (-1,)))
    # The bias comes first: of `add(data, bias)`, Keras makes TensorFlow's `bias_add` along the *last* axis wherever that
    # happens to be as long as the bias (Keras's own layers are wrong there).
    return keras.ops.add(keras.ops.reshape(bias, (1, -1, *(1,) * (len(y.shape) - 2))), y)


def _fused(backend: Any) -> Any:
    """The backend's operations of the native core, which say `None` where the path is another; none where it has none."""
    return getattr(backend, "fused", None)


def _backend() -> Any:
    return _module(keras.config.backend())


@functools.cache
def _module(name: str) -> Any:
    if name not in BACKENDS:
        raise ValueError(f"The Keras backend must be one of {BACKENDS}. Received: {name!r}. Set KERAS_BACKEND.")
    return importlib.import_module(f"atrous.ops.{name}")


if keras.config.backend() == "tensorflow":
    _backend()  # registers the native operations, so that a saved function with them loads after `import atrous`
