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
from keras import ops, tree

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


def spatial_spans(use: Use, want: Spans) -> dict[int, Span]:
    """What is wanted of every spatial dim of an output, cut or not."""
    return {d: want.get(d, (0, use.reads[0].shape[d])) for d in use.call.space}


def is_operation(use: Use, *names: str) -> bool:
    """Whether it is the use of a function of `keras.ops`, of one of these names."""
    return not isinstance(use.layer, keras.Layer) and type(use.layer).__name__ in names
