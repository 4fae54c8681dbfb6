"""A model with other layers in it: `accelerate` puts ours in the place of Keras's, `to_keras` goes the way back."""

from __future__ import annotations

import dataclasses

import keras

from atrous import layers
from atrous.layers.dilated import Dilated
from atrous.surgery.copying import copy_model, plain_class
from atrous.surgery.twins import TO_ATROUS, TO_KERAS, Layer, Model, become, every_layer, forget_traces


def accelerate(model: Model, inplace: bool = False) -> Model:
    """Replaces Keras's convolutions by those of `atrous.layers`: same weights, same results, faster.

    Replaced are `keras.layers.Conv1D`, `Conv2D`, `Conv3D`, the depthwise, separable and transposed ones, wherever Keras finds
    them: in nested models, in wrappers such as `TimeDistributed` and `SpectralNormalization`, in lists and dicts of custom
    layers. A layer used twice stays one layer. Subclasses of Keras's layers may compute something else and are left as they
    are; `explain` shows them.

    Args:
        model: A `keras.Model`, or a layer that holds layers. Built or not, compiled or not.
        inplace: Change `model` itself. Else a copy is changed, with its own weights, compiled as `model` is, with the
            optimizer's state; attributes that Keras doesn't save are not copied. Functions that were traced before a change
            in place, by you (`tf.function`, `jax.jit`) or by a model around this one, keep the layers as they were.

    Returns:
        The model, or its copy; weights are in the same order. It saves and loads like any other, after `import atrous`.

    Raises:
        ValueError: Keras cannot copy the model; the message names the layer and asks for `inplace=True`.
    """
    _check(model)
    model = model if inplace else copy_model(model)
    for layer in every_layer(model):
        if type(layer) in TO_ATROUS:
            become(layer, TO_ATROUS[type(layer)])
    forget_traces(model)
    return model


def to_keras(model: Model, inplace: bool = False) -> Model:
    """Replaces the layers of `atrous.layers` by plain `keras.layers`: same weights, same results, no need of atrous.

    A model of a class of ours, such as `atrous.models.DilatedClassifier`, becomes a plain `keras.Model` of the same layers.

    Args:
        model: A `keras.Model`, or a layer that holds layers.
        inplace: Change `model` itself instead of a copy; see `accelerate`.

    Returns:
        The model, or its copy; weights are in the same order.

    Raises:
        ValueError: A layer has no equivalent in Keras, or Keras cannot copy the model; the message names the layer.
    """
    _check(model)
    obstacles = [f"{layer.name!r}: {reason}" for layer in every_layer(model) if (reason := _obstacle(layer))]
    if obstacles:
        raise ValueError(f"`model` must have layers that Keras has, too. Received: layer {'; layer '.join(obstacles)}.")
    model = model if inplace else copy_model(model)
    for layer in every_layer(model):
        if type(layer) in TO_KERAS:
            layer.padding = _stock_padding(layer)
            become(layer, TO_KERAS[type(layer)])
        elif _is_ours(layer):
            become(layer, plain_class())
    forget_traces(model)
    return model


def _check(model: Model) -> None:
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"`model` must be a Keras model or layer. Received: {model!r}.")


def _obstacle(layer: Layer) -> str | None:
    """Why Keras has no such layer, and what to do."""
    kind = type(layer).__name__
    if type(layer) in TO_KERAS:
        return _obstacle_of_geometry(layer, kind)
    if isinstance(layer, Dilated):
        base = next(base.__name__ for base in type(layer).__mro__ if base in TO_KERAS)
        return f"its class {kind} is a subclass of atrous.layers.{base}; derive it from keras.layers.{base}"
    if _is_ours(layer) and not isinstance(layer, plain_class()):
        return f"keras.layers has no {kind}"
    return None


def _obstacle_of_geometry(layer: Layer, kind: str) -> str | None:
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        return f"keras.layers.{kind} takes no strides={layer.strides} with dilation_rate={layer.dilation_rate}"
    uneven = len(set(layer.strides)) > 1 and kind in ("DepthwiseConv2D", "SeparableConv2D")
    if uneven and keras.config.backend() == "tensorflow":
        return f"on TensorFlow keras.layers.{kind} takes no strides={layer.strides} that differ between the axes"
    if _stock_padding(layer) is None:
        rank = layer.spec.rank
        instead = (
            f"a keras.layers.ZeroPadding{rank}D in front"
            if not _is_transposed(layer)
            else f"a keras.layers.Cropping{rank}D behind it"
        )
        return f"keras.layers.{kind} takes no padding={layer.padding!r}; use 'valid' and {instead}"
    return None


def _stock_padding(layer: Layer) -> str | None:
    """The name that Keras has for the layer's padding, if it has one."""
    names = ("valid", "same", "causal") if type(layer) is layers.Conv1D else ("valid", "same")
    if isinstance(layer.padding, str):
        return layer.padding if layer.padding in names else None
    if _is_transposed(layer):
        return None
    named = {dataclasses.replace(layer.spec, padding=name).pads((None,) * layer.spec.rank): name for name in reversed(names)}
    return named.get(layer.padding)


def _is_transposed(layer: Layer) -> bool:
    return type(layer).__name__.endswith("Transpose")


def _is_ours(layer: Layer) -> bool:
    return type(layer).__module__.partition(".")[0] == "atrous"
