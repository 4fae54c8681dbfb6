"""What becomes of each layer of a model whose late strides are removed, and which layers can't be made exact."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import keras

from atrous import layers
from atrous.field.axis import AxisMap
from atrous.field.graph import Graph, Use
from atrous.field.reads import Link, Reads
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, TRANSPOSED, spec_of
from atrous.surgery.grids import Axes, Axis, Length, Side, options_of
from atrous.surgery.twins import Layer

WINDOWS = (*CONVOLUTIONS, *POOLS)
SHIFTS = tuple(getattr(keras.layers, f"{kind}{rank}D") for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3))
EXACT = {*WINDOWS, *SHIFTS, *(getattr(layers, kind.__name__) for kind in WINDOWS), layers.StridedPadding}
"""Classes whose geometry may be changed; a subclass may compute something else."""

Amounts = tuple[int | None, ...]


@dataclass(frozen=True)
class Change:
    """What becomes of a layer.

    Args:
        options: Arguments that are other than the original's.
        padding: Arguments of a `StridedPadding` in front of it, where its padding depends on a length that isn't known.
        crops: For an input tensor, by its place, what is cut off behind each dim; `None` for a dim that isn't spatial.
        samples: For an input tensor, by its place, the step of each dim at which the layer takes it; likewise.
    """

    options: dict[str, Any] = field(default_factory=dict)
    padding: dict[str, Any] | None = None
    crops: dict[int, Amounts] = field(default_factory=dict)
    samples: dict[int, Amounts] = field(default_factory=dict)


class CannotDilateError(ValueError):
    """A layer that can't be made exact, and why."""

    def __init__(self, name: str, layer: Layer, reason: str) -> None:
        super().__init__(
            "`model` must have layers that can be dilated exactly behind the strides that are removed. "
            f"Received: layer {name!r} ({type(layer).__name__}): {reason}."
        )


