"""Layers that carry information along a whole axis: recurrence and attention; and wrappers of other layers."""

from __future__ import annotations

from dataclasses import replace

from keras import layers

from atrous.field.axis import AxisMap
from atrous.field.reads import Link, Reads, Shape
from atrous.field.registry import Call, rule, rule_of

_EARLIER = AxisMap(((0,),), past=True)


@rule(layers.RNN)  # LSTM, GRU and SimpleRNN among them
def _recurrent(call: Call) -> Reads | list[Reads]:
    layer = call.layer
    if hasattr(layer.cell, "rank"):  # ConvLSTM: what it sees of space grows from step to step
        raise ValueError("it convolves from step to step, which isn't known here; see `atrous.field.register`")
    if layer.return_state:
        raise ValueError("it returns its state, which isn't known here; read the state from a model of its own")
    return _recurrence(call.shape, layer.units if hasattr(layer, "units") else layer.cell.output_size, layer)


def _recurrence(shape: Shape, units: int, layer: layers.RNN) -> Reads:
    if not layer.return_sequences:
        return Reads((units,), ((),))
    if layer.go_backwards:
        raise ValueError("it returns its sequence backwards, which isn't known here; flip it inside `Bidirectional`")
    return Reads((shape[0], units), ((Link.one(0, 0, _EARLIER),),))


@rule(layers.Bidirectional)
def _bidirectional(call: Call) -> Reads:
    layer = call.layer.forward_layer
    units = layer.units * (2 if call.layer.merge_mode == "concat" else 1)
    if not layer.return_sequences:
        return Reads((units,), ((),))
    return Reads((call.shape[0], units), ((Link.one(0, 0, AxisMap.whole()),),))


@rule(layers.MultiHeadAttention)
def _multi_head_attention(call: Call) -> Reads:
    last = len(call.shape) - 1
    given = call.layer.attention_axes
    dims = range(last) if given is None else [a - 1 if a > 0 else a + last + 1 for a in given]
    return attention(call.shapes, dims, bool(call.kwargs.get("use_causal_mask")), call.shape[-1])


@rule(layers.Attention, layers.AdditiveAttention)
def _attention(call: Call) -> Reads:
    return attention(call.shapes, [0], bool(call.kwargs.get("use_causal_mask")), call.shapes[1][-1])


@rule(*(getattr(layers, name) for name in ("GroupQueryAttention", "GroupedQueryAttention") if hasattr(layers, name)))
def _grouped_attention(call: Call) -> Reads:
    return attention(call.shapes, [0], bool(call.kwargs.get("use_causal_mask")), call.shape[-1])


def attention(shapes: tuple[Shape, ...], dims: range | list[int], causal: bool, channels: int) -> Reads:
    """Queries read keys and values along `dims`: all of them, or those that are not later.

    Args:
        shapes: Of query, value, and, where given, key.
        dims: Along which positions attend to each other.
        causal: Whether to earlier ones alone.
        channels: Of the output.
    """
    query, *others = shapes
    last = len(query) - 1
    kept = [d for d in range(last) if d not in dims]
    along = [Link.one(d, d, _EARLIER) for d in dims] if causal else []
    memory = tuple(Link.one(d, d) for d in kept) + tuple(along)
    return Reads((*query[:last], channels), (tuple(Link.one(d, d) for d in range(last)), *(memory for _ in others)))


@rule(layers.TimeDistributed)
def _time_distributed(call: Call) -> Reads:
    inner = rule_of(call.layer.layer)
    if inner is None:
        raise ValueError(f"no rule is known for the layer inside it, of type {type(call.layer.layer).__name__}")
    reads = inner(Call(call.layer.layer, (call.shape[1:],)))
    if isinstance(reads, list):
        raise ValueError("the layer inside it has several outputs")
    shifted = (Link(tuple(d + 1 for d in link.into), tuple(d + 1 for d in link.out_of), link.map) for link in reads.links[0])
    return Reads((call.shape[0], *reads.shape), ((Link.one(0, 0), *shifted),))


@rule(layers.SpectralNormalization)
def _spectral_normalization(call: Call) -> Reads | list[Reads]:
    inner = rule_of(call.layer.layer)
    if inner is None:
        raise ValueError(f"no rule is known for the layer inside it, of type {type(call.layer.layer).__name__}")
    return inner(replace(call, layer=call.layer.layer))
