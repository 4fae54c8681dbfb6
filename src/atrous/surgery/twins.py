"""Which layer stands for which, and how one becomes the other where it stands.

A Keras convolution and its atrous twin have the same attributes and the same variables: the twin is a subclass that overrides
methods only. So a layer becomes its twin by changing its class. It stays the object that it was, and with it everything that
holds it: graphs, wrappers, lists and dicts of custom layers, optimizers (decision 9).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any

import keras

from atrous import layers
from atrous.layers.dilated import Dilated

Model = Any
Layer = Any

TO_ATROUS: dict[type, type] = {
    getattr(keras.layers, name): twin for name in layers.__all__ if issubclass(twin := getattr(layers, name), Dilated)
}
"""Keras's convolution layers; subclasses of them are not in it, because they may compute something else."""

TO_KERAS: dict[type, type] = {twin: stock for stock, twin in TO_ATROUS.items()}

WRAPPED = ("build", "quantize")
TRACED = ("train_function", "test_function", "predict_function")


def every_layer(model: Model) -> list[Layer]:
    """The model and all layers that Keras finds in it: nested, wrapped, in lists and dicts; each once."""
    found: list[Layer] = model._flatten_layers()
    return found


def become(layer: Layer, twin: type) -> None:
    """Makes a layer an instance of its twin, in place."""
    if hasattr(layer, "rank"):  # which TensorFlow's tracking leaves out where the class says it, and Keras's class doesn't
        object.__setattr__(layer, "rank", layer.rank)
    former = {name: getattr(type(layer), name) for name in WRAPPED}
    object.__setattr__(layer, "__class__", twin)  # past the tracking of Keras, TensorFlow and PyTorch, which it isn't for
    for name, method in former.items():
        _rebind(vars(layer)[name], types.MethodType(method, layer), types.MethodType(getattr(twin, name), layer))


def is_ours(layer: Layer) -> bool:
    """Whether a layer's class is one of atrous."""
    return type(layer).__module__.partition(".")[0] == "atrous"


def is_transposed(layer: Layer) -> bool:
    """Whether a convolution is a transposed one."""
    return type(layer).__name__.endswith("Transpose")


def stock_padding(layer: Layer) -> str | None:
    """The name that Keras has for the padding of a layer of ours, if it has one."""
    names = ("valid", "same", "causal") if type(layer) is layers.Conv1D else ("valid", "same")
    if isinstance(layer.padding, str):
        return layer.padding if layer.padding in names else None
    if is_transposed(layer):
        return None
    named = {dataclasses.replace(layer.spec, padding=name).pads((None,) * layer.spec.rank): name for name in reversed(names)}
    return named.get(layer.padding)


def forget_traces(model: Model) -> None:
    """Drops the functions that Keras traced with the layers as they were; it makes them again when it needs them."""
    for layer in every_layer(model):
        if isinstance(layer, keras.Model):
            for name in TRACED:
                if getattr(layer, name, None) is not None:
                    setattr(layer, name, None)


def _rebind(wrapper: Callable[..., Any], former: types.MethodType, method: types.MethodType) -> None:
    """Lets the function with which Keras wraps a method of each new object call another method."""
    for cell in wrapper.__closure__ or ():  # type: ignore[attr-defined]
        if cell.cell_contents == former:
            cell.cell_contents = method
    wrapper.__wrapped__ = method  # type: ignore[attr-defined]
