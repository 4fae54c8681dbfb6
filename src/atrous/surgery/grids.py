"""Where the positions of a model's tensors lie on a denser grid, and how each layer has to change for that.

A stride c that is removed leaves a map that is c times denser: every d-th position of the new map X (d is the product of the
strides removed so far) is a position of the original map x, and the original's length is ⌈N / d⌉:

    X[d·i] = x[i],    i = 0 … n−1,    n = ⌈N / d⌉                                                          (1)

For y[j] = Σ_m x[j·s + r·m − p]·w[m], whose stride s = g·c keeps g, the new layer has stride g, rate d·r and d·p zeros in front:

    Y[t] = Σ_m X[t·g + d·r·m − d·p]·w[m],    so    Y[d·c·j] = Σ_m X[d·(j·s + r·m − p)]·w[m] = y[j]

A tap that meets padding there meets it here: an index below 0 stays below 0, and i ≥ n gives d·i ≥ N by (1). With d·q zeros
behind, for q behind the original, ⌈·/(d·c)⌉ of the new length is the original's, so (1) holds again. More zeros behind do
nothing to the positions looked at, while (1) holds: a layer whose stride goes gets as many as keep the length, so that 224
positions at stride 8 are 28, though a window of 2 doesn't reach beyond the 27th (`StridedPadding`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import keras

from atrous import layers
from atrous.field.axis import AxisMap
from atrous.field.graph import Graph, Use
from atrous.field.reads import Link, Reads
from atrous.field.rules.convolutions import CONVOLUTIONS, POOLS, TRANSPOSED, spec_of
from atrous.layers.padding import strided_pads
from atrous.spec import ConvSpec
from atrous.surgery.twins import Layer

WINDOWS = (*CONVOLUTIONS, *POOLS)
SHIFTS = tuple(getattr(keras.layers, f"{kind}{rank}D") for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3))
EXACT = {*WINDOWS, *SHIFTS, *(getattr(layers, kind.__name__) for kind in WINDOWS)}
"""Classes whose geometry may be changed; a subclass may compute something else."""


@dataclass(frozen=True)
class Length:
    """Length of an axis: `more` than one that is known when the data is, or a number."""

    more: int
    base: Hashable = None

    def plus(self, n: int) -> Length:
        """Longer by n."""
        return Length(self.more + n, self.base)

    def windows(self, span: int, stride: int) -> Length:
        """How many windows fit in."""
        room = self.more - span
        if self.base is None or stride == 1:
            return Length(room // stride + 1, self.base)
        return Length(1, (self.base, room, stride))

    @property
    def number(self) -> int | None:
        """The length, where it is known."""
        return self.more if self.base is None else None


@dataclass(frozen=True)
class Axis:
    """A dim of a tensor that runs along an axis of the model's input.

    Args:
        space: Which axis.
        kept: Input positions between neighbours on the new grid.
        grid: The original's positions are every `grid`-th.
        length: On the new grid.
        full: The length without zeros that a layer in front has padded with.
    """

    space: int
    kept: Fraction
    grid: int
    length: Length
    full: Length


Axes = tuple[Axis | None, ...]
"""For each dim of a tensor."""


@dataclass(frozen=True)
class Change:
    """What becomes of a layer.

    Args:
        options: Arguments that are other than the original's.
        padding: Arguments of a `StridedPadding` in front of it, where its padding depends on a length that isn't known.
        crops: For an input tensor, by its place, what is cut off behind each dim.
        samples: For an input tensor, by its place, the step of each dim at which the layer takes it.
    """

    options: dict[str, Any] = field(default_factory=dict)
    padding: dict[str, Any] | None = None
    crops: dict[int, tuple[int, ...]] = field(default_factory=dict)
    samples: dict[int, tuple[int, ...]] = field(default_factory=dict)


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
                _input_axis(dims.index(d), Length(0, (name, d)) if d in open_lengths[name] else Length(n))
                if d in dims
                else None
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
        if type(use.layer) in EXACT:
            change, outputs = (self._shifted if type(use.layer) in SHIFTS else self._window)(use, inputs[0])
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
            _Side.of(spec, i, axes[d], spec.strides[i] if (axis := axes[d]) is None else self._kept(axis, spec.strides[i]))
            for i, d in enumerate(dims)
        ]
        after: list[Axis | None] = [None] * len(axes)
        for d, side in zip(dims, sides, strict=True):
            after[d] = side.after
        options, padding = _options(spec, sides)
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

    def _other(self, use: Use, inputs: list[Axes]) -> tuple[Change, list[Axes]]:
        """Any other layer or operation: right on a denser grid if every position reads its own alone."""
        samples: dict[int, tuple[int, ...]] = {}
        for place, axes in enumerate(inputs):
            dense = [d for d, axis in enumerate(axes) if axis is not None and axis.grid > 1]
            links = [reads.links[place] for reads in use.reads]
            if dense and not any(d in link.out_of for found in links for link in found for d in dense):
                if not self.sampled:
                    raise CannotDilateError(use.name, use.layer, MIXES)
                samples[place] = tuple(1 if axis is None else axis.grid for axis in axes)
                inputs[place] = tuple(None if axis is None else _original(axis) for axis in axes)
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
                if (
                    not all(len(link.into) == len(link.out_of) == 1 and link.map == AxisMap.identity() for link in own)
                    or not own
                ):
                    raise CannotDilateError(use.name, use.layer, _reason(use.layer, own))
                if reads.joined is not None and reads.joined in own[0].into:
                    raise CannotDilateError(use.name, use.layer, "it puts maps behind each other in space")

    def _joined(self, use: Use, reads: Reads, inputs: list[Axes]) -> tuple[Axes, dict[int, tuple[int, ...]]]:
        result: list[Axis | None] = [None] * len(reads.shape)
        cuts = [[0] * len(axes) for axes in inputs]
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


def _original(axis: Axis) -> Axis:
    """The axis of the original's positions alone."""
    length = axis.length.windows(1, axis.grid)
    return Axis(axis.space, axis.kept * axis.grid, 1, length, length)


