"""Designs stacks of dilated layers: the field that is wanted in, the cheapest stacks that see it out."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from atrous.field.front import Cost, Design, Rate, Stack
from atrous.field.search import LayerCosts, Structure, search
from atrous.schedules import covering, field_size
from atrous.spec import parse_integer, parse_integers

FREE = tuple(range(3, 33, 2))
"""Kernel sizes that are tried if none is given: the odd ones, up to the largest in use (31: Ding et al. 2022, arXiv
2203.06717)."""

LIMITS = {"layers": "max_layers", "parameters": "max_params", "macs": "max_macs", "memory": "max_memory"}
"""The argument that limits each cost."""

CostModel = Callable[[str, dict[str, Any]], dict[str, Any]]

BYTES = 4  # of a float32
LARGEST_IMAGE = 512  # positions along each axis that costs of two or three axes are for, if nothing is said


def design(
    receptive_field: int | Sequence[int],
    rank: int = 1,
    kernel_size: int | Iterable[int] | None = None,
    *,
    channels: int = 64,
    input_channels: int | None = None,
    input_size: int | Sequence[int] | None = None,
    output_stride: int = 1,
    repeats: int = 1,
    causal: bool = False,
    max_layers: int | None = None,
    max_params: int | None = None,
    max_macs: int | None = None,
    max_memory: int | None = None,
) -> Design:
    """Finds the stacks of dilated convolutions that see a field without holes at least cost.

    Exact: of all stacks with these kernel sizes and strides, whatever their rates, none that sees the field beats one of the
    front in layers, parameters, multiply-adds, memory and latency at once. Rates don't change these costs, so the search is
    over kernel sizes and strides (dynamic programming with bounds, `atrous.field.search`); rates are then chosen to see
    little more than was asked for and to grow evenly (`atrous.schedules.covering`).

    Args:
        receptive_field: Input positions that an output must see at least, every one of them: an integer, or one an axis.
        rank: Number of spatial axes, 1 to 3.
        kernel_size: Of every layer; or several that each layer may choose from; `None`: the odd ones from 3 to 31.
        channels: Filters of every layer.
        input_channels: Channels of the input; as many as `channels` by default.
        input_size: Positions of the input that costs are for, an integer, or one an axis. By default the receptive field,
        with two
            or three axes no more than 512 along each.
        output_stride: Strides are allowed that multiply to this or to a divisor of it; 1: none.
        repeats: Times that the whole stack stands behind itself, as WaveNet's; not with strides.
        causal: Whether an output may see nothing behind its own position; one axis only.
        max_layers: Most layers.
        max_params: Most weights and biases.
        max_macs: Most multiply-adds for one example.
        max_memory: Most bytes of activations alive at once.

    Returns:
        The front, those of few layers first. Print it for a table; `.front[i].rates`, `.cost` and `.code()` are what it's for.

    Raises:
        ValueError: An argument breaks its rule, or no stack keeps the limits; the message then says what each would have to be.
    """
    rank = parse_integer("rank", rank)
    if rank > 3:
        raise ValueError(f"`rank` must be 1, 2 or 3. Received: rank={rank}.")
    fields = parse_integers("receptive_field", receptive_field, rank)
    sizes = tuple(n if rank == 1 else min(n, LARGEST_IMAGE) for n in fields)
    plan = _Plan(
        fields=fields,
        kernels=_kernels(kernel_size),
        channels=parse_integer("channels", channels),
        input_channels=parse_integer("input_channels", channels if input_channels is None else input_channels),
        input_size=sizes if input_size is None else parse_integers("input_size", input_size, rank),
        output_stride=parse_integer("output_stride", output_stride),
        repeats=parse_integer("repeats", repeats),
        causal=causal,
        core=_cost_model(),
    )
    if causal and rank > 1:
        raise ValueError(
            f"`causal` must be False with several axes, of which none is time. Received: causal=True, rank={rank}."
        )
    if plan.repeats > 1 and plan.output_stride > 1:
        raise ValueError(
            "`output_stride` must be 1 where the stack is repeated: a stride would change what its rates mean the next time. "
            f"Received: output_stride={plan.output_stride}, repeats={plan.repeats}."
        )
    limits = {"layers": max_layers, "parameters": max_params, "macs": max_macs, "memory": max_memory}
    allowed = {cost: parse_integer(LIMITS[cost], limit) for cost, limit in limits.items() if limit is not None}
    front = plan.front(max(fields))
    kept = tuple(plan.stack(structure) for structure in front if _within(structure, allowed))
    if not kept:
        raise ValueError(_impossible(plan, front, allowed))
    return Design(kept, fields, plan.input_size)


@dataclass(frozen=True)
class _Plan:
    """What was asked for, with what a layer costs."""

    fields: tuple[int, ...]
    kernels: tuple[int, ...]
    channels: int
    input_channels: int
    input_size: tuple[int, ...]
    output_stride: int
    repeats: int
    causal: bool
    core: CostModel | None

    @property
    def rank(self) -> int:
        return len(self.fields)

    def front(self, receptive_field: int) -> list[Structure]:
        return search(receptive_field, self.kernels, self.layer_costs(), self.output_stride, self.repeats)

    def layer_costs(self) -> LayerCosts:
        def costs(kernel: int, stride: int, jump: int, first: bool) -> tuple[int, ...]:
            channels = self.input_channels if first else self.channels
            read = tuple(-(-n // jump) for n in self.input_size)
            written = tuple(-(-n // (jump * stride)) for n in self.input_size)
            weights = kernel**self.rank * channels * self.channels
            memory = BYTES * (math.prod(read) * channels + math.prod(written) * self.channels)
            latency = self._picoseconds(kernel, stride, channels, written)
            return 1, weights + self.channels, weights * math.prod(written), memory, latency

        return costs

    def _picoseconds(self, kernel: int, stride: int, channels: int, written: tuple[int, ...]) -> int:
        """By the cost model, undilated: where every tap meets data, the rate hardly makes a difference to it."""
        if self.core is None:
            return 0
        geometry = {
            "batch": 1,
            "channels": channels,
            "filters": self.channels,
            "groups": 1,
            "input": tuple((n - 1) * stride + kernel for n in written),
            "output": written,
            "kernel": (kernel,) * self.rank,
            "strides": (stride,) * self.rank,
            "rates": (1,) * self.rank,
            "before": (0,) * self.rank,
        }
        seconds: float = self.core("forward", geometry)["seconds"]
        return round(seconds * 1e12)

    def stack(self, structure: Structure) -> Stack:
        """Chooses the rates."""
        kernels, strides = structure.kernel_sizes * self.repeats, structure.strides * self.repeats
        taps = tuple(self.repeats * (kernel - 1) + 1 for kernel in structure.kernel_sizes)  # what repetitions are like
        least = math.prod(structure.strides)  # outputs are so far apart: with a smaller field some positions would reach none
        axes = [covering(max(n, least), taps, structure.strides) * self.repeats for n in self.fields]
        seen = tuple(field_size(kernels, rates, strides) for rates in axes)
        alike = len(set(self.fields)) == 1
        rates: tuple[Rate, ...] = axes[0] if alike else tuple(zip(*axes, strict=True))
        layers, parameters, macs, memory, picoseconds = structure.costs
        seconds = None if self.core is None else picoseconds * 1e-12
        state = self._state(kernels, axes[0]) if self.causal else None
        return Stack(
            rates=rates,
            kernel_sizes=kernels,
            strides=strides,
            receptive_field=seen[0] if alike else seen,
            cost=Cost(layers, parameters, macs, memory, seconds, state),
            rank=self.rank,
            channels=self.channels,
            input_channels=self.input_channels,
            causal=self.causal,
        )

    def _state(self, kernels: tuple[int, ...], rates: tuple[int, ...]) -> int:
        channels = (self.input_channels, *(self.channels,) * (len(kernels) - 1))
        return BYTES * sum((k - 1) * r * c for k, r, c in zip(kernels, rates, channels, strict=True))


def _kernels(kernel_size: int | Iterable[int] | None) -> tuple[int, ...]:
    if kernel_size is None:
        return FREE
    try:
        sizes = tuple(kernel_size)  # type: ignore[arg-type]
    except TypeError:
        sizes = (kernel_size,)  # type: ignore[assignment]
    if not sizes:
        raise ValueError("`kernel_size` must name at least one size. Received: kernel_size=().")
    return tuple(parse_integer("kernel_size", size, minimum=2) for size in sizes)


def _cost_model() -> CostModel | None:
    """`atrous._native.plan`, which needs no framework, or None where the core isn't there or is turned off."""
    if os.environ.get("ATROUS_NATIVE") == "0":
        return None
    try:
        plan: CostModel = importlib.import_module("atrous._native").plan
    except ImportError:
        return None
    return plan


