"""How a model's inputs come: along which axis time runs, at which rates, and of how many samples a block is made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import keras
from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.graph import Graph, Use, graph_of
from atrous.field.reads import Shape
from atrous.parts.part import CannotCutError, is_operation, ties
from atrous.streaming.plan import CannotStreamError, Flow

DIVISIBLE = 16 * math.lcm(*range(1, 14))
"""Divides the length that is taken for an open one: by all the strides that there may be."""
MOST_RATES = 64
"""Tried for a second input."""
RATES_DIFFER = "its inputs come at rates that differ"


def graph_in_time(model: Any, input_shape: Any) -> tuple[Graph, list[Shape | tuple[int | None, ...]]]:
    """The graph, and the inputs' shapes with what is open in them; the lengths of several inputs are made to fit."""
    own: list[Any] = [tuple(x.shape[1:]) for x in getattr(model, "inputs", None) or []]
    if input_shape is not None:
        several = isinstance(input_shape[0], (list, tuple))
        own = [tuple(shape) for shape in input_shape] if several else [tuple(input_shape)]
    if not own or not isinstance(model, keras.Layer):
        return graph_of(model, input_shape), own  # which says what is missing
    opened = [i for i, shape in enumerate(own) if None in shape]
    factors = _factors(model)
    least = math.lcm(DIVISIBLE, abs(math.prod(factors).numerator), math.prod(factors).denominator)
    first: ValueError | None = None
    for ratios in itertools.product(_products(factors), repeat=max(len(opened) - 1, 0)):
        lengths = dict(zip(opened, (Fraction(1), *ratios), strict=False))
        shapes = [tuple(int(least * lengths[i]) if n is None else n for n in shape) for i, shape in enumerate(own)]
        try:
            graph = graph_of(model, shapes if len(shapes) > 1 else shapes[0])
            least_block(graph, first_flows(graph, time_dims(model, graph, own)))
        except ValueError as error:
            if len(opened) < 2 or (isinstance(error, CannotStreamError) and error.reason != RATES_DIFFER):
                raise
            first = first or error
        else:
            return graph, own
    assert first is not None
    raise first


def _factors(model: Any) -> list[Fraction]:
    """By how much layers make a signal's rate less."""
    found = []
    for layer in model._flatten_layers():
        steps = getattr(layer, "strides", None) or getattr(layer, "size", None) or 1
        step = steps if isinstance(steps, int) else steps[0]
        up = isinstance(layer, layers.UpSampling1D) or "Transpose" in type(layer).__name__
        found += [Fraction(1, step) if up else Fraction(step)] if step > 1 else []
    return found


def _products(factors: Sequence[Fraction]) -> list[Fraction]:
    """What one input's rate may be of another's: the same, or a product of factors."""
    found = {Fraction(1)}
    for factor in factors:
        found |= {ratio * factor for ratio in found} if len(found) < MOST_RATES else set()
    return sorted(found, key=lambda ratio: (ratio != 1, ratio))


def time_dims(model: Any, graph: Graph, shapes: Sequence[tuple[int | None, ...]]) -> list[int | None]:
    """The dim of each input that is time: the one that is open or, where none is, the one that is spatial."""
    found: list[int | None] = []
    any_open = any(None in shape for shape in shapes)
    dtypes = [str(x.dtype) for x in getattr(model, "inputs", None) or []] or ["float32"] * len(shapes)
    for name, shape, dtype in zip(graph.inputs, shapes, dtypes, strict=True):
        opened = [d for d, n in enumerate(shape) if n is None]
        space = [d for d in graph.space[name] if (shape[d] or 2) > 1]
        if len(opened) > 1 or (not any_open and len(space) > 1):
            raise ValueError(
                f"`model` must run along one axis of time. Received: its input {name!r} has shape {shape}; which axis is time "
                "is known where it alone is open (None)."
            )
        if any_open:
            found.append(opened[0] if opened else None)
        elif len(shape) > 1 or "int" in dtype or len(shapes) == 1:
            found.append(space[0] if space else None)
        else:
            found.append(None)
    return found


def first_flows(graph: Graph, dims: Sequence[int | None]) -> dict[int, Flow]:
    """How the inputs come, that have time: at what they are long of the first."""
    flows = {key: Flow(dim) for key, dim in zip(graph.inputs.values(), dims, strict=True) if dim is not None}
    lengths = {key: graph.shapes[key][flow.dim] for key, flow in flows.items()}
    first = next(iter(lengths.values()), 1)
    return {key: replace(flow, ratio=Fraction(lengths[key], first)) for key, flow in flows.items()}


def least_block(graph: Graph, flows: dict[int, Flow]) -> int:
    """Samples of which every layer makes whole rows."""
    block = math.lcm(*(flow.ratio.denominator for flow in flows.values()))
    for use in graph.uses:
        for place, key in enumerate(use.inputs):
            if key not in flows or takes_last(use, flows[key].dim) or isinstance(use.layer, layers.RNN):
                if key in flows and isinstance(use.layer, layers.RNN) and use.layer.return_sequences:
                    flows[use.outputs[0]] = replace(flows[key], dim=0)
                continue
            for output, made in enumerate(use.outputs):
                dim, step = tie(use, output, place, flows[key].dim)
                if not step.advance:
                    raise CannotStreamError(use, "what it reads depends on how long the signal is")
                block = math.lcm(block, (flows[key].ratio / step.advance).denominator)
                flow = Flow(dim, flows[key].ratio * step.period / step.advance)
                if flows.setdefault(made, flow) != flow:
                    raise CannotStreamError(use, RATES_DIFFER)
    return block


def tie(use: Use, output: int, place: int, dim: int) -> tuple[int, AxisMap]:
    """The time dim of an output, and what is read of an input along its own."""
    try:
        found = ties(use, output, place, {dim})
    except CannotCutError as error:
        raise CannotStreamError(use, error.reason.replace("the axis", "time")) from error
    ((made, (_, step)),) = found.items()
    return made, step


def takes_last(use: Use, dim: int) -> bool:
    """Whether it is `x[:, -1]` or `x[:, -1:]`."""
    if not is_operation(use, "GetItem"):
        return False
    key = use.call.args[1] if len(use.call.args) > 1 else use.call.kwargs["key"]
    keys = [k for k in (key if isinstance(key, (tuple, list)) else [key]) if k is not None]
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(use.call.shape) + 2 - len(keys))
    return len(keys) > dim + 1 and keys[dim + 1] in (-1, slice(-1, None), slice(-1, None, 1))
