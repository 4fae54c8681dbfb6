"""The exact search behind `design`: dynamic programming over how far a stack sees, for all costs at once, with bounds.

A state is the widest field that the first layers can have without holes, with the product of their strides. A layer more
takes one state to another and adds its costs, which depend on its kernel size and its place, never on its rate. So this is
a shortest-path problem with several costs, and a state may be dropped for two reasons only:

- another of as many layers with the same product of strides reaches as far for no more of any cost;
- for every number of layers to come, what they cost at least takes it to where a complete stack costs no more of anything.

For the second reason to hold early, complete stacks must be known early: a first pass drops states that are nearly dominated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Costs = tuple[int, ...]
"""Smaller is better: layers, parameters, multiply-adds, bytes of memory, picoseconds (0 without a cost model)."""

LayerCosts = Callable[[int, int, int, bool], Costs]
"""Costs of a layer by kernel size, stride, product of the strides in front of it, and whether it is the first."""

LAYERS, MEMORY = 0, 3  # of memory a stack has its largest layer's, of the other costs the sum
COARSE = 0.02  # of the first pass: costs and fields that differ by less than some 2 % count as equal
LARGEST = 2**62  # of a cost: sums stay within 64 bits


@dataclass(frozen=True)
class Structure:
    """Kernel sizes and strides of a stack, layer by layer, and its costs."""

    costs: Costs
    kernel_sizes: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _States:
    """Many states, each the first layers of a stack, a row each; `parent` is the row that a layer was added to."""

    costs: np.ndarray  # (n, 5)
    reach: np.ndarray  # (n,)
    jump: np.ndarray  # (n,): product of strides
    kernel: np.ndarray  # (n,): of the layer that was added last
    stride: np.ndarray
    parent: np.ndarray
    before: _States | None

    def take(self, rows: np.ndarray) -> _States:
        return _States(
            self.costs[rows],
            self.reach[rows],
            self.jump[rows],
            self.kernel[rows],
            self.stride[rows],
            self.parent[rows],
            self.before,
        )

    def structure(self, row: int) -> Structure:
        costs, kernels, strides = tuple(map(int, self.costs[row])), [], []
        states: _States = self
        while states.before is not None:
            kernels.append(int(states.kernel[row]))
            strides.append(int(states.stride[row]))
            row, states = int(states.parent[row]), states.before
        return Structure(costs, tuple(reversed(kernels)), tuple(reversed(strides)))


def search(
    receptive_field: int, kernel_sizes: Sequence[int], layer_costs: LayerCosts, output_stride: int = 1, repeats: int = 1
) -> list[Structure]:
    """All stacks that reach the field and whose costs no other such stack undercuts; one for each vector of costs.

    Args:
        receptive_field: Positions that must be seen without holes.
        kernel_sizes: Allowed ones, each at least 2.
        layer_costs: See `LayerCosts`; positive layers.
        output_stride: The strides of a stack multiply to one of its divisors.
        repeats: Times that the stack stands behind itself, with the same rates; without strides if above 1.

    Returns:
        The stacks, those of few layers first.

    Raises:
        ValueError: A cost is too large to be counted.
    """
    task = _Task(receptive_field, sorted(set(kernel_sizes)), layer_costs, output_stride, repeats)
    known = task.explore(np.empty((0, 5), np.int64), coarse=True)
    found = task.explore(np.array([structure.costs for structure in known]), coarse=False)
    every = {structure.costs: structure for structure in (*known, *found)}
    costs = np.array(sorted(every))
    return [every[tuple(map(int, costs[row]))] for row in _undominated(costs)]


class _Task:
    def __init__(self, field: int, kernels: list[int], layer_costs: LayerCosts, output_stride: int, repeats: int) -> None:
        self.field, self.repeats = field, repeats
        self.divisors = [divisor for divisor in range(1, output_stride + 1) if output_stride % divisor == 0]
        self.table = {
            (kernel, stride, jump, first): _group_costs(layer_costs, kernel, stride, jump, first, repeats)
            for jump in self.divisors
            for stride in self.divisors
            if output_stride % (jump * stride) == 0
            for kernel in kernels  # ascending: of equals the stack with the smallest last kernel comes first, and stays
            for first in (True, False)
        }
        self.completions = self._completions(kernels)
        if max(max(costs) for costs in self.table.values()) * (len(self.completions) + len(self.divisors)) > LARGEST:
            raise ValueError(f"The costs of a stack must be below {LARGEST:.0e}. Received: a larger number of multiply-adds.")

    def _completions(self, kernels: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each number of layers, in ascending order: factors of the field, and the least that each costs."""
        behind = {key: costs for key, costs in self.table.items() if not key[3]}
        cheapest = {k: np.array([costs for key, costs in behind.items() if key[0] == k]).min(axis=0) for k in kernels}
        steps = [(self.repeats * (kernel - 1) + 1, costs) for kernel, costs in cheapest.items()]
        ways, found = {1: np.zeros(5, np.int64)}, []
        while min(ways) < self.field:
            longer: dict[int, np.ndarray] = {}
            for factor, costs in ways.items():
                for more, price in steps:
                    reached, total = min(factor * more, self.field), _add(costs, price)
                    longer[reached] = np.minimum(longer.get(reached, total), total)
            factors = sorted(longer)
            least = np.minimum.accumulate(np.array([longer[factor] for factor in factors])[::-1])[::-1]
            kept = [row for row in range(len(factors)) if row + 1 == len(factors) or (least[row] < least[row + 1]).any()]
            ways = {factors[row]: least[row] for row in kept}
            found.append((np.array(list(ways)), np.array(list(ways.values()))))
        return found

    def explore(self, complete: np.ndarray, coarse: bool) -> list[Structure]:
        """Complete stacks that none of the `complete` costs and none of each other beats."""
        one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
        wave = _States(np.zeros((1, 5), np.int64), one, one, none, none, none, None)
        found: list[Structure] = []
        while len(wave.reach):
            after = self._extended(wave)
            done = after.take(np.flatnonzero(after.reach >= self.field))
            done = done.take(_undominated(done.costs, complete))
            found += [done.structure(row) for row in range(len(done.reach))]
            complete = np.concatenate([complete, done.costs])
            after = after.take(np.flatnonzero(after.reach < self.field))
            after = after.take(np.flatnonzero(self._promising(after, complete)))
            rows = []
            for jump in self.divisors:
                here = np.flatnonzero(after.jump == jump)
                vectors = np.column_stack([after.costs[here], -after.reach[here]])
                vectors = _rounded(vectors) if coarse else vectors
                rows.append(here[_undominated(vectors)])
            wave = after.take(np.concatenate(rows))
        return found

    def _extended(self, states: _States) -> _States:
        """Every state with every layer behind it."""
        parts = []
        first = states.before is None
        for (kernel, stride, jump, is_first), costs in self.table.items():
            rows = np.flatnonzero(states.jump == jump)
            if is_first != first or not len(rows):
                continue
            reach = states.reach[rows]
            reach = reach + self.repeats * (kernel - 1) * (reach - reach % jump)
            seen = reach >= jump * stride  # else some positions reach no output
            rows, reach = rows[seen], np.minimum(reach[seen], self.field)
            same = np.ones(len(rows), np.int64)
            total = _add(states.costs[rows], np.array(costs))
            parts.append((total, reach, jump * stride * same, kernel * same, stride * same, rows))
        costs_, reach_, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
        return _States(costs_, reach_, rest[0], rest[1], rest[2], rest[3], states)

    def _promising(self, states: _States, complete: np.ndarray) -> np.ndarray:
        """Which states can, as far as the bounds tell, be completed to something that no complete stack beats."""
        promising = np.zeros(len(states.reach), bool)
        missing = -(-self.field // states.reach)
        for factors, least in self.completions:
            row = np.searchsorted(factors, missing)
            can = np.flatnonzero(~promising & (row < len(factors)))
            bound = _add(states.costs[can], least[row[can]])
            beaten = np.zeros(len(can), bool)
            for costs in complete:
                beaten |= (costs <= bound).all(axis=1)
            promising[can[~beaten]] = True
        return promising


def _group_costs(layer_costs: LayerCosts, kernel: int, stride: int, jump: int, first: bool, repeats: int) -> Costs:
    """Of a layer in all repetitions, of which only the first may be the first of the stack."""
    once, again = np.array(layer_costs(kernel, stride, jump, first)), np.array(layer_costs(kernel, stride, jump, False))
    total = once + (repeats - 1) * again
    total[MEMORY] = max(once[MEMORY], again[MEMORY] if repeats > 1 else 0)
    return tuple(total.tolist())


def _add(costs: np.ndarray, more: np.ndarray) -> np.ndarray:
    total: np.ndarray = costs + more
    total[..., MEMORY] = np.maximum(costs[..., MEMORY], more[..., MEMORY])
    return total


def _rounded(vectors: np.ndarray) -> np.ndarray:
    logarithms: np.ndarray = np.sign(vectors) * np.log(np.maximum(abs(vectors), 1))
    return np.ceil(logarithms / COARSE).astype(np.int64)


def _undominated(vectors: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Rows that are beaten by none of `known` and by no other row: smaller is better, and of equal rows the first stays."""
    order = np.lexsort(vectors.T[::-1])  # stable; no row is beaten by one behind it
    table, alive = vectors[order], np.ones(len(order), bool)
    for vector in () if known is None else known:
        alive[alive] = (table[alive] < vector).any(axis=1)
    table, order = table[alive], order[alive]
    kept = []
    while len(order):
        kept.append(order[0])
        better = (table < table[0]).any(axis=1)
        table, order = table[better], order[better]
    return np.sort(np.array(kept, np.int64))
