"""Convolutions and poolings on part of their input, and what shifts positions: padding, cropping, slicing.

Everything here runs with `padding="valid"` on exactly what is needed; zeros that the layer would pad are put there first, or,
by layers that take any padding, by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import layers, ops

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, TRANSPOSED, spec_of
from atrous.layers import StridedPadding
from atrous.layers.dilated import Dilated
from atrous.parts.part import (
    CannotCutError,
    Part,
    Span,
    Spans,
    Tensor,
    called,
    is_operation,
    pieces,
    read_span,
    spatial_spans,
    taken,
    twin,
)
from atrous.spec import ConvSpec

SHIFTS = (
    *(getattr(layers, f"{kind}{rank}D") for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)),
    layers.CenterCrop,
    StridedPadding,
)


def _maps(use: Use, taken_input: int = 0) -> dict[int, AxisMap]:
    """For each dim of the output that is tied to the same dim of the input, what is read of it."""
    return {
        link.into[0]: link.map for link in use.reads[0].links[taken_input] if link.into == link.out_of and len(link.into) == 1
    }


# ---- windows ---------------------------------------------------------------------------------------------------------------


def _is_window(use: Use) -> bool:
    return isinstance(use.layer, (*CONVOLUTIONS, *POOLS)) or is_operation(
        use, "Conv", "DepthwiseConv", "SeparableConv", "MaxPool", "AveragePool"
    )


def _window(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    maps, wanted = _maps(use), spatial_spans(use, want)
    spans = {d: read_span(maps[d], span) for d, span in wanted.items()}
    if isinstance(use.layer, Dilated):
        return _padding_itself(use, parts[0], spans)
    kind = type(use.layer).__name__
    x = pieces(parts[0], spans, use.call.shape, value=float("-inf") if "Max" in kind else 0.0)
    y = called(use, [x], twin(use.layer, padding="valid"))
    return _mean_of_what_is_there(use, y, maps, wanted) if "Average" in kind else y


def _padding_itself(use: Use, part: Part, spans: dict[int, Span]) -> Tensor:
    """A layer that takes any padding puts zeros without a copy of its input."""
    lengths = use.call.shape
    inside = {d: (max(first, 0), min(last, lengths[d])) for d, (first, last) in spans.items()}
    if any(first >= last for first, last in inside.values()):
        inside = spans
    pads = tuple((inside[d][0] - first, last - inside[d][1]) for d, (first, last) in spans.items())
    return called(use, [pieces(part, inside, lengths)], twin(use.layer, padding=pads))


def _mean_of_what_is_there(use: Use, y: Tensor, maps: dict[int, AxisMap], wanted: dict[int, Span]) -> Tensor:
    """The mean over a window leaves out padding by `"same"`; a window that lies inside is left as it is."""
    for d, (first, last) in wanted.items():
        n, taps = use.call.shape[d], np.array(maps[d].taps[0])
        reads = np.arange(first, last)[:, None] * maps[d].advance + taps
        there = ((reads >= 0) & (reads < n)).mean(axis=1)
        if (there < 1).any():
            shape = [1] * len(y.shape)
            shape[d + 1] = last - first
            there = np.maximum(there, 1 / len(taps))  # of nothing, the mean is 0
            y = y * ops.convert_to_tensor((1 / there).reshape(shape), dtype=y.dtype)
    return y


# ---- transposed convolutions -----------------------------------------------------------------------------------------------


def _is_transposed(use: Use) -> bool:
    return isinstance(use.layer, TRANSPOSED) or is_operation(use, "ConvTranspose")


def _transposed(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    """Output o is the sum over inputs i and taps m with i·stride + rate·m − before = o."""
    spec = _transposed_spec(use)
    extra = use.layer.output_padding
    axes = spec.transposed((extra,) * spec.rank if isinstance(extra, int) else extra)
    x, cuts = parts[0], []
    spans: dict[int, Span] = {}
    for (d, (first, last)), axis, reach in zip(spatial_spans(use, want).items(), axes, spec.effective_kernel_size, strict=True):
        low = min((first + axis.before - reach) // axis.stride + 1, (first + axis.before) // axis.stride)  # or in a hole
        high = (last - 1 + axis.before) // axis.stride + 1
        spans[d] = low, high
        length = (high - low) * axis.stride + max(reach - axis.stride, 0)
        cuts.append((d, first + axis.before - low * axis.stride, last + axis.before - low * axis.stride, length))
    values = _there(x, spans, use.call.shape)
    y = called(use, [values], twin(use.layer, padding="valid", output_padding=None))
    for d, first, last, length in cuts:
        y = taken(y, d + 1, first, last, length)
    return y


def _there(part: Part, spans: Spans, lengths: Sequence[int]) -> Tensor:
    """Values at spans; zeros where the part has none, which no output that is asked for reads."""
    x = part.values
    for d, (first, last) in spans.items():
        begin, end = part.spans.get(d, (0, lengths[d]))
        x = taken(x, d + 1, first - begin, last - begin, end - begin)
    return x


def _transposed_spec(use: Use) -> ConvSpec:
    layer, rank = use.layer, len(use.call.space)
    if isinstance(layer, TRANSPOSED):
        return spec_of(layer, rank)
    kernel = use.call.args[1] if len(use.call.args) > 1 else use.call.kwargs["kernel"]
    return ConvSpec.parse(rank, tuple(kernel.shape[:-2]), layer.strides, layer.dilation_rate, layer.padding)


# ---- shifts ----------------------------------------------------------------------------------------------------------------


def _is_shift(use: Use) -> bool:
    return isinstance(use.layer, SHIFTS) or is_operation(use, "Pad")


def _shift(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    """Padding and cropping: done by taking positions."""
    value = use.layer.value if isinstance(use.layer, StridedPadding) else 0.0
    if is_operation(use, "Pad"):
        given = use.call.kwargs.get("constant_values", use.call.args[1] if len(use.call.args) > 1 else None)
        value = 0.0 if given is None else float(given)
    shape = use.reads[0].shape
    spans = {d: read_span(step, want.get(d, (0, shape[d]))) for d, step in _maps(use).items()}
    return pieces(parts[0], spans, use.call.shape, value)


def _is_slice(use: Use) -> bool:
    return is_operation(use, "GetItem")


def _slice(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    """Slices cut dims here, the others as the model does."""
    key = use.call.args[1] if len(use.call.args) > 1 else use.call.kwargs["key"]
    keys = list(key) if isinstance(key, (tuple, list)) else [key]
    rank = len(use.call.shape) + 1
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        keys[at : at + 1] = [slice(None)] * (rank + 1 - sum(k is not None for k in keys))
    keys += [slice(None)] * (rank - sum(k is not None for k in keys))
    places = [i for i, k in enumerate(keys) if k is not None]  # of each axis
    x = parts[0].values
    for link in use.reads[0].links[0]:
        if len(link.into) == 1 and link.into[0] in want:
            d, (first, last) = link.out_of[0], want[link.into[0]]
            span = read_span(link.map, (first, last))
            x = pieces(Part(x, {d: parts[0].spans[d]}), {d: span}, use.call.shape)
            step = link.map.advance
            keys[places[d + 1]] = slice(None, None, step) if step > 1 else slice(None)
    return x[tuple(keys)]


# ---- positions that are told anew ------------------------------------------------------------------------------------------


def _is_reshape(use: Use) -> bool:
    return isinstance(use.layer, layers.Reshape) or is_operation(use, "Reshape")


def _reshape(use: Use, parts: Sequence[Part], want: Spans) -> Tensor:
    for link in use.reads[0].links[0]:
        if set(link.into) & set(want) and link.map != AxisMap.identity() and link.map.advance:
            raise CannotCutError(use, "it moves positions")
    shape = [want[d][1] - want[d][0] if d in want else n for d, n in enumerate(use.reads[0].shape)]
    spans = {
        link.out_of[0]: want[link.into[0]] for link in use.reads[0].links[0] if len(link.into) == 1 and link.into[0] in want
    }
    x = pieces(parts[0], {d: span for d, span in spans.items() if d in parts[0].spans}, use.call.shape)
    return ops.reshape(x, (-1, *shape))


KINDS: tuple[tuple[Callable[[Use], bool], Callable[[Use, Sequence[Part], Spans], Any]], ...] = (
    (_is_window, _window),
    (_is_transposed, _transposed),
    (_is_shift, _shift),
    (_is_slice, _slice),
    (_is_reshape, _reshape),
)
