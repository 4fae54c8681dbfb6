"""What a layer reads, in a form that both directions use: forward for fields, backward for what one output sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from atrous.field.axis import AxisMap

Shape = tuple[int, ...]
"""Of a tensor without its batch axis; its axes are called dims here, because "axis" is one of the model's input."""


@dataclass(frozen=True)
class Link:
    """Ties dims of an output to dims of an input.

    One to one, `map` says which positions are read. Several to one, or one to several, they are merged or split in row-major
    order, and `map` is the identity. None to one, the position that `map` reads is taken, and the dim is gone.
    """

    into: tuple[int, ...]
    out_of: tuple[int, ...]
    map: AxisMap = field(default_factory=AxisMap.identity)

    @classmethod
    def one(cls, into: int, out_of: int, map: AxisMap | None = None) -> Link:
        """Ties one dim to one."""
        return cls((into,), (out_of,), map or AxisMap.identity())


@dataclass(frozen=True)
class Reads:
    """What one output tensor reads of each input tensor of an operation.

    Args:
        shape: Of the output.
        links: For each input tensor, what its dims are tied to. All positions are read of a dim that no link names (channels,
            what is pooled away); all positions of an output's dim that no link names read the same.
        joined: The dim along which the inputs stand behind each other, if they do.
    """

    shape: Shape
    links: tuple[tuple[Link, ...], ...]
    joined: int | None = None


def positionwise(shape: Sequence[int], *others: Sequence[int]) -> Reads:
    """Every position reads its own, of tensors that are broadcast against each other."""
    shapes = [tuple(shape), *map(tuple, others)]
    rank = max(map(len, shapes))
    lengths = [{s[d - rank] for s in shapes if len(s) >= rank - d} for d in range(rank)]
    if any(len(ns - {1}) > 1 for ns in lengths):
        raise ValueError(
            f"its inputs don't fit each other: {', '.join(map(str, shapes))}. Give an `input_shape` that the model fits."
        )
    result = tuple(max(ns) for ns in lengths)
    return Reads(result, tuple(tuple(_broadcast(s, result)) for s in shapes))


def _broadcast(shape: Shape, result: Shape) -> Iterable[Link]:
    lead = len(result) - len(shape)
    for d, n in enumerate(shape):
        yield Link.one(d + lead, d, AxisMap.constant() if n == 1 < result[d + lead] else AxisMap.identity())


def mapped(shape: Sequence[int], maps: dict[int, tuple[AxisMap, int]]) -> Reads:
    """Some dims by a map that gives them a new length, the others position by position.

    Args:
        shape: Of the input.
        maps: For a dim, its map and its new length.
    """
    links = tuple(Link.one(d, d, maps[d][0] if d in maps else None) for d in range(len(shape)))
    return Reads(tuple(maps[d][1] if d in maps else n for d, n in enumerate(shape)), (links,))


def reduced(shape: Sequence[int], dims: Sequence[int], keepdims: bool) -> Reads:
    """Some dims summed over, or taken any other one value of."""
    kept = [d for d in range(len(shape)) if d not in dims]
    if keepdims:
        result = tuple(1 if d in dims else n for d, n in enumerate(shape))
        return Reads(result, (tuple(Link.one(d, d) for d in kept),))
    return Reads(tuple(shape[d] for d in kept), (tuple(Link.one(i, d) for i, d in enumerate(kept)),))


def mixed(shape: Sequence[int], dims: Iterable[int]) -> Reads:
    """Some dims where every position reads every other, as attention or a normalisation over space does."""
    return mapped(shape, {d: (AxisMap.whole(), shape[d]) for d in dims})


def permuted(shape: Sequence[int], order: Sequence[int]) -> Reads:
    """Output dim i is input dim order[i]."""
    return Reads(tuple(shape[d] for d in order), (tuple(Link.one(i, d) for i, d in enumerate(order)),))


def reshaped(shape: Sequence[int], result: Sequence[int]) -> Reads:
    """Dims merged, split, or left, in row-major order; those of length 1 come and go."""
    links, i, j = [], 0, 0
    while i < len(shape) and j < len(result):
        a, b = i, j
        left, right = shape[i], result[j]
        i, j = i + 1, j + 1
        while left != right:
            if left < right:
                left, i = left * shape[i], i + 1
            else:
                right, j = right * result[j], j + 1
        into = tuple(d for d in range(b, j) if result[d] != 1) or (b,)
        out_of = tuple(d for d in range(a, i) if shape[d] != 1) or (a,)
        links.append(Link(into, out_of))
    return Reads(tuple(result), (tuple(links),))