def _input_axis(space: int, length: Length) -> Axis:
    return Axis(space, Fraction(1), 1, length, length)


def _along(d: int, reads: Reads, inputs: Sequence[Axes]) -> Iterator[tuple[int, int, Axis | None, Link]]:
    """The dims of input tensors that an output's dim runs along; not those that are broadcast."""
    for place, links in enumerate(reads.links):
        for link in links:
            if link.into == (d,) and len(link.out_of) == 1 and link.map.advance:
                (e,) = link.out_of
                yield place, e, inputs[place][e], link


@dataclass(frozen=True)
class _Side:
    """A window along one axis, before and after.

    Args:
        kernel: Number of taps.
        stride: Of the original.
        rate: Of the original.
        grid: How many times denser the map is.
        kept: The stride that stays.
        pads: In front and behind on the denser grid; `None` where they depend on a length that isn't known.
        spare: How much of the map is padding already.
        after: What comes out.
    """

    kernel: int
    stride: int
    rate: int
    grid: int
    kept: int
    pads: tuple[int, int] | None
    spare: int
    after: Axis | None

    @classmethod
    def of(cls, spec: ConvSpec, i: int, axis: Axis | None, kept: int) -> _Side:
        k, s, r = spec.kernel_size[i], spec.strides[i], spec.dilation_rate[i]
        span, pair = (k - 1) * r + 1, _pair(spec, i)
        if axis is None:
            return cls(k, s, r, 1, kept, pair, 0, None)
        grid, length = axis.grid, axis.length
        spare = length.more - axis.full.more if length.base == axis.full.base else 0
        pads = None if pair is None else (grid * pair[0], grid * pair[1])
        added = grid * (span - 1) if pads is None else sum(pads)
        new = length.plus(added - grid * (span - 1))
        if pair is None or (kept < s and spare + new.more < length.more):
            pads = None if length.number is None else strided_pads(length.number, span, s, pair, grid, spare)
            if pads is not None:
                new = length.plus(sum(pads) - grid * (span - 1))
            elif pair is not None:
                more, phase = divmod(length.more, grid)
                new = Length(0, ("filled", axis.full, length.base, phase, grid, more + sum(pair) - span, s))
        new = new.windows(1, kept)
        return cls(k, s, r, grid, kept, pads, spare, Axis(axis.space, axis.kept * kept, grid * (s // kept), new, new))

    @property
    def changes(self) -> bool:
        return self.kept != self.stride or (self.grid > 1 and (self.kernel > 1 or self.pads != (0, 0)))

    @property
    def dilation(self) -> int:
        return self.rate if self.kernel == 1 else self.rate * self.grid


def _pair(spec: ConvSpec, i: int) -> tuple[int, int] | None:
    """Zeros of the original layer along an axis; `None` where they depend on its length."""
    return spec.pads((None,) * spec.rank)[i]


def _options(spec: ConvSpec, sides: list[_Side]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The new arguments of a convolution or pooling, and those of the padding in front of it."""
    if not any(side.changes for side in sides):
        return {}, None
    rates, strides = tuple(side.dilation for side in sides), tuple(side.kept for side in sides)
    options: dict[str, Any] = {"strides": strides, "dilation_rate": rates}
    pads = tuple(side.pads for side in sides)
    if None not in pads:
        names = ("causal", "same", "valid") if spec.rank == 1 else ("same", "valid")
        named = {
            ConvSpec.parse(spec.rank, spec.kernel_size, strides, rates, name).pads((None,) * spec.rank): name for name in names
        }
        return options | {"padding": named.get(pads, pads)}, None
    return options | {"padding": "valid"}, {
        "kernel_size": spec.effective_kernel_size,
        "strides": spec.strides,
        "padding": spec.pads((None,) * spec.rank) if spec.padding == "causal" else spec.padding,
        "grid": tuple(side.grid for side in sides),
        "spare": tuple(side.spare for side in sides),
    }
