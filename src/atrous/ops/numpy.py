"""Convolution and its two gradients on NumPy arrays: by the native core for float32, else by the definition in plain NumPy.

Also what Keras's NumPy backend computes with. The core is used when `atrous.ops.native.enabled()`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from atrous.ops import definition, native
from atrous.ops.definition import Array, Geometry
from atrous.spec import ConvSpec

LIMIT = 2**31
"""Every number of a geometry is below it, with the native core and without."""


def conv(x: Array, kernel: Array, spec: ConvSpec, data_format: str = "channels_last", bias: Array | None = None) -> Array:
    """Convolution of any rank. A tap that falls in the padding contributes nothing, whatever its weight.

    Args:
        x: Input, (batch, *space, channels), or (batch, channels, *space) with `data_format="channels_first"`; floating.
        kernel: Weights, (*kernel_size, channels / groups, filters), of the same dtype.
        spec: Geometry; `spec.groups` divides channels and filters.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (filters,).

    Returns:
        Output, (batch, *output_space, filters), in the layout and dtype of `x`.

    Raises:
        TypeError: Dtypes differ or are not floating.
        ValueError: Shapes don't fit each other or `spec`, or the output would be empty.
    """
    x, kernel = _channels_last(x, data_format), np.asarray(kernel)
    _check_data("x", x, spec)
    _check_kernel(kernel, spec, channels=x.shape[-1])
    geometry = _geometry(spec, len(x), x.shape[-1], kernel.shape[-1], x.shape[1:-1])
    return _restore(_run("forward", x, kernel, bias, geometry), data_format)


def depthwise_conv(
    x: Array, kernel: Array, spec: ConvSpec, data_format: str = "channels_last", bias: Array | None = None
) -> Array:
    """Convolution of each channel by itself.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, channels, depth_multiplier), of the same dtype.
        spec: Geometry; its groups are not looked at.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (channels · depth_multiplier,).

    Returns:
        Output with channels · depth_multiplier channels, those of one input channel side by side.
    """
    *size, channels, multiplier = np.shape(kernel)
    grouped = np.reshape(kernel, (*size, 1, channels * multiplier))
    return conv(x, grouped, dataclasses.replace(spec, groups=channels), data_format, bias)


def conv_transpose(
    x: Array,
    kernel: Array,
    spec: ConvSpec,
    output_padding: Sequence[int] | None = None,
    data_format: str = "channels_last",
    bias: Array | None = None,
) -> Array:
    """Transposed convolution: the input gradient of `conv`, as an operation of its own.

    Args:
        x: Input, as for `conv`.
        kernel: Weights, (*kernel_size, filters, channels): those of the convolution that maps `filters` to `channels`.
        spec: Geometry of that convolution, with one group. Explicit pads crop the output.
        output_padding: Extra length behind each axis, below the stride; `None` takes Keras's default.
        data_format: `"channels_last"` or `"channels_first"`.
        bias: Added to the output, (filters,).

    Returns:
        Output, (batch, *space, filters), in the layout and dtype of `x`; lengths by `spec.transposed`.
    """
    x, kernel = _channels_last(x, data_format), np.asarray(kernel)
    spec = dataclasses.replace(spec, groups=1)
    _check_data("x", x, spec)
    _check_kernel(kernel, spec, filters=x.shape[-1])
    axes = spec.transposed(output_padding)
    space = tuple(axis.stride * n + axis.growth for axis, n in zip(axes, x.shape[1:-1], strict=True))
    if min(space) < 0:
        raise ValueError(
            f"The output would be empty: the pads crop more than there is. Received: input size={x.shape[1:-1]}, spec={spec}."
        )
    geometry = Geometry(
        batch=len(x), channels=kernel.shape[-2], filters=kernel.shape[-1], groups=1, input=space, output=x.shape[1:-1],
        kernel=spec.kernel_size, strides=spec.strides, rates=spec.dilation_rate, before=tuple(axis.before for axis in axes),
    )  # fmt: skip
    return _restore(_run("input_gradient", x, kernel, bias, geometry), data_format)


def input_gradient(
    upstream: Array, kernel: Array, spec: ConvSpec, input_size: Sequence[int], data_format: str = "channels_last"
) -> Array:
    """Gradient of Σ upstream · conv(x, kernel) for x.

    Args:
        upstream: Gradient of the output, in the shape of the output of `conv`.
        kernel: Weights, (*kernel_size, channels / groups, filters), of the same dtype.
        spec: Geometry of the convolution.
        input_size: Length of each spatial axis of x.
        data_format: Layout of `upstream` and of the result.

    Returns:
        Gradient in the shape of x.
    """
    upstream, kernel = _channels_last(upstream, data_format), np.asarray(kernel)
    _check_data("upstream", upstream, spec)
    _check_kernel(kernel, spec, filters=upstream.shape[-1])
    geometry = _geometry(spec, len(upstream), kernel.shape[-2] * spec.groups, kernel.shape[-1], tuple(input_size))
    _check_upstream(upstream, geometry)
    return _restore(_run("input_gradient", upstream, kernel, None, geometry), data_format)


def kernel_gradient(x: Array, upstream: Array, spec: ConvSpec, data_format: str = "channels_last") -> Array:
    """Gradient of Σ upstream · conv(x, kernel) for the kernel.

    Args:
        x: Input, as for `conv`.
        upstream: Gradient of the output, in the shape of the output of `conv`, of the same dtype.
        spec: Geometry of the convolution.
        data_format: Layout of `x` and `upstream`.

    Returns:
        Gradient in the shape of the kernel, (*kernel_size, channels / groups, filters).
    """
    x, upstream = _channels_last(x, data_format), _channels_last(upstream, data_format)
    _check_data("x", x, spec)
    _check_data("upstream", upstream, spec)
    for name, array in (("x", x), ("upstream", upstream)):
        if array.shape[-1] % spec.groups:
            raise ValueError(
                f"`groups` must divide the channels of `{name}`. Received: groups={spec.groups}, channels={array.shape[-1]}."
            )
    geometry = _geometry(spec, len(x), x.shape[-1], upstream.shape[-1], x.shape[1:-1])
    _check_upstream(upstream, geometry)
    return _run("kernel_gradient", x, upstream, None, geometry)


def _geometry(spec: ConvSpec, batch: int, channels: int, filters: int, size: tuple[int, ...]) -> Geometry:
    return Geometry(
        batch=batch, channels=channels, filters=filters, groups=spec.groups, input=size,
        output=tuple(n or 0 for n in spec.output_size(size)), kernel=spec.kernel_size, strides=spec.strides,
        rates=spec.dilation_rate, before=tuple(pair[0] for pair in spec.pads(size) if pair is not None),
    )  # fmt: skip


def _run(direction: str, first: Array, second: Array, bias: Array | None, geometry: Geometry) -> Array:
    bias = None if bias is None else np.asarray(bias)
    _check_dtypes([first, second] if bias is None else [first, second, bias])
    _check_numbers(geometry)
    if bias is not None and bias.shape != (geometry.filters if direction == "forward" else geometry.channels,):
        raise ValueError(f"`bias` must have one entry for each channel of the output. Received: shape {bias.shape}.")
    if first.dtype == np.float32 and native.enabled():
        first, second = _dense(first), _dense(second)
        result: Array = native.core().run(
            direction, first, second, None if bias is None else _dense(bias), dataclasses.asdict(geometry)
        )
        return result
    wide = np.promote_types(first.dtype, np.float32)  # halves are summed in float32
    with np.errstate(all="ignore"):  # NaN and Inf are passed on, not warned of
        result = definition.DIRECTIONS[direction](first.astype(wide, copy=False), second.astype(wide, copy=False), geometry)
        if bias is not None:
            result += bias
        return result.astype(first.dtype, copy=False)


def _dense(array: Array) -> Array:
    return np.require(array, requirements=["C", "ALIGNED"])


def _check_dtypes(arrays: Sequence[Array]) -> None:
    dtype = arrays[0].dtype
    floating = np.issubdtype(dtype, np.floating) or dtype.name == "bfloat16"
    if not floating or any(array.dtype != dtype for array in arrays):
        raise TypeError(f"All arrays must have one floating dtype. Received: {', '.join(str(a.dtype) for a in arrays)}.")


def _check_numbers(geometry: Geometry) -> None:
    numbers = [n for value in vars(geometry).values() for n in (value if isinstance(value, tuple) else (value,))]
    if max(numbers) >= LIMIT:
        raise ValueError(f"Sizes, strides, rates and pads must be below 2^31. Received: {geometry}.")


def _check_data(name: str, data: Array, spec: ConvSpec) -> None:
    if data.ndim != spec.rank + 2:
        raise ValueError(
            f"`{name}` must have {spec.rank + 2} axes: batch, channels and {spec.rank} of space. Received: shape {data.shape}."
        )


def _check_kernel(kernel: Array, spec: ConvSpec, channels: int | None = None, filters: int | None = None) -> None:
    """Of the two numbers of channels, the one that the other operand fixes is given."""
    fits = kernel.ndim == spec.rank + 2 and kernel.shape[:-2] == spec.kernel_size and kernel.shape[-1] % spec.groups == 0
    if channels is not None:
        fits = fits and kernel.shape[-2] * spec.groups == channels
    if filters is not None:
        fits = fits and kernel.shape[-1] == filters
    if not fits:
        known = f"{channels} channels" if channels is not None else f"{filters} filters"
        raise ValueError(
            f"`kernel` must be (*kernel_size, channels / groups, filters) for kernel_size={spec.kernel_size}, "
            f"groups={spec.groups} and {known}. Received: shape {kernel.shape}."
        )


def _check_upstream(upstream: Array, geometry: Geometry) -> None:
    expected = (geometry.batch, *geometry.output, geometry.filters)
    if upstream.shape != expected:
        raise ValueError(
            f"`upstream` must have the shape of the convolution's output, {expected} with channels last. "
            f"Received: {upstream.shape}."
        )


def _channels_last(data: Any, data_format: str) -> Array:
    data = np.asarray(data)
    return data if data_format == "channels_last" or data.ndim < 3 else np.moveaxis(data, 1, -1)


def _restore(data: Array, data_format: str) -> Array:
    return data if data_format == "channels_last" else np.moveaxis(data, -1, 1)
