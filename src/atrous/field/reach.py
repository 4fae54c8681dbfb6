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
from atrous.field.seen import kept

_LARGE = 2.0**200  # counts are divided by the largest from here on, so that float64 never overflows
_TINY = 2.0**-1000  # and never fall to zero, which means "not seen"


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
    return backwards(analysis, key, position)[0]


def backwards(analysis: Analysis, key: int, position: Sequence[int] | None = None) -> tuple[np.ndarray, bool]:
    """The same, and whether any path was left out because it runs through padding or past an edge."""
    if ASSUMED_LENGTH in analysis.graph.shapes[analysis.input]:
        raise ValueError("`input_shape` must be given, because the model leaves the size of its input open.")
    back = _Backwards(analysis)
    counts: dict[int, np.ndarray] = {key: _one(analysis, key, position)}
    for use in reversed(analysis.graph.uses):
        for reads, made in zip(use.reads, use.outputs, strict=True):
            if made not in counts:
                continue
            for links, taken in zip(reads.links, use.inputs, strict=True):
                if analysis.seen[taken].fields is not None:
                    found = back(counts[made], analysis.seen[made].axes, links, taken)
                    counts[taken] = counts[taken] + found if taken in counts else found
            del counts[made]
    shape = [analysis.graph.shapes[analysis.input][d] for d in analysis.space]
    return _at_most_one(counts[analysis.input]) if analysis.input in counts else np.zeros(shape), back.cut


def _one(analysis: Analysis, key: int, position: Sequence[int] | None) -> np.ndarray:
    seen = analysis.seen[key]
    shape = [n for n, axes in zip(seen.shape, seen.axes, strict=True) if axes]
    index = tuple(n // 2 for n in shape) if position is None or not shape else tuple(position)
    if len(index) != len(shape) or any(not 0 <= i < n for i, n in zip(index, shape, strict=False)):
        raise ValueError(f"`position` must be an index into the output's spatial shape, {tuple(shape)}. Received: {position}.")
    counts = np.zeros(shape)
    counts[index] = 1
    return counts


class _Backwards:
    """Takes counts over an output's dims to counts over an input's; they have an array axis for each dim that has positions."""

    def __init__(self, analysis: Analysis) -> None:
        self._seen = analysis.seen
        self.cut = False

    def __call__(self, counts: np.ndarray, axes: Any, links: Sequence[Link], taken: int) -> np.ndarray:
        seen = self._seen[taken]
        spatial_in = [d for d, a in enumerate(seen.axes) if a]
        spatial_out = [d for d, a in enumerate(axes) if a]
        linked = [link for link in kept(links, seen) if any(d in spatial_in for d in link.out_of)]
        tied = {d for link in linked for d in link.into}
        counts = counts.sum(axis=tuple(i for i, d in enumerate(spatial_out) if d not in tied))
        order = [d for d in spatial_out if d in tied]
        for link in linked:
            counts = self._through(counts, order, link, [seen.shape[d] for d in link.out_of if d in spatial_in], spatial_in)
        # now `order` names dims of the input, as (−1 − d); those that nothing is tied to are seen everywhere
        counts = counts.transpose([order.index(-1 - d) for d in spatial_in if -1 - d in order])
        for i, d in enumerate(spatial_in):
            if -1 - d not in order:
                counts = np.expand_dims(counts, i)
        counts = np.broadcast_to(counts, tuple(seen.shape[d] for d in spatial_in))
        return _at_most_one(counts) if counts.max(initial=0) > _LARGE else counts.copy()

    def _through(
        self, counts: np.ndarray, order: list[int], link: Link, lengths: list[int], spatial_in: list[int]
    ) -> np.ndarray:
        """One link's array axes replaced; `order` is changed with them."""
        if not link.into:
            (taken,) = link.out_of
            order.append(-1 - taken)
            return np.moveaxis(pulled(counts[None], link.map, lengths[0])[0], 0, -1)
        into = [d for d in link.into if d in order]
        out_of = [d for d in link.out_of if d in spatial_in]
        at = order.index(into[0])
        if len(link.into) == len(link.out_of) == 1:
            moved, cut = pulled(np.moveaxis(counts, at, 0), link.map, lengths[0])
            self.cut |= cut
            order[at] = -1 - out_of[0]
            return np.moveaxis(moved, 0, at)
        order[at : at + len(into)] = [-1 - d for d in out_of]
        return counts.reshape(*counts.shape[:at], *lengths, *counts.shape[at + len(into) :])


def pulled(counts: np.ndarray, step: AxisMap, before: int) -> tuple[np.ndarray, bool]:
    """Counts over a layer's outputs to counts over its inputs, along the first array axis.

    Args:
        counts: (after, …).
        step: What the layer reads.
        before: Positions of its input.

    Returns:
        (before, …), and whether anything was read outside, where there is only padding.
    """
    result = np.zeros((before, *counts.shape[1:]))
    cut = False
    for phase, taps in enumerate(step.taps):
        ours = counts[phase :: step.period]
        for tap in taps:
            reads = np.arange(len(ours)) * step.advance + tap
            inside = (reads >= 0) & (reads < before)
            np.add.at(result, reads[inside], ours[inside])
            cut |= bool(ours[~inside].any())
    if step.past or step.future:
        totals = np.concatenate([np.zeros_like(counts[:1]), counts.cumsum(axis=0)])  # of the outputs before each
        inputs = np.arange(before)
        if step.future:
            result += totals[np.minimum(inputs, len(counts))]
        if step.past:
            result += totals[-1] - totals[np.minimum(inputs + 1, len(counts))]
    return result, cut


def _at_most_one(counts: np.ndarray) -> np.ndarray:
    """Divided by the largest; what was above zero stays so."""
    return np.where(counts > 0, np.maximum(counts / (counts.max(initial=0) or 1.0), _TINY), 0.0)
