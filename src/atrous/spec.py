"""The arguments of a convolution, parsed once into a frozen value from which everything else is derived.

The definition, along one spatial axis with kernel size k, stride s, dilation rate r and p zeros in front:

    y[i] = Σ_m x[i·s + r·m − p] · w[m],    m = 0 … k−1

Dilation enters the arithmetic once, through the effective kernel size k + (k−1)(r−1). Pure Python, no framework.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

Pads = tuple[tuple[int, int], ...]
"""Zeros before and after the data, a pair an axis."""

Padding = Literal["valid", "same", "causal"] | Pads
Size = int | None
"""Length of a spatial axis; `None` where it is not known yet."""

PADDING_NAMES = ("valid", "same", "causal")


@dataclass(frozen=True)
class ConvSpec:
    """Geometry of a convolution of any rank.

    Args:
        kernel_size: Taps along each spatial axis.
        strides: Step between outputs along each axis, in input positions.
        dilation_rate: Step between taps along each axis, in input positions; 1 is the ordinary convolution.
        padding: `"valid"` (none), `"same"` (TensorFlow's rule: output size ⌈n / stride⌉, the odd zero behind), `"causal"` (all
            zeros in front; one spatial axis only) or explicit (before, after) pairs, one an axis.
        groups: Number of groups that channels are split into.

    Use `ConvSpec.parse` to make one from a user's arguments.
    """

    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    padding: Padding = "valid"
    groups: int = 1

    @classmethod
    def parse(
        cls,
        rank: int,
        kernel_size: Any,
        strides: Any = 1,
        dilation_rate: Any = 1,
        padding: Any = "valid",
        groups: Any = 1,
    ) -> ConvSpec:
        """Checks arguments as users write them and returns the spec.

        Args:
            rank: Number of spatial axes.
            kernel_size: Positive integer, or one an axis.
            strides: Positive integer, or one an axis.
            dilation_rate: Positive integer, or one an axis.
            padding: A name in any case, an integer (zeros on every side), one integer or (before, after) pair an axis. With
                one axis, (before, after) itself.
            groups: Positive integer.

        Raises:
            ValueError: An argument breaks its rule; the message names both.
        """
        return cls(
            kernel_size=parse_integers("kernel_size", kernel_size, rank),
            strides=parse_integers("strides", strides, rank),
            dilation_rate=parse_integers("dilation_rate", dilation_rate, rank),
            padding=parse_padding(padding, rank),
            groups=parse_integer("groups", groups),
        )

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel_size)

    @property
    def effective_kernel_size(self) -> tuple[int, ...]:
        """Span of the dilated kernel along each axis: k + (k−1)(r−1)."""
        return tuple(k + (k - 1) * (r - 1) for k, r in zip(self.kernel_size, self.dilation_rate, strict=True))

    def pads(self, input_size: Sequence[Size]) -> tuple[tuple[int, int] | None, ...]:
        """Zeros before and after each axis.

        Args:
            input_size: Length of each spatial axis.

        Returns:
            A pair an axis; `None` where the padding depends on a length that is not known (`"same"` with a stride above 1).
        """
        return tuple(self._axis_pads(axis, n) for axis, n in enumerate(input_size))

    def _axis_pads(self, axis: int, n: Size) -> tuple[int, int] | None:
        if not isinstance(self.padding, str):
            return self.padding[axis]
        span, stride = self.effective_kernel_size[axis], self.strides[axis]
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return span - 1, 0
        if stride == 1:
            return same_pads(0, span, 1)
        return None if n is None else same_pads(n, span, stride)

    def output_size(self, input_size: Sequence[Size]) -> tuple[Size, ...]:
        """Length of each spatial axis of the output.

        Args:
            input_size: Length of each spatial axis of the input; `None` stays `None`.

        Raises:
            ValueError: The kernel doesn't fit into the padded input. (`"same"` and `"causal"` of nothing are nothing.)
        """
        sizes = tuple(self._axis_output_size(axis, n) for axis, n in enumerate(input_size))
        if self.padding not in ("same", "causal") and any(n is not None and n <= 0 for n in sizes):
            raise ValueError(
                "The output would be empty: the kernel must fit into the padded input. "
                f"Received: input size={tuple(input_size)}, "
                f"effective kernel size={self.effective_kernel_size} (kernel_size={self.kernel_size}, "
                f"dilation_rate={self.dilation_rate}), padding={self.padding!r}. Use a larger input, a smaller "
                "`dilation_rate` or `padding='same'`."
            )
        return sizes

    def _axis_output_size(self, axis: int, n: Size) -> Size:
        if n is None:
            return None
        stride = self.strides[axis]
        if self.padding in ("same", "causal"):
            return -(-n // stride)
        before, after = self._axis_pads(axis, n) or (0, 0)
        return (n + before + after - self.effective_kernel_size[axis]) // stride + 1

    def transposed(self, output_padding: Sequence[int] | None = None) -> tuple[TransposedAxis, ...]:
        """Geometry of the transposed convolution, which is the input gradient of this one.

        Args:
            output_padding: Extra length behind each axis, below the stride; `None` takes Keras's default.

        Returns:
            One `TransposedAxis` for each spatial axis.
        """
        extra = (None,) * self.rank if output_padding is None else tuple(output_padding)
        return tuple(self._transposed_axis(axis, extra[axis]) for axis in range(self.rank))

    def _transposed_axis(self, axis: int, extra: int | None) -> TransposedAxis:
        span, stride = self.effective_kernel_size[axis], self.strides[axis]
        if self.padding == "causal":
            return TransposedAxis(stride, 0, extra or 0)
        if self.padding == "valid":
            return TransposedAxis(stride, 0, max(span - stride, 0) if extra is None else span - stride + extra)
        if self.padding == "same":  # Keras: n·s, or (n−1)·s + span mod 2 + output_padding when that is given
            growth = 0 if extra is None else span % 2 + extra - stride
            return TransposedAxis(stride, max(span - stride - growth, 0) // 2, growth)
        before, after = self.padding[axis]
        return TransposedAxis(stride, before, span - stride - before - after + (extra or 0))

    def receptive_field(self, input_size: Sequence[Size] | None = None) -> ReceptiveField:
        """Receptive field of one output of this convolution.

        Args:
            input_size: Length of each spatial axis; needed only by `"same"` with a stride above 1, whose padding depends on it.

        Raises:
            ValueError: The padding depends on a length that is not known.
        """
        pads = self.pads(input_size or (None,) * self.rank)
        if any(pair is None for pair in pads):
            raise ValueError(
                "`input_size` must be known where `padding='same'` has a stride above 1, because the zeros in front depend on "
                f"it. Received: input_size={input_size}, strides={self.strides}."
            )
        return ReceptiveField(
            size=self.effective_kernel_size,
            stride=self.strides,
            offset=tuple(-pair[0] for pair in pads if pair is not None),
        )


@dataclass(frozen=True)
class TransposedAxis:
    """One axis of a transposed convolution.

    Length n becomes n·stride + growth; tap m of input i lands on output i·stride + rate·m − before.
    """

    stride: int
    before: int
    growth: int

    def output_size(self, n: Size) -> Size:
        """Length of the output for an input of length n."""
        return None if n is None else n * self.stride + self.growth


@dataclass(frozen=True)
class ReceptiveField:
    """What one output position can see of the input, along each spatial axis.

    Output position i sees input positions i·stride + offset … i·stride + offset + size − 1; a negative position is padding.

    Args:
        size: Number of input positions spanned.
        stride: Input positions between neighbouring outputs (the "jump", or effective stride).
        offset: First input position seen by output 0.

    Source: Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", doi 10.23915/distill.00021.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: tuple[int, ...]

    @classmethod
    def identity(cls, rank: int) -> ReceptiveField:
        """The field of the input itself: every position sees itself."""
        return cls((1,) * rank, (1,) * rank, (0,) * rank)

    def then(self, following: ReceptiveField) -> ReceptiveField:
        """The field through this layer and a following one."""
        axes = range(len(self.size))
        return ReceptiveField(
            size=tuple(self.size[a] + (following.size[a] - 1) * self.stride[a] for a in axes),
            stride=tuple(self.stride[a] * following.stride[a] for a in axes),
            offset=tuple(self.offset[a] + following.offset[a] * self.stride[a] for a in axes),
        )

    def span(self, position: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """First and last input position seen by the output at `position`, a pair an axis."""
        starts = [i * s + o for i, s, o in zip(position, self.stride, self.offset, strict=True)]
        return tuple((start, start + size - 1) for start, size in zip(starts, self.size, strict=True))


def chain(specs: Iterable[ConvSpec], input_size: Sequence[Size] | None = None) -> ReceptiveField:
    """Receptive field of a chain of layers.

    Args:
        specs: The layers, first to last, all of one rank; pooling is a layer too.
        input_size: Length of each spatial axis of the first input, where known.

    Raises:
        ValueError: There is no layer, ranks differ, or a padding depends on a length that is not known.
    """
    specs = tuple(specs)
    if not specs:
        raise ValueError("`specs` must name at least one layer. Received: specs=().")
    if any(a.rank != b.rank for a, b in pairwise(specs)):
        raise ValueError(f"`specs` must all have the same rank. Received: ranks={tuple(spec.rank for spec in specs)}.")
    size = tuple(input_size) if input_size is not None else (None,) * specs[0].rank
    field = ReceptiveField.identity(specs[0].rank)
    for spec in specs:
        field = field.then(spec.receptive_field(size))
        size = spec.output_size(size)
    return field


def same_pads(n: int, span: int, stride: int) -> tuple[int, int]:
    """Zeros before and after by TensorFlow's `same` rule, which puts the odd one behind.

    Args:
        n: Length of the input (any value when `stride` is 1).
        span: Effective kernel size.
        stride: Stride.
    """
    total = span - 1 if stride == 1 else max((-(-n // stride) - 1) * stride + span - n, 0)
    return total // 2, total - total // 2


def parse_integer(name: str, value: Any, minimum: int = 1) -> int:
    """Returns `value` as an int that is at least `minimum`, or raises a ValueError that names the argument."""
    number = _as_integer(value)
    if number is None or number < minimum:
        raise ValueError(f"`{name}` must be {_kind(minimum)} integer. Received: {name}={value!r}.")
    return number


def parse_integers(name: str, value: Any, rank: int, minimum: int = 1) -> tuple[int, ...]:
    """Returns `rank` integers, each at least `minimum`, from one integer or one an axis.

    Raises:
        ValueError: Something else came.
    """
    try:
        entries = tuple(value)  # arrays and ranges too, as Keras takes them
    except TypeError:
        entries = (value,) * rank
    numbers = tuple(_as_integer(entry) for entry in entries)
    if len(numbers) != rank or any(number is None or number < minimum for number in numbers):
        many = f" or {rank} of them, one for each spatial axis" if rank > 1 else ""
        raise ValueError(f"`{name}` must be {_kind(minimum)} integer{many}. Received: {name}={value!r}.")
    return tuple(number for number in numbers if number is not None)


def parse_padding(value: Any, rank: int) -> Padding:
    """Returns a padding name in lower case, or explicit pairs, from what a user wrote.

    Raises:
        ValueError: The name is unknown, `"causal"` has more than one axis, or the pairs don't fit the rank.
    """
    if isinstance(value, str):
        return _parse_padding_name(value, rank)
    if isinstance(value, (tuple, list)):
        entries = [value] if rank == 1 and len(value) == 2 else value
        pairs = [tuple(entry) if isinstance(entry, (tuple, list)) else (entry, entry) for entry in entries]
    else:
        pairs = [(value, value)] * rank
    numbers = [tuple(_as_integer(side) for side in pair) for pair in pairs]
    if len(numbers) != rank or any(len(pair) != 2 or any(n is None or n < 0 for n in pair) for pair in numbers):
        axes = "(before, after)" if rank == 1 else f"{rank} integers or (before, after) pairs"
        raise ValueError(
            f"`padding` must be one of {_names(rank)}, a non-negative integer, or {axes}. Received: padding={value!r}."
        )
    return tuple((before or 0, after or 0) for before, after in numbers)


def _parse_padding_name(value: str, rank: int) -> Padding:
    name = value.lower()
    if name == "causal" and rank != 1:
        raise ValueError(f"`padding='causal'` must have one spatial axis, time. Received: padding={value!r} with {rank} axes.")
    for known in PADDING_NAMES:
        if name == known:
            return name  # type: ignore[return-value]
    raise ValueError(f"`padding` must be one of {_names(rank)}, or explicit. Received: padding={value!r}.")


def _names(rank: int) -> str:
    return ", ".join(repr(name) for name in PADDING_NAMES if rank == 1 or name != "causal")


def _kind(minimum: int) -> str:
    return {0: "a non-negative", 1: "a positive"}.get(minimum, f"at least {minimum}, an")


def _as_integer(value: Any) -> int | None:
    """An exact integer (NumPy's too), or None; booleans, strings and floats are none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
