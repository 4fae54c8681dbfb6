"""From a model to the uses of its layers in order, each with what it reads: one list that every question is asked of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers, tree

from atrous.field.reads import Reads, Shape
from atrous.field.registry import Call, rule_of, spatial_dims
from atrous.field.rules.operations import CONSTANTS, OPERATIONS

ASSUMED_LENGTH = 2**20
"""Taken for an axis of unknown length: a multiple of every stride in use, and longer than what is looked at."""


@dataclass(frozen=True)
class Use:
    """One use of a layer or operation.

    Args:
        name: Of the layer; `"outer/inner"` inside a model or a layer that is made of layers.
        layer: The `keras.Layer` or `keras.Operation`.
        call: What its rule was asked.
        reads: The rule's answer, one for each output tensor.
        inputs: Numbers of the tensors that it takes.
        outputs: Numbers of the tensors that it makes.
    """

    name: str
    layer: Any
    call: Call
    reads: tuple[Reads, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Graph:
    """The uses of a model's layers, each behind those that it needs.

    Args:
        uses: In order.
        shapes: Of each tensor, by its number, without batch axis.
        inputs: Numbers of the model's input tensors, by name.
        outputs: Numbers of its output tensors.
        names: Number of the tensor that a layer's last use made, by name; models and composite layers among them.
        space: Spatial dims of each input.
        constants: What takes nothing but the shape of a tensor (`zeros_like`), by the number of what it makes.
        assumed: Whether an unknown length was taken for `ASSUMED_LENGTH`.
    """

    uses: list[Use] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    space: dict[str, list[int]] = field(default_factory=dict)
    constants: dict[int, Use] = field(default_factory=dict)
    assumed: bool = False

    def tensor(self, shape: Shape) -> int:
        """The number of a new tensor."""
        self.shapes.append(shape)
        return len(self.shapes) - 1


def graph_of(model: Any, input_shape: Sequence[int | None] | Sequence[Sequence[int | None]] | None = None) -> Graph:
    """Follows a model's layers.

    Args:
        model: A built `keras.Model`; functional, sequential, or a subclass whose `call` is made of layers and `keras.ops`.
        input_shape: Of its input without batch axis, or one for each input; where the model leaves lengths open, or has none.

    Raises:
        ValueError: A layer is of a type without a rule, or can't be followed; the message names it.
    """
    if not isinstance(model, keras.Layer):
        raise ValueError(f"`model` must be a keras.Model; `keras.models.load_model` reads one. Received: model={model!r}.")
    graph = Graph()
    symbolic = _symbolic(model, input_shape)
    shapes = _input_shapes(model, symbolic, input_shape)
    keys = []
    for tensor, shape in zip(tree.flatten(symbolic), shapes, strict=True):
        key = graph.tensor(tuple(ASSUMED_LENGTH if n is None else n for n in shape))
        graph.assumed |= None in shape
        graph.inputs[tensor.name] = key
        keys.append(key)
    data_format = _data_format(model)
    graph.space = {name: _space(graph.shapes[key], data_format) for name, key in graph.inputs.items()}
    graph.outputs = _Walk(graph).enter(model, (symbolic,), {}, keys, "")
    return graph


class _Walk:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def enter(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], keys: Sequence[int], prefix: str) -> list[int]:
        """Follows the layers inside a model or composite layer; returns the numbers of its outputs."""
        if _is_graph(layer):
            inside = layer._functional if isinstance(layer, keras.Sequential) else layer
            return self._follow(inside.inputs, inside.outputs, keys, prefix)
        fresh, outputs, inputs = _traced(layer, args, kwargs, [self.graph.shapes[key] for key in keys])
        try:
            return self._follow(inputs, outputs, keys, prefix)
        finally:
            forget_nodes(fresh)

    def _follow(self, inputs: Sequence[Any], outputs: Sequence[Any], keys: Sequence[int], prefix: str) -> list[int]:
        known = {id(tensor): key for tensor, key in zip(inputs, keys, strict=True)}
        for node in _ordered(outputs, set(known)):
            taken = [known[id(tensor)] for tensor in node.input_tensors]
            made = self._use(node, taken, prefix)
            known.update((id(tensor), key) for tensor, key in zip(node.outputs, made, strict=True))
        return [known[id(tensor)] for tensor in outputs]

    def _use(self, node: Any, taken: Sequence[int], prefix: str) -> list[int]:
        layer, name = node.operation, prefix + node.operation.name
        if isinstance(layer, layers.InputLayer) or type(layer).__name__ in CONSTANTS:  # nothing of the input comes through
            own = [self.graph.shapes[key] for key in taken[:1]] or [tuple(tensor.shape[1:]) for tensor in node.outputs]
            made = [self.graph.tensor(shape) for shape in own]
            if taken:
                call = Call(layer, tuple(self.graph.shapes[key] for key in taken), node.arguments.args, node.arguments.kwargs)
                self.graph.constants[made[0]] = Use(name, layer, call, (), tuple(taken), tuple(made))
            return made
        shapes = tuple(self.graph.shapes[key] for key in taken)
        call = Call(layer, shapes, node.arguments.args, node.arguments.kwargs)
        rule = OPERATIONS.get(type(layer).__name__) if _is_operation(layer) else rule_of(layer)
        try:
            if rule is None:
                made = self.enter(layer, call.args, dict(call.kwargs), taken, f"{name}/")
            else:
                answer = rule(call)
                reads = tuple(answer) if isinstance(answer, list) else (answer,)
                _check_shapes(reads, node.outputs)
                made = [self.graph.tensor(read.shape) for read in reads]
                self.graph.uses.append(Use(name, layer, call, reads, tuple(taken), tuple(made)))
        except _FollowError:
            raise
        except ValueError as error:
            raise _FollowError(
                f"Layer {name!r} ({type(layer).__name__}) with input shape {', '.join(map(str, shapes))}: {error}"
            ) from error
        if made:
            self.graph.names[name] = made[0]
        return made


def _check_shapes(reads: Sequence[Reads], outputs: Sequence[Any]) -> None:
    """A rule that is wrong about shapes is wrong about fields."""
    said = [read.shape for read in reads]
    known = [tuple(tensor.shape[1:]) for tensor in outputs]
    if [len(shape) for shape in said] != [len(shape) for shape in known] or any(
        n not in (None, m) for a, b in zip(said, known, strict=True) for m, n in zip(a, b, strict=True)
    ):
        raise ValueError(
            f"its rule says that its output has shape {', '.join(map(str, said))}, and Keras says "
            f"{', '.join(map(str, known))}, without the batch axis. Register another rule for it: see `atrous.field.register`."
        )


class _FollowError(ValueError):
    """Names the layer already."""


def _is_graph(layer: Any) -> bool:
    return isinstance(layer, keras.Model) and bool(getattr(layer, "_functional", None) or hasattr(layer, "_nodes"))


def _is_operation(layer: Any) -> bool:
    return not isinstance(layer, keras.Layer)


def _symbolic(model: Any, input_shape: Any) -> Any:
    """The model's own symbolic input, or a fresh one of the shape given."""
    if _is_graph(model):
        return (model._functional if isinstance(model, keras.Sequential) else model).inputs
    if input_shape is None:
        raise ValueError(
            f"`model` must be functional or sequential and built, or `input_shape` be given. Received: model={model.name!r}. "
            "Give it a `keras.Input`, or pass `input_shape`."
        )
    several = isinstance(input_shape[0], (list, tuple))
    fresh = [
        keras.KerasTensor((None, *shape), name=f"input_{i}")
        for i, shape in enumerate(input_shape if several else [input_shape])
    ]
    return fresh if several else fresh[0]


