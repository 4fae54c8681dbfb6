"""Functions of single numbers, by the names that the native core has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

Function = tuple[str, float]
"""Its name in `native/stream.h`, and its parameter."""

LINEAR: Function = ("linear", 0.0)

_PLAIN = {
    "linear": "linear",
    "relu": "relu",
    "selu": "selu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "hard_sigmoid": "hard_sigmoid",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "softplus": "softplus",
    "softsign": "softsign",
    "exponential": "exp",
    "gelu": "gelu",
}
_WITH_PARAMETER: Mapping[str, Function] = {
    "relu6": ("clipped_relu", 6.0),
    "leaky_relu": ("leaky_relu", 0.2),
    "elu": ("elu", 1.0),
}
_OPERATIONS = {
    "Relu": "relu",
    "Selu": "selu",
    "Silu": "silu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "HardSigmoid": "hard_sigmoid",
    "HardSilu": "hard_silu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Exp": "exp",
    "Abs": "abs",
    "Absolute": "abs",
    "Square": "square",
}


def of_activation(activation: Any) -> Function | None:
    """What a layer's `activation` is; `None` if the core hasn't got it."""
    if activation is None:
        return LINEAR
    if isinstance(activation, keras.Layer):
        return of_layer(activation)
    name = getattr(activation, "__name__", "")
    if getattr(keras.activations, name, None) is not activation:
        return None  # someone else's function of that name
    return (_PLAIN[name], 0.0) if name in _PLAIN else _WITH_PARAMETER.get(name)


def of_layer(layer: Any) -> Function | None:
    """What a layer of Keras is that does nothing else."""
    if type(layer) is layers.Activation:
        return of_activation(layer.activation)
    if type(layer) is layers.LeakyReLU:
        return "leaky_relu", float(layer.negative_slope)
    if type(layer) is layers.ELU:
        return "elu", float(layer.alpha)
    if type(layer) is layers.ReLU and not layer.threshold:
        if layer.max_value is None:
            return ("leaky_relu", float(layer.negative_slope)) if layer.negative_slope else ("relu", 0.0)
        return None if layer.negative_slope else ("clipped_relu", float(layer.max_value))
    return None


def of_operation(operation: Any) -> Function | None:
    """What an operation of `keras.ops` is, by its class."""
    name = type(operation).__name__
    if name in _OPERATIONS:
        return _OPERATIONS[name], 0.0
    if name == "Relu6":
        return "clipped_relu", 6.0
    if name == "LeakyRelu":
        return "leaky_relu", float(operation.negative_slope)
    if name == "Elu":
        return "elu", float(operation.alpha)
    if name == "Gelu":
        return ("gelu_tanh" if operation.approximate else "gelu"), 0.0
    if name == "Clip" and operation.x_min == 0 and isinstance(operation.x_max, (int, float)):
        return "clipped_relu", float(operation.x_max)
    return None
