"""Layers that take several tensors, or a constant."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from atrous.field.graph import Use
from atrous.streaming.core.drafting import Draft, array
from atrous.streaming.core.program import Op, Source
from atrous.streaming.core.translations.pointwise import affine, apply
from atrous.streaming.core.translations.registry import translates, translates_operation

_PAIRS = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Maximum": "maximum", "Minimum": "minimum"}


@translates(layers.Add, layers.Subtract, layers.Multiply, layers.Maximum, layers.Minimum, layers.Average)
def _merge(draft: Draft, use: Use) -> None:
    name = type(use.layer).__name__
    total = _folded(draft, use, use.inputs, _PAIRS["Add" if name == "Average" else name])
    if name == "Average":
        share = np.full(draft.width(use.outputs[0]), 1 / len(use.inputs), "float32")
        draft.add(Op("affine", draft.result(), (Source(total),), weights=share))
    else:
        draft.give(total)


def _folded(draft: Draft, use: Use, keys: Sequence[int], code: str) -> int:
    """Of all tensors, from the left."""
    total = draft.at_rest(keys[0])
    shapes = [draft.plan.graph.shapes[key] for key in keys]
    timed = [key in draft.plan.flows for key in keys]
    for shape, has_time in zip(shapes, timed, strict=True):
        if any(timed) and not has_time and (len(shape) != len(shapes[timed.index(True)]) or shape[0] != 1):
            raise draft.refusal(f"it takes a tensor without time, of shape {shape}, along with one that has it")
        if shape[-1:] not in ((1,), draft.plan.graph.shapes[use.outputs[0]][-1:]):
            raise draft.refusal("its inputs don't fit each other, channel by channel")
    for key in keys[1:]:
        other = draft.at_rest(key)
        made = draft.made(max(draft.tensors[total].channels, draft.tensors[other].channels))
        draft.add(Op(code, made, (Source(total), Source(other))))
        total = made
    return total


@translates_operation("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Divide", "TrueDivide")
def _pair(draft: Draft, use: Use) -> None:
    name = type(use.layer).__name__
    operands = [*use.call.args, *use.call.kwargs.values()][:2]
    constants = [x for x in operands if not isinstance(x, keras.KerasTensor)]
    if not constants and name in _PAIRS:
        keys = use.inputs if len(use.inputs) == 2 else use.inputs * 2
        draft.give(_folded(draft, use, keys, _PAIRS[name]))
    elif len(constants) == 1:
        _with_constant(draft, use, name, array(constants[0]), constants[0] is operands[0])
    else:
        raise draft.refusal("the native core doesn't divide tensors by each other")


def _with_constant(draft: Draft, use: Use, name: str, constant: np.ndarray, first: bool) -> None:
    zero = not constant.any() and constant.size == 1
    if name == "Maximum" and zero:
        apply(draft, use, ("relu", 0.0))
    elif name == "Add":
        affine(draft, use, 1.0, constant)
    elif name == "Subtract":
        affine(draft, use, -1.0 if first else 1.0, constant if first else -constant)
    elif name == "Multiply":
        affine(draft, use, constant, 0.0)
    elif "Divide" in name and not first:
        affine(draft, use, 1 / constant.astype("float64"), 0.0)
    else:
        raise draft.refusal("the native core has nothing that does this with a constant")


@translates_operation("Negative")
def _negative(draft: Draft, use: Use) -> None:
    affine(draft, use, -1.0, 0.0)


@translates(layers.Concatenate)
@translates_operation("Concatenate")
def _concatenate(draft: Draft, use: Use) -> None:
    rank = len(use.call.shape)
    if use.layer.axis not in (-1, rank):
        raise draft.refusal("it puts sequences behind each other in time")
    sources = [draft.at_rest(key) for key in use.inputs]
    made, first = draft.result(), 0
    for key, source in zip(use.inputs, sources, strict=True):
        draft.add(Op("copy", made, (Source(source),), to_channel=first, channels=draft.channels(key)))
        first += draft.channels(key)


@translates(layers.Reshape, layers.Flatten)
@translates_operation("Reshape", "ExpandDims", "Squeeze")
def _reshape(draft: Draft, use: Use) -> None:
    if draft.width(use.inputs[0]) != draft.width(use.outputs[0]) or draft.steps(use.inputs[0]) != draft.steps(use.outputs[0]):
        raise draft.refusal("it makes channels of time, or time of channels")
    draft.alias()
