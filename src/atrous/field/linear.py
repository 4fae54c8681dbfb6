"""A linearised copy of a model: what `verify` takes gradients of.

Every layer is made again from its configuration, in float64, with positive random weights and linear activations, and runs
on the backend as any layer does. No rule of receptive fields is asked: a rule that is wrong shows. What isn't linear is
replaced by what reads the same positions: a maximum by an average, a product by a sum, a normalisation by adding a mean, a
recurrent cell by a linear one. So every path from an input to an output adds something positive, and nothing cancels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from atrous import layers as dilated
from atrous.field.graph import Graph, Use
from atrous.field.rules.convolutions import TRANSPOSED
from atrous.field.rules.operations import ARITHMETIC, OVER_AN_AXIS, REDUCTIONS

DTYPE = "float64"
_LINEAR = {
    "data_format": "channels_last",
    "dtype": DTYPE,
    "activation": "linear",
    "recurrent_activation": "linear",
    "dropout": 0.0,
}
_IDENTITIES = (
    layers.Activation,
    layers.BatchNormalization,
    layers.ELU,
    layers.LeakyReLU,
    layers.Masking,
    layers.Normalization,
    layers.PReLU,
    layers.ReLU,
)
_OVER_AN_AXIS = (layers.LayerNormalization, layers.RMSNormalization, layers.Softmax, layers.UnitNormalization)
_PRODUCTS = (layers.Maximum, layers.Minimum, layers.Multiply, layers.Subtract)

Function = Any
"""Tensors in, tensors out; a layer is one."""


class Linearized:
    """A model's graph, computed with linear stand-ins of its layers.

    Args:
        graph: Of the model; its lengths all known.
        seed: Of the weights.
    """

    def __init__(self, graph: Graph, seed: int = 0) -> None:
        self._graph = graph
        self._weights = np.random.default_rng(seed)
        self._stand_ins: dict[int, Function] = {}  # a shared layer has one

    def __call__(self, inputs: dict[int, Any], last: int) -> dict[int, Any]:
        """Values of the model's tensors.

        Args:
            inputs: A float64 tensor (batch, *shape) for each of the model's inputs, by its number.
            last: Number of the last tensor that is needed.

        Returns:
            By number, (batch, *shape).
        """
        values = dict(inputs)
        sizes = {key: _largest([tensor]) for key, tensor in inputs.items()}
        batch = len(next(iter(inputs.values())))
        for use in self._graph.uses:
            if min(use.outputs) > last:
                break
            taken = [values[key] if key in values else ops.ones((batch, *self._graph.shapes[key]), DTYPE) for key in use.inputs]
            unit = max((sizes.get(key, 1.0) for key in use.inputs), default=1.0)
            made = self._run(use, [tensor / unit for tensor in taken])
            size = unit * _gain(use.layer)
            scale = size / _largest(made)
            values.update((key, tensor * scale) for key, tensor in zip(use.outputs, made, strict=True))
            sizes.update(dict.fromkeys(use.outputs, size))
        return values

    def _run(self, use: Use, taken: list[Any]) -> list[Any]:
        if id(use.layer) not in self._stand_ins:
            try:
                self._stand_ins[id(use.layer)] = _stand_in(use.layer, self._weights)
            except Exception as error:
                raise ValueError(
                    f"Layer {use.name!r} ({type(use.layer).__name__}) can't be made again from its configuration, so that its "
                    f"rule can't be checked ({type(error).__name__}: {error})."
                ) from error
        rest = iter(taken)

        def filled(argument: Any) -> Any:
            if isinstance(argument, keras.KerasTensor):
                return next(rest)
            if hasattr(argument, "shape") and "float" in str(argument.dtype):  # a kernel that an operation takes
                return ops.convert_to_tensor(_positive(argument.shape, self._weights), DTYPE)
            return argument

        args, kwargs = tree.map_structure(filled, (use.call.args, dict(use.call.kwargs)))
        made = tree.flatten(self._stand_ins[id(use.layer)](*args, **kwargs))
        return [ops.cast(tensor, DTYPE) for tensor in made]


def _gain(layer: Any) -> float:
    """How much larger a layer's output shall be: √(size of its kernel).

    So the middle of a field grows layer by layer, and its corners shrink by no more: 500 layers fit into float64.
    """
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None) or 1
    return math.sqrt(math.prod(tree.flatten(window)))


def _largest(tensors: Iterable[Any]) -> float:
    """Largest magnitude, as a constant; 1 if all are 0."""
    return max(float(ops.max(ops.abs(ops.stop_gradient(tensor)))) for tensor in tensors) or 1.0


def _positive(shape: Any, weights: np.random.Generator) -> np.ndarray:
    """Random weights of about 1 / (what is summed)."""
    return np.asarray(weights.uniform(0.5, 1.5, shape) / math.prod(shape[:-1]))


def _stand_in(layer: Any, weights: np.random.Generator) -> Function:
    if not isinstance(layer, keras.Layer):
        return _operation(layer)
    name = type(layer).__name__
    if isinstance(layer, _IDENTITIES) or (name.startswith("Random") and name != "RandomCrop"):
        return _first
    if isinstance(layer, _OVER_AN_AXIS):
        return _spread(layer.axis)
    if isinstance(layer, layers.GroupNormalization):
        return _spread(None)
    if isinstance(layer, _PRODUCTS):
        return layers.Add(dtype=DTYPE, name="sum")
    if isinstance(layer, layers.Embedding):  # of numbers that need not be whole, to have a gradient
        return lambda x: ops.repeat(ops.expand_dims(x, -1), layer.output_dim, -1)
    if isinstance(layer, layers.TimeDistributed):
        return _step_by_step(_stand_in(layer.layer, weights))
    if isinstance(layer, layers.SpectralNormalization):
        return _stand_in(layer.layer, weights)
    if isinstance(layer, layers.Bidirectional):
        both = layers.Bidirectional(
            _recurrence(layer.forward_layer), merge_mode=layer.merge_mode and "concat", dtype=DTYPE, name="both"
        )
        return _Weighted(both, weights)
    if isinstance(layer, layers.RNN) and not hasattr(layer.cell, "rank"):
        return _Weighted(_recurrence(layer), weights)
    if isinstance(layer, (layers.MaxPooling3D, layers.AveragePooling3D)):  # TensorFlow has none for float64
        return _channels_last(_pool_3d(layer), layer)
    if name in ("AdaptiveMaxPooling3D", "AdaptiveAveragePooling3D"):
        return _channels_last(_adaptive_pool_3d(layer), layer)
    if isinstance(layer, (layers.UpSampling2D, layers.Resizing)):
        return _channels_last(_resizing(type(layer).from_config(_linear(layer.get_config()))), layer)
    return _channels_last(_Weighted(_class_of(layer).from_config(_linear(layer.get_config())), weights), layer)


class _Weighted:
    """A layer with positive random weights, as large as keeps its output as large as its input."""

    def __init__(self, layer: Any, weights: np.random.Generator) -> None:
        self._layer, self._weights = layer, weights
        self._is_weighted = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self._layer(*args, **kwargs)
        if self._is_weighted:
            return result
        self._is_weighted = True
        for variable in self._layer.weights:
            if "float" in str(variable.dtype):
                variable.assign(_positive(variable.shape, self._weights) * ("bias" not in variable.name))
        return self._layer(*args, **kwargs)


def _first(x: Any, *_: Any, **__: Any) -> Any:
    return x


def _sum(*args: Any, **kwargs: Any) -> Any:
    """Of tensors, broadcast to constants that they are combined with."""
    terms = [a for a in tree.flatten((args, kwargs)) if hasattr(a, "shape")]
    return sum(ops.cast(a, DTYPE) for a in terms)


def _spread(axis: Any) -> Function:
    """Every position reads all those along the axes; all axes but the batch's if `None`."""

    def function(x: Any, **_: Any) -> Any:
        return x + ops.mean(x, tuple(range(1, x.ndim)) if axis is None else axis, keepdims=True)

    return function


