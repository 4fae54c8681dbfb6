"""Layers that are made of layers, such as the blocks of `atrous.blocks`, unfolded into those that Keras has.

A block is called on symbolic tensors, which leaves a trace of what it does inside; that is done again in the model's own graph,
with the block's own inner layers. So they keep their weights, and nothing of the block stays but its name in theirs.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import tree

from atrous import layers
from atrous.blocks.temporal import WeightNormConv1D
from atrous.field.graph import forget_nodes, nodes_between
from atrous.layers.dilated import Dilated
from atrous.surgery.copying import input_again
from atrous.surgery.rebuilding import graph_model, is_graph
from atrous.surgery.twins import TO_KERAS, Layer, Model, every_layer, is_ours, is_transposed, stock_padding


class CannotUnfoldError(ValueError):
    """A layer that Keras has no layers for, and why."""

    def __init__(self, obstacles: list[tuple[str, str]]) -> None:
        found = "; ".join(f"layer {name!r}: {reason}" for name, reason in obstacles)
        super().__init__(f"`model` must have layers that Keras has, too. Received: {found}.")


def unfold(model: Model) -> Model:
    """Puts what is inside our blocks in their place, and zero padding in front of convolutions that pad as Keras's don't.

    An inner layer is called as the block and itself: `conv` in `point` in `aspp` is `aspp_point_conv`. A block that does one
    thing alone leaves its own name to it. A weight-normalised convolution gets its kernel as it is now.

    Args:
        model: A model that is used up: its layers go over to the result.

    Returns:
        A functional `keras.Model` that isn't compiled; `model` itself where there is nothing to unfold, or no graph.

    Raises:
        CannotUnfoldError: A block can't be followed; the message names it and the reason.
    """
    if not is_graph(model) or not any(map(_changes, every_layer(model))):
        return model
    for operation in [*_operations(model)]:
        operation._inbound_nodes.clear()
        operation._outbound_nodes.clear()
    return _Unfolding().model(model)


def unfolds(operation: Any) -> bool:
    """Whether it is a layer of ours that is no convolution and no model."""
    return is_ours(operation) and type(operation) not in TO_KERAS and not isinstance(operation, (Dilated, keras.Model))


def _changes(layer: Layer) -> bool:
    return unfolds(layer) or type(layer) is WeightNormConv1D or _is_padded(layer)


def _is_padded(layer: Layer) -> bool:
    """Whether a convolution needs a layer in front that pads."""
    return type(layer) in TO_KERAS and not is_transposed(layer) and stock_padding(layer) is None


@dataclass(frozen=True)
class _Place:
    """Where a call stands.

    Args:
        names: Of the layers of the model, so far.
        prefix: Name of the block around it; empty outside.
        alone: Whether there is nothing else in that block.
    """

    names: set[str]
    prefix: str = ""
    alone: bool = False

    def name(self, operation: Any) -> str:
        """What to call something; new in the model if it was inside a block."""
        if not self.prefix:
            return str(operation.name)
        is_layer = isinstance(operation, keras.Layer)
        own = operation.name if is_layer else operation.name.rstrip("0123456789").rstrip("_")  # which Keras has counted
        return self.free(self.prefix if self.alone else f"{self.prefix}_{own}")

    def free(self, name: str) -> str:
        """The name, with a number where the model has it already."""
        numbered = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(1)))
        return next(each for each in numbered if each not in self.names)


class _Unfolding:
    """Makes a graph again, with blocks unfolded."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}

    def model(self, model: Model) -> Model:
        """A model again, and what is in it."""
        graph = graph_model(model)
        graph.compiled = False
        place = _Place({operation.name for operation in graph.operations if not unfolds(operation)})
        inputs = tree.map_structure(input_again, graph.input)
        call = functools.partial(self.call, place)
        new = keras.models.clone_model(graph, inputs, clone_function=lambda operation: operation, call_function=call)
        new.name, new._trainable = model.name, model._trainable
        return new

    def call(self, place: _Place, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a layer, model or operation, or what it is made of."""
        if unfolds(operation):
            return self._inside(place, operation, args, kwargs)
        operation = self._once(operation, "itself", lambda: self._settled(place, operation))
        padding = self._once(operation, "padding", lambda: _padding(place, operation))
        if padding is None:
            return operation(*args, **kwargs)
        x = padding(args[0])
        operation._build_shapes_dict = {"input_shape": tuple(x.shape)}
        return operation(x, *args[1:], **kwargs)

    def _once(self, operation: Any, part: str, make: Any) -> Any:
        """What is made for a layer, the same one wherever the layer is used."""
        if (id(operation), part) not in self.made:
            self.made[id(operation), part] = make()
        return self.made[id(operation), part]

    def _settled(self, place: _Place, operation: Any) -> Any:
        """A layer, model or operation as the new model has it, under its new name."""
        name = place.name(operation)
        if is_graph(operation):
            operation = self.model(operation)
        elif type(operation) is WeightNormConv1D:
            operation = _without_norm(operation)
        operation.name = name
        place.names.add(name)
        return operation

    def _inside(self, place: _Place, layer: Layer, args: Any, kwargs: Any) -> Any:
        """Does what a block does, with what it is made of."""
        name = place.name(layer)
        args, kwargs = tree.map_structure(functools.partial(_as_taken, layer), (args, kwargs))
        given = [x for x in tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
        fresh = [keras.KerasTensor(x.shape, x.dtype) for x in given]
        try:
            outputs = layer.call(*_filled(args, given, fresh), **_filled(kwargs, given, fresh))
            nodes = nodes_between(tree.flatten(outputs), fresh)
            forget_nodes(nodes)
            for node in nodes:
                _check_sizes(node.operation)
        except Exception as error:  # any of Keras's, or of the layer's own
            raise CannotUnfoldError([(name, _reason(layer, given, error))]) from error
        inside = replace(place, prefix=name, alone=len(nodes) == 1)
        olds, news = list(fresh), list(given)
        for node in nodes:
            arguments = _filled((node.arguments.args, _said(node.arguments.kwargs)), olds, news)
            made = self.call(inside, node.operation, *arguments[0], **arguments[1])
            olds.extend(node.outputs)
            news.extend(tree.flatten(made))
        return _filled(outputs, olds, news)


def _filled(structure: Any, olds: list[Any], news: list[Any]) -> Any:
    """A structure with tensors replaced by others."""
    others = {id(old): new for old, new in zip(olds, news, strict=True)}
    return tree.map_structure(lambda x: others.get(id(x), x), structure)


def _said(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Without a `training` that says nothing."""
    return {name: value for name, value in kwargs.items() if name != "training" or value is not None}


def _as_taken(layer: Layer, x: Any) -> Any:
    """A tensor of the type that Keras gives it in front of a layer's `call`."""
    if not isinstance(x, keras.KerasTensor) or not layer.autocast or "float" not in x.dtype:
        return x
    return x if x.dtype == layer.compute_dtype else keras.ops.cast(x, layer.compute_dtype)


def _check_sizes(operation: Any) -> None:
    """Operations take sizes as numbers; only a layer's `call` can wait for one that isn't known."""
    if not isinstance(operation, keras.Layer) and any(None in v for v in vars(operation).values() if isinstance(v, tuple)):
        raise ValueError(f"{operation.name!r} takes a size that isn't known before the model runs")


def _reason(layer: Layer, given: list[Any], error: Exception) -> str:
    said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}"
    advice = "; it may if the model's input has a known size" if any(None in x.shape[1:] for x in given) else ""
    return f"keras.layers has no {type(layer).__name__}, and it can't be unfolded ({said}){advice}"


def _without_norm(layer: Layer) -> Layer:
    """A convolution with the kernel that a weight-normalised one has."""
    plain = layers.Conv1D.from_config(layer.get_config())
    plain.build_from_config(layer.get_build_config())
    plain.kernel.assign(layer.kernel)
    if layer.use_bias:
        plain.bias.assign(layer.bias)
    return plain


def _padding(place: _Place, layer: Any) -> Layer | None:
    """The padding in front of a convolution that pads as Keras's don't, and no longer does."""
    if not _is_padded(layer):
        return None
    pads, layer.padding = layer.spec.pads((None,) * layer.spec.rank), "valid"
    kind = getattr(keras.layers, f"ZeroPadding{len(pads)}D")
    name = place.free(f"{layer.name}_padding")
    place.names.add(name)
    return kind(pads if len(pads) > 1 else pads[0], data_format=layer.data_format, dtype=layer.dtype_policy, name=name)


def _operations(model: Model) -> Iterator[Any]:
    """Layers and operations that are used in the graph of a model, or of a model in it."""
    for operation in graph_model(model).operations:
        yield operation
        if is_graph(operation):
            yield from _operations(operation)
