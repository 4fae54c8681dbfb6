"""What a unit really depends on: known profiles, derivatives made by hand, and nothing outside the theoretical field."""

import math
import re

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers, ops

import atrous
import networks
from atrous.field import analyze, effective_field
from atrous.field.graph import graph_of
from atrous.field.values import values_of

CONV = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
EXACT = 1e-5  # of the largest: float32 sums of some hundred terms


def ones(rank, rates, size, kernel=3, **options):
    """A stack whose weights are all the same: its gradient counts paths."""
    options = {"padding": "same", "kernel_initializer": "ones", "use_bias": False, **options}
    return keras.Sequential([keras.Input(size), *(CONV[rank](2, kernel, dilation_rate=rate, **options) for rate in rates)])


def shares(field):
    return field.gradient / field.gradient.sum()


def inside(field):
    """The part of the input that the theoretical field covers."""
    return tuple(slice(max(first, 0), last + 1) for first, last in field.theoretical)


@pytest.mark.parametrize(
    ("rank", "rates", "size"), [(1, (1, 2, 4), (33, 2)), (2, (1, 2), (15, 16, 1)), (3, (1, 1), (9, 9, 11, 1))]
)
def test_equal_weights_give_the_profile_of_paths(rank, rates, size):
    model = ones(rank, rates, size)
    field = effective_field(model, samples=2)
    expected = np.ones(())
    for paths in analyze(model).output.paths:
        expected = np.multiply.outer(expected, paths / paths.sum())
    assert np.abs(shares(field)[inside(field)] - expected).max() <= EXACT * expected.max()
    assert field.position == tuple(n // 2 for n in size[:-1])


def test_channels_first_and_our_own_layers():
    def stack(data_format, size):
        conv = atrous.layers.Conv2D(1, 3, dilation_rate=2, data_format=data_format, use_bias=False, kernel_initializer="ones")
        return keras.Sequential([keras.Input(size), conv])

    first, last = stack("channels_first", (2, 9, 12)), stack("channels_last", (9, 12, 2))
    x = np.random.default_rng(0).standard_normal((3, 2, 9, 12)).astype("float32")
    a, b = effective_field(first, x), effective_field(last, np.moveaxis(x, 1, -1))
    assert a.theoretical == b.theoretical == ((2, 6), (4, 8))
    np.testing.assert_allclose(a.gradient, b.gradient)
    assert a.gradient.sum() == 9 * 2


@pytest.mark.parametrize("rate", [1, 3])
@pytest.mark.parametrize("depth", [1, 4, 12])
def test_the_extent_grows_with_the_root_of_depth(depth, rate):
    field = effective_field(ones(1, (rate,) * depth, (2 * rate * depth + 1, 1)), samples=1)
    assert field.size == (2 * rate * depth + 1,)
    # Three taps of equal weight have variance 2/3, and variances add up.
    np.testing.assert_allclose(field.two_sigma, [4 * rate * math.sqrt(2 * depth / 3)], rtol=1e-5)


def test_the_middle_95_percent_is_counted():
    field = effective_field(ones(1, (1,) * 6, (31, 1)), samples=1)
    profile = np.ones(1)
    for _ in range(6):
        profile = np.convolve(profile, np.ones(3) / 3)
    cut = max(n for n in range(6) if profile[:n].sum() <= 0.025)
    assert field.mass_95 == (len(profile) - 2 * cut,)
    assert field.ratio == (field.mass_95[0] / 13,)


def test_an_even_field_is_used_wholly():
    field = effective_field(ones(1, (1,), (20, 1), kernel=7), samples=1)
    assert field.mass_95 == field.size == (7,)
    assert field.ratio == (1.0,)


def test_skips_shrink_the_field():
    def residual(with_skips):
        inputs = x = keras.Input((61, 1))
        for _ in range(10):
            y = layers.Conv1D(1, 3, padding="same", kernel_initializer="ones", use_bias=False)(x)
            x = layers.Add()([x, y]) if with_skips else y
        return effective_field(keras.Model(inputs, x), samples=1)

    plain, skipped = residual(False), residual(True)
    assert plain.theoretical == skipped.theoretical
    # 1 + 3 paths a layer, of which 2 move by one: variance 1/2 instead of 2/3.
    np.testing.assert_allclose(skipped.two_sigma, [4 * math.sqrt(10 / 2)], rtol=1e-5)
    assert skipped.two_sigma < plain.two_sigma


def test_padding_is_no_input():
    field = effective_field(ones(2, (1, 2), (9, 9, 1)), position=(0, -1), samples=1)
    assert field.position == (0, 8)
    assert field.theoretical == ((-3, 3), (5, 11))
    assert field.size == (4, 4)
    assert field.gradient[:4, 5:].all()
    assert field.gradient.sum() == field.gradient[:4, 5:].sum()


def test_a_causal_network_looks_back():
    field = effective_field(ones(1, (1, 2, 4), (32, 1), kernel=2, padding="causal"), position=(-1,), samples=1)
    assert field.theoretical == ((24, 31),)
    np.testing.assert_allclose(shares(field)[24:], np.full(8, 1 / 8), rtol=1e-6)


def test_derivatives_by_hand():
    kernel = np.array([1.0, -2.0, 0.5], "float32")
    model = keras.Sequential([keras.Input((7, 1)), layers.Conv1D(1, 3, padding="same", activation=ops.square)])
    model.layers[0].set_weights([kernel.reshape(3, 1, 1), np.array([0.25], "float32")])
    x = np.random.default_rng(0).standard_normal((5, 7, 1)).astype("float32")
    field = effective_field(model, x, position=(4,))
    expected = np.zeros(7)
    for example in x[..., 0]:
        expected[3:6] += np.abs(2 * (example[3:6] @ kernel + 0.25) * kernel) / 5  # of (w·x + b)²
    np.testing.assert_allclose(field.gradient, expected, rtol=1e-5, atol=1e-6)


def test_many_channels_count_by_their_length_and_inputs_by_their_sum():
    model = keras.Sequential([keras.Input((5, 2)), layers.Conv1D(3, 5, use_bias=False)])
    field = effective_field(model, samples=4000, batch_size=4000)
    expected = np.linalg.norm(ops.convert_to_numpy(model.layers[0].kernel), axis=-1).sum(axis=-1)
    np.testing.assert_allclose(shares(field), expected / expected.sum(), rtol=0.05)


def test_a_softmax_has_a_field_though_its_sum_is_constant():
    model = networks.functional(networks.conv(4), layers.Softmax())
    assert effective_field(model).gradient.max() > 1e-3


def test_a_classifier_is_asked_where_it_still_knows_its_place():
    model = networks.functional(networks.conv(4, name="last"), layers.GlobalAveragePooling2D(), layers.Dense(3, name="classes"))
    assert effective_field(model).layer == "last"
    whole = effective_field(model, layer="classes")
    assert whole.theoretical == ((0, 7), (0, 7))
    assert whole.position == (0, 0)
    assert whole.gradient.all()


def test_same_seeds_same_field_in_any_batches():
    model = networks.functional(networks.conv(4, activation="tanh"), networks.conv(1))
    first, again, other = (
        effective_field(model, seeds=seeds, batch_size=size).gradient for seeds, size in (((0, 1), 3), ((0, 1), 16), ((2,), 16))
    )
    np.testing.assert_allclose(first, again, rtol=1e-4, atol=1e-6)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize("wrap", [networks.functional, networks.sequential])
def test_layers_inside_models_inside_models(wrap):
    inner = wrap(networks.conv(1, dilation_rate=2, name="deep"), networks.conv(2, name="deeper"), size=(8, 8, 4))
    model = networks.functional(networks.conv(4), inner)
    deep = effective_field(model, layer=f"{inner.name}/deep")
    assert deep.theoretical == ((1, 7), (1, 7))
    expected = effective_field(keras.Model(model.inputs, inner.layers[-2](model.layers[1].output)))
    np.testing.assert_allclose(deep.gradient, expected.gradient, rtol=1e-5)
    assert effective_field(model, layer=inner.name).theoretical == effective_field(model).theoretical == ((0, 8), (0, 8))


def test_one_of_several_inputs():
    inputs = {name: keras.Input((9, 1), name=name) for name in ("left", "right")}
    kernels = {name: layers.Conv1D(1, size, use_bias=False, padding="same") for name, size in (("left", 3), ("right", 5))}
    model = keras.Model(inputs, layers.Multiply()([kernels[name](inputs[name]) for name in inputs]))
    x = {name: np.random.default_rng(i).standard_normal((1, 9, 1)).astype("float32") for i, name in enumerate(inputs)}
    field = effective_field(model, x, input_name="right")
    assert field.theoretical == ((2, 6),)
    left = float(x["left"][0, 3:6, 0] @ ops.convert_to_numpy(kernels["left"].kernel)[:, 0, 0])
    expected = np.abs(left * ops.convert_to_numpy(kernels["right"].kernel)[:, 0, 0])
    np.testing.assert_allclose(field.gradient[2:7], expected, rtol=1e-5)
    assert effective_field(model).theoretical == ((3, 5),)  # of the first, with noise for both


@pytest.mark.parametrize("name", [name for name in networks.NETWORKS if name != "wrapped"])  # a type without a rule is in it
def test_values_are_those_of_the_model(name):
    model = networks.randomize(networks.NETWORKS[name]())
    graph = graph_of(model)
    x = networks.inputs_of(model)
    named = x if isinstance(x, dict) else {next(iter(graph.inputs)): x}
    expected = [ops.convert_to_numpy(ops.cast(y, "float32")) for y in keras.tree.flatten(model(x, training=False))]
    for actual, y in zip(values_of(graph, graph.outputs, named), expected, strict=True):
        actual = ops.convert_to_numpy(ops.cast(actual, "float32"))
        np.testing.assert_allclose(actual, y, rtol=1e-5, atol=1e-5 * np.abs(y).max())


LAYER = st.tuples(
    st.sampled_from(["conv", "stride", "pool", "up", "transposed", "skip"]),
    st.integers(1, 4),  # kernel size
    st.integers(1, 3),  # rate
    st.sampled_from(["same", "valid", "causal"]),
)


def stack(rows):
    """A model over 40 positions."""
    inputs = x = keras.Input((40, 1))
    for kind, kernel, rate, padding in rows:
        if kind == "conv":
            x = layers.Conv1D(2, kernel, dilation_rate=rate, padding=padding, activation="tanh")(x)
        elif kind == "stride":
            x = layers.Conv1D(2, kernel, strides=2, padding="same")(x)
        elif kind == "pool":
            x = layers.AveragePooling1D(2, padding="same")(x)
        elif kind == "up":
            x = layers.UpSampling1D(2)(x)
        elif kind == "transposed":
            x = layers.Conv1DTranspose(2, kernel, strides=2, padding="same")(x)
        else:
            x = layers.Add()([x, layers.Conv1D(x.shape[-1], kernel, dilation_rate=rate, padding="same")(x)])
    return keras.Model(inputs, layers.Conv1D(1, 1)(x))


@settings(max_examples=25)
@given(st.lists(LAYER, min_size=1, max_size=4), st.floats(0, 1))
def test_nothing_outside_the_theoretical_field(rows, place):
    try:
        model = stack(rows)
    except ValueError:  # shorter than a kernel
        assume(False)
    position = int(place * (model.output.shape[1] - 1))
    (span,) = analyze(model).output.span((position,))
    assume(span[0] < 40 and span[1] >= 0)  # not made of padding alone
    field = effective_field(model, position=(position,), samples=2)
    outside = np.ones(40, bool)
    outside[inside(field)] = False
    assert field.theoretical == (span,)
    assert not field.gradient[outside].any()
    assert 0 < field.ratio[0] <= 1


class TestRefusals:
    def test_integers(self):
        inputs = keras.Input((12,), dtype="int32", name="tokens")
        model = keras.Model(inputs, layers.Conv1D(2, 3)(layers.Embedding(9, 4)(inputs)))
        with pytest.raises(ValueError, match=r"no derivative by integers. Received: input 'tokens' of dtype int32"):
            effective_field(model)
        behind = keras.Model(model.layers[1].output, model.output)  # as the message says
        assert effective_field(behind).size == (3,)

    def test_a_dead_network(self):
        model = networks.functional(networks.conv(2, activation="relu", bias_initializer=keras.initializers.Constant(-100)))
        with pytest.raises(ValueError, match="zero everywhere"):
            effective_field(model)

    def test_not_a_number(self):
        with pytest.raises(ValueError, match="not finite"):
            effective_field(networks.functional(networks.conv(2, activation="tanh")), np.full((1, *networks.SIZE), np.nan))

    @pytest.mark.parametrize("position", [(8, 0), (0,), (0, -9), "ab"])
    def test_a_position_that_is_none(self, position):
        with pytest.raises(ValueError, match=rf"`position` must be an index .* Received: position={re.escape(str(position))}"):
            effective_field(networks.functional(networks.conv()), position=position)

    def test_an_unknown_layer(self):
        with pytest.raises(ValueError, match=r"`layer` must be a layer of .*, such as conv2d.* Received: layer='head'"):
            effective_field(networks.functional(networks.conv()), layer="head")

    def test_open_lengths(self):
        model = networks.sequential(networks.conv(), size=(None, None, 3))
        with pytest.raises(ValueError, match="`input_shape` must be given"):
            effective_field(model)
        assert effective_field(model, input_shape=(6, 5, 3)).gradient.shape == (6, 5)
        assert effective_field(model, np.ones((2, 4, 7, 3))).gradient.shape == (4, 7)

    def test_inputs_that_are_missing(self):
        with pytest.raises(ValueError, match=r"`inputs` must have an array for each of .* Received: inputs for \['left'\]"):
            effective_field(networks.two_inputs(), {"left": np.ones((1, *networks.SIZE))})


def test_a_table_for_the_terminal():
    from rich.console import Console

    console = Console(width=80, record=True)
    with console.capture() as captured:
        console.print(effective_field(ones(2, (1, 1), (9, 9, 1)), samples=1))
    assert "output at (4, 4)" in captured.get()
    assert re.search(r"0 +5 +4\.6 +5 +100%", captured.get())