def _step_by_step(function: Function) -> Function:
    def steps(x: Any, **_: Any) -> Any:
        made = function(ops.reshape(x, (-1, *x.shape[2:])))
        return ops.reshape(made, (*x.shape[:2], *made.shape[1:]))

    return steps


def _recurrence(layer: Any) -> Any:
    units = layer.units if hasattr(layer, "units") else layer.cell.output_size
    return layers.SimpleRNN(
        units,
        activation="linear",
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        return_sequences=layer.return_sequences,
        go_backwards=layer.go_backwards,
        dtype=DTYPE,
        name="recurrence",
    )


def _class_of(layer: Any) -> Any:
    name = type(layer).__name__
    if "MaxPool" in name:
        return getattr(layers, name.replace("Max", "Average"))
    if isinstance(layer, TRANSPOSED) and max(layer.dilation_rate) > 1 and keras.backend.backend() == "tensorflow":
        return getattr(dilated, f"Conv{layer.rank}DTranspose")  # which TensorFlow lacks on the CPU
    return type(layer)


def _pool_3d(layer: Any) -> Function:
    def pool(x: Any) -> Any:
        alone = ops.reshape(ops.moveaxis(x, -1, 1), (-1, *x.shape[1:-1], 1))  # a channel is an example
        kernel = ops.ones((*layer.pool_size, 1, 1), DTYPE)
        made = ops.conv(alone, kernel, layer.strides, layer.padding, "channels_last")
        return ops.moveaxis(ops.reshape(made, (-1, x.shape[-1], *made.shape[1:-1])), 1, -1)

    return pool


