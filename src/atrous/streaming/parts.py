"""One layer on part of its input: what part it needs for a part of its output, and that part of the output computed.

Streaming and tiling are both made of this. A tensor is cut along some of its dims (counted without the batch axis, as in
`atrous.field`); positions are always those of the whole tensor, so that nothing depends on where a part begins. What a layer
needs follows from what it reads (`Use.reads`); how it is computed, from its type: windows run with `padding="valid"` on what
they need, padded here with what the layer pads; what works position by position runs as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers, ops, tree

from atrous.field.axis import AxisMap
from atrous.field.graph import Use

Tensor = Any
Span = tuple[int, int]
"""Half-open, in positions of the whole tensor along one dim."""
Spans = Mapping[int, Span]
"""For each dim that is cut; the others are whole."""


@dataclass(frozen=True)
class Part:
    """Part of a tensor.

    Args:
        values: (batch, *dims).
        spans: For each dim that is cut, which positions these are.
    """

    values: Tensor
    spans: Spans = field(default_factory=dict)


class CannotCutError(ValueError):
    """A layer that can't be computed on part of its input, and why."""

    def __init__(self, use: Use, reason: str) -> None:
        super().__init__(f"layer {use.name!r} ({type(use.layer).__name__}) can't be computed part by part: {reason}")
        self.use, self.reason = use, reason


def ties(use: Use, output: int, taken: int, dims: Collection[int]) -> dict[int, tuple[int, AxisMap]]:
    """What becomes of the cut dims of an input.

    Args:
        use: Of a layer.
        output: Which of its outputs, by place.
        taken: Which of its inputs, by place.
        dims: Those of the input that are cut.

    Returns:
        For each dim of the output that is cut by it, the dim of the input and what is read of it.

    Raises:
        CannotCutError: A cut dim is read whole, or merged with others.
    """
    reads = use.reads[output]
    found: dict[int, tuple[int, AxisMap]] = {}
    for link in reads.links[taken]:
        for d in set(link.out_of) & set(dims):
            if len(link.into) != 1 or len(link.out_of) != 1:
                raise CannotCutError(use, "it takes one position alone" if not link.into else "it merges or splits the axis")
            if link.map.past or link.map.future:
                raise CannotCutError(
                    use, "every position reads all of them" if link.map.future else "it reads all that came before"
                )
            if reads.joined == link.into[0]:
                raise CannotCutError(use, "it puts tensors behind each other along the axis")
            found[link.into[0]] = d, link.map
    lost = set(dims) - {d for d, _ in found.values()}
    if lost:
        raise CannotCutError(use, "it reads all positions at once")
    return found


def needs(use: Use, output: int, want: Spans) -> list[Spans]:
    """What a part of an output needs of each input.

    Args:
        use: Of a layer.
        output: Which of its outputs, by place.
        want: The part.

    Returns:
        For each input, the spans of the dims that `want` cuts; they may reach outside, to where there is only padding.

    Raises:
        CannotCutError: The layer can't be computed part by part.
    """
    reads = use.reads[output]
    found: list[Spans] = []
    for links in reads.links:
        spans: dict[int, Span] = {}
        for link in links:
            cut = [d for d in link.into if d in want]
            if not cut:
                continue
            if len(link.into) != 1 or len(link.out_of) != 1:
                raise CannotCutError(use, "it merges or splits the axis")
            if link.map.past or link.map.future:
                raise CannotCutError(use, "every position reads others without end")
            if reads.joined == cut[0]:
                raise CannotCutError(use, "it puts tensors behind each other along the axis")
            if link.map.advance:  # else an axis of length 1, which is broadcast
                spans[link.out_of[0]] = read_span(link.map, want[cut[0]])
        found.append(spans)
    return found


def read_span(step: AxisMap, want: Span) -> Span:
    """From the first to the last input position that some output positions read; (0, 0) if none."""
    first, last = want
    begin = [step.reads(position) for position in range(first, min(last, first + step.period))]
    end = [step.reads(position) for position in range(max(first, last - step.period), last)]
    low = [min(reads) for reads in begin if reads]
    high = [max(reads) for reads in end if reads]
    return (min(low), max(high) + 1) if low else (0, 0)


def compute(use: Use, parts: Sequence[Part], want: Spans) -> list[Part]:
    """Computes part of what a layer makes.

    Args:
        use: Of a layer.
        parts: Of each input: at least what `needs` says, but for what lies outside the tensor.
        want: The part of every output.

    Returns:
        That part of each output. Symbolic inputs give symbolic outputs; the weights are the layer's own variables.

    Raises:
        CannotCutError: The layer can't be computed part by part.
    """
    from atrous.streaming import resampling, windows

    for place, part in enumerate(parts):
        for output in range(len(use.reads)):
            if part.spans and use.reads[output].links[place]:
                ties(use, output, place, part.spans)
    for knows, make in (*windows.KINDS, *resampling.KINDS):
        if knows(use):
            return [Part(make(use, parts, want), want)]
    return _as_it_is(use, parts, want)


