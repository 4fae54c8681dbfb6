"""The native core as TensorFlow operations: `AtrousConv`, `AtrousInputGradient` and `AtrousKernelGradient`.

Their geometry travels as the shape of an empty tensor, which shape functions can read; the rule is in
native/adapters/tensorflow_geometry.h.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from atrous.ops import native
from atrous.spec import ConvSpec, TransposedAxis

Tensor = Any
LARGEST_PRODUCT = 2**60
"""Of the axes of the geometry's shape: NumPy, through which TensorFlow passes constants, refuses an array of more bytes."""


@functools.cache
def library() -> Any:
    """The operations, `atrous_conv` and so on; `obstacle` says whether they are there."""
    return tf.load_op_library(str(native.library_path()))


@functools.cache
def obstacle() -> str | None:
    """What keeps TensorFlow from loading the operations, in one sentence; `None` if nothing does."""
    if not native.available():
        return "the native core is not there"  # `native.why_not` says why
    try:
        library()
    except (tf.errors.OpError, ImportError) as error:
        return f"the native core does not load into TensorFlow {tf.__version__}: {error}"
    return None


def conv(x: Tensor, kernel: Tensor, bias: Tensor | None, geometry: tuple[int, ...]) -> Tensor:
    """Convolution of channels-last data.

    Args:
        x: Input, (batch, *space, channels), float32.
        kernel: Weights, (*kernel_size, channels / groups, filters), or (*kernel_size, channels, multiplier) if the geometry is
            depthwise; tensor or `tf.Variable`.
        bias: One for each filter, or none.
        geometry: By `geometry`.
    """
    return library().atrous_conv(x, kernel, no_bias() if bias is None else bias, _constant(geometry))


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor | None, geometry: tuple[int, ...], axes: Sequence[TransposedAxis]
) -> Tensor:
    """Transposed convolution of channels-last data.

    Args:
        x: Input, (batch, *space, channels), float32.
        kernel: Weights, (*kernel_size, filters, channels); tensor or `tf.Variable`.
        bias: One for each filter, or none.
        geometry: By `transposed_geometry`.
        axes: By `transposed_geometry`.
    """
    bias = no_bias() if bias is None else bias
    return library().atrous_input_gradient(x, kernel, bias, _constant(geometry), _like(x, axes))


@functools.lru_cache(maxsize=1024)
def geometry(spec: ConvSpec, depthwise: bool = False) -> tuple[int, ...]:
    """The shape that tells the operations the geometry.

    Args:
        spec: Geometry.
        depthwise: Whether each channel is convolved by itself; the groups are not looked at then.
    """
    pads: Sequence[tuple[int, int] | None] = [None] * spec.rank
    if spec.padding != "same":
        pads = spec.pads((None,) * spec.rank)
    return _shape(0 if depthwise else spec.groups, spec.strides, spec.dilation_rate, pads)


@functools.lru_cache(maxsize=1024)
def transposed_geometry(
    spec: ConvSpec, output_padding: tuple[int, ...] | None
) -> tuple[tuple[int, ...], tuple[TransposedAxis, ...]]:
    """The same of the convolution that a transposed one is the input gradient of, and the axes of that.

    It has as many zeros behind as make its output exactly as long as x; negative: the last inputs meet no tap.
    """
    axes = spec.transposed(output_padding)
    pads = [
        (axis.before, span - axis.stride - axis.growth - axis.before)
        for axis, span in zip(axes, spec.effective_kernel_size, strict=True)
    ]
    return _shape(1, spec.strides, spec.dilation_rate, pads), axes


@functools.lru_cache(maxsize=1024)
def misfit(geometry: tuple[int, ...]) -> str | None:
    """What keeps a geometry from travelling as a shape, in a sentence; `None` if nothing does."""
    fits = max(geometry) < 2**31 and math.prod(number for number in geometry if number) < LARGEST_PRODUCT
    return None if fits else "the rates and pads are too large together"


def _shape(
    groups: int, strides: Sequence[int], rates: Sequence[int], pads: Sequence[tuple[int, int] | None]
) -> tuple[int, ...]:
    ends = [(0, 0) if pair is None else tuple(2 * p + 1 if p >= 0 else -2 * p for p in pair) for pair in pads]
    return (0, groups, *strides, *rates, *(before for before, _ in ends), *(after for _, after in ends))


def _like(x: Tensor, axes: Sequence[TransposedAxis]) -> Tensor:
    """An empty tensor as long along each spatial axis as the transposed convolution of x is."""
    sizes = [axis.output_size(n) for axis, n in zip(axes, x.shape[1:-1], strict=True)]
    if None not in sizes:
        return _constant((0, *(max(size, 0) for size in sizes if size is not None), 0))
    now = tf.shape(x)
    dynamic = [
        now[a] * axis.stride + axis.growth if size is None else size
        for a, (axis, size) in enumerate(zip(axes, sizes, strict=True), 1)
    ]
    return tf.zeros(tf.stack([0, *dynamic, 0]))


def no_bias() -> Tensor:
    """What the operations take for a bias where there is none."""
    return _constant((0,))


def _constant(shape: tuple[int, ...]) -> Tensor:
    """An empty tensor of this shape; a graph has one of its own, for captured ones become inputs."""
    return _eager_constant(shape) if tf.executing_eagerly() else tf.zeros(shape)


@functools.lru_cache(maxsize=1024)
def _eager_constant(shape: tuple[int, ...]) -> Tensor:
    with tf.device("CPU"):
        return tf.zeros(shape)


obstacle()  # registers the operations where they are
