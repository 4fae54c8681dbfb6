"""Layers whose positions read themselves alone, and those that join tensors."""

from __future__ import annotations

from itertools import accumulate

from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.reads import Link, Reads, mixed, positionwise
from atrous.field.registry import Call, rule

# Augmentation is here because at inference it does nothing.
_POSITIONWISE = (
    layers.Identity,
    layers.Rescaling,
    layers.Normalization,
    layers.BatchNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Dropout,
    layers.AlphaDropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
    layers.Masking,
    layers.RandomFlip,
    layers.RandomTranslation,
    layers.RandomRotation,
    layers.RandomZoom,
    layers.RandomContrast,
    layers.RandomBrightness,
)
_IN_LATER_VERSIONS = (  # noqa: SIM905
    "ColorDegeneration ColorJitter ElasticTransform Erasing GaussianBlur Grayscale Hue Invert Perspective Posterization "
    "Saturation Sharpness Shear"
).split()


POSITIONWISE = (
    *_POSITIONWISE,
    *(getattr(layers, f"Random{name}") for name in _IN_LATER_VERSIONS if hasattr(layers, f"Random{name}")),
)


@rule(*POSITIONWISE)
def _position_by_position(call: Call) -> Reads:
    return positionwise(call.shape)


@rule(layers.Dense)
def _dense(call: Call) -> Reads:
    return dense(call.shape, call.layer.units)


def dense(shape: tuple[int, ...], units: int) -> Reads:
    """The last dim mixed into a new one."""
    last = len(shape) - 1
    return Reads((*shape[:last], units), (tuple(Link.one(d, d) for d in range(last)),))


@rule(layers.Embedding)
def _embedding(call: Call) -> Reads:
    dims = tuple(Link.one(d, d) for d in range(len(call.shape)))
    return Reads((*call.shape, call.layer.output_dim), (dims,))


@rule(layers.Softmax, layers.LayerNormalization, layers.UnitNormalization, layers.RMSNormalization)
def _over_an_axis(call: Call) -> Reads:
    return over_axes(call.shape, call.layer.axis)


def over_axes(shape: tuple[int, ...], axis: int | tuple[int, ...] | list[int]) -> Reads:
    """A normalisation: every position of the axes, counted with the batch axis, reads the others along them."""
    axes = [axis] if isinstance(axis, int) else list(axis)
    return mixed(shape, [a - 1 if a > 0 else a + len(shape) for a in axes])


@rule(layers.GroupNormalization)
def _group_normalization(call: Call) -> Reads:
    axis = call.layer.axis
    channel = axis - 1 if axis > 0 else axis + len(call.shape)
    return mixed(call.shape, [d for d in range(len(call.shape)) if d != channel])


@rule(layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
def _merge(call: Call) -> Reads:
    return positionwise(*call.shapes)


@rule(layers.Concatenate)
def _concatenate(call: Call) -> Reads:
    return concatenated(call.shapes, call.layer.axis)


def concatenated(shapes: tuple[tuple[int, ...], ...], axis: int) -> Reads:
    """Tensors put behind each other along an axis that is counted with the batch axis."""
    dim = axis - 1 if axis > 0 else axis + len(shapes[0])
    shape = tuple(sum(s[d] for s in shapes) if d == dim else n for d, n in enumerate(shapes[0]))
    starts = accumulate((s[dim] for s in shapes), initial=0)
    return Reads(
        shape,
        tuple(
            tuple(Link.one(d, d, AxisMap.shift(-start) if d == dim else None) for d in range(len(shape)))
            for start, _ in zip(starts, shapes, strict=False)
        ),
        joined=dim,
    )