class Plan:
    """What becomes of every layer of a model.

    Args:
        graph: Of the model.
        target: Stride of the new network along each spatial axis.
        sampled: Whether a layer that averages space away may take the original's positions alone.
        open_lengths: For each input, by name, the dims whose lengths are open.
        movable: Layers that may be changed, by id: those that stand in the model's graph, or in that of a model in it.
    """

    def __init__(
        self, graph: Graph, target: tuple[int, ...], sampled: bool, open_lengths: dict[str, set[int]], movable: set[int]
    ) -> None:
        self.graph, self.target, self.sampled, self.movable = graph, target, sampled, movable
        self.changes: dict[int, Change] = {}
        self.axes: list[Axes] = [(None,) * len(shape) for shape in graph.shapes]
        for name, key in graph.inputs.items():
            dims = graph.space[name] if len(graph.space[name]) == len(target) else []
            self.axes[key] = tuple(
                Axis.input(dims.index(d), Length(0, (name, d)) if d in open_lengths[name] else Length(n)) if d in dims else None
                for d, n in enumerate(graph.shapes[key])
            )
        for use in graph.uses:
            self._follow(use)

    @property
    def strides(self) -> list[tuple[Fraction, Fraction]]:
        """For each spatial axis, the largest stride of the original and of the new network."""
        found = [axis for axes in self.axes for axis in axes if axis is not None]
        return [
            (
                max(axis.kept * axis.grid for axis in found if axis.space == space),
                max(axis.kept for axis in found if axis.space == space),
            )
            for space in range(len(self.target))
        ]

    def _follow(self, use: Use) -> None:
        inputs = [self.axes[key] for key in use.inputs]
        kind = type(use.layer)
        if kind in SHIFTS:
            change, outputs = self._shifted(use, inputs[0])
        elif kind is layers.StridedPadding:
            change, outputs = self._padded(use, inputs[0])
        elif kind in EXACT:
            change, outputs = self._window(use, inputs[0])
        else:
            change, outputs = self._other(use, inputs)
        for key, axes in zip(use.outputs, outputs, strict=True):
            self.axes[key] = axes
        self._note(use, change)

    def _note(self, use: Use, change: Change) -> None:
        key = id(use.layer)
        if change != Change() and key not in self.movable:
            raise CannotDilateError(use.name, use.layer, "it would have to change, inside a layer that isn't a graph of layers")
        if self.changes.setdefault(key, change) != change:
            raise CannotDilateError(
                use.name, use.layer, "it is used several times, on maps that become denser by different factors"
            )

    def _kept(self, axis: Axis, stride: int) -> int:
        """The part of a stride that stays: as much as the target has room for."""
        room = Fraction(self.target[axis.space]) / axis.kept
        return math.gcd(stride, room.numerator) if room.denominator == 1 else stride if stride <= room else 1

    def _window(self, use: Use, axes: Axes) -> tuple[Change, list[Axes]]:
        """A convolution or pooling."""
        layer, dims = use.layer, use.call.space
        spec = spec_of(layer, len(dims))
        sides = [
            Side.of(spec, i, axes[d], spec.strides[i] if (axis := axes[d]) is None else self._kept(axis, spec.strides[i]))
            for i, d in enumerate(dims)
        ]
        after: list[Axis | None] = [None] * len(axes)
        for d, side in zip(dims, sides, strict=True):
            after[d] = side.after
        options, padding = options_of(spec, sides)
        if padding is not None:
            padding["data_format"] = layer.data_format
        return Change(options, padding), [tuple(after)]

    def _shifted(self, use: Use, axes: Axes) -> tuple[Change, list[Axes]]:
        """Zero padding or cropping."""
        dims = use.call.space
        name, sign = ("padding", 1) if hasattr(use.layer, "padding") else ("cropping", -1)
        amounts = getattr(use.layer, name)
        pairs = [tuple(pair) for pair in (amounts if len(dims) > 1 else [amounts])]
        after, scaled = list(axes), []
        for d, (before, behind) in zip(dims, pairs, strict=True):
            axis = axes[d]
            grid = 1 if axis is None else axis.grid
            scaled.append((grid * before, grid * behind))
            if axis is not None:
                length = axis.length.plus(sign * grid * (before + behind))
                after[d] = dataclasses.replace(axis, length=length, full=axis.full if sign > 0 else length)
        options = {} if scaled == pairs else {name: tuple(scaled) if len(dims) > 1 else scaled[0]}
        return Change(options), [tuple(after)]

    def _padded(self, use: Use, axes: Axes) -> tuple[Change, list[Axes]]:
        """The padding in front of a layer whose stride was removed before."""
        layer, dims = use.layer, use.call.space
        grids = [1 if (axis := axes[d]) is None else axis.grid for d in dims]
        if max(grids) == 1:
            return self._other(use, [axes])
        options = {name: tuple(n * d for n, d in zip(getattr(layer, name), grids, strict=True)) for name in ("grid", "spare")}
        after, sizes = list(axes), [0 if (axis := axes[d]) is None else axis.length.number for d in dims]
        reach = [(k - 1) * d for k, d in zip(layer.kernel_size, options["grid"], strict=True)]
        known = None not in sizes
        pads = layers.StridedPadding(**{**layer.get_config(), **options}).pads(sizes) if known else [(n, 0) for n in reach]
        for d, pair in zip(dims, pads, strict=True):
            if (axis := axes[d]) is not None:
                length = axis.length.plus(sum(pair)) if known or layer.padding == "same" else Length(0, (use.outputs, d))
                after[d] = dataclasses.replace(axis, length=length, full=length)
        return Change(options), [tuple(after)]

    def _other(self, use: Use, inputs: list[Axes]) -> tuple[Change, list[Axes]]:
        """Any other layer or operation: right on a denser grid if every position reads its own alone."""
        samples: dict[int, Amounts] = {}
        for place, axes in enumerate(inputs):
            dense = [d for d, axis in enumerate(axes) if axis is not None and axis.grid > 1]
            links = [reads.links[place] for reads in use.reads]
            if dense and not any(d in link.out_of for found in links for link in found for d in dense):
                if not self.sampled:
                    raise CannotDilateError(use.name, use.layer, MIXES)
                samples[place] = tuple(None if axis is None else axis.grid for axis in axes)
                inputs[place] = tuple(None if axis is None else axis.original() for axis in axes)
            elif dense:
                self._check(use, dense, links)
        outputs, crops = [], {}
        for reads in use.reads:
            axes, cut = self._joined(use, reads, inputs)
            outputs.append(axes)
            crops.update(cut)
        return Change(crops=crops, samples=samples), outputs

    def _check(self, use: Use, dense: list[int], links: list[tuple[Link, ...]]) -> None:
        for reads, found in zip(use.reads, links, strict=True):
            for d in dense:
                own = [link for link in found if d in link.out_of]
                if not own or not all(_is_own(link) for link in own):
                    raise CannotDilateError(use.name, use.layer, _reason(use.layer, own))
                if reads.joined is not None and reads.joined in own[0].into:
                    raise CannotDilateError(use.name, use.layer, "it puts maps behind each other in space")

    def _joined(self, use: Use, reads: Reads, inputs: list[Axes]) -> tuple[Axes, dict[int, Amounts]]:
        result: list[Axis | None] = [None] * len(reads.shape)
        cuts: list[list[int | None]] = [[None if axis is None else 0 for axis in axes] for axes in inputs]
        for d in range(len(reads.shape)):
            parts = list(_along(d, reads, inputs))
            mapped = [
                (place, e, self._mapped(use, axis, link.map, d, reads.shape[d])) for place, e, axis, link in parts if axis
            ]
            if not mapped:
                continue
            grids = {axis.grid for _, _, axis in mapped}
            fixed = any(axis is None and use.call.shapes[place][e] > 1 for place, e, axis, _ in parts)
            if len(grids) > 1 or (grids != {1} and fixed):
                raise CannotDilateError(use.name, use.layer, "it joins maps that become denser by different factors")
            lengths = [axis.length for _, _, axis in mapped]
            if grids != {1} and len({length.base for length in lengths}) > 1:
                raise CannotDilateError(use.name, use.layer, "it joins maps whose lengths on the denser grid can't be compared")
            ends = min((axis for _, _, axis in mapped), key=lambda axis: axis.length.more)
            for place, e, axis in mapped if grids != {1} else ():
                cuts[place][e] = axis.length.more - ends.length.more
            result[d] = dataclasses.replace(ends, kept=max(axis.kept for _, _, axis in mapped))
        return tuple(result), {place: tuple(cut) for place, cut in enumerate(cuts) if any(cut)}

    def _mapped(self, use: Use, axis: Axis, step: AxisMap, d: int, n: int) -> Axis:
        """An axis behind a layer that leaves it as it is, or, where nothing is denser, moves it in any way."""
        if step == AxisMap.identity():
            return axis
        kept = axis.kept * step.advance / step.period
        if kept > self.target[axis.space]:
            raise CannotDilateError(use.name, use.layer, "its stride would have to go, and it is no convolution or pooling")
        length = Length(n) if axis.length.base is None else Length(0, (use.outputs, d))
        return Axis(axis.space, kept, axis.grid, length, length)


