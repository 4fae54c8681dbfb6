"""Designs against trying everything, and their code against what Keras makes of it."""

import importlib
import itertools
import json
import math
import re
import time

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atrous.field.code import repetition
from atrous.field.designing import FREE, design
from atrous.field.front import short
from atrous.ops import native
from atrous.schedules import hole_free, largest_field
from atrous.spec import ConvSpec

AXES = ("layers", "parameters", "macs", "memory", "seconds")


def sees_whole(kernel_sizes, strides, field):
    """Whether any rates see at least `field` positions without holes and let none fall between outputs: all are tried."""
    jumps = [math.prod(strides[:i]) for i in range(len(strides) + 1)]
    wanted = max(field, jumps[-1])
    seen = {1}  # sets of positions as bits
    for taps, jump in zip(kernel_sizes, jumps[:-1], strict=True):
        step = [jump * rate for rate in range(1, wanted + 1)]
        seen = {sum_of_sets(bits, a, taps) for bits in seen for a in step}
    return any(bits & (bits + 1) == 0 and bits.bit_length() >= wanted for bits in seen)


def sum_of_sets(bits, step, taps):
    out = 0
    for tap in range(taps):
        out |= bits << (tap * step)
    return out


def price(kernel_sizes, strides, channels, input_channels, input_size):
    """Costs by the layers' arguments; latency undilated, with every tap in data."""
    rank, read = len(input_size), input_size
    weights = macs = memory = picoseconds = 0
    for index, (kernel, stride) in enumerate(zip(kernel_sizes, strides, strict=True)):
        c = channels if index else input_channels
        written = ConvSpec.parse(rank, kernel, stride, padding="same").output_size(read)
        weights += kernel**rank * c * channels + channels
        macs += kernel**rank * c * channels * math.prod(written)
        memory = max(memory, 4 * (c * math.prod(read) + channels * math.prod(written)))
        if native.enabled():
            conv = {"batch": 1, "channels": c, "filters": channels, "groups": 1, "kernel": (kernel,) * rank}
            conv |= {"strides": (stride,) * rank, "rates": (1,) * rank, "before": (0,) * rank, "output": written}
            conv |= {"input": tuple((n - 1) * stride + kernel for n in written)}
            picoseconds += round(native.core().plan("forward", conv)["seconds"] * 1e12)
        read = written
    return len(kernel_sizes), weights, macs, memory, picoseconds


def least(costs):
    """Those that no other one beats."""
    costs = set(costs)
    return {a for a in costs if not any(b != a and all(x <= y for x, y in zip(b, a, strict=True)) for b in costs)}


def costs_of(design):
    return [
        (*(getattr(stack.cost, name) for name in AXES[:4]), round((stack.cost.seconds or 0) * 1e12)) for stack in design.front
    ]


def structures(kernels, output_stride, most_layers):
    for n in range(1, most_layers + 1):
        for strides in itertools.product(range(1, output_stride + 1), repeat=n):
            if output_stride % math.prod(strides) == 0:
                for kernel_sizes in itertools.product(kernels, repeat=n):
                    yield kernel_sizes, strides


@settings(max_examples=60)
@given(
    field=st.integers(1, 12),
    kernels=st.sets(st.integers(2, 5), min_size=1, max_size=2),
    output_stride=st.sampled_from([1, 2, 4, 6]),
    input_channels=st.sampled_from([1, 4, 9]),
    input_size=st.sampled_from([(7,), (64,), (30, 41)]),
)
@example(field=3, kernels={3}, output_stride=6, input_channels=4, input_size=(64,))
def test_the_front_is_that_of_all_stacks_of_few_layers(field, kernels, output_stride, input_channels, input_size):
    """All kernel sizes, strides and rates are tried; stacks of more layers can't beat those of fewer."""
    most_layers = 3
    found = design(
        field,
        len(input_size),
        kernels,
        channels=4,
        input_channels=input_channels,
        input_size=input_size,
        output_stride=output_stride,
    )
    every = {
        price(kernel_sizes, strides, 4, input_channels, input_size)
        for kernel_sizes, strides in structures(sorted(kernels), output_stride, most_layers)
        if sees_whole(kernel_sizes, strides, field)
    }
    costs = costs_of(found)
    assert {cost for cost in costs if cost[0] <= most_layers} == least(every)
    assert least(costs) == set(costs)
    assert costs == sorted(set(costs))


