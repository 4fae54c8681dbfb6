"""Convolutions and pooling."""

from __future__ import annotations

from typing import Any

from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.reads import Reads, reduced
from atrous.field.registry import Call, rule, spatial, windowed
from atrous.spec import ConvSpec

CONVOLUTIONS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
POOLS = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
)
GLOBAL_POOLS = (
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
)
# Not in every Keras that is supported.
ADAPTIVE_POOLS = tuple(
    getattr(layers, f"Adaptive{kind}Pooling{rank}D")
    for kind in ("Average", "Max")
    for rank in (1, 2, 3)
    if hasattr(layers, f"Adaptive{kind}Pooling{rank}D")
)


def spec_of(layer: Any, rank: int) -> ConvSpec:
    """Geometry of a convolution or pooling layer."""
    if isinstance(layer, POOLS):
        return ConvSpec.parse(rank, layer.pool_size, layer.strides, getattr(layer, "dilation_rate", 1), layer.padding)
    groups = getattr(layer, "groups", 1)
    return ConvSpec.parse(rank, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, groups)


@rule(*CONVOLUTIONS)
def _convolution(call: Call) -> Reads:
    channels = getattr(call.layer, "filters", None)  # depthwise layers have none
    if channels is None:
        channels = call.layer.depth_multiplier * call.shape[next(d for d in range(len(call.shape)) if d not in call.space)]
    return windowed(call, spec_of(call.layer, len(call.space)), channels)


@rule(*POOLS)
def _pool(call: Call) -> Reads:
    return windowed(call, spec_of(call.layer, len(call.space)))


@rule(*TRANSPOSED)
def _transposed(call: Call) -> Reads:
    spec = spec_of(call.layer, len(call.space))
    return spatial(call, transposed_maps(call, spec, call.layer.output_padding), call.layer.filters)


def transposed_maps(call: Call, spec: ConvSpec, output_padding: Any) -> list[tuple[AxisMap, int]]:
    """Map and new length of each spatial dim of a transposed convolution."""
    extra = (output_padding,) * spec.rank if isinstance(output_padding, int) else output_padding
    maps = []
    for axis, n, k, r in zip(spec.transposed(extra), call.sizes, spec.kernel_size, spec.dilation_rate, strict=True):
        maps.append((AxisMap.transposed(k, axis.stride, r, axis.before), n * axis.stride + axis.growth))
    return maps


@rule(*GLOBAL_POOLS)
def _global_pool(call: Call) -> Reads:
    return reduced(call.shape, call.space, call.layer.keepdims)


@rule(*ADAPTIVE_POOLS)
def _adaptive_pool(call: Call) -> Reads:
    sizes = call.layer.output_size
    return spatial(call, [(AxisMap.adaptive(n, m), m) for n, m in zip(call.sizes, sizes, strict=True)])
