"""Counts against loops over every tap, memory against sums by hand, and the allocator against what it is known to do."""

import io
import itertools
import json
import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from rich.console import Console

from atrous.field.arena import Arena
from atrous.field.budgeting import budget, budget_table, largest_batch
from atrous.field.cost import conv_macs, macs, transposed_macs
from atrous.field.graph import graph_of
from atrous.field.kept import operations
from atrous.field.memory import Program, _Run
from atrous.field.registry import _RULES, register
from atrous.layers import Conv1D, Conv2D
from atrous.spec import ConvSpec

MB = 2**20


def chain(*steps, shape=(16, 16, 4)):
    return keras.Sequential([keras.Input(shape), *steps])


def program(model):
    graph = graph_of(model)
    steps, sizes = operations(graph)
    weights = tuple(math.prod(w.shape) for w in model.weights)
    return Program(steps, sizes, tuple(graph.inputs.values()), tuple(graph.outputs), weights)


# Multiply-adds


@st.composite
def convolutions(draw):
    """Sizes and geometry of a small convolution of one or two axes."""
    rank = draw(st.integers(1, 2))
    axis = st.integers(1, 3)
    numbers = [draw(st.tuples(*[axis] * rank)) for _ in range(3)]
    named = ["valid", "same"] + ["causal"] * (rank == 1)
    padding = draw(st.one_of(st.sampled_from(named), st.tuples(*[st.tuples(axis, axis)] * rank)))
    spec = ConvSpec.parse(rank, *numbers, padding if isinstance(padding, str) else list(padding))
    sizes = draw(st.tuples(*[st.integers(7, 10)] * rank))
    return spec, sizes


def meetings(spec, sizes, outputs, pads):
    """Taps that meet data, one by one."""
    count = 0
    for i in itertools.product(*map(range, outputs)):
        for m in itertools.product(*map(range, spec.kernel_size)):
            places = [a * s + r * b - p for a, b, s, r, p in zip(i, m, spec.strides, spec.dilation_rate, pads, strict=True)]
            count += all(0 <= place < n for place, n in zip(places, sizes, strict=True))
    return count


@given(convolutions())
def test_valid_macs_are_those_of_a_loop_over_every_tap(case):
    spec, sizes = case
    outputs, pads = spec.output_size(sizes), [pair[0] for pair in spec.pads(sizes)]
    found = conv_macs(spec, sizes, 6, 5)
    assert found.valid == meetings(spec, sizes, outputs, pads) * 30
    assert found.dense == math.prod(spec.kernel_size) * math.prod(outputs) * 30


@given(convolutions())
def test_a_transposed_convolution_counts_what_lands_on_an_output(case):
    spec, sizes = case
    axes = spec.transposed()
    longer = [axis.output_size(n) for axis, n in zip(axes, sizes, strict=True)]
    found = transposed_macs(spec, sizes, 2, 3, None)
    assert found.valid == max(0, meetings(spec, longer, sizes, [axis.before for axis in axes])) * 6
    assert found.dense == math.prod(spec.kernel_size) * math.prod(sizes) * 6


def ones_counted(layer, shape):
    """Multiply-adds by computing: with ones as input and weights, the sum of the output is the count of products."""
    model = keras.Sequential([keras.Input(shape), layer])
    model.set_weights([np.ones(w.shape) if len(w.shape) > 1 else np.zeros(w.shape) for w in model.weights])
    return float(np.sum(model(np.ones((1, *shape)))))


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(3, 3, dilation_rate=2, padding="same"),
        Conv2D(4, (2, 3), strides=2, padding="same", groups=2),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.Conv2DTranspose(2, 3, strides=2, padding="same"),
        layers.Dense(7),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_valid_macs_are_the_sum_of_a_layer_of_ones(layer):
    counted = ones_counted(layer, (9, 8, 4))
    (use,) = graph_of(chain(layer, shape=(9, 8, 4))).uses
    assert macs(use).valid == counted


def test_separable_recurrent_and_attention_by_hand():
    separable = layers.SeparableConv2D(5, 3, padding="valid", depth_multiplier=2)
    assert budget(chain(separable, shape=(6, 6, 4))).valid_macs == 16 * 9 * 8 + 16 * 8 * 5
    assert budget(chain(layers.LSTM(3), shape=(10, 4))).valid_macs == 10 * 4 * 3 * (4 + 3)
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True))
    assert budget(chain(both, shape=(10, 4))).valid_macs == 2 * 10 * 3 * 3 * (4 + 3)
    shared = layers.TimeDistributed(layers.Dense(6))
    assert budget(chain(shared, shape=(10, 4))).valid_macs == 10 * 4 * 6
    inputs = keras.Input((10, 8))
    model = keras.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs))
    assert budget(model).valid_macs == 4 * 10 * 8 * 6 + 2 * 10 * 10 * 6


def test_what_is_not_known_is_named_and_not_counted():
    class Blur(layers.Layer):
        def call(self, x):
            return x

    register(Blur)(lambda layer: "positionwise")
    try:
        found = budget(chain(Conv2D(2, 1), Blur(name="blur")))
    finally:
        del _RULES[Blur]
    assert found.unknown == ("blur",)
    assert found.layers[1].valid_macs is None
    assert found.valid_macs == 16 * 16 * 4 * 2
    assert "blur" in shown(found)


