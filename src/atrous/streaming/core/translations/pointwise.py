"""Layers whose every step is computed from that step of one input."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from atrous.field.graph import Use
from atrous.streaming.core.drafting import Draft, View, array
from atrous.streaming.core.functions import LINEAR, Function, of_layer, of_operation
from atrous.streaming.core.program import Op, Source
from atrous.streaming.core.translations.registry import bias_of, check_last, translates, translates_operation

FIXING_ZERO = (
    "relu",
    "leaky_relu",
    "clipped_relu",
    "elu",
    "selu",
    "gelu",
    "gelu_tanh",
    "silu",
    "tanh",
    "hard_silu",
    "softsign",
    "abs",
    "square",
)
"""Functions that leave 0 as it is."""

NOTHING = (
    layers.Identity,
    layers.Dropout,
    layers.AlphaDropout,
    layers.SpatialDropout1D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.ActivityRegularization,
)
"""Layers that do nothing at inference."""


@translates(layers.Dense)
def _dense(draft: Draft, use: Use) -> None:
    layer, key = use.layer, use.inputs[0]
    if getattr(layer, "quantization_mode", None):
        raise draft.refusal("it is quantised")
    draft.channels(key)
    made = draft.made(layer.units)
    draft.add(Op("product", made, (Source(draft.at_rest(key), weights=array(layer.kernel)[None]),), bias=bias_of(layer)))
    draft.activated(made, layer.activation)


@translates(layers.Embedding)
def _embedding(draft: Draft, use: Use) -> None:
    key, layer = use.inputs[0], use.layer
    if draft.width(key) != 1 or getattr(layer, "quantization_mode", None) or layer.mask_zero:
        raise draft.refusal("it takes more than one code a step, is quantised, or masks")
    codes = draft.views[key].tensor
    if key not in draft.plan.inputs:
        raise draft.refusal("it takes codes that are computed")
    if any(source.tensor == codes and op.code != "embed" for op in draft.ops for source in op.sources):
        raise draft.refusal("it takes codes that others compute with")
    draft.codes.add(codes)
    table = array(layer.embeddings)
    draft.add(Op("embed", draft.result(), (Source(codes),), rows=len(table), weights=table))


@translates(layers.BatchNormalization)
def _batch_normalization(draft: Draft, use: Use) -> None:
    layer = use.layer
    check_last(draft, use, layer.axis)
    variance, mean = (array(x).astype("float64") for x in (layer.moving_variance, layer.moving_mean))
    weights = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        weights *= array(layer.gamma)
    affine(draft, use, weights, (array(layer.beta) if layer.center else 0) - mean * weights)


@translates(layers.LayerNormalization)
def _layer_normalization(draft: Draft, use: Use) -> None:
    layer, key = use.layer, use.inputs[0]
    check_last(draft, use, layer.axis)
    if getattr(layer, "rms_scaling", False):
        raise draft.refusal("it scales by the root mean square")
    gamma, beta = (None if x is None else array(x).reshape(-1) for x in (layer.gamma, layer.beta))
    x = draft.at_rest(key)
    draft.add(Op("layer_norm", draft.result(), (Source(x),), alpha=float(layer.epsilon), weights=gamma, bias=beta))


@translates(layers.Softmax)
@translates_operation("Softmax")
def _softmax(draft: Draft, use: Use) -> None:
    check_last(draft, use, use.layer.axis)
    draft.softmax(draft.at_rest(use.inputs[0]))


@translates(layers.Activation)
def _activation(draft: Draft, use: Use) -> None:
    if use.layer.activation is keras.activations.softmax:
        draft.channels(use.inputs[0])
        draft.softmax(draft.at_rest(use.inputs[0]))
    else:
        apply(draft, use, of_layer(use.layer))


def function_layer(draft: Draft, use: Use) -> None:
    """A layer that is nothing but a function."""
    apply(draft, use, of_layer(use.layer))


def function_operation(draft: Draft, use: Use) -> None:
    """The same as an operation."""
    apply(draft, use, of_operation(use.layer))


def apply(draft: Draft, use: Use, function: Function | None) -> None:
    """The output of a layer is a function of each number."""
    if function == LINEAR:
        return draft.alias()
    view = draft.views[use.inputs[0]]
    if view.shift < 0 and function and function[0] in FIXING_ZERO:  # what is zero before the beginning stays so
        made = draft.new(draft.width(use.outputs[0]), use.outputs[0], view.shift)
        draft.views[use.outputs[0]] = View(made, view.shift)
        return draft.function(view.tensor, function, made)
    x = draft.at_rest(use.inputs[0])
    return draft.function(x, function, draft.result())


@translates(layers.PReLU)
def _prelu(draft: Draft, use: Use) -> None:
    """Ramps of two slopes: relu(x) − α·relu(−x)."""
    x, below = draft.at_rest(use.inputs[0]), draft.made(draft.width(use.outputs[0]))
    slopes = by_channel(draft, use, -array(use.layer.alpha))
    draft.add(Op("affine", below, (Source(x),), weights=np.full_like(slopes, -1.0), last="relu"))
    scaled = draft.made(len(slopes))
    draft.add(Op("affine", scaled, (Source(below),), weights=slopes))
    draft.add(Op("add", draft.result(), (Source(x), Source(scaled)), first="relu"))


@translates(*NOTHING)
def _nothing(draft: Draft, use: Use) -> None:
    draft.alias()


@translates_operation("StopGradient", "Copy")
def _nothing_either(draft: Draft, use: Use) -> None:
    draft.alias()


@translates_operation("Cast")
def _cast(draft: Draft, use: Use) -> None:
    if draft.plan.dtypes.get(use.inputs[0], "float32") != "float32" or str(use.layer.dtype) != "float32":
        raise draft.refusal("it casts to or from another type than float32")
    draft.alias()


@translates(layers.Rescaling)
def _rescaling(draft: Draft, use: Use) -> None:
    affine(draft, use, array(use.layer.scale), array(use.layer.offset))


@translates(layers.Normalization)
def _normalization(draft: Draft, use: Use) -> None:
    layer = use.layer
    mean, variance = (array(x).astype("float64") for x in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        affine(draft, use, deviation, mean)
    else:
        affine(draft, use, 1 / deviation, -mean / deviation)


def affine(draft: Draft, use: Use, weights: Any, bias: Any) -> None:
    """The output of a layer is x·weights + bias, each a number or one a channel."""
    x = draft.at_rest(use.inputs[0])
    scale, shift = (by_channel(draft, use, numbers) for numbers in (weights, bias))
    draft.add(Op("affine", draft.result(), (Source(x),), weights=scale, bias=shift))


def by_channel(draft: Draft, use: Use, numbers: Any) -> np.ndarray:
    """A constant as one number for each channel."""
    key, values = use.outputs[0], np.asarray(numbers, "float32")
    if values.size == 1:
        return np.full(draft.width(key), values.reshape(()), "float32")
    if values.ndim and values.size == values.shape[-1] == draft.channels(key):
        return np.ascontiguousarray(values.reshape(-1))
    raise draft.refusal(f"its constant of shape {values.shape} is neither a number nor one a channel")
