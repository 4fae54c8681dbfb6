"""What one layer reads and what one output sees, along one spatial axis, by arithmetic on integers.

Both repeat: shifting the output by a period shifts the input by an advance. A convolution has period 1 and advances
by its stride; up-sampling by 2 has period 2 and advance 1. So one arithmetic holds for strides, up-sampling and transposes.

Source of the count of paths: Luo et al. 2016, "Understanding the effective receptive field in deep convolutional neural
networks", arXiv:1701.04128, equation 3 with equal weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

MAX_PERIOD = 4096
"""Outputs told apart before the arithmetic gives up: resizing 500 to 513 positions needs 513."""

_LARGE = 2.0**900  # counts are halved from here on, so that float64 never overflows
_TINY = 2.0**-1000  # and never fall to zero, which means "not seen"


@dataclass(frozen=True)
class AxisMap:
    """Which input positions each output position of one layer reads.

    Output q·period + φ reads input q·advance + t for each t in `taps[φ]`, where φ = 0 … period−1.

    Args:
        taps: For each φ, the positions read; one that is read several times is there several times.
        advance: Input positions by which a whole period moves on.
        past: Whether all earlier positions are read too (recurrent layers, causal attention).
        future: Whether all later positions are read too.
    """

    taps: tuple[tuple[int, ...], ...]
    advance: int = 1
    past: bool = False
    future: bool = False

    @classmethod
    def identity(cls) -> AxisMap:
        """Every output reads the input at its own position."""
        return cls(((0,),))

    @classmethod
    def whole(cls) -> AxisMap:
        """Every output reads everything, its own position by a path of its own (attention with a skip)."""
        return cls(((0,),), past=True, future=True)

    @classmethod
    def constant(cls) -> AxisMap:
        """Every output reads input 0: an axis of length 1 that is broadcast."""
        return cls(((0,),), advance=0)

    @classmethod
    def shift(cls, positions: int, step: int = 1) -> AxisMap:
        """Output i reads input i·step + positions: cropping and slicing (positive), zero padding (negative)."""
        return cls(((positions,),), advance=step)

    @classmethod
    def window(cls, kernel_size: int, strides: int = 1, dilation_rate: int = 1, before: int = 0) -> AxisMap:
        """A convolution or pooling: output i reads i·strides + dilation_rate·m − before for m = 0 … kernel_size−1."""
        return cls((tuple(dilation_rate * m - before for m in range(kernel_size)),), advance=strides)

    @classmethod
    def transposed(cls, kernel_size: int, strides: int = 1, dilation_rate: int = 1, before: int = 0) -> AxisMap:
        """A transposed convolution: input i is added to output i·strides + dilation_rate·m − before."""
        taps = tuple(
            tuple(
                (phase + before - dilation_rate * m) // strides
                for m in reversed(range(kernel_size))
                if (phase + before - dilation_rate * m) % strides == 0
            )
            for phase in range(strides)
        )
        return cls(taps)

    @classmethod
    def repeat(cls, times: int) -> AxisMap:
        """Up-sampling that repeats every position."""
        return cls(((0,),) * times)

    @classmethod
    def resize(cls, before: int, after: int, interpolation: str = "bilinear") -> AxisMap:
        """Resizing from `before` to `after` positions around half-pixel centres: output i looks at (i + ½)·before/after − ½.

        Args:
            before: Length of the input.
            after: Length of the output.
            interpolation: `"nearest"`, `"bilinear"` or `"bicubic"`.
        """
        divisor = math.gcd(before, after)
        period, advance = after // divisor, before // divisor
        return cls(tuple(_looked_at(phase, before, after, interpolation) for phase in range(period)), advance)

    @classmethod
    def adaptive(cls, before: int, after: int) -> AxisMap:
        """Adaptive pooling: output i reads ⌊i·before/after⌋ … ⌈(i+1)·before/after⌉ − 1."""
        divisor = math.gcd(before, after)
        period = after // divisor
        taps = tuple(tuple(range(i * before // after, -(-(i + 1) * before // after))) for i in range(period))
        return cls(taps, before // divisor)

    @property
    def period(self) -> int:
        """Outputs after which the pattern repeats."""
        return len(self.taps)

    def reads(self, position: int) -> list[int]:
        """Input positions that one output reads, those that `past` and `future` add left out."""
        turn, phase = divmod(position, self.period)
        return [turn * self.advance + tap for tap in self.taps[phase]]


@dataclass(frozen=True, eq=False)
class AxisField:
    """What an output position of some tensor sees of the model's input, and through how many paths.

    Output q·period + φ sees input q·advance + first[φ] + d through paths[φ][d] · 2^exponent paths; 0 is "not at all".

    Args:
        first: For each φ, the first input position seen.
        paths: For each φ, float64 (span,); empty where nothing is seen. Exact below 2^53.
        advance: Input positions by which a whole period moves on.
        past: Whether everything earlier is seen too.
        future: Whether everything later is seen too.
        exponent: Power of two that was taken out of `paths`.
    """

    first: tuple[int, ...] = (0,)
    paths: tuple[np.ndarray, ...] = (np.ones(1),)
    advance: int = 1
    past: bool = False
    future: bool = False
    exponent: int = 0

    @classmethod
    def identity(cls) -> AxisField:
        """The input's own: every position sees itself."""
        return cls()

    @classmethod
    def whole(cls) -> AxisField:
        """Everything is seen, and no position of it in particular: global pooling, flatten."""
        return cls((0,), (np.zeros(0),), 0, past=True, future=True)

    @classmethod
    def chain(cls, maps: Iterable[AxisMap]) -> AxisField:
        """The field behind layers that follow each other, first to last."""
        field = cls.identity()
        for step in maps:
            field = field.then(step)
        return field

    @property
    def period(self) -> int:
        """Outputs after which the pattern repeats."""
        return len(self.first)

    @property
    def is_local(self) -> bool:
        """Whether any position is seen in particular, beside what `past` and `future` add."""
        return any(len(paths) for paths in self.paths)

    @property
    def local_size(self) -> int:
        """Positions spanned, those that `past` and `future` add left out; the most over all phases."""
        return max(len(paths) for paths in self.paths)

    @property
    def size(self) -> float:
        """Positions spanned, the most over all phases: an `int`, or `math.inf` with `past` or `future`."""
        return math.inf if self.past or self.future else self.local_size

    @property
    def stride(self) -> int | Fraction:
        """Input positions between neighbouring outputs (the "jump"); a fraction behind up-sampling; 0 if it doesn't move."""
        step = Fraction(self.advance, self.period)
        return int(step) if step.denominator == 1 else step

    @property
    def offset(self) -> float:
        """First input position that output 0 sees; negative where it is padding; −∞ with `past`."""
        return -math.inf if self.past else self.first[0]

    @property
    def center(self) -> float:
        """Middle of what output 0 sees, in input positions; that of the local part where the field is infinite."""
        return self.first[0] + (len(self.paths[0]) - 1) / 2

    @property
    def look_back(self) -> float:
        """Input positions seen before an output's own, ⌊i·stride⌋; the most over all phases."""
        seen = [self._own(phase) - self.first[phase] for phase in range(self.period) if len(self.paths[phase])]
        return math.inf if self.past else max(seen, default=0)

    @property
    def look_ahead(self) -> float:
        """Input positions seen after an output's own, ⌊i·stride⌋; the most over all phases, 0 or less if causal."""
        last = [self._last(phase) - self._own(phase) for phase in range(self.period) if len(self.paths[phase])]
        return math.inf if self.future else max(last, default=0)

    @property
    def widest(self) -> int:
        """The phase that spans most; the first of them."""
        return max(range(self.period), key=lambda phase: len(self.paths[phase]))

    @property
    def coverage(self) -> np.ndarray:
        """Which positions of the span are seen, boolean (local_size,), for the phase that spans most."""
        return self.paths[self.widest] > 0

    def at(self, position: int) -> tuple[int, np.ndarray]:
        """First input position that one output sees, and the paths to it and those after it (`paths` of its phase)."""
        turn, phase = divmod(position, self.period)
        return turn * self.advance + self.first[phase], self.paths[phase]

    def then(self, step: AxisMap) -> AxisField:
        """The field behind one more layer.

        Raises:
            ValueError: The pattern repeats only after more than `MAX_PERIOD` outputs.
        """
        turns = self.period // math.gcd(self.period, step.advance)
        _check_period(turns * step.period)
        seen = [self._sum(self.at(position) for position in step.reads(output)) for output in range(turns * step.period)]
        return AxisField(
            tuple(first for first, _ in seen),
            tuple(paths for _, paths in seen),
            step.advance * turns // self.period * self.advance,
            self.past or step.past,
            self.future or step.future,
            self.exponent,
        )._halved()

    def union(self, other: AxisField, length: int | None = None) -> AxisField:
        """The field of a sum or concatenation of two tensors.

        Args:
            other: The other tensor's field.
            length: Positions of the two tensors. Where their strides differ, each of them is told apart.

        Raises:
            ValueError: The strides differ and there are more than `MAX_PERIOD` positions.
        """
        past, future = self.past or other.past, self.future or other.future
        if not (self.is_local and other.is_local):
            return replace(self if self.is_local else other, past=past, future=future)
        a, b = self, other
        period = math.lcm(a.period, b.period)
        if a.advance * b.period != b.advance * a.period:
            period = length or MAX_PERIOD + 1
        _check_period(period)
        exponent = max(a.exponent, b.exponent)
        a, b = a._scaled(exponent), b._scaled(exponent)
        seen = [self._sum((a.at(output), b.at(output))) for output in range(period)]
        advance = a.advance * period // a.period
        return AxisField(
            tuple(first for first, _ in seen), tuple(paths for _, paths in seen), advance, past, future, exponent
        )._halved()

    @staticmethod
    def _sum(parts: Iterable[tuple[int, np.ndarray]]) -> tuple[int, np.ndarray]:
        parts = [(first, paths) for first, paths in parts if len(paths)]
        if not parts:
            return 0, np.zeros(0)
        low = min(first for first, _ in parts)
        total = np.zeros(max(first + len(paths) for first, paths in parts) - low)
        for first, paths in parts:
            total[first - low : first - low + len(paths)] += paths
        return low, total

    def _halved(self) -> AxisField:
        largest = max((paths.max() for paths in self.paths if len(paths)), default=0.0)
        return self if largest < _LARGE else self._scaled(self.exponent + 600)

    def _scaled(self, exponent: int) -> AxisField:
        if exponent == self.exponent:
            return self
        factor = 2.0 ** (self.exponent - exponent)
        scaled = tuple(np.where(paths > 0, np.maximum(paths * factor, _TINY), 0.0) for paths in self.paths)
        return replace(self, paths=scaled, exponent=exponent)

    def _own(self, phase: int) -> int:
        return phase * self.advance // self.period

    def _last(self, phase: int) -> int:
        return self.first[phase] + len(self.paths[phase]) - 1


def _looked_at(position: int, before: int, after: int, interpolation: str) -> tuple[int, ...]:
    center = Fraction(2 * position + 1, 2) * before / after
    if interpolation == "nearest":
        return (math.floor(center),)
    center -= Fraction(1, 2)
    left = math.floor(center)
    if center == left:
        return (left,)
    return (left, left + 1) if interpolation == "bilinear" else (left - 1, left, left + 1, left + 2)


def _check_period(period: int) -> None:
    if period > MAX_PERIOD:
        raise ValueError(
            f"Its outputs see patterns that repeat only after more than {MAX_PERIOD} positions, because branches or sizes "
            "don't fit each other. Give a smaller `input_shape`, or resize by whole factors."
        )


def shape_of(sizes: Sequence[float]) -> str:
    """Sizes for a reader, such as "64×64" or "∞"."""
    return "×".join("∞" if math.isinf(size) else f"{size:,}" for size in sizes)
