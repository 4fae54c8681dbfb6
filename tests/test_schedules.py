"""Against sets of positions, written out: what one output sees, and by how many paths."""

import itertools
import time
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atrous.schedules import (
    covering,
    field_size,
    geometric,
    gridding_free,
    hole_free,
    hybrid,
    largest_field,
    max_distances,
    path_counts,
    powers_of_two,
    roughness,
    sawtooth,
)


def paths(kernel_sizes, rates, strides):
    """By walking from the last layer's output back to the input: how often each position is met."""
    positions = Counter([0])
    for taps, rate, stride in reversed(list(zip(kernel_sizes, rates, strides, strict=True))):
        before = Counter()
        for position, count in positions.items():
            for tap in range(taps):
                before[position * stride + tap * rate] += count
        positions = before
    return positions


def seen_whole(kernel_sizes, rates, strides):
    """Whether an output sees every position of its field, and how many they are."""
    seen = paths(kernel_sizes, rates, strides)
    return len(seen) == max(seen) + 1, max(seen) + 1


@st.composite
def stacks(draw, fewest_taps=1, most_layers=4):
    n = draw(st.integers(1, most_layers))
    ranges = (st.integers(fewest_taps, 5), st.integers(1, 7), st.integers(1, 3))  # kernel sizes, rates, strides
    return tuple(tuple(draw(st.lists(values, min_size=n, max_size=n))) for values in ranges)


@given(stacks())
@example(((3, 3, 3), (2, 2, 2), (1, 1, 1)))
def test_path_counts_and_holes_are_those_of_the_definition(stack):
    kernel_sizes, rates, strides = stack
    seen = paths(kernel_sizes, rates, strides)
    size = field_size(kernel_sizes, rates, strides)
    assert size == max(seen) + 1
    assert path_counts(kernel_sizes, rates, strides) == [seen[position] for position in range(size)]
    assert hole_free(kernel_sizes, rates, strides) == (len(seen) == size)


@pytest.mark.parametrize(("rates", "whole"), [((2, 2, 2), False), ((1, 2, 5), True), ((1, 2, 3), True), ((2, 4, 8), False)])
def test_classic_schedules(rates, whole):
    counts = path_counts((3,) * 3, rates)
    assert hole_free((3,) * 3, rates) == whole == (0 not in counts)
    assert sum(counts) == 27
    assert counts == counts[::-1]


def test_counts_are_exact_where_floats_are_not():
    n = 70
    assert sum(path_counts((3,) * n, (1,) * n)) == 3**n > 2**64


@pytest.mark.parametrize("strides", list(itertools.product((1, 2, 3), repeat=2)))
@pytest.mark.parametrize("kernel_sizes", list(itertools.product((2, 3, 4), repeat=3)))
def test_no_rates_see_more_than_the_largest_field(kernel_sizes, strides):
    """All rates up to a field's size are tried."""
    strides = (*strides, 1)
    widest = 0
    for rates in itertools.product(range(1, kernel_sizes[0] + 1), range(1, 13), range(1, 28)):
        whole, size = seen_whole(kernel_sizes, rates, strides) if size_above(widest, kernel_sizes, rates, strides) else (0, 0)
        widest = max(widest, size if whole else 0)
    assert largest_field(kernel_sizes, strides) == widest


def size_above(widest, kernel_sizes, rates, strides):
    """Spares walking to what can't be the widest."""
    jumps = (1, strides[0], strides[0] * strides[1])
    return 1 + sum((k - 1) * j * r for k, j, r in zip(kernel_sizes, jumps, rates, strict=True)) > widest


@given(stacks(fewest_taps=2, most_layers=5), st.floats(0, 1))
@example(((3,) * 8, (1,) * 8, (1,) * 8), 0.5)
@example(((2, 2, 2, 2), (1,) * 4, (1, 2, 3, 1)), 0.0)
def test_covering_reaches_without_holes(stack, share):
    kernel_sizes, _, strides = stack
    most = largest_field(kernel_sizes, strides)
    field = round(1 + share * (most - 1))
    if most == 0:
        with pytest.raises(ValueError, match=r"`receptive_field` must be at most 0.*receptive_field=1"):
            covering(1, kernel_sizes, strides)
        return
    rates = covering(field, kernel_sizes, strides)
    assert seen_whole(kernel_sizes, rates, strides) >= (True, field)
    if len(set(kernel_sizes)) == 1 == max(strides):
        least = 1 + (kernel_sizes[0] - 1) * len(rates)
        assert field_size(kernel_sizes, rates) <= max(least, field + kernel_sizes[0] - 2)
    with pytest.raises(ValueError, match=f"`receptive_field` must be at most {most}"):
        covering(most + 1, kernel_sizes, strides)