def _input_shapes(model: Any, symbolic: Any, input_shape: Any) -> list[tuple[int | None, ...]]:
    own = [tuple(tensor.shape[1:]) for tensor in tree.flatten(symbolic)]
    if input_shape is None:
        return own
    given = [tuple(s) for s in input_shape] if isinstance(input_shape[0], (list, tuple)) else [tuple(input_shape)]
    fits = len(given) == len(own) and all(
        len(a) == len(b) and all(m is None or n in (m, None) for m, n in zip(a, b, strict=True))
        for a, b in zip(own, given, strict=True)
    )
    if not fits:
        raise ValueError(
            f"`input_shape` must fit the input of {model.name!r}, {own[0] if len(own) == 1 else own}, without the batch axis. "
            f"Received: input_shape={input_shape}."
        )
    return [tuple(n if m is None else m for m, n in zip(a, b, strict=True)) for a, b in zip(own, given, strict=True)]


def _data_format(model: Any) -> str:
    formats = (getattr(layer, "data_format", None) for layer in model._flatten_layers())
    return next((name for name in formats if name), "channels_last")


def _space(shape: Shape, data_format: str) -> list[int]:
    """Spatial dims of an input: all but channels; the only one of a plain sequence."""
    return [0] if len(shape) == 1 else spatial_dims(len(shape), data_format)


def _ordered(outputs: Sequence[Any], inputs: set[int]) -> Iterator[Any]:
    """The calls that made `outputs` from `inputs`, each behind those that it needs; without recursion, for deep networks."""
    done: set[int] = set()
    stack = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, ready = stack.pop()
        if id(tensor) in inputs:
            continue
        history = tensor._keras_history
        if history.operation is None:
            raise ValueError("it uses a tensor that doesn't come from its input")
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield node
        else:
            stack.append((tensor, True))
            stack.extend((parent, False) for parent in reversed(node.input_tensors))


def _traced(layer: Any, args: Any, kwargs: Any, shapes: Sequence[Shape]) -> tuple[list[Any], list[Any], list[Any]]:
    """Calls a composite layer on symbolic tensors: the layers inside it leave their traces on what comes out."""
    given = [t for t in tree.flatten((args, kwargs)) if isinstance(t, keras.KerasTensor)]
    fresh = [keras.KerasTensor((None, *shape), tensor.dtype) for tensor, shape in zip(given, shapes, strict=True)]
    replacements = {id(old): new for old, new in zip(given, fresh, strict=True)}
    args, kwargs = tree.map_structure(lambda t: replacements.get(id(t), t), (args, dict(kwargs)))
    if "training" in inspect.signature(layer.call).parameters:
        kwargs["training"] = False
    try:
        outputs = tree.flatten(layer.call(*args, **kwargs))
        if not outputs or not all(hasattr(tensor, "_keras_history") for tensor in outputs):
            raise TypeError("its `call` returns no symbolic tensor")
    except Exception as error:
        raise ValueError(
            f"no rule is known for its type, and its `call` can't be followed ({type(error).__name__}: {error}). "
            "Write it with layers and `keras.ops`, or register a rule: see `atrous.field.register`."
        ) from error
    return nodes_between(outputs, fresh), outputs, fresh


def nodes_between(outputs: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The calls that made symbolic tensors from others, each behind those that it needs."""
    return list(_ordered([t for t in outputs if t._keras_history.operation is not None], {id(tensor) for tensor in inputs}))


def forget_nodes(nodes: Sequence[Any]) -> None:
    """Takes what tracing left on layers away again: `layer.input` must stay what it was."""
    for node in nodes:
        if node in node.operation._inbound_nodes:
            node.operation._inbound_nodes.remove(node)
        for tensor in node.input_tensors:
            operation = tensor._keras_history.operation
            if operation is not None and node in operation._outbound_nodes:
                operation._outbound_nodes.remove(node)
