"""What a network is conditioned on while it generates: a speaker for all time, or what changes in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from atrous.streaming.sampling import Array


def in_time(condition: keras.KerasTensor) -> bool:
    """Whether a model's further input has a row a sample, or so: (batch, time, channels)."""
    return len(condition.shape) == 3 and condition.shape[1] != 1


def checked(model: keras.Model, given: Any, batch_size: int) -> list[Array]:
    """The model's inputs behind the first, for the whole batch."""
    wanted = list(model.inputs)[1:]
    names = [x.name for x in wanted]
    listed = dict(given) if isinstance(given, Mapping) else dict(zip(names, given or (), strict=False))
    if set(listed) != set(names) or len(given or ()) != len(names):
        raise ValueError(
            f"`conditions` must be the model's inputs behind the first: {', '.join(names) or 'none'}. "
            f"Received: {', '.join(map(str, listed)) or 'none'}."
        )
    found = []
    for x in wanted:
        value = np.asarray(listed[x.name])
        fits = value.ndim == len(x.shape) and all(n in (None, m) for n, m in zip(x.shape[1:], value.shape[1:], strict=True))
        if not fits or value.shape[0] not in (1, batch_size):
            raise ValueError(
                f"Condition {x.name!r} must have shape (batch or 1, {', '.join(str(n or 'time') for n in x.shape[1:])}). "
                f"Received: shape {value.shape}."
            )
        rows = _rows(model, x)
        if rows is not None and not 0 <= value.min() <= value.max() < rows:
            raise ValueError(
                f"Condition {x.name!r} must be a class from 0 to {rows - 1}. Received: from {value.min()} to {value.max()}."
            )
        found.append(np.broadcast_to(value.astype(x.dtype), (batch_size, *value.shape[1:])))
    return found


def _rows(model: keras.Model, condition: keras.KerasTensor) -> int | None:
    """Of the embedding that takes a condition, if one does."""
    for node in _nodes(model):
        if isinstance(node.operation, keras.layers.Embedding) and any(x is condition for x in node.input_tensors):
            return int(node.operation.input_dim)
    return None


def at_sample_rate(model: keras.Model, conditions: list[Array], steps: int) -> tuple[keras.Model, list[tuple[bool, Array]]]:
    """The model without what it makes of conditions in time before it hears anything, such as up-sampling; and that, made.

    It is made of the whole condition at once, and needn't be causal; a model that it is part of takes several samples a step.

    Returns:
        The model, and its conditions in order: whether each is in time, and its values.
    """
    values = {id(x): value for x, value in zip(model.inputs[1:], conditions, strict=True)}
    border = _border(model)
    made = [x for x in border if id(x) not in values]
    if made:
        before = keras.Model(list(model.inputs[1:]), made)
        results = keras.tree.flatten(before([keras.ops.convert_to_tensor(value) for value in conditions]))
        values.update((id(x), keras.ops.convert_to_numpy(result)) for x, result in zip(made, results, strict=True))
        static = [x for x in model.inputs[1:] if not in_time(x)]
        kept = [*static, *border]
        model = keras.Model([model.inputs[0], *kept], model.outputs[0])
    else:
        kept = list(model.inputs[1:])
    for x in border:
        if values[id(x)].shape[1] < steps:
            raise ValueError(
                f"Conditions in time must last as long as all that is heard, {steps} samples. "
                f"Received: one that lasts {values[id(x)].shape[1]}."
            )
    return model, [(in_time(x), values[id(x)]) for x in kept]


def _border(model: keras.Model) -> list[keras.KerasTensor]:
    """The tensors in time that don't depend on the signal but are taken by layers that do, each once."""
    fed = model.inputs[0]
    needs: dict[int, frozenset[int]] = {id(x): frozenset([id(x)]) for x in model.inputs}
    timed = {id(x) for x in model.inputs[1:] if in_time(x)}
    border: dict[int, keras.KerasTensor] = {}
    for node in _nodes(model):
        taken = node.input_tensors
        every = frozenset[int]().union(*(needs[id(x)] for x in taken))
        needs.update((id(x), every) for x in node.outputs)
        if id(fed) in every:
            border.update((id(x), x) for x in taken if id(fed) not in needs[id(x)] and needs[id(x)] & timed)
    return list(border.values())


def _nodes(model: keras.Model) -> list[Any]:
    """Calls of the model's layers, in order, but for its inputs."""
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]