@settings(max_examples=25)
@given(
    field=st.integers(1, 700),
    kernels=st.sets(st.sampled_from([2, 3, 4, 5, 7, 9, 15]), min_size=1, max_size=3),
    output_stride=st.sampled_from([1, 1, 2]),
    input_channels=st.sampled_from([1, 8]),
)
@example(field=625, kernels={3, 5, 7}, output_stride=1, input_channels=8)
def test_the_front_is_that_of_all_stacks_of_more_layers(field, kernels, output_stride, input_channels):
    """All kernel sizes and strides are tried, with `largest_field`, which the tests of schedules compare with all rates."""
    most_layers = 5
    sizes = {"channels": 8, "input_channels": input_channels, "input_size": 99}
    found = design(field, kernel_size=kernels, output_stride=output_stride, **sizes)
    every = {
        price(kernel_sizes, strides, 8, input_channels, (99,))
        for kernel_sizes, strides in structures(sorted(kernels), output_stride, most_layers)
        if largest_field(kernel_sizes, strides) >= max(field, math.prod(strides))
    }
    assert {cost for cost in costs_of(found) if cost[0] <= most_layers} == least(every)


@settings(max_examples=40)
@given(
    field=st.lists(st.integers(1, 3000), min_size=1, max_size=3),
    kernels=st.one_of(st.none(), st.sets(st.integers(2, 9), min_size=1)),
    output_stride=st.sampled_from([1, 4, 6]),
    repeats=st.integers(1, 3),
)
def test_every_stack_sees_the_field_without_holes(field, kernels, output_stride, repeats):
    if output_stride > 1:
        repeats = 1
    found = design(field, len(field), kernels, output_stride=output_stride, repeats=repeats)
    for stack in found.front:
        rates = [(rate,) * len(field) if isinstance(rate, int) else rate for rate in stack.rates]
        sizes = stack.receptive_field
        sizes = (sizes,) * len(field) if isinstance(sizes, int) else sizes
        assert len(rates) == len(stack.kernel_sizes) == len(stack.strides) == stack.cost.layers
        assert set(stack.kernel_sizes) <= set(kernels or FREE)
        assert output_stride % math.prod(stack.strides) == 0
        assert stack.rates == stack.rates[: len(rates) // repeats] * repeats
        for axis, (asked, size) in enumerate(zip(field, sizes, strict=True)):
            along = [rate[axis] for rate in rates]
            assert hole_free(stack.kernel_sizes, along, stack.strides)
            assert size >= max(asked, math.prod(stack.strides))


@pytest.mark.parametrize("repeats", [2, 3])
def test_repeated_stacks_are_the_least_of_all(repeats):
    """Two layers and their repetitions, all rates: the smallest kernels that can."""
    for field in range(2, 60):
        found = design(field, kernel_size=(2, 3), channels=4, repeats=repeats, input_size=16)
        reached = {}
        for n in (1, 2):
            for kernel_sizes in itertools.product((2, 3), repeat=n):
                for rates in itertools.product([1], *[range(1, 8)] * (n - 1)):
                    if hole_free(kernel_sizes * repeats, rates * repeats):
                        size = 1 + repeats * sum((k - 1) * r for k, r in zip(kernel_sizes, rates, strict=True))
                        reached[kernel_sizes] = max(size, reached.get(kernel_sizes, 0))
        every = {
            price(kernel_sizes * repeats, (1,) * len(kernel_sizes) * repeats, 4, 4, (16,))
            for kernel_sizes, size in reached.items()
            if size >= field
        }
        assert {cost for cost in costs_of(found) if cost[0] <= 2 * repeats} == least(every)


CASES = {
    "line": {"receptive_field": 200, "kernel_size": (3, 5), "channels": 2},
    "causal": {"receptive_field": 100, "kernel_size": 2, "causal": True, "channels": 2, "input_channels": 1},
    "repeated": {"receptive_field": 100, "kernel_size": 3, "repeats": 2, "channels": 2},
    "strided": {"receptive_field": 150, "output_stride": 4, "kernel_size": (3, 5), "channels": 2},
    "image": {"receptive_field": 33, "rank": 2, "channels": 2, "input_channels": 3},
    "oblong": {"receptive_field": (9, 40), "rank": 2, "kernel_size": 3, "channels": 2},
    "strided image": {"receptive_field": 30, "rank": 2, "kernel_size": (2, 3), "output_stride": 2, "channels": 2},
    "volume": {"receptive_field": 9, "rank": 3, "kernel_size": 3, "channels": 1},
}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="asks TensorFlow for gradients")
@pytest.mark.parametrize("case", CASES)
def test_the_code_makes_a_model_that_has_the_field_and_the_costs(case):
    found = design(**CASES[case], input_size=60 if case == "image" else None)
    rank = CASES[case].get("rank", 1)
    for stack in found.front:
        namespace = {}
        exec(stack.code(), namespace)
        model = namespace["model"]
        assert model.count_params() == stack.cost.parameters
        field = stack.receptive_field
        field = (field,) * rank if isinstance(field, int) else field
        seen = seen_by_the_middle(model, tuple(2 * n + 40 for n in field))
        assert [tuple(axis) for axis in seen] == [
            tuple(range(axis[0], axis[0] + n)) for axis, n in zip(seen, field, strict=True)
        ]
        assert largest_activations(model, found.input_size) == stack.cost.memory
        if stack.causal:
            assert seen[0][-1] == (2 * field[0] + 40) // 2
            assert stack.cost.state == sum(
                4 * (layer.kernel_size[0] - 1) * layer.dilation_rate[0] * layer.input.shape[-1] for layer in convolutions(model)
            )