MIXES = (
    "it takes all positions together, and there are more of them on the denser grid; "
    'pass `pool="sampled"` to let it take those of the original grid alone, or stop in front of it (`include_top=False`)'
)


def _reason(layer: Layer, own: list[Link]) -> str:
    base = next((base for base in type(layer).__mro__ if base in EXACT), None)
    if base is not None:
        return f"its class is a subclass of {base.__name__} and may compute something else"
    if isinstance(layer, TRANSPOSED) or any(link.map.period > 1 for link in own):
        return "it adds positions between those of the original grid, and the denser grid has others there"
    if any(link.map.past or link.map.future for link in own):
        return "every position takes all others, and there are more of them on the denser grid"
    return (
        "it moves positions, or takes several of them, and only convolutions, pooling, zero padding and cropping can be dilated"
    )


def _is_own(link: Link) -> bool:
    """Whether every position reads its own."""
    return len(link.into) == len(link.out_of) == 1 and link.map == AxisMap.identity()


def _along(d: int, reads: Reads, inputs: Sequence[Axes]) -> Iterator[tuple[int, int, Axis | None, Link]]:
    """The dims of input tensors that an output's dim runs along; not those that are broadcast."""
    for place, links in enumerate(reads.links):
        for link in links:
            if link.into == (d,) and len(link.out_of) == 1 and link.map.advance:
                (e,) = link.out_of
                yield place, e, inputs[place][e], link
