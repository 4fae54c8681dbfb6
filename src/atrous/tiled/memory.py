"""What a tile takes of memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from atrous.field.graph import Graph, Use
from atrous.field.kept import operations
from atrous.field.memory import Program
from atrous.field.reads import Reads, Shape
from atrous.field.registry import Call
from atrous.layers.dilated import Dilated
from atrous.tiled.passes import Plan
from atrous.tiled.walks import Walk, part_shape

HELD = 1.25
"""Measured peaks are at most this multiple of what is computed. Found: 1.19 (a U-Net), 1.09 (context), 1.03 (DeepLab)."""


def parse_bytes(memory: int | str) -> int:
    """Bytes, from a number with or without a unit: "1GB", "512MiB", 2**30. Units are powers of 1024."""
    units = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
    word = str(memory).strip().lower().removesuffix("ib").removesuffix("b")
    number, unit = (word[:-1], word[-1]) if word[-1:] in units and word else (word, "")
    try:
        size = int(float(number) * units[unit])
    except (ValueError, OverflowError):
        size = 0
    if size <= 0 or isinstance(memory, bool):
        raise ValueError(f"`memory` must be a positive number of bytes, such as '1GB' or 2**30. Received: memory={memory!r}.")
    return size


class Copy:
    """Stands for an operation of which nothing is known but that it makes a new tensor."""


def walk_bytes(plan: Plan, walk: Walk, model: Any) -> int:
    """Bytes that a process takes for a walk, by `atrous.field.memory`: a model of TensorFlow's allocator.

    Two tiles are counted behind each other: the second finds holes that the first has left, and needs more.

    Args:
        plan: How the model is gone through.
        walk: What it takes.
        model: Whose weights and types are counted.
    """
    weights = tuple(math.prod(w.shape) for w in model.weights)
    itemsize = 2 if "16" in str(getattr(model, "compute_dtype", "float32")) else 4
    steps, sizes = operations(_parts_as_tensors(plan, walk))
    count = len(sizes)
    again = [
        replace(step, inputs=tuple(n + count for n in step.inputs), outputs=tuple(n + count for n in step.outputs))
        for step in steps
    ]
    inputs = (*walk.sources, *(number + count for number in walk.sources))
    program = Program([*steps, *again], sizes * 2, inputs, (walk.target + count,), weights, itemsize)
    return int(HELD * program.predict(1).total)


def _parts_as_tensors(plan: Plan, walk: Walk) -> Graph:
    """A graph whose tensors have the size of the parts, with the copies that are made when a layer needs less, or padding."""
    graph = Graph(shapes=list(plan.graph.shapes))
    for number in walk.wants:
        graph.shapes[number] = part_shape(plan.graph, walk, number)
    graph.inputs = {str(number): number for number in walk.sources}
    there = set(walk.wants) - set(plan.graph.constants)
    for step in walk.steps:
        use = plan.graph.uses[step.at]
        inputs, neighbours = [], []
        resized = any(link.map.period > 1 for links in use.reads[0].links for link in links)
        for taken, needs in zip(use.inputs, step.needs, strict=True):
            have = walk.wants[taken]
            if isinstance(use.layer, Dilated):  # puts its padding without a copy
                needs = {d: (max(first, 0), min(last, plan.graph.shapes[taken][d])) for d, (first, last) in needs.items()}
            cut = [d for d in needs if d in have and needs[d] != have[d]]
            shape = tuple(needs[d][1] - needs[d][0] if d in cut else n for d, n in enumerate(graph.shapes[taken]))
            number = _copied(graph, taken, shape) if cut and taken in there else taken
            inputs.append(number)
            if resized and taken in there:  # of every position, what lies before and behind it
                neighbours += [_copied(graph, number, graph.shapes[use.outputs[0]]) for _ in range(2)]
        shapes = tuple(graph.shapes[number] for number in inputs)
        reads = tuple(replace(r, shape=graph.shapes[made]) for r, made in zip(use.reads, use.outputs, strict=True))
        call = replace(use.call, shapes=shapes)
        graph.uses.append(replace(use, call=call, reads=reads, inputs=(*inputs, *neighbours)))
    return graph


def _copied(graph: Graph, number: int, shape: Shape) -> int:
    made, layer = graph.tensor(shape), Copy()
    graph.uses.append(Use("copy", layer, Call(layer, (graph.shapes[number],)), (Reads(shape, ((),)),), (number,), (made,)))
    return made
