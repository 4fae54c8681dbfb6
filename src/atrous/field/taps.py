"""What each tap of a layer's kernel sees: the grid inside the receptive field that dilation spreads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras

from atrous.field.chain import receptive_fields
from atrous.spec import ReceptiveField

Spans = tuple[tuple[int, int], ...]


def tap_spans(model: keras.Model, layer: str, position: Sequence[int]) -> list[Spans]:
    """First and last input position that each kernel tap of a layer sees, for the output at `position`.

    Taps that fall into the layer's own padding are left out, because they see nothing.

    Args:
        model: A chain of layers, as `receptive_fields` takes it.
        layer: Name of a convolution of `model` itself.
        position: Index of the output along each spatial axis.

    Returns:
        For each tap, first to last in C order: a (first, last) pair an axis, in positions of the model's input.

    Raises:
        ValueError: The layers are no chain, or the layer has no kernel or sees the whole input.
    """
    fields = receptive_fields(model)
    field, kernel = fields.get(layer), getattr(model.get_layer(layer), "kernel_size", None)
    if field is None or kernel is None:
        raise ValueError(
            f"`layer` must name a convolution in front of every flatten or global pooling. Received: layer={layer!r}."
        )
    before = _field_before(layer, fields, len(kernel))
    convolution = model.get_layer(layer)
    shape = tuple(convolution.input.shape)
    sizes = shape[2:] if convolution.data_format == "channels_first" else shape[1:-1]
    axes = [
        [start + rate * tap for tap in range(taps) if _inside(start + rate * tap, size)]
        for start, rate, taps, size in zip(
            _first_taps(field, before, position), convolution.dilation_rate, kernel, sizes, strict=True
        )
    ]
    return [before.span(tap) for tap in itertools.product(*axes)]


def _inside(position: int, size: int | None) -> bool:
    return position >= 0 and (size is None or position < size)


def _field_before(layer: str, fields: dict[str, ReceptiveField | None], rank: int) -> ReceptiveField:
    names = list(fields)
    index = names.index(layer)
    field = fields[names[index - 1]] if index else None
    return field or ReceptiveField.identity(rank)


def _first_taps(field: ReceptiveField, before: ReceptiveField, position: Sequence[int]) -> list[int]:
    """Where tap 0 stands in the layer's input, along each axis; undoes `before.then(layer)`."""
    axes = zip(position, field.stride, field.offset, before.stride, before.offset, strict=True)
    return [(i * stride + offset - offset_0) // stride_0 for i, stride, offset, stride_0, offset_0 in axes]
