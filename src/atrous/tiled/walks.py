"""From a part of some tensor back to the part of the image that it needs, and forward again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops, tree

from atrous.field.axis import AxisMap
from atrous.field.graph import Graph, Use
from atrous.field.reads import Shape
from atrous.parts.part import Part, Span, Spans, Tensor
from atrous.tiled.passes import Plan


@dataclass(frozen=True)
class Step:
    """A layer on its way.

    Args:
        at: Its place in `graph.uses`.
        want: The part of its outputs.
        needs: The part of each input; it may reach outside, to where there is only padding.
    """

    at: int
    want: Spans
    needs: Sequence[Spans]


@dataclass(frozen=True)
class Walk:
    """What it takes to make a part of a tensor.

    Args:
        target: Number of the tensor.
        wants: The part of every tensor on the way, by its number.
        steps: Layers, in order.
        sources: Tensors that are given: the image, and what earlier passes have found.
    """

    target: int
    wants: Mapping[int, Spans]
    steps: Sequence[Step]
    sources: Sequence[int]


def walk_back(plan: Plan, target: int, want: Spans, known: Mapping[int, Use]) -> Walk:
    """Follows a part of a tensor back to what is given.

    Args:
        plan: How the model is gone through.
        target: Number of the tensor.
        want: The part.
        known: Tensors that earlier passes have found.
    """
    graph = plan.graph
    wants: dict[int, Spans] = {target: want}
    steps: list[Step] = []
    for at in reversed(range(len(graph.uses))):
        use = graph.uses[at]
        asked = [made for made in use.outputs if made in wants and made not in known]
        if not asked:
            continue
        together: Spans = {}
        for i, made in enumerate(asked):
            together = wants[made] if i == 0 else _union(together, wants[made], plan.origins[made], graph.shapes[made])
        wants.update(dict.fromkeys(use.outputs, together))
        needs = plan.needed(at, use.outputs.index(asked[0]), together)
        for taken, spans in zip(use.inputs, needs, strict=True):
            origin, shape = plan.origins[taken], graph.shapes[taken]
            part = {d: _clipped(spans[d], shape[d]) for d in spans if d in origin}
            wants[taken] = _union(wants[taken], part, origin, shape) if taken in wants else part
        steps.append(Step(at, together, needs))
    computed = {tensor for step in steps for tensor in graph.uses[step.at].outputs}
    sources = [tensor for tensor in wants if tensor not in computed and tensor not in graph.constants]
    return Walk(target, wants, steps[::-1], sorted(sources))


def _clipped(span: Span, length: int) -> Span:
    first, last = max(span[0], 0), min(span[1], length)
    return (first, last) if first < last else (0, 1)  # nothing but padding: any position will do


def _union(a: Spans, b: Spans, dims: Mapping[int, int], shape: Shape) -> Spans:
    whole = {d: (0, shape[d]) for d in dims}
    pairs = ((d, a.get(d, whole[d]), b.get(d, whole[d])) for d in dims)
    return {d: (min(left[0], right[0]), max(left[1], right[1])) for d, left, right in pairs}


def geometry(plan: Plan, walk: Walk) -> tuple[Any, ...]:
    """What the computation depends on: how long parts are, and how they lie to each other, but not where they lie.

    Two walks of the same geometry are one function. Padding is seen in it too: what is needed begins before what is there.
    """
    graph = plan.graph
    found: list[tuple[int, ...]] = []
    for step in walk.steps:
        use = graph.uses[step.at]
        for place, (taken, needs) in enumerate(zip(use.inputs, step.needs, strict=True)):
            have = walk.wants[taken]
            for d, (first, last) in needs.items():
                begin, end = have.get(d, (0, graph.shapes[taken][d]))
                found.append((step.at, place, d, first - begin, last - begin, end - begin))
        for d, (first, last) in step.want.items():
            found.append((step.at, d, first % _period(use, d), last - first))
    for source in (*walk.sources, walk.target):
        found.append((source, *(last - first for first, last in walk.wants[source].values())))
    return tuple(found)


def _period(use: Use, dim: int) -> int:
    return math.lcm(*(m.period for m in _maps_into(use, dim)), 1)


def _maps_into(use: Use, dim: int) -> list[AxisMap]:
    return [link.map for reads in use.reads for links in reads.links for link in links if link.into == (dim,)]


def run(plan: Plan, walk: Walk, given: Sequence[Tensor]) -> Tensor:
    """Computes the part.

    Args:
        plan: How the model is gone through.
        walk: What it takes.
        given: Values of `walk.sources`: (1, *dims of the part).
    """
    graph = plan.graph
    parts = {number: Part(values, walk.wants[number]) for number, values in zip(walk.sources, given, strict=True)}
    last = {taken: i for i, step in enumerate(walk.steps) for taken in graph.uses[step.at].inputs}
    for i, step in enumerate(walk.steps):
        use = graph.uses[step.at]
        for taken in use.inputs:
            if taken not in parts:
                parts[taken] = Part(_constant(graph.constants[taken], part_shape(graph, walk, taken)), walk.wants[taken])
        made = plan.computed(step.at, [parts[taken] for taken in use.inputs], step.want)
        for taken in set(use.inputs):
            if last[taken] == i and taken != walk.target:
                del parts[taken]  # so that its memory is free
        parts.update(zip(use.outputs, made, strict=True))
    return parts[walk.target].values


def _constant(use: Use, shape: Shape) -> Tensor:
    like = ops.zeros((1, *shape), dtype=tree.flatten(use.call.args)[0].dtype)
    given = iter([like])
    args = tree.map_structure(lambda x: next(given) if hasattr(x, "_keras_history") else x, use.call.args)
    return use.layer(*args, **use.call.kwargs)


def part_shape(graph: Graph, walk: Walk, number: int) -> Shape:
    """Of a part."""
    spans = walk.wants[number]
    return tuple(spans[d][1] - spans[d][0] if d in spans else n for d, n in enumerate(graph.shapes[number]))
