"""What a layer makes of part of its input, whatever its type."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import keras
from keras import layers, tree

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.parts import resampling, windows
from atrous.parts.part import CannotCutError, Part, Spans, called, needs, pieces, ties


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