# The allocator


def test_a_chain_of_equal_tensors_takes_three_where_two_are_live():
    arena = Arena()
    arena.take(32 * MB)  # the input, which the caller holds
    before = arena.take(32 * MB)
    for _ in range(5):
        after = arena.take(32 * MB)
        arena.give(before)
        before = after
    assert arena.peak == 96 * MB
    assert arena.touched == 128 * MB  # as measured


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 5)), max_size=60))
def test_no_piece_is_given_twice_at_a_time(requests):
    arena, held = Arena(), []
    for size, index in requests:
        if held and index < 3:
            arena.give(held.pop(index % len(held)))
        elif (piece := arena.take(size * 64)) is not None:
            held.append(piece)
        spans = sorted((piece.region, piece.start, piece.start + piece.size) for piece in held)
        assert all(a[0] < b[0] or a[2] <= b[1] for a, b in itertools.pairwise(spans))
        assert arena.live == sum(piece.used for piece in held) <= arena.peak <= arena.touched
    for piece in held:
        arena.give(piece)
    assert arena.live == 0


# Memory


def test_inference_holds_the_input_and_two_tensors():
    model = chain(*[Conv2D(4, 1, use_bias=False) for _ in range(4)], shape=(64, 64, 4))
    found = program(model).predict(8)
    tensor = 8 * 64 * 64 * 4 * 4
    assert found.saved == tensor
    assert found.passing == 2 * tensor  # the input of the last layers, and what they make; packed weights are below a page


def test_training_keeps_the_inputs_of_convolutions_and_no_tensor_for_relu():
    plain = [Conv2D(4, 1, use_bias=False, activation=name) for name in ("relu", "relu", "relu")]
    tensor = 8 * 64 * 64 * 4 * 4
    found = program(chain(*plain, shape=(64, 64, 4))).train(8, "sgd")
    assert found.saved == 4 * tensor  # the input, and what three convolutions made, overwritten by ReLU


