"""A model with other layers in it: `accelerate` puts ours in the place of Keras's, `to_keras` goes the way back."""

from __future__ import annotations

import keras

from atrous.layers.dilated import Dilated
from atrous.surgery.copying import copy_model, plain_class
from atrous.surgery.twins import (
    TO_ATROUS,
    TO_KERAS,
    Layer,
    Model,
    become,
    every_layer,
    forget_traces,
    is_ours,
    is_transposed,
    stock_padding,
)
from atrous.surgery.unfolding import CannotUnfoldError, unfold, unfolds


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
    Blocks are unfolded into the layers and operations that they are made of: the convolution `conv` of `point` in the block
    `aspp` is then the layer `aspp_point_conv`. Zeros that Keras's convolutions don't pad with come from `ZeroPadding` in front.

    Args:
        model: A `keras.Model`, or a layer that holds layers.
        inplace: Change `model` itself instead of a copy; see `accelerate`. Nothing is unfolded then.

    Returns:
        The model, or its copy; weights are in the same order. Where something was unfolded, a functional `keras.Model` that
        isn't compiled, with the weights in the order of its layers.

    Raises:
        ValueError: A layer has no equivalent in Keras, or Keras cannot copy the model; the message names the layer.
    """
    _check(model)
    model = model if inplace else unfold(copy_model(model))
    obstacles = [(layer.name, reason) for layer in every_layer(model) if (reason := _obstacle(layer))]
    if obstacles:
        raise CannotUnfoldError(obstacles)
    for layer in every_layer(model):
        if type(layer) in TO_KERAS:
            layer.padding = stock_padding(layer)
            become(layer, TO_KERAS[type(layer)])
        elif is_ours(layer):
            become(layer, plain_class())
        _plain_initializers(layer)
    forget_traces(model)
    return model


def _check(model: Model) -> None:
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"`model` must be a Keras model or layer. Received: {model!r}.")


def _plain_initializers(layer: Layer) -> None:
    """Replaces initializers of ours, which files would name, by Keras's default: the weights are there already."""
    for name, value in list(vars(layer).items()):
        if name.endswith("_initializer") and is_ours(value):
            setattr(layer, name, keras.initializers.get("glorot_uniform"))


def _obstacle(layer: Layer) -> str | None:
    """Why Keras has no such layer, and what to do."""
    kind = type(layer).__name__
    if type(layer) in TO_KERAS:
        return _obstacle_of_geometry(layer, kind)
    if isinstance(layer, Dilated):
        base = next(base.__name__ for base in type(layer).__mro__ if base in TO_KERAS)
        return f"its class {kind} is a subclass of atrous.layers.{base}; derive it from keras.layers.{base}"
    if unfolds(layer):
        return f"keras.layers has no {kind}, which can be unfolded in a copy of a functional model alone"
    if is_ours(layer) and not isinstance(layer, plain_class()):
        return f"keras.layers has no {kind}"
    return None


def _obstacle_of_geometry(layer: Layer, kind: str) -> str | None:
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        return f"keras.layers.{kind} takes no strides={layer.strides} with dilation_rate={layer.dilation_rate}"
    uneven = len(set(layer.strides)) > 1 and kind in ("DepthwiseConv2D", "SeparableConv2D")
    if uneven and keras.config.backend() == "tensorflow":
        return f"on TensorFlow keras.layers.{kind} takes no strides={layer.strides} that differ between the axes"
    if stock_padding(layer) is None:
        rank = layer.spec.rank
        instead = (
            f"a keras.layers.ZeroPadding{rank}D in front"
            if not is_transposed(layer)
            else f"a keras.layers.Cropping{rank}D behind it"
        )
        return f"keras.layers.{kind} takes no padding={layer.padding!r}; use 'valid' and {instead}"
    return None