def convolutions(model):
    return [layer for layer in model.layers if hasattr(layer, "kernel_size")]


def seen_by_the_middle(model, input_size):
    """Along each axis, the positions that reach the middle output: gradients of positive weights are positive."""
    import tensorflow as tf

    model.set_weights([np.full(w.shape, float(w.ndim > 1)) for w in model.get_weights()])
    x = tf.ones((1, *input_size, model.input_shape[-1]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
        middle = y[(0, *(n // 2 for n in y.shape[1:-1]), 0)]
    reached = np.asarray(tape.gradient(middle, x))[0].sum(axis=-1) > 0
    axes = [
        np.flatnonzero(reached.any(axis=tuple(a for a in range(reached.ndim) if a != axis))) for axis in range(reached.ndim)
    ]
    assert reached[np.ix_(*axes)].all()  # a box without holes
    return axes


def largest_activations(model, input_size):
    largest, size = 0, input_size
    for layer in convolutions(model):
        after = layer.compute_output_shape((1, *size, layer.input.shape[-1]))[1:]
        largest = max(largest, 4 * (math.prod(size) * layer.input.shape[-1] + math.prod(after)))
        size = after[:-1]
    return largest


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3},
        {},
        {"input_channels": 1},
        {"rank": 2},
        {"kernel_size": (2, 3, 4, 5)},
        {"kernel_size": 3, "output_stride": 8},
    ],
    ids=str,
)
def test_a_million_positions_take_less_than_a_second(arguments):
    """In processor time, the best of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        found = design(10**6, **arguments)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 1
    fields = [stack.receptive_field for stack in found.front]
    assert all(10**6 <= field < 1.001e6 for field in fields)


def test_thirteen_layers_of_three_taps_see_a_million():
    (stack,) = design(10**6, kernel_size=3).front
    assert stack.cost.layers == 13 == math.ceil(math.log(10**6, 3))
    assert stack.receptive_field == 10**6 + 1  # three taps see odd fields only


def suggestions(error):
    """What the message says would be enough: alternatives, each some arguments."""
    listed = str(error).split("Enough is ")[1]
    return [{name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", way)} for way in listed.split(", or ")]


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"max_layers": 5}, [{"max_layers"}, {"receptive_field"}]),
        ({"max_params": 90_000, "max_layers": 8}, [{"max_params"}, {"receptive_field"}]),
        ({"max_params": 100_000, "max_layers": 7}, [{"max_layers"}, {"max_params"}, {"receptive_field"}]),
        ({"max_params": 50_000, "max_layers": 5}, [{"max_layers", "max_params"}, {"receptive_field"}]),
        ({"max_macs": 10**8}, [{"max_macs"}, {"receptive_field"}]),
        ({"max_memory": 1000}, [{"max_memory"}]),
    ],
)
def test_an_impossible_request_says_what_would_be_enough(limits, names):
    request = {"receptive_field": 4096, "kernel_size": (3, 5), "input_size": 4096}
    with pytest.raises(
        ValueError, match=r"No stack within the limits sees 4096 positions without holes. Received: max_"
    ) as error:
        design(**request, **limits)
    ways = suggestions(error.value)
    assert [set(way) for way in ways] == names
    for way in ways:
        assert design(**{**request, **limits, **way}).front
        for name in way:  # and nothing less is
            short_of = way[name] + (1 if name == "receptive_field" else -1)
            with pytest.raises(ValueError, match="No stack within the limits"):
                design(**{**request, **limits, **way, name: short_of})


def test_limits_choose_from_the_front():
    whole = design(4096)
    limited = design(4096, max_layers=7, max_params=111_000, max_macs=10**9, max_memory=10**7)
    assert limited.front == tuple(s for s in whole.front if s.cost.layers <= 7 and s.cost.parameters <= 111_000)
    assert 0 < len(limited.front) < len(whole.front)


def test_without_the_core_there_is_no_latency(monkeypatch):
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    found = design(100, kernel_size=3)
    assert found.front[0].cost.seconds is None
    assert "latency" not in str(found)
    monkeypatch.delenv("ATROUS_NATIVE")
    if native.available():
        assert design(100, kernel_size=3).front[0].cost.seconds > 0
        assert "latency" in str(design(100, kernel_size=3))


def test_without_the_core_installed_there_is_no_latency(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert design(100, kernel_size=3).front[0].cost.seconds is None


def test_costs_beyond_64_bits_are_refused(monkeypatch):
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    with pytest.raises(ValueError, match=r"costs of a stack must be below"):
        design(9, channels=10**10)


@pytest.mark.skipif(not native.available(), reason="the native core is not installed")
@pytest.mark.parametrize("rate", [2, 100])
def test_latency_does_not_depend_on_rates(rate):
    """With every tap in data, and more than a few channels: so the search may leave rates aside."""
    for channels, kernel in itertools.product((16, 64), (2, 3, 9)):
        conv = {"batch": 1, "channels": channels, "filters": channels, "groups": 1, "kernel": (kernel,), "strides": (1,)}
        conv |= {"before": (0,), "output": (999,)}
        plans = [
            native.core().plan("forward", {**conv, "rates": (r,), "input": (998 + r * (kernel - 1) + 1,)}) for r in (1, rate)
        ]
        assert plans[0]["seconds"] == plans[1]["seconds"]


def test_the_table_names_every_stack():
    text = str(design(512, 2, output_stride=8, input_channels=3))
    assert "at least 512×512 positions without holes, 3 → 64 channels" in text
    assert "Costs are for an input of 512×512" in text
    assert "strides" in text
    assert "(1, 3, 7) ×2" in str(design(40, kernel_size=3, repeats=2)) or "×2" in str(design(40, kernel_size=3, repeats=2))
    assert "state" in str(design(40, causal=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"receptive_field": 0}, r"`receptive_field` must be a positive integer. Received: receptive_field=0"),
        ({"receptive_field": (3, 4)}, r"`receptive_field` must be a positive integer"),
        ({"receptive_field": 9, "rank": 4}, r"`rank` must be 1, 2 or 3. Received: rank=4"),
        ({"receptive_field": 9, "kernel_size": 1}, r"`kernel_size` must be at least 2, an integer. Received: kernel_size=1"),
        ({"receptive_field": 9, "kernel_size": ()}, r"`kernel_size` must name at least one size"),
        ({"receptive_field": 9, "rank": 2, "causal": True}, r"`causal` must be False with several axes"),
        ({"receptive_field": 9, "repeats": 2, "output_stride": 2}, r"`output_stride` must be 1 where the stack is repeated"),
        ({"receptive_field": 9, "max_layers": 0}, r"`max_layers` must be a positive integer. Received: max_layers=0"),
        ({"receptive_field": 9, "channels": 0}, r"`channels` must be a positive integer"),
        ({"receptive_field": 9, "channels": 10**10}, r"must be below"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(ValueError, match=message):
        design(**arguments)


def test_numbers_are_written_short():
    assert [short(n) for n in (0, 7, 999, 999.6, 1000, 98816, 1.5e9)] == ["0 ", "7 ", "999 ", "1 k", "1 k", "98.8 k", "1.5 G"]
    assert [short(n) for n in (0.0021, 3.2e-6)] == ["2.1 m", "3.2 µ"]
    assert [short(n, 1024) for n in (512, 1023, 1024, 2**20 * 1.5)] == ["512 ", "1023 ", "1 Ki", "1.5 Mi"]


def test_repetition():
    assert repetition((1, 2, 1, 2)) == ((1, 2), 2)
    assert repetition((1, 2, 1)) == ((1, 2, 1), 1)
    assert repetition((3, 3, 3, 3)) == ((3, 3, 3, 3), 1)
    assert json.dumps(repetition([1, 2, 5] * 3)) == "[[1, 2, 5], 3]"