def _as_it_is(use: Use, parts: Sequence[Part], want: Spans) -> list[Part]:
    """Runs a layer that works position by position."""
    values = []
    for place, (part, spans) in enumerate(zip(parts, needs(use, 0, want), strict=True)):
        for link in use.reads[0].links[place]:
            if set(link.into) & set(want) and link.map.advance and link.map != AxisMap.identity():
                raise CannotCutError(use, "how to compute this type of layer on a part isn't known")
        if not all(d in spans for d in part.spans):
            raise CannotCutError(use, "it reads all positions at once")
        _check_weights(use, set(spans))
        values.append(pieces(part, spans, use.call.shapes[place]))
    made = called(use, values)
    return [Part(each, want) for each in tree.flatten(made)]


def pieces(part: Part, spans: Spans, lengths: Sequence[int], value: float = 0.0) -> Tensor:
    """The values at given spans of a part; where a span reaches outside the tensor, `value` is put.

    Args:
        part: What is there.
        spans: What is asked for.
        lengths: Of the whole tensor's dims.
        value: What lies outside.
    """
    x = part.values
    for d, (first, last) in spans.items():
        begin, end = part.spans.get(d, (0, lengths[d]))
        low, high = max(first, 0), min(last, lengths[d])
        if low < high and (low < begin or end < high):
            raise ValueError(f"positions {first} … {last - 1} of dim {d} were asked for, and {begin} … {end - 1} are there")
        x = taken(x, d + 1, first - begin, last - begin, end - begin, value)
    return x


def taken(x: Tensor, axis: int, first: int, last: int, length: int, value: float = 0.0) -> Tensor:
    """Positions `first` … `last` − 1 of an axis of this length; what lies outside is `value`."""
    if first == 0 and last == length:
        return x
    start, stop = min(max(first, 0), length), max(min(last, length), 0)
    if stop <= start:
        start = stop = 0
    x = x[(slice(None),) * axis + (slice(start, stop),)]
    before = last - first if start == stop else max(-first, 0)
    after = last - first - before - (stop - start)
    if before == after == 0:
        return x
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = before, after
    return ops.pad(x, widths, constant_values=value)


def called(use: Use, values: Sequence[Tensor], operation: Any = None) -> Any:
    """Calls a layer or operation, or what stands for it, as the model does, on other tensors."""
    given = iter(values)
    args, kwargs = tree.map_structure(
        lambda x: next(given) if isinstance(x, keras.KerasTensor) else x, (use.call.args, dict(use.call.kwargs))
    )
    if "training" in kwargs:
        kwargs["training"] = False
    return (use.layer if operation is None else operation)(*args, **kwargs)


def twin(layer: Any, **changes: Any) -> Any:
    """A layer or operation with the same weights and some attributes changed; nothing is left behind on the original."""
    new = object.__new__(type(layer))
    new.__dict__.update(layer.__dict__, _inbound_nodes=[], _outbound_nodes=[], **changes)
    return new


def _check_weights(use: Use, dims: Collection[int]) -> None:
    """Refuses what has a value for each position of a cut dim."""
    layer, rank = use.layer, len(use.call.shape)
    reason = "it has a value for each position"
    if isinstance(layer, layers.PReLU) and any(d + 1 not in (layer.shared_axes or ()) for d in dims):
        raise CannotCutError(use, reason)
    if isinstance(layer, (layers.BatchNormalization, layers.Normalization, layers.LayerNormalization)):
        axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis or ())
        if any(a % (rank + 1) - 1 in dims for a in axes):
            raise CannotCutError(use, reason)
    for x in tree.flatten((use.call.args, dict(use.call.kwargs))):
        shape = getattr(x, "shape", None)
        if (
            shape is None
            or isinstance(x, keras.KerasTensor)
            or isinstance(layer, keras.Layer)
            or type(layer).__name__ == "Matmul"
        ):
            continue
        of_dims = dict(enumerate(reversed([*shape])))
        if any(of_dims.get(len(use.reads[0].shape) - 1 - d, 1) != 1 for d in dims):
            raise CannotCutError(use, reason)


def spatial_spans(use: Use, want: Spans) -> dict[int, Span]:
    """What is wanted of every spatial dim of an output, cut or not."""
    return {d: want.get(d, (0, use.reads[0].shape[d])) for d in use.call.space}


def is_operation(use: Use, *names: str) -> bool:
    """Whether it is the use of a function of `keras.ops`, of one of these names."""
    return not isinstance(use.layer, keras.Layer) and type(use.layer).__name__ in names
