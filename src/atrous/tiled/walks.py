"""From a part of some tensor back to the part of the image that it needs, and forward again; the tiles of a tensor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from keras import ops, tree

from atrous.field.axis import AxisMap
from atrous.field.graph import Graph, Use
from atrous.field.kept import operations
from atrous.field.memory import Program
from atrous.field.reads import Reads, Shape
from atrous.field.registry import Call
from atrous.streaming.parts import Part, Span, Spans, Tensor
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
    made = {tensor for step in steps for tensor in graph.uses[step.at].outputs}
    sources = [tensor for tensor in wants if tensor not in made and tensor not in graph.constants]
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
    graph, found = plan.graph, []
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


def periods(plan: Plan, target: int) -> dict[int, int]:
    """By how much a part may be moved, along each dim that is cut, so that all parts on the way move by whole positions.

    Behind a stride of 8 and up-sampling by 8 it is 8, so tiles that begin at its multiples have few geometries.
    """
    graph = plan.graph
    moves: dict[int, dict[int, Fraction]] = {target: {d: Fraction(1) for d in plan.origins[target]}}
    found = dict.fromkeys(plan.origins[target], 1)
    of_image = {image: d for d, image in plan.origins[target].items()}
    for use in reversed(graph.uses):
        for made, reads in zip(use.outputs, use.reads, strict=True):
            for taken, links in zip(use.inputs, reads.links, strict=True) if made in moves else ():
                for link in links:
                    if len(link.into) != 1 or link.into[0] not in moves[made] or link.out_of[0] not in plan.origins[taken]:
                        continue
                    turns = moves[made][link.into[0]] / link.map.period
                    d = of_image[plan.origins[taken][link.out_of[0]]]
                    found[d] = math.lcm(found[d], turns.denominator)
                    moves.setdefault(taken, {})[link.out_of[0]] = turns * link.map.advance
    return found


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


# ---- memory ----------------------------------------------------------------------------------------------------------------


class Copy:
    """Stands for an operation of which nothing is known but that it makes a new tensor."""


def memory(plan: Plan, walk: Walk, weights: Sequence[int], itemsize: int) -> int:
    """Bytes that a process takes for a walk, by `atrous.field.memory`: a model of TensorFlow's allocator.

    Args:
        plan: How the model is gone through.
        walk: What it takes.
        weights: Elements of each weight of the model.
        itemsize: Bytes of an element.
    """
    graph = Graph(shapes=list(plan.graph.shapes))
    for number in walk.wants:
        graph.shapes[number] = part_shape(plan.graph, walk, number)
    graph.inputs = {str(number): number for number in walk.sources}
    there = set(walk.wants) - set(plan.graph.constants)

    def copied(number: int, shape: Shape, name: str) -> int:
        made, layer = graph.tensor(shape), Copy()
        graph.uses.append(Use(name, layer, Call(layer, (graph.shapes[number],)), (Reads(shape, ((),)),), (number,), (made,)))
        return made

    for step in walk.steps:
        use = plan.graph.uses[step.at]
        inputs = []
        resized = any(link.map.period > 1 for links in use.reads[0].links for link in links)
        for taken, needs in zip(use.inputs, step.needs, strict=True):
            have = walk.wants[taken]
            cut = [d for d in needs if d in have and needs[d] != have[d]]
            shape = tuple(needs[d][1] - needs[d][0] if d in cut else n for d, n in enumerate(graph.shapes[taken]))
            number = copied(taken, shape, f"{use.name}/part") if cut and taken in there else taken
            if resized and taken in there:  # the neighbours on both sides
                copied(number, graph.shapes[use.outputs[0]], f"{use.name}/neighbour")
            inputs.append(number)
        shapes = tuple(graph.shapes[number] for number in inputs)
        reads = tuple(
            replace(r, shape=graph.shapes[made]) if made in walk.wants else r
            for r, made in zip(use.reads, use.outputs, strict=True)
        )
        graph.uses.append(replace(use, call=replace(use.call, shapes=shapes), reads=reads, inputs=tuple(inputs)))
    steps, sizes = operations(graph)
    program = Program(steps, sizes, tuple(walk.sources), (walk.target,), tuple(weights), itemsize)
    return program.predict(1).total


# ---- tiles -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """The tiles of a tensor, in order.

    Args:
        target: Its number.
        lengths: Of the dims that are cut.
        sizes: Of a tile along them; the last is what is left.
    """

    target: int
    lengths: Mapping[int, int]
    sizes: Mapping[int, int]

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles along each dim."""
        return tuple(-(-n // self.sizes[d]) for d, n in self.lengths.items())

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, index: int) -> Spans:
        places = []
        for count in reversed(self.counts):
            index, place = divmod(index, count)
            places.append(place)
        return {
            d: (place * self.sizes[d], min((place + 1) * self.sizes[d], n))
            for (d, n), place in zip(self.lengths.items(), reversed(places), strict=True)
        }

    def kinds(self) -> Iterator[Spans]:
        """One tile at each edge and one in the middle, along every dim."""
        choices = []
        for (d, n), count in zip(self.lengths.items(), self.counts, strict=True):
            places = sorted({0, count // 2, count - 1})
            choices.append([(d, (p * self.sizes[d], min((p + 1) * self.sizes[d], n))) for p in places])
        return (dict(each) for each in itertools.product(*choices))


def grid_of(plan: Plan, target: int, tile: Mapping[int, int]) -> Grid:
    """Tiles of nearly equal size that begin at whole periods.

    Args:
        plan: How the model is gone through.
        target: Number of the tensor.
        tile: Largest size along each dim of the image, in positions of the image; where a period is longer, it is taken.
    """
    lengths, sizes = {}, {}
    shape, image = plan.graph.shapes[target], plan.graph.shapes[plan.image]
    period = periods(plan, target)
    for d, of_image in sorted(plan.origins[target].items()):
        length, unit = shape[d], period[d] if period[d] < shape[d] else 1
        most = max(tile[of_image] * length // image[of_image] // unit * unit, unit)
        count = -(-length // most)
        lengths[d], sizes[d] = length, min(-(-length // count // unit) * unit if count > 1 else length, length)
    return Grid(target, lengths, sizes)
