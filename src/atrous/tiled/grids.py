"""The tiles of a tensor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from atrous.parts.part import Spans
from atrous.tiled.passes import Plan


@dataclass(frozen=True)
class Grid:
    """The tiles of a tensor, in order.

    Args:
        target: Its number.
        lengths: Of the dims that are cut.
        sizes: Of a tile along them; the last is what is left.
    """

    target: int
    lengths: Mapping[int, int]
    sizes: Mapping[int, int]

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles along each dim."""
        return tuple(-(-n // self.sizes[d]) for d, n in self.lengths.items())

    def __len__(self) -> int:
        return math.prod(self.counts)

    def __getitem__(self, index: int) -> Spans:
        places = []
        for count in reversed(self.counts):
            index, place = divmod(index, count)
            places.append(place)
        return {
            d: (place * self.sizes[d], min((place + 1) * self.sizes[d], n))
            for (d, n), place in zip(self.lengths.items(), reversed(places), strict=True)
        }

    def along(self, dim: int) -> Iterator[Spans]:
        """The tiles of a row along a dim."""
        first = self[0]
        for begin in range(0, self.lengths[dim], self.sizes[dim]):
            yield {**first, dim: (begin, min(begin + self.sizes[dim], self.lengths[dim]))}

    @property
    def middle(self) -> Spans:
        """A tile in the middle along every dim: of the largest that there are."""
        index = 0
        for count in self.counts:
            index = index * count + (count - 1) // 2
        return self[index]


def grid_of(plan: Plan, target: int, tile: Mapping[int, int]) -> Grid:
    """Tiles of nearly equal size that begin at whole periods, where these aren't larger than the tile.

    Args:
        plan: How the model is gone through.
        target: Number of the tensor.
        tile: Largest size along each dim of the image, in positions of the image.
    """
    lengths, sizes = {}, {}
    shape, image = plan.graph.shapes[target], plan.graph.shapes[plan.image]
    period = periods(plan, target)
    for d, of_image in sorted(plan.origins[target].items()):
        length, most = shape[d], max(tile[of_image] * shape[d] // image[of_image], 1)
        unit = period[d] if period[d] <= most else 1
        most = most // unit * unit
        count = -(-length // most)
        lengths[d], sizes[d] = length, min(-(-length // count // unit) * unit if count > 1 else length, length)
    return Grid(target, lengths, sizes)


def is_regular(plan: Plan, grid: Grid) -> bool:
    """Whether tiles have few geometries."""
    unit = periods(plan, grid.target)
    return all(size % unit[d] == 0 or size == grid.lengths[d] for d, size in grid.sizes.items())


def periods(plan: Plan, target: int) -> dict[int, int]:
    """By how much a part may be moved, along each dim that is cut, so that all parts on the way move by whole positions.

    Behind a stride of 8 and up-sampling by 8 it is 8, so tiles that begin at its multiples have few geometries.
    """
    return _moves(plan, target)[0]


def image_steps(plan: Plan, target: int) -> dict[int, Fraction]:
    """Positions of the image from one position of a tensor to the next, for each dim of the image that it comes from."""
    return {plan.origins[plan.image][d]: step for d, step in _moves(plan, target)[1].get(plan.image, {}).items()}


def _moves(plan: Plan, target: int) -> tuple[dict[int, int], dict[int, dict[int, Fraction]]]:
    """Periods of a tensor; and for each tensor on the way, by how much its parts move when one of this moves by 1."""
    graph = plan.graph
    moves: dict[int, dict[int, Fraction]] = {target: {d: Fraction(1) for d in plan.origins[target]}}
    found = dict.fromkeys(plan.origins[target], 1)
    of_image = {image: d for d, image in plan.origins[target].items()}
    for use in reversed(graph.uses):
        for made, reads in zip(use.outputs, use.reads, strict=True):
            for taken, links in zip(use.inputs, reads.links, strict=True) if made in moves else ():
                for link in links:
                    if len(link.into) != 1 or link.into[0] not in moves[made] or link.out_of[0] not in plan.origins[taken]:
                        continue
                    turns = moves[made][link.into[0]] / link.map.period
                    d = of_image[plan.origins[taken][link.out_of[0]]]
                    found[d] = math.lcm(found[d], turns.denominator)
                    moves.setdefault(taken, {})[link.out_of[0]] = turns * link.map.advance
    return found, moves
