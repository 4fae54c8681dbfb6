"""One position of a layer's output: where it is, what it could see of the input, and how strongly it depends on it."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from atrous.field.analysis import Analysis
from atrous.field.axis import AxisField
from atrous.field.gradients import gradient
from atrous.field.seen import Seen
from atrous.field.values import values_of

Span = tuple[int, int]
"""First and last position along an axis of the input, both seen."""


class Unit:
    """One position of a layer's output, with all its channels.

    Args:
        analysis: Of the model, without open lengths.
        layer: Name of the layer; `None` for the output or, where that has lost its place, the last layer that still knows it.
        position: Index along each spatial axis, from the end where negative; `None` for the middle.

    Raises:
        ValueError: There is no such layer or position, or it doesn't depend on the input.
    """

    def __init__(self, analysis: Analysis, layer: str | None = None, position: Sequence[int] | None = None) -> None:
        self.analysis = analysis
        self.name, self.key = _layer(analysis, layer)
        seen = analysis.seen[self.key]
        if seen.fields is None:
            raise ValueError(f"`layer` must depend on the input {analysis.input_name!r}. Received: layer={self.name!r}.")
        shape = analysis.graph.shapes[analysis.input]
        self.input_size = tuple(shape[d] for d in analysis.space)
        grid = _grid(seen)
        self.position = _position(position, grid, self.name)
        self.index = _index(seen, self.position, grid)
        self.channels = math.prod(n for n, i in zip(seen.shape, self.index, strict=True) if isinstance(i, slice))
        self.spans: tuple[Span, ...] = tuple(map(_span, seen.fields, self.position, self.input_size))

    def gradient(self, batch: Mapping[str, Any], directions: np.ndarray) -> np.ndarray:
        """Size of the derivative of Σ directionᶜ·channelᶜ by each input position.

        Args:
            batch: The model's inputs by name, (n, …) each.
            directions: (n, channels).

        Returns:
            float64, (n, *spatial); summed over the input's channels.
        """
        name, graph = self.analysis.input_name, self.analysis.graph
        x, weights = np.asarray(batch[name], "float32"), np.asarray(directions, "float32")

        def along(x: Any) -> Any:
            (output,) = values_of(graph, [self.key], {**batch, name: x})
            unit = keras.ops.reshape(output[(slice(None), *self.index)], (-1, self.channels))
            return keras.ops.sum(keras.ops.cast(unit, "float32") * keras.ops.convert_to_tensor(weights))

        sizes = np.abs(gradient(along, x).astype("float64"))
        channels = tuple(d + 1 for d in range(x.ndim - 1) if d not in self.analysis.space)
        return np.asarray(sizes.sum(axis=channels))


def _layer(analysis: Analysis, name: str | None) -> tuple[str, int]:
    graph = analysis.graph
    if name is None:
        places = [("output", graph.outputs[0])] + [(use.name, use.outputs[0]) for use in reversed(graph.uses)]
        return next((place for place in places if _is_local(analysis.seen[place[1]])), places[0])
    if name not in graph.names:
        known = ", ".join(list(graph.names)[:8])
        raise ValueError(f"`layer` must be a layer of {analysis.name!r}, such as {known}. Received: layer={name!r}.")
    return name, graph.names[name]


def _is_local(seen: Seen) -> bool:
    return any(field.is_local for field in seen.fields or ())


def _grid(seen: Seen) -> tuple[int, ...]:
    """Units along each axis of the input; 1 where the place is lost."""
    grid = [1] * len(seen.fields or ())
    for d, axes in enumerate(seen.axes):
        for axis, n in zip(axes, _lengths(seen, d), strict=True):
            grid[axis] = n
    return tuple(grid)


def _lengths(seen: Seen, dim: int) -> tuple[int, ...]:
    """Of the axes that a dim runs along."""
    if len(seen.axes[dim]) > 1 and seen.merged is not None:
        return seen.merged[dim]
    return (seen.shape[dim],) * len(seen.axes[dim])


def _position(position: Sequence[int] | None, grid: tuple[int, ...], layer: str) -> tuple[int, ...]:
    if position is None:
        return tuple(n // 2 for n in grid)
    try:
        given = tuple(operator.index(i) for i in position)
    except TypeError:
        given = ()
    if len(given) != len(grid) or not all(-n <= i < n for i, n in zip(given, grid, strict=True)):
        raise ValueError(f"`position` must be an index into the {grid} units of {layer!r}. Received: position={position}.")
    return tuple(i % n for i, n in zip(given, grid, strict=True))


def _index(seen: Seen, position: tuple[int, ...], grid: tuple[int, ...]) -> tuple[int | slice, ...]:
    """Of the unit in the layer's output, without the batch axis."""
    return tuple(
        int(np.ravel_multi_index([position[a] for a in axes], [grid[a] for a in axes])) if axes else slice(None)
        for axes in seen.axes
    )


def _span(field: AxisField, position: int, n: int) -> Span:
    """What is seen of one axis; up to the ends of the input where the field is infinite."""
    first, paths = field.at(position)
    last = first + len(paths) - 1
    if not len(paths):
        first, last = (0, n - 1) if field.past and field.future else (position, position)
    return min(first, 0) if field.past else first, max(last, n - 1) if field.future else last
