"""Which convolutions a layer is made of, in numbers that the native core can plan with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from atrous.ops import native
from atrous.spec import ConvSpec, Size
from atrous.surgery.explanation import Shape
from atrous.surgery.twins import Layer

DIRECTIONS = ("forward", "input_gradient", "kernel_gradient")
TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


@dataclass(frozen=True)
class Convolution:
    """One convolution; a transposed one is described by the convolution whose input gradient it is.

    Args:
        part: What it is in its layer; empty where it is all of it.
        spec: Geometry.
        transposed: Whether the layer goes from `output_size` to `input_size`.
        batch: Number of examples.
        channels: Channels at the end of `input_size`.
        filters: Channels at the end of `output_size`.
        input_size: Lengths of the spatial axes.
        output_size: Likewise.
        before: Zeros in front of each axis.
    """

    part: str
    spec: ConvSpec
    transposed: bool
    batch: Size
    channels: int
    filters: int
    input_size: Shape
    output_size: Shape
    before: Shape

    def shapes(self, data_format: str) -> tuple[Shape, Shape]:
        """Of what it takes and of what it gives."""
        sides = (self.input_size, self.channels), (self.output_size, self.filters)
        last = data_format == "channels_last"
        given, made = [(self.batch, *size, n) if last else (self.batch, n, *size) for size, n in sides]
        return (made, given) if self.transposed else (given, made)

    def plans(self) -> dict[str, Mapping[str, Any]]:
        """How the native core would compute it, that of the layer's own output first; empty where a size is unknown."""
        geometry = {
            "batch": self.batch,
            "channels": self.channels,
            "filters": self.filters,
            "groups": self.spec.groups,
            "input": self.input_size,
            "output": self.output_size,
            "kernel": self.spec.kernel_size,
            "strides": self.spec.strides,
            "rates": self.spec.dilation_rate,
            "before": self.before,
        }
        if any(n is None for n in (self.batch, *self.input_size, *self.output_size, *self.before)):
            return {}
        order = (1, 0, 2) if self.transposed else (0, 1, 2)
        return {DIRECTIONS[i]: native.core().plan(DIRECTIONS[i], geometry) for i in order}


def convolutions(layer: Layer, input_shape: Shape | None) -> list[Convolution]:
    """The convolutions of a convolution layer of Keras or of ours, built.

    Args:
        layer: The layer.
        input_shape: Of its input, (batch, *space, channels) in the layer's own layout; lengths may be unknown.
    """
    spec, channels = spec_of(layer), _channels(layer)
    shape = input_shape or (None,) * (spec.rank + 2)
    batch, space = shape[0], shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
    if isinstance(layer, TRANSPOSED):
        return [_transposed(layer, spec, batch, channels, space)]
    if not isinstance(layer, (*SEPARABLE, *DEPTHWISE)):
        return [_plain("", spec, batch, channels, layer.filters, space)]
    spread, spec = channels * layer.depth_multiplier, dataclasses.replace(spec, groups=channels)
    if isinstance(layer, DEPTHWISE):
        return [_plain("", spec, batch, channels, spread, space)]
    first = _plain("depthwise", spec, batch, channels, spread, space)
    return [first, _plain("pointwise", ConvSpec.parse(spec.rank, 1), batch, spread, layer.filters, first.output_size)]


def spec_of(layer: Layer) -> ConvSpec:
    """Geometry of a convolution layer of Keras or of ours."""
    groups = getattr(layer, "groups", 1)
    return ConvSpec.parse(len(layer.kernel_size), layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding, groups)


def _channels(layer: Layer) -> int:
    if isinstance(layer, TRANSPOSED):
        return int(layer.kernel.shape[-1])
    kernel = layer.depthwise_kernel if isinstance(layer, SEPARABLE) else layer.kernel
    return int(kernel.shape[-2]) * getattr(layer, "groups", 1)


def _plain(part: str, spec: ConvSpec, batch: Size, channels: int, filters: int, space: Shape) -> Convolution:
    before = tuple(None if pair is None else pair[0] for pair in spec.pads(space))
    return Convolution(part, spec, False, batch, channels, filters, space, spec.output_size(space), before)


def _transposed(layer: Layer, spec: ConvSpec, batch: Size, channels: int, space: Shape) -> Convolution:
    axes = spec.transposed(layer.output_padding)
    longer = tuple(axis.output_size(n) for axis, n in zip(axes, space, strict=True))
    return Convolution("", spec, True, batch, layer.filters, channels, longer, space, tuple(axis.before for axis in axes))
