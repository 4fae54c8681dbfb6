"""What one output position sees, exactly: backwards through the graph, edges and padding included.

`analyze` answers for a position in the middle of an input that is large enough. At an edge, a path that runs through a layer's
padding sees nothing; here it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atrous.field.analysis import Analysis, InputShape
from atrous.field.axis import AxisMap
from atrous.field.graph import ASSUMED_LENGTH
from atrous.field.reads import Link


def reach(
    model: Any,
    position: Sequence[int] | None = None,
    *,
    layer: str | None = None,
    input_shape: InputShape | None = None,
    input_name: str | None = None,
) -> np.ndarray:
    """Paths from every position of the input to one position of a layer's output.

    Args:
        model: As for `analyze`.
        position: Index along each spatial axis of the output; the middle if `None`. Ignored where nothing is spatial any more.
        layer: Whose output; the model's if `None`.
        input_shape: Of the input, where the model leaves its lengths open.
        input_name: Of which input, of a model with several.

    Returns:
        Float64, of the shape of the input's spatial axes: the number of paths, 0 where none leads, up to one common factor.

    Raises:
        ValueError: A length of the input isn't known, the position doesn't exist, or a layer can't be followed.
    """
    analysis = Analysis(model, input_shape, input_name)
    if layer is not None and layer not in analysis.graph.names:
        raise ValueError(f"`layer` must be a layer of {analysis.name!r}. Received: layer={layer!r}.")
    key = analysis.graph.outputs[0] if layer is None else analysis.graph.names[layer]
    return paths_to(analysis, key, position)


def paths_to(analysis: Analysis, key: int, position: Sequence[int] | None = None) -> np.ndarray:
    """The same for a tensor of an analysis, by its number."""
    if ASSUMED_LENGTH in analysis.graph.shapes[analysis.input]:
        raise ValueError("`input_shape` must be given, because the model leaves the size of its input open.")
    counts: dict[int, np.ndarray] = {key: _one(analysis, key, position)}
    for use in reversed(analysis.graph.uses):
        for reads, made in zip(use.reads, use.outputs, strict=True):
            if made not in counts:
                continue
            for links, taken in zip(reads.links, use.inputs, strict=True):
                if analysis.seen[taken].fields is not None:
                    back = _back(counts[made], analysis.seen[made].axes, links, analysis, taken)
                    counts[taken] = counts[taken] + back if taken in counts else back
            if made != key or made not in use.inputs:
                del counts[made]
    found = counts.get(analysis.input)
    return (
        np.zeros([analysis.graph.shapes[analysis.input][d] for d in analysis.space]) if found is None else found / found.max()
    )


def _one(analysis: Analysis, key: int, position: Sequence[int] | None) -> np.ndarray:
    seen = analysis.seen[key]
    shape = [n for n, axes in zip(seen.shape, seen.axes, strict=True) if axes]
    index = tuple(n // 2 for n in shape) if position is None or not shape else tuple(position)
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=False)):
        raise ValueError(f"`position` must be an index into the output's spatial shape, {tuple(shape)}. Received: {position}.")
    counts = np.zeros(shape)
    counts[index] = 1
    return counts


def _back(counts: np.ndarray, axes: Any, links: Sequence[Link], analysis: Analysis, taken: int) -> np.ndarray:
    """Counts over the output's dims to counts over an input's dims; both have an array axis for each dim that has positions."""
    seen = analysis.seen[taken]
    spatial_in = [d for d, a in enumerate(seen.axes) if a]
    spatial_out = [d for d, a in enumerate(axes) if a]
    shape = tuple(seen.shape[d] for d in spatial_in)
    linked = [link for link in links if any(d in spatial_in for d in link.out_of)]
    tied = {d for link in linked for d in link.into}
    counts = counts.sum(axis=tuple(i for i, d in enumerate(spatial_out) if d not in tied), keepdims=False)
    order = [d for d in spatial_out if d in tied]
    for link in linked:
        counts = _through(counts, order, link, [seen.shape[d] for d in link.out_of if d in spatial_in], spatial_in)
        counts = counts / (counts.max() or 1.0) if counts.max(initial=0) > 1e200 else counts
    # now `order` names dims of the input, as (−1 − d); those that nothing is tied to are seen everywhere
    counts = counts.transpose([order.index(-1 - d) for d in spatial_in if -1 - d in order])
    for i, d in enumerate(spatial_in):
        if -1 - d not in order:
            counts = np.expand_dims(counts, i)
    return np.broadcast_to(counts, shape).copy()


def _through(counts: np.ndarray, order: list[int], link: Link, lengths: list[int], spatial_in: list[int]) -> np.ndarray:
    """One link's array axes replaced; `order` is changed with them."""
    into = [d for d in link.into if d in order]
    out_of = [d for d in link.out_of if d in spatial_in]
    at = order.index(into[0])
    if len(link.into) == len(link.out_of) == 1:
        matrix = matrix_of(link.map, counts.shape[at], lengths[0])
        counts = np.moveaxis(np.tensordot(counts, matrix, (at, 0)), -1, at)
        order[at] = -1 - out_of[0]
        return counts
    order[at : at + len(into)] = [-1 - d for d in out_of]
    return counts.reshape(*counts.shape[:at], *lengths, *counts.shape[at + len(into) :])


def matrix_of(step: AxisMap, after: int, before: int) -> np.ndarray:
    """How often each output position reads each input position, float64 (after, before); padding is left out."""
    matrix = np.zeros((after, before))
    for output in range(after):
        for position in step.reads(output):
            if 0 <= position < before:
                matrix[output, position] += 1
    outputs, inputs = np.indices(matrix.shape)
    if step.past:
        matrix += inputs < outputs
    if step.future:
        matrix += inputs > outputs
    return matrix
