"""The field of a tensor, and how it comes from the fields of those that it was made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from atrous.field.axis import AxisField, AxisMap
from atrous.field.reads import Link, Reads, Shape

Axes = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Seen:
    """What the positions of a tensor see of the model's input.

    Args:
        shape: Of the tensor, without its batch axis.
        axes: For each dim, the axes of the model's input that it runs along: none for channels, several where dims were merged.
        fields: For each spatial axis of the model's input, what is seen of it; `None` for a tensor that doesn't depend on it.
        near: The same, counted from the last change of resolution, in positions of this resolution: where holes (gridding)
            show that finer layers before it would fill.
        merged: For a dim that several axes were merged into, their lengths.
    """

    shape: Shape
    axes: tuple[Axes, ...]
    fields: tuple[AxisField, ...] | None = None
    near: tuple[AxisField, ...] | None = None
    merged: tuple[Shape, ...] | None = None

    @classmethod
    def constant(cls, shape: Shape) -> Seen:
        """A tensor that doesn't depend on the input."""
        return cls(shape, ((),) * len(shape))

    @classmethod
    def input(cls, shape: Shape, dims: Sequence[int]) -> Seen:
        """The model's input, whose dims `dims` are its spatial axes."""
        axes = tuple((dims.index(d),) if d in dims else () for d in range(len(shape)))
        fields = (AxisField.identity(),) * len(dims)
        return cls(shape, axes, fields, fields)

    def dim_of(self, axis: int) -> int | None:
        """The dim that runs along an axis of the input, and along no other."""
        return self.axes.index((axis,)) if (axis,) in self.axes else None


class Propagation:
    """Makes fields of fields. Remembers what it computed: square kernels ask the same twice, and shared branches more often."""

    def __init__(self) -> None:
        self._then: dict[tuple[int, AxisMap], tuple[AxisField, AxisField]] = {}
        self._union: dict[tuple[int, int, int | None], tuple[AxisField, AxisField, AxisField]] = {}

    def __call__(self, reads: Reads, inputs: Sequence[Seen]) -> Seen:
        """What an operation's output sees.

        Raises:
            ValueError: The operation moves positions in a way that can't be followed.
        """
        parts = [self._part(reads.shape, links, seen) for links, seen in zip(reads.links, inputs, strict=True)]
        if reads.joined is not None and sum(_moves_along(reads.joined, part) for part in parts) > 1:
            raise ValueError("it puts positions behind each other that both depend on the input")
        result = Seen.constant(reads.shape)
        for part in parts:
            result = self._joined(result, part)
        return result

    def _part(self, shape: Shape, links: Sequence[Link], seen: Seen) -> Seen:
        if seen.fields is None or seen.near is None:
            return Seen.constant(shape)
        fields, near = list(seen.fields), list(seen.near)
        axes: list[Axes] = [()] * len(shape)
        merged: list[Shape] = [()] * len(shape)
        links = kept(links, seen)
        linked = {d for link in links for d in link.out_of}
        for d, dim_axes in enumerate(seen.axes):
            for axis in dim_axes if d not in linked else ():
                fields[axis] = near[axis] = AxisField.whole()
        for link in links:
            for axis in (axis for d in link.out_of for axis in seen.axes[d]):
                fields[axis], near[axis] = self._through(link, seen, fields[axis], near[axis])
            for d, dim_axes, lengths in _tied(link, seen, shape):
                axes[d], merged[d] = dim_axes, lengths
        return Seen(shape, tuple(axes), tuple(fields), tuple(near), tuple(merged))

    def _through(self, link: Link, seen: Seen, field: AxisField, near: AxisField) -> tuple[AxisField, AxisField]:
        if link.map == AxisMap.identity():
            return field, near
        if any(len(seen.axes[d]) > 1 for d in link.out_of):  # along merged axes, a window is no window
            return AxisField.whole(), AxisField.whole()
        changes_resolution = (link.map.period, link.map.advance) not in ((1, 1), (1, 0))
        return self.then(field, link.map), AxisField.identity() if changes_resolution else self.then(near, link.map)

    def _joined(self, a: Seen, b: Seen) -> Seen:
        if a.fields is None or b.fields is None or a.near is None or b.near is None:
            return a if b.fields is None else replace(b, shape=a.shape)
        axes = tuple(x or y for x, y in zip(a.axes, b.axes, strict=True))
        if any(x and y and x != y for x, y in zip(a.axes, b.axes, strict=True)):
            raise ValueError("its inputs run along different axes of the model's input in the same place")
        lengths = [next((n for n, d in zip(a.shape, axes, strict=True) if d == (axis,)), None) for axis in range(len(a.fields))]
        return Seen(
            a.shape,
            axes,
            tuple(self.union(x, y, n) for x, y, n in zip(a.fields, b.fields, lengths, strict=True)),
            tuple(self.union(x, y, n) for x, y, n in zip(a.near, b.near, lengths, strict=True)),
            tuple(x or y for x, y in zip(a.merged or axes, b.merged or axes, strict=True)),
        )

    def then(self, field: AxisField, step: AxisMap) -> AxisField:
        """The field behind one more layer."""
        key = id(field), step
        if key not in self._then:
            self._then[key] = field, field.then(step)  # the first is kept so that its id stays its own
        return self._then[key][1]

    def union(self, a: AxisField, b: AxisField, length: int | None) -> AxisField:
        """The field of both together."""
        key = id(a), id(b), length
        if key not in self._union:
            self._union[key] = a, b, a.union(b, length)
        return self._union[key][2]


def kept(links: Sequence[Link], seen: Seen) -> list[Link]:
    """Without those that merge positions with channels: such positions become features, and are not told apart any more."""
    return [link for link in links if len({bool(seen.axes[d]) for d in link.out_of}) == 1]


def _moves_along(dim: int, part: Seen) -> bool:
    return part.fields is not None and any(part.fields[axis].is_local for axis in part.axes[dim])


def _tied(link: Link, seen: Seen, shape: Shape) -> Iterator[tuple[int, Axes, Shape]]:
    """For each dim that a link ties, the axes that it runs along, and their lengths where they are several."""
    along = tuple(axis for d in link.out_of for axis in seen.axes[d])
    if len(link.into) == 1:
        merged = (
            (seen.merged or seen.axes)[link.out_of[0]] if len(link.out_of) == 1 else tuple(seen.shape[d] for d in link.out_of)
        )
        yield link.into[0], along, merged if len(along) > 1 else ()
    elif along and link.into:
        if seen.merged is None or seen.merged[link.out_of[0]] != tuple(shape[d] for d in link.into):
            raise ValueError("it splits one axis of positions into several")
        for d, axis in zip(link.into, along, strict=True):
            yield d, (axis,), ()
