"""A model's numbers, computed along the graph that its field was read from."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import tree

from atrous.field.graph import Graph, Use


def values_of(graph: Graph, keys: Sequence[int], inputs: Mapping[str, Any]) -> list[Any]:
    """Some tensors of a model, inside models and layers that are made of layers, too. At inference.

    Args:
        graph: The model's.
        keys: The tensors' numbers.
        inputs: Arrays or tensors, each `(batch, …)`, for the model's inputs by name.

    Returns:
        The tensors, `(batch, …)` each.
    """
    values = {graph.inputs[name]: keras.ops.convert_to_tensor(value) for name, value in inputs.items()}
    for use in _needed(graph, keys):
        values.update(zip(use.outputs, _run(use, [values[taken] for taken in use.inputs]), strict=True))
    return [values[key] for key in keys]


def _needed(graph: Graph, keys: Sequence[int]) -> list[Use]:
    """The uses of layers that tensors come from, in order."""
    wanted, uses = set(keys), []
    for use in reversed(graph.uses):
        if wanted.intersection(use.outputs):
            wanted.update(use.inputs)
            uses.append(use)
    return uses[::-1]


def _run(use: Use, tensors: list[Any]) -> list[Any]:
    given = iter(tensors)  # in the order in which the graph found the symbolic ones
    args, kwargs = tree.map_structure(
        lambda t: next(given) if isinstance(t, keras.KerasTensor) else t, (use.call.args, dict(use.call.kwargs))
    )
    if isinstance(use.layer, keras.Layer) and "training" in inspect.signature(use.layer.call).parameters:
        kwargs["training"] = False
    return list(tree.flatten(use.layer(*args, **kwargs)))
