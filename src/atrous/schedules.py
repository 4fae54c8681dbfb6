"""Dilation rates of a stack of layers: sequences in use, whether they leave holes, and rates that leave none.

A layer with kernel size k and dilation rate r behind strides of product j reads its input in steps of a = j·r input
positions. What one output of the stack sees is the sum of the sets aᵢ·{0 … kᵢ−1}, one a layer. Whether that sum has holes
(gridding) does not depend on the order of the layers: with steps in ascending order, there is none if and only if the first
step is 1 and each step is at most the field of those before it,

    aᵢ ≤ 1 + Σ_{m<i} (k_m − 1)·a_m,

for position 1 + Σ_{m<i} (k_m − 1)·a_m is beyond the reach of the smaller steps and before that of the larger. So n layers
see at most Πk positions without holes, and the rates 1, k, k², … do. Pure Python, no framework.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from atrous.spec import parse_integer, parse_integers

Rates = tuple[int, ...]

SEARCH = 1_000_000  # additions that `gridding_free` may spend on comparing rates: some 0.05 s


# ---- sequences -------------------------------------------------------------------------------------------------------------


def geometric(n: int, base: int) -> Rates:
    """1, base, base², …: n rates.

    Without holes for kernels of `base` taps or more; with exactly `base` taps, every position of the field has one path.
    """
    return tuple(parse_integer("base", base) ** i for i in range(parse_integer("n", n)))


def powers_of_two(n: int) -> Rates:
    """1, 2, 4, …: n rates, those of WaveNet (van den Oord et al. 2016, arXiv 1609.03499)."""
    return geometric(n, 2)


def hybrid(n: int, kernel_size: int = 3) -> Rates:
    """Rates that grow fast, leave no holes, and of which no two neighbours have a common factor.

    r₁ = 1, r₂ = k − 1, rᵢ₊₁ = min(k − 1, 2)·rᵢ + rᵢ₋₁: with three taps 1, 2, 5, 12, 29, …. It goes on from the rates 1, 2,
    5 that Wang et al. 2018, "Understanding Convolution for Semantic Segmentation" (arXiv 1702.08502), use, and keeps their
    rule: `max_distances` gives r₂ < k for the second layer.
    """
    step = parse_integer("kernel_size", kernel_size, minimum=2) - 1
    rates = [1, step]
    while len(rates) < parse_integer("n", n):
        rates.append(min(step, 2) * rates[-1] + rates[-2])
    return tuple(rates[:n])


def sawtooth(group: Sequence[int], repeats: int) -> Rates:
    """A group of rates, repeated: `sawtooth((1, 2, 5), 2)` is 1, 2, 5, 1, 2, 5."""
    return _integers("group", group) * parse_integer("repeats", repeats)


# ---- holes -----------------------------------------------------------------------------------------------------------------


def max_distances(rates: Sequence[int]) -> Rates:
    """The greatest distance M between positions that are seen, by the hybrid-dilation rule, one a layer.

    Mᵢ = max(Mᵢ₊₁ − 2rᵢ, Mᵢ₊₁ − 2(Mᵢ₊₁ − rᵢ), rᵢ), Mₙ = rₙ (Wang et al. 2018, arXiv 1702.08502, eq. 2). A design should have
    M₂ at most the kernel size. The rule is an aid, not a proof: (2, 2, 2) keeps it and has holes. `hole_free` decides.
    """
    found: list[int] = []
    for rate in reversed(_integers("rates", rates)):
        after = found[-1] if found else rate
        found.append(max(after - 2 * rate, 2 * rate - after, rate))
    return tuple(reversed(found))


def field_size(kernel_sizes: Sequence[int], rates: Sequence[int], strides: Sequence[int] | None = None) -> int:
    """Positions between the first and the last that one output sees, both included: 1 + Σ (k − 1)·step."""
    return 1 + sum((taps - 1) * step for taps, step in _steps(kernel_sizes, rates, strides))


def hole_free(kernel_sizes: Sequence[int], rates: Sequence[int], strides: Sequence[int] | None = None) -> bool:
    """Whether every position inside the field reaches the output; exact.

    Args:
        kernel_sizes: Taps of each layer, first to last.
        rates: Dilation rate of each layer.
        strides: Stride of each layer; 1 by default.
    """
    reach = 1
    for step, taps in sorted((step, taps) for taps, step in _steps(kernel_sizes, rates, strides) if taps > 1):
        if step > reach:
            return False
        reach += (taps - 1) * step
    return True


def path_counts(kernel_sizes: Sequence[int], rates: Sequence[int], strides: Sequence[int] | None = None) -> list[int]:
    """Number of paths from each input position of the field to one output; a hole has none.

    With weights that are all one, these are the gradients of the output: their shape is what the effective receptive field
    starts from (Luo et al. 2016, arXiv 1701.04128).

    Args:
        kernel_sizes: Taps of each layer, first to last.
        rates: Dilation rate of each layer.
        strides: Stride of each layer; 1 by default.

    Returns:
        Exact counts, one for each of the `field_size` positions, first to last.
    """
    counts = [1]
    for taps, step in sorted(_steps(kernel_sizes, rates, strides), key=lambda layer: (layer[0] - 1) * layer[1]):
        before, counts = counts, [0] * (len(counts) + (taps - 1) * step)
        for start in range(0, taps * step, step):
            counts[start : start + len(before)] = map(int.__add__, counts[start : start + len(before)], before)
    return counts


def roughness(counts: Sequence[int]) -> int:
    """Total variation of path counts, from nothing to nothing: twice the highest count if they rise once and fall once."""
    return sum(abs(b - a) for a, b in itertools.pairwise((0, *counts, 0)))


# ---- rates without holes ---------------------------------------------------------------------------------------------------


def largest_field(kernel_sizes: Sequence[int], strides: Sequence[int] | None = None) -> int:
    """The largest field that layers with these kernels and strides can have without holes, whatever their rates.

    Each layer at best multiplies the field L by its kernel size; behind strides of product j it adds (k − 1)·j·⌊L/j⌋,
    because its step is a multiple of j. Fine steps before coarse ones lose least, and that is the order of the layers.

    Returns:
        Its size in input positions; 0 if a stride passes over positions that then nobody sees, whatever the rates.
    """
    field = 1
    for taps, jump in _steps(kernel_sizes, (1,) * len(kernel_sizes), strides):
        if jump > field:
            return 0
        field += (taps - 1) * (field - field % jump)
    return field


def covering(receptive_field: int, kernel_sizes: Sequence[int], strides: Sequence[int] | None = None) -> Rates:
    """Rates with which layers see a field of at least this size without holes, growing by the same factor with each tap.

    Args:
        receptive_field: Positions to be seen, at most `largest_field(kernel_sizes, strides)`.
        kernel_sizes: Taps of each layer, first to last.
        strides: Stride of each layer; 1 by default.

    Returns:
        A rate a layer. With one kernel size and no stride, no rates come nearer to the size: it is exceeded by at most k − 2.

    Raises:
        ValueError: The layers can't see so much.
    """
    layers = _steps(kernel_sizes, (1,) * len(kernel_sizes), strides)
    most = largest_field(kernel_sizes, strides)
    if receptive_field > most:
        raise ValueError(
            f"`receptive_field` must be at most {most}, which these layers can see without holes. "
            f"Received: receptive_field={receptive_field}, kernel_sizes={tuple(kernel_sizes)}, strides={strides}."
        )
    needed = [receptive_field]  # of the field in front of each layer, last to first, for the layers behind to make up the rest
    for taps, jump in reversed(layers):
        needed.append(_needed_before(needed[-1], taps, jump))
    growth = math.log(receptive_field) / max(math.log(math.prod(kernel_sizes)), 1e-9)
    field, logarithm, rates = 1, 0.0, []
    for (taps, jump), least in zip(layers, reversed(needed[:-1]), strict=True):
        logarithm += growth * math.log(taps)
        wanted = max(least, min(math.ceil(math.exp(logarithm)), receptive_field))
        rate = max(1, min(-(-(wanted - field) // (max(taps - 1, 1) * jump)), field // jump))
        rates.append(rate)
        field += (taps - 1) * jump * rate
    return tuple(rates)


def _needed_before(field: int, taps: int, jump: int) -> int:
    """The smallest L from which a layer can reach `field`: L + (taps − 1)·jump·⌊L/jump⌋ ≥ field, L ≥ jump."""
    whole = max(-(-(field - jump + 1) // (taps * jump)), 1)  # the least ⌊L/jump⌋: with it, L may be up to (whole + 1)·jump − 1
    return max(whole * jump, field - (taps - 1) * jump * whole)


def gridding_free(rates: Sequence[int], kernel_size: int) -> Rates:
    """Rates of as many layers without holes, for a stack that has some; the rates themselves if it has none.

    The field is as near as possible to the original's, the wider of two that are equally near. Among such rates, those that
    keep the rule of Wang et al. (M₂ at most the kernel size, see `max_distances`) come first, then those with the smoothest
    `path_counts`, by `roughness`. The largest rate stands where the largest stood. Exact while all rates with that field
    can be compared (about six layers of three taps); beyond, the best of those that exchanges lead to from rates which grow
    evenly.

    Args:
        rates: Dilation rate of each layer, first to last.
        kernel_size: Taps of every layer.

    Returns:
        A rate a layer: `gridding_free((2, 2, 2), 3)` is (1, 2, 3).
    """
    rates = _integers("rates", rates)
    taps = parse_integer("kernel_size", kernel_size)
    kernels = (taps,) * len(rates)
    if hole_free(kernels, rates):
        return rates
    places = sorted(range(len(rates)), key=rates.__getitem__)
    field = min(field_size(kernels, rates), largest_field(kernels))
    work = taps * field
    candidates = list(itertools.islice(_ascending(len(rates), field, taps), SEARCH // work + 1))
    if 0 < len(candidates) <= SEARCH // work:
        return min((_placed(steps, places) for steps in candidates), key=lambda rates: _order(rates, taps))
    return _exchanged(covering(field, kernels), places, taps, SEARCH // work)


def _placed(ascending: Sequence[int], places: Sequence[int]) -> Rates:
    return tuple(rate for _, rate in sorted(zip(places, ascending, strict=True)))


def _order(rates: Rates, taps: int) -> tuple[bool, int, Rates]:
    """What the best of several rates with the same field has least of."""
    breaks_rule = len(rates) > 1 and max_distances(rates)[1] > taps
    return breaks_rule, roughness(path_counts((taps,) * len(rates), rates)), rates


def _ascending(n: int, field: int, taps: int, rates: Rates = (), reach: int = 1) -> Iterator[Rates]:
    """All n rates without holes that don't fall and see exactly `field` positions."""
    left = n - len(rates)
    if left == 0:
        if reach == field:
            yield rates
        return
    least = rates[-1] if rates else 1
    most = min(reach, (field - reach) // ((taps - 1) * left))
    for rate in range(least, most + 1):
        after = reach + (taps - 1) * rate
        if after * taps ** (left - 1) >= field:
            yield from _ascending(n, field, taps, (*rates, rate), after)


def _exchanged(start: Rates, places: Sequence[int], taps: int, trials: int) -> Rates:
    """The best that is found by making one rate smaller and another larger by one, as long as that helps."""
    best, steps = _order(_placed(start, places), taps) if trials else None, start
    pairs = itertools.permutations(range(len(start)), 2)
    for _ in range(trials):
        pair = next(pairs, None)
        if pair is None or best is None:
            break
        moved = list(steps)
        moved[pair[0]] -= 1
        moved[pair[1]] += 1
        if moved != sorted(moved) or moved[0] < 1 or not hole_free((taps,) * len(moved), moved):
            continue
        found = _order(_placed(moved, places), taps)
        if found < best:
            best, steps, pairs = found, tuple(moved), itertools.permutations(range(len(start)), 2)
    return _placed(steps, places)


# ---- arguments -------------------------------------------------------------------------------------------------------------


def _steps(kernel_sizes: Sequence[int], rates: Sequence[int], strides: Sequence[int] | None) -> list[tuple[int, int]]:
    """Taps of each layer and the distance between them in input positions."""
    kernel_sizes, rates = _integers("kernel_sizes", kernel_sizes), _integers("rates", rates)
    strides = (1,) * len(rates) if strides is None else _integers("strides", strides)
    if not len(kernel_sizes) == len(rates) == len(strides):
        raise ValueError(
            "`kernel_sizes`, `rates` and `strides` must have one entry a layer. "
            f"Received: {kernel_sizes}, {rates} and {strides}."
        )
    jumps = itertools.accumulate(strides[:-1], int.__mul__, initial=1)
    return [(taps, jump * rate) for taps, jump, rate in zip(kernel_sizes, jumps, rates, strict=False)]


def _integers(name: str, values: Sequence[int]) -> Rates:
    """A positive integer for each layer, of which there is at least one."""
    values = tuple(values)
    if not values:
        raise ValueError(f"`{name}` must have an entry for each layer. Received: {name}=().")
    return parse_integers(name, values, len(values))