def _resizing(function: Function) -> Function:
    """By the weights that the backend itself gives each position; rounded coordinates make some of them 1e-17 in place of 0."""

    def weights(n: int, axis: int) -> Any:
        cells = ops.reshape(ops.eye(n, dtype=DTYPE), (n, n, 1, 1) if axis == 1 else (n, 1, n, 1))
        found = ops.cast(ops.mean(function(cells), (3 - axis, 3)), DTYPE)
        return ops.where(ops.abs(found) < 1e-6, ops.zeros_like(found), found)

    return lambda x, **_: ops.einsum("bhwc,hp,wq->bpqc", x, weights(x.shape[1], 1), weights(x.shape[2], 2))


def _adaptive_pool_3d(layer: Any) -> Function:
    """Two axes, then the third."""
    options = {"data_format": "channels_last", "dtype": DTYPE}
    *first, last = layer.output_size
    plane = layers.AdaptiveAveragePooling2D(first, name="plane", **options)
    line = layers.AdaptiveAveragePooling1D(last, name="line", **options)

    def pool(x: Any) -> Any:
        *_, width, channels = x.shape
        made = plane(ops.reshape(x, (*x.shape[:3], width * channels)))
        made = line(ops.reshape(made, (-1, width, channels)))
        return ops.reshape(made, (-1, *first, last, channels))

    return pool


def _channels_last(function: Function, layer: Any) -> Function:
    """TensorFlow convolves nothing else on the CPU."""
    if getattr(layer, "data_format", None) != "channels_first" or isinstance(layer, layers.Flatten):
        return function

    def turned(x: Any, *args: Any, **kwargs: Any) -> Any:
        made = function(ops.moveaxis(x, 1, -1), *args, **kwargs)
        return ops.moveaxis(made, -1, 1) if made.ndim == x.ndim else made

    return turned


def _linear(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's configuration in float64, linear, and without random weights, which cost time and the user's random state."""
    changes = _LINEAR | {key: "zeros" for key in config if key.endswith("_initializer")}
    changes |= {key: None for key in config if key.endswith(("_regularizer", "_constraint"))}
    return {key: changes.get(key, value) for key, value in config.items()}


def _operation(operation: Any) -> Function:
    name = type(operation).__name__
    if name in ARITHMETIC:
        return _sum
    if name in OVER_AN_AXIS:
        return _spread(operation.axis)
    if name in REDUCTIONS:
        return lambda x: ops.mean(x, operation.axis, getattr(operation, "keepdims", False))
    if name == "MaxPool":
        return lambda x: ops.average_pool(x, operation.pool_size, operation.strides, operation.padding, operation.data_format)
    if name == "Resize":
        resize = _resizing(lambda x: ops.image.resize(x, operation.size, operation.interpolation, data_format="channels_last"))
        return _channels_last(resize, operation)
    if name == "ConvTranspose":  # whose `call` mixes up its arguments in some versions of Keras
        options = operation.strides, operation.padding, operation.output_padding, operation.data_format, operation.dilation_rate
        return lambda x, kernel: ops.conv_transpose(x, kernel, *options)
    if name == "BroadcastTo":
        return lambda x: x + ops.zeros(operation.shape[1:], DTYPE)
    return operation.call
