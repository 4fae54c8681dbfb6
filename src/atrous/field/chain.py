"""Receptive field of every layer of a linear chain, by arithmetic on the layers' arguments alone."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from atrous.spec import ConvSpec, ReceptiveField, Size

Shape = tuple[Size, ...]

_CONVOLUTIONS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
_POOLS = (
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
)
_PADS = (layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D)
_CROPS = (layers.Cropping1D, layers.Cropping2D, layers.Cropping3D)

# One output position depends on the same position of the input, whatever the channels do. Augmentation is here
# because at inference it does nothing.
_PER_POSITION = (
    layers.InputLayer,
    layers.Identity,
    layers.Rescaling,
    layers.Normalization,
    layers.BatchNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Softmax,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.SpatialDropout3D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
    layers.RandomFlip,
    layers.RandomTranslation,
    layers.RandomRotation,
    layers.RandomZoom,
    layers.RandomContrast,
    layers.RandomBrightness,
)
_WHOLE_INPUT = (
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.GroupNormalization,
)


def receptive_fields(model: keras.Model) -> dict[str, ReceptiveField | None]:
    """Receptive field of every layer of a built model whose layers follow each other in a line.

    Args:
        model: Functional or `Sequential`; input `(batch, *spatial, channels)`, or channels first. A model used as a layer is
            entered, and its layers are named `"outer/inner"`.

    Returns:
        For each layer name, first to last: the field in positions of the model's input, or `None` where a layer sees the whole
        input (flatten, global pooling and everything behind them). A layer used several times has the field of its last use.

    Raises:
        ValueError: A layer is of an unknown type, the layers branch, or a `"same"` padding with a stride above 1 stands behind
            an axis of unknown length; the message names the layer.
    """
    field: ReceptiveField | None = None
    fields: dict[str, ReceptiveField | None] = {}
    for index, (name, layer, shape) in enumerate(_in_line(model)):
        if index == 0:
            field = ReceptiveField.identity(len(shape) - 2)
        if field is not None:
            step = _layer_field(name, layer, shape)
            field = None if step is None else field.then(step)
        fields[name] = field
    return fields


def _in_line(model: keras.Model, prefix: str = "") -> list[tuple[str, Any, Shape]]:
    """Name, layer and input shape of each step from the model's input to its output."""
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"`model` must be functional or sequential, and built. Received: model={model.name!r}. "
            "Give it a `keras.Input`, or wrap its layers in `keras.Sequential`."
        )
    steps: list[tuple[str, Any, Shape]] = []
    (tensor,) = _single(model.outputs, f"{prefix}{model.name}", "output")
    while True:  # backwards, because a tensor knows what made it and not what uses it
        layer, node, _ = tensor._keras_history
        name = prefix + layer.name
        if isinstance(layer, layers.InputLayer):
            return [(name, layer, tuple(tensor.shape)), *reversed(steps)]
        (tensor,) = _single(layer._inbound_nodes[node].input_tensors, name, "input")
        if isinstance(layer, keras.Model):
            steps.extend(reversed(_in_line(layer, prefix=f"{name}/")))
        else:
            steps.append((name, layer, tuple(tensor.shape)))


def _single(tensors: list[Any], name: str, end: str) -> list[Any]:
    if len(tensors) != 1:
        raise ValueError(
            f"`model` must be a chain, each layer taking the output of the one before it alone. Received: {name!r} with "
            f"{len(tensors)} {end}s. Ask for the receptive field of a branch as a model of its own."
        )
    return tensors


def _layer_field(name: str, layer: Any, shape: Shape) -> ReceptiveField | None:
    """Field of one layer in positions of its own input; None is the whole input."""
    rank = len(shape) - 2
    if isinstance(layer, _WHOLE_INPUT):
        return None
    if isinstance(layer, layers.Dense):  # mixes channels of one position; without spatial axes that is everything there is
        return ReceptiveField.identity(rank) if rank > 0 else None
    if isinstance(layer, _PER_POSITION):
        return ReceptiveField.identity(rank)
    if isinstance(layer, _PADS + _CROPS):
        return _shifted(layer, rank)
    if isinstance(layer, _CONVOLUTIONS + _POOLS):
        try:
            return _spec(layer, rank).receptive_field(_spatial(layer, shape))
        except ValueError as error:
            raise ValueError(f"Layer {name!r} ({type(layer).__name__}) with input shape {shape}: {error}") from error
    raise ValueError(
        f"`model` must be made of layers whose receptive field is known. Received: layer {name!r} of type "
        f"{type(layer).__name__}. Known are convolutions, pooling, padding, cropping and layers that work position by position."
    )


def _spec(layer: Any, rank: int) -> ConvSpec:
    if isinstance(layer, _POOLS):
        return ConvSpec.parse(rank, layer.pool_size, layer.strides, padding=layer.padding)
    return ConvSpec.parse(rank, layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)


def _spatial(layer: Any, shape: Shape) -> tuple[Size, ...]:
    return shape[2:] if layer.data_format == "channels_first" else shape[1:-1]


def _shifted(layer: Any, rank: int) -> ReceptiveField:
    """Padding moves the field back by the positions put in front, cropping forward by those taken away."""
    amounts, sign = (layer.padding, -1) if isinstance(layer, _PADS) else (layer.cropping, 1)
    pairs = [amounts] if rank == 1 else amounts
    return ReceptiveField((1,) * rank, (1,) * rank, tuple(sign * pair[0] for pair in pairs))
