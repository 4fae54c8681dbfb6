"""Layers that move positions: padding, cropping, up-sampling, resizing, reshaping."""

from __future__ import annotations

import math
from typing import Any

from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.reads import Link, Reads, permuted, reshaped
from atrous.field.registry import Call, rule, spatial
from atrous.layers import StridedPadding

INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def _pairs(amounts: Any, rank: int) -> list[tuple[int, int]]:
    return [tuple(amounts)] if rank == 1 else [tuple(pair) for pair in amounts]


@rule(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
def _zero_padding(call: Call) -> Reads:
    pairs = _pairs(call.layer.padding, len(call.space))
    return spatial(call, [(AxisMap.shift(-a), n + a + b) for n, (a, b) in zip(call.sizes, pairs, strict=True)])


@rule(StridedPadding)
def _strided_padding(call: Call) -> Reads:
    pairs = call.layer.pads(call.sizes)
    return spatial(call, [(AxisMap.shift(-a), n + a + b) for n, (a, b) in zip(call.sizes, pairs, strict=True)])


@rule(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)
def _cropping(call: Call) -> Reads:
    pairs = _pairs(call.layer.cropping, len(call.space))
    return spatial(call, [(AxisMap.shift(a), n - a - b) for n, (a, b) in zip(call.sizes, pairs, strict=True)])


@rule(layers.RandomCrop)
def _random_crop(call: Call) -> Reads:
    raise ValueError("it takes a random part, and at inference doesn't crop, whatever shape it says it has; use `CenterCrop`")


@rule(layers.CenterCrop)
def _center_crop(call: Call) -> Reads:
    wanted = call.layer.height, call.layer.width
    if any(n < m for n, m in zip(call.sizes, wanted, strict=True)):
        raise ValueError(f"it must enlarge {call.sizes} to {wanted}, by a scale that depends on the image")
    return spatial(call, [(AxisMap.shift(int((n - m) / 2)), m) for n, m in zip(call.sizes, wanted, strict=True)])


@rule(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D)
def _up_sampling(call: Call) -> Reads:
    factors = (call.layer.size,) if isinstance(call.layer.size, int) else call.layer.size
    interpolation = getattr(call.layer, "interpolation", "nearest")
    _check_interpolation(interpolation)
    return spatial(
        call,
        [
            (AxisMap.repeat(u) if interpolation == "nearest" else AxisMap.resize(1, u, interpolation), n * u)
            for n, u in zip(call.sizes, factors, strict=True)
        ],
    )


@rule(layers.Resizing)
def _resizing(call: Call) -> Reads:
    return resized(call, call.layer, (call.layer.height, call.layer.width))


def resized(call: Call, options: Any, sizes: tuple[int, ...]) -> Reads:
    """Resizing of the spatial dims, as the `Resizing` layer and `keras.ops.image.resize` do it."""
    if options.crop_to_aspect_ratio or options.pad_to_aspect_ratio or options.antialias:
        raise ValueError("it crops, pads or smooths while it resizes, which isn't known here")
    _check_interpolation(options.interpolation)
    maps = [(AxisMap.resize(n, m, options.interpolation), m) for n, m in zip(call.sizes, sizes, strict=True)]
    return spatial(call, maps)


def _check_interpolation(interpolation: str) -> None:
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"its interpolation must be one of {INTERPOLATIONS} to be known here. Received: {interpolation!r}")


@rule(layers.Permute)
def _permute(call: Call) -> Reads:
    return permuted(call.shape, [d - 1 for d in call.layer.dims])


@rule(layers.Reshape)
def _reshape(call: Call) -> Reads:
    return reshaped(call.shape, completed(call.layer.target_shape, call.shape))


@rule(layers.Flatten)
def _flatten(call: Call) -> Reads:
    return Reads((math.prod(call.shape),), ((),))


@rule(layers.RepeatVector)
def _repeat_vector(call: Call) -> Reads:
    return Reads((call.layer.n, *call.shape), (tuple(Link.one(d + 1, d) for d in range(len(call.shape))),))


def completed(target: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """A target shape with its −1 filled in."""
    known = math.prod(n for n in target if n != -1)
    result = tuple(math.prod(shape) // known if n == -1 else n for n in target)
    if math.prod(result) != math.prod(shape):
        raise ValueError(f"it reshapes {shape} to {target}, which have different numbers of elements")
    return result
