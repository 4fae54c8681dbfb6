"""What each tap of a layer's kernel sees: the grid inside the receptive field that dilation spreads."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras

from atrous.field.analysis import Analysis
from atrous.field.axis import AxisField

Spans = tuple[tuple[int, int], ...]


def tap_spans(model: keras.Model, layer: str, position: Sequence[int]) -> list[Spans]:
    """First and last input position that each kernel tap of a layer sees, for the output at `position`.

    Taps that fall into the layer's own padding are left out, because they see nothing.

    Args:
        model: As `analyze` takes it.
        layer: Name of a convolution or pooling, by its last use.
        position: Index of the output along each spatial axis.

    Returns:
        For each tap, first to last in C order: a (first, last) pair an axis, in positions of the model's input.

    Raises:
        ValueError: The layer reads no window, or sees the whole input.
    """
    analysis = Analysis(model)
    use = next((use for use in reversed(analysis.graph.uses) if use.name == layer), None)
    seen = analysis.seen[use.inputs[0]] if use is not None and len(use.inputs) == 1 else None
    maps = {link.out_of[0]: link.map for link in use.reads[0].links[0] if len(link.out_of) == 1} if use is not None else {}
    if (
        use is None
        or seen is None
        or not seen.fields
        or not all(field.is_local for field in seen.fields)
        or not (hasattr(use.layer, "kernel_size") or hasattr(use.layer, "pool_size"))
    ):
        raise ValueError(
            f"`layer` must name a convolution or pooling in front of every global pooling or flatten. Received: {layer!r}."
        )
    axes = []
    for field, i, d in zip(seen.fields, position, [seen.dim_of(axis) for axis in range(len(seen.fields))], strict=True):
        assert d is not None
        axes.append([_span(field, tap) for tap in maps[d].reads(i) if 0 <= tap < seen.shape[d]])
    return list(itertools.product(*axes))


def _span(field: AxisField, position: int) -> tuple[int, int]:
    first, paths = field.at(position)
    return first, first + len(paths) - 1