def _cost(structure: Structure, name: str) -> int:
    return structure.costs[list(LIMITS).index(name)]


def _within(structure: Structure, allowed: dict[str, int]) -> bool:
    return all(_cost(structure, name) <= limit for name, limit in allowed.items())


def _impossible(plan: _Plan, front: Sequence[Structure], allowed: dict[str, int]) -> str:
    """Which limits to relax, and by how much: each alone if that helps, else those that have to go together.

    Every stack is beaten by one of the front, which keeps the same limits: so the front has the least of each cost.
    """
    ways = []
    for name in allowed:
        others = {other: limit for other, limit in allowed.items() if other != name}
        enough = min((_cost(structure, name) for structure in front if _within(structure, others)), default=None)
        if enough is not None:
            ways.append(_more(name, enough, allowed[name]))
    if not ways:
        nearest = min(front, key=lambda structure: max(_cost(structure, name) / limit for name, limit in allowed.items()))
        broken = [name for name, limit in allowed.items() if _cost(nearest, name) > limit]
        ways = [" together with ".join(_more(name, _cost(nearest, name), allowed[name]) for name in broken)]
    field = max(plan.fields)
    widest = _widest(plan, allowed, field)
    if widest:
        ways.append(f"receptive_field={widest} ({field - widest} less)")
    return (
        f"No stack within the limits sees {field} positions without holes. "
        f"Received: {', '.join(f'{LIMITS[name]}={limit}' for name, limit in allowed.items())}. Enough is {', or '.join(ways)}."
    )


def _more(name: str, enough: int, limit: int) -> str:
    return f"{LIMITS[name]}={enough} ({enough - limit} more)"


def _widest(plan: _Plan, allowed: dict[str, int], too_wide: int) -> int:
    """The widest field that a stack within the limits sees; 0 if there is none."""
    possible = 0
    while too_wide - possible > 1:
        middle = (possible + too_wide) // 2
        if any(_within(structure, allowed) for structure in plan.front(middle)):
            possible = middle
        else:
            too_wide = middle
    return possible