def test_covering_grows_evenly():
    assert covering(27, (3,) * 3) == (1, 3, 9)
    rates = covering(4096, (3,) * 8)
    assert field_size((3,) * 8, rates) == 4097
    assert all(4096 ** (1 / 8) * 0.8 < b / a < 4096 ** (1 / 8) * 1.2 for a, b in itertools.pairwise(rates))


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("n", range(1, 9))
def test_hybrid_has_no_holes_and_keeps_the_rule(n, kernel_size):
    rates = hybrid(n, kernel_size)
    assert len(rates) == n
    assert hole_free((kernel_size,) * n, rates)
    assert (*max_distances(rates), 1)[1] <= kernel_size


def test_sequences():
    assert hybrid(5) == (1, 2, 5, 12, 29)
    assert powers_of_two(4) == (1, 2, 4, 8)
    assert geometric(3, 5) == (1, 5, 25)
    assert sawtooth((1, 2, 5), 2) == (1, 2, 5, 1, 2, 5)


def test_max_distances_of_the_paper():
    """Wang et al. 2018, section 3.2: with three taps M₂ = 2 for rates 1, 2, 5, and 5 for 1, 2, 9."""
    assert max_distances((1, 2, 5))[1] == 2
    assert max_distances((1, 2, 9))[1] == 5
    assert max_distances((2, 4, 8))[1:] == (4, 8)


def best_by_trying_all(rates, taps):
    """Every list of rates of this length, by the order that the docstring of `gridding_free` states."""
    n, kernels = len(rates), (taps,) * len(rates)
    field = field_size(kernels, rates)
    candidates = []
    for ascending in itertools.combinations_with_replacement(range(1, field + 1), n):
        whole, size = seen_whole(kernels, ascending, (1,) * n)
        if whole:
            places = sorted(range(n), key=lambda place: rates[place])
            placed = tuple(ascending[places.index(place)] for place in range(n))
            broken = n > 1 and max_distances(placed)[1] > taps
            candidates.append((abs(size - field), -size, broken, roughness(path_counts(kernels, placed)), placed))
    return min(candidates)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(2, 4))
@example([2, 2, 2], 3)
@example([5, 5, 5], 2)
@example([4, 2, 3], 3)
def test_gridding_free_is_the_best_of_all(rates, taps):
    rates = tuple(rates)
    if hole_free((taps,) * len(rates), rates):
        assert gridding_free(rates, taps) == rates
    else:
        assert gridding_free(rates, taps) == best_by_trying_all(rates, taps)[-1]


def test_gridding_free_of_the_classic():
    assert gridding_free((2, 2, 2), 3) == (1, 2, 3)
    assert gridding_free((1, 2, 5), 3) == (1, 2, 5)
    assert gridding_free((2, 4, 8), 3) == (1, 3, 9)  # 27 of 29 positions: three layers see no more


@pytest.mark.parametrize(
    "rates",
    [(2,) * 12, (100,) * 12, tuple(2**i for i in range(1, 13)), (2, 4, 8) * 4, (3,) * 7, (6, 12, 18, 24) * 2, (4000,) * 8],
)
def test_gridding_free_is_quick_at_any_depth(rates):
    kernels = (3,) * len(rates)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        found = gridding_free(rates, 3)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.2
    assert hole_free(kernels, found)
    assert field_size(kernels, found) == min(field_size(kernels, rates), 3 ** len(rates))
    assert max_distances(found)[1] <= 3 or found != tuple(sorted(found))  # the rule asks for rates that grow


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hybrid(0), r"`n` must be a positive integer. Received: n=0"),
        (lambda: hybrid(3, 1), r"`kernel_size` must be at least 2, an integer. Received: kernel_size=1"),
        (lambda: geometric(3, 0), r"`base` must be a positive integer"),
        (lambda: sawtooth((), 2), r"`group` must have an entry for each layer"),
        (lambda: max_distances((1, 0)), r"`rates` must be a positive integer.*\(1, 0\)"),
        (lambda: path_counts((3,), (1, 2)), r"one entry a layer. Received: \(3,\), \(1, 2\)"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