def test_batch_normalisation_keeps_its_input_too():
    steps = [Conv2D(4, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU()]
    tensor = 8 * 64 * 64 * 4 * 4
    assert program(chain(*steps, shape=(64, 64, 4))).train(8, "sgd").saved == 3 * tensor
    assert program(chain(*steps, shape=(64, 64, 4))).predict(8).passing == tensor


def test_a_frozen_front_keeps_nothing():
    front = [Conv2D(4, 1), Conv2D(4, 1)]
    model = chain(*front, Conv2D(4, 1, use_bias=False), shape=(64, 64, 4))
    free = program(model).train(8, "sgd").saved
    for layer in front:
        layer.trainable = False
    assert program(model).train(8, "sgd").saved < free


def test_optimizers_keep_a_variable_for_each_weight_or_two():
    model = chain(layers.Dense(512, use_bias=False), shape=(512,))
    weights = 512 * 512 * 4
    assert [budget(model, optimizer=name).training.slots for name in ("sgd", "rmsprop", "adam")] == [0, weights, 2 * weights]
    assert budget(model).inference.weights == budget(model).training.weights == weights


def branching():
    inputs = keras.Input((64, 64, 3))
    x = Conv2D(8, 3, padding="same", activation="relu")(inputs)
    for rate in (2, 4):
        y = layers.BatchNormalization()(Conv2D(8, 3, dilation_rate=rate, padding="same")(x))
        x = layers.Add()([x, layers.ReLU()(y)])
    x = layers.Concatenate()([x, layers.UpSampling2D()(layers.MaxPooling2D()(x))])
    return keras.Model(inputs, Conv2D(2, 1)(x))


def test_tensors_grow_with_the_batch():
    steps = program(branching())
    for live in ([steps.predict(n).live for n in range(1, 9)], [steps.train(n).live for n in range(1, 9)]):
        assert all(a < b for a, b in itertools.pairwise(live))
    assert all(steps.train(n).live > steps.predict(n).live for n in (1, 8))


@pytest.mark.parametrize("segments", [1, 2, 3, 5, 100])
def test_everything_is_given_back_however_often_it_is_computed_again(segments):
    steps = program(branching())
    run = _Run(steps, 4, "adam")
    run.train(segments)
    outside = sum(run._bytes(steps.sizes[number]) for number in (*steps.inputs, *steps.outputs))
    assert run.arena.live - run.fixed <= outside  # held by the caller
    if segments == 1:
        assert steps.train(4, segments=1) == steps.train(4)


@given(st.integers(1, 10_000), st.integers(0, 500), st.integers(1, 2_000_000))
def test_largest_batch_is_the_inverse(per_example, fixed, ram):
    def bytes_of(n):
        return fixed + n * per_example

    found = largest_batch(bytes_of, ram)
    assert found == min(max(0, (ram - fixed) // per_example), 2**20)


def test_largest_batches_fit_and_one_more_does_not():
    model, ram = branching(), 100 * MB
    found = budget(model, ram=ram)
    for kind in ("inference", "training"):
        largest = getattr(found, f"largest_{kind}_batch")
        assert largest >= 1
        assert getattr(budget(model, batch_size=largest), f"{kind}_bytes") <= ram
        assert getattr(budget(model, batch_size=largest + 1), f"{kind}_bytes") > ram
    assert budget(model, ram=1000).largest_training_batch == 0


# Streaming


def test_ring_buffers_hold_what_kernels_have_yet_to_meet_again():
    stack = [Conv1D(8, 2, dilation_rate=rate, padding="causal") for rate in (1, 2, 4)]
    found = budget(chain(*stack, layers.ReLU(), shape=(100, 3)))
    assert found.streaming_bytes == 4 * (1 * 3 + 2 * 8 + 4 * 8)
    assert budget(chain(*stack, shape=(100, 3)), mixed_precision=True).streaming_bytes == 2 * (1 * 3 + 2 * 8 + 4 * 8)
    recurrent = chain(layers.LSTM(5, return_sequences=True), shape=(100, 3))
    assert budget(recurrent).streaming_bytes == 4 * 2 * 5


@pytest.mark.parametrize(
    ("steps", "shape", "word"),
    [
        ([Conv1D(2, 3, padding="same")], (100, 3), "1 samples ahead"),
        ([Conv2D(2, 3, padding="same")], (16, 16, 3), "2 spatial axes"),
        ([Conv1D(2, 3, padding="causal"), layers.GlobalAveragePooling1D()], (100, 3), "whole input"),
    ],
)
def test_what_cannot_be_streamed_says_why(steps, shape, word):
    found = budget(chain(*steps, shape=shape))
    assert found.streaming_bytes is None
    assert word in found.streaming_obstacle


# Savings


def test_a_bottleneck_saves_what_its_arithmetic_says():
    found = budget(chain(Conv2D(64, 3, padding="valid", use_bias=False), shape=(12, 12, 64)))
    half, quarter = (way for way in found.savings if way.name == "1×1 bottlenecks")
    assert half.parameters == 9 * 64 * 64 - (64 * 32 + 9 * 32 * 32 + 32 * 64)
    assert half.macs == 100 * 9 * 64 * 64 - (144 * 64 * 32 + 100 * 9 * 32 * 32 + 100 * 32 * 64)
    assert quarter.parameters == 9 * 64 * 64 - (64 * 16 + 9 * 16 * 16 + 16 * 64)


def test_mixed_precision_and_rematerialisation_save_training_memory():
    model = chain(*[Conv2D(16, 3, padding="same", activation="relu") for _ in range(9)], shape=(128, 128, 3))
    ways = {way.name: way for way in budget(model, batch_size=32).savings}
    wide, narrow = budget(model, batch_size=32), budget(model, batch_size=32, mixed_precision=True)
    assert ways["mixed precision"].training_bytes == wide.training_bytes - narrow.training_bytes
    assert 0.4 * wide.training.live < narrow.training.live < 0.6 * wide.training.live
    assert ways["rematerialisation"].training_bytes > 0.2 * wide.training_bytes
    assert ways["rematerialisation"].macs == -budget(model).valid_macs


# What a user sees


def shown(found):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(budget_table(found))
    return console.export_text()


def test_a_layer_used_twice_has_its_weights_once():
    layer = layers.Dense(4, use_bias=False)
    found = budget(chain(layer, layer, shape=(4,)))
    assert [row.parameters for row in found.layers] == [16, 0]
    assert found.parameters == found.trainable_parameters == 16
    assert found.valid_macs == 32


def test_the_budget_as_json_and_as_a_table():
    model = branching()
    found = budget(model, batch_size=2, ram=2**30)
    facts = json.loads(found.to_json())
    assert facts["parameters"] == model.count_params() == sum(row["parameters"] for row in facts["layers"])
    assert facts["training_bytes"] == found.training.total == found.training_bytes
    assert facts["layers"][0]["activation_bytes"] == 2 * 64 * 64 * 8 * 4
    text = shown(found)
    assert "Largest batch in 1.00 GiB" in text
    assert f"{found.parameters:,}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be a positive integer. Received: batch_size=0"),
        ({"ram": -1}, "`ram` must be a positive number of bytes"),
        ({"optimizer": "lbfgs"}, "`optimizer` must be one of 'sgd'"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        budget(chain(Conv2D(1, 1)), **arguments)


def test_a_constant_in_the_graph_costs_nothing():
    inputs = keras.Input((8, 8, 3))
    x = Conv2D(4, 3)(inputs)
    plain, added = (keras.Model(inputs, Conv2D(2, 1)(y)) for y in (x, x + keras.ops.zeros_like(x)))
    assert budget(added).valid_macs == budget(plain).valid_macs
    assert budget(added).training.total >= budget(plain).training.total


def test_open_lengths_are_refused():
    model = chain(Conv1D(1, 1), shape=(None, 1))
    with pytest.raises(ValueError, match="`input_shape` must give every length"):
        budget(model)
    assert budget(model, (50, 1)).valid_macs == 50
