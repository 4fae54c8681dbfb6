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

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from atrous.layers.padding import strided_pads
from atrous.spec import ConvSpec


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

    @classmethod
    def input(cls, space: int, length: Length) -> Axis:
        """Of an input of the model."""
        return cls(space, Fraction(1), 1, length, length)

    def original(self) -> Axis:
        """Of the original's positions alone."""
        length = self.length.windows(1, self.grid)
        return Axis(self.space, self.kept * self.grid, 1, length, length)


Axes = tuple[Axis | None, ...]
"""For each dim of a tensor."""


@dataclass(frozen=True)
class Side:
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
    def of(cls, spec: ConvSpec, i: int, axis: Axis | None, kept: int) -> Side:
        """Axis number `i` of a convolution or pooling, whose stride keeps `kept`."""
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
        """Whether the layer must change along this axis."""
        return self.kept != self.stride or (self.grid > 1 and (self.kernel > 1 or self.pads != (0, 0)))

    @property
    def dilation(self) -> int:
        """The new rate."""
        return self.rate if self.kernel == 1 else self.rate * self.grid


def _pair(spec: ConvSpec, i: int) -> tuple[int, int] | None:
    """Zeros of the original layer along an axis; `None` where they depend on its length."""
    return (0, 0) if spec.padding == "same" and spec.kernel_size[i] == 1 else spec.pads((None,) * spec.rank)[i]


def options_of(spec: ConvSpec, sides: list[Side]) -> tuple[dict[str, Any], dict[str, Any] | None]:
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
