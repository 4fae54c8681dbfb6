"""Dilated pooling against its definition, and the padding of a strided layer by itself."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracle
from atrous import field, layers
from catalog import POOLS, Row
from gradients import value_and_gradients

ROWS = pytest.mark.parametrize("row", POOLS.values(), ids=POOLS)
BACKEND = keras.config.backend()
EXAMPLES = 150 if BACKEND == "tensorflow" else 15


def data(row: Row, batch: int = 2, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, *row.input_shape)).astype(dtype)


def output(layer: Any, x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer(x)))


def pooled(x: np.ndarray, layer: Any, pads: Any = None) -> np.ndarray:
    """The definition: the maximum or mean of what is there, window by window."""
    reduce = np.max if "Max" in type(layer).__name__ else np.mean
    size, strides, rates = layer.pool_size, layer.strides, layer.dilation_rate
    pads = pads or oracle.pads(x.shape[1:-1], size, strides, rates, layer.padding)
    axes = [
        [[j for m in range(k) if 0 <= (j := i * s + m * r - a) < n] for i in range((n + a + b - (k - 1) * r - 1) // s + 1)]
        for n, k, s, r, (a, b) in zip(x.shape[1:-1], size, strides, rates, pads, strict=True)
    ]
    y = np.empty((x.shape[0], *map(len, axes), x.shape[-1]))
    for position in itertools.product(*(range(len(axis)) for axis in axes)):
        window = np.ix_(range(x.shape[0]), *(axis[i] for axis, i in zip(axes, position, strict=True)), range(x.shape[-1]))
        y[(slice(None), *position)] = reduce(x[window].astype("float64"), axis=tuple(range(1, x.ndim - 1)))
    return y


def assert_pooled(layer: Any, x: np.ndarray) -> None:
    """A maximum to the bit; a mean by the rule, whose weights are 1 / (how many there are)."""
    expected = pooled(x, layer)
    if "Max" in type(layer).__name__:
        np.testing.assert_array_equal(output(layer, x), expected.astype(x.dtype))
    else:
        oracle.assert_close(output(layer, x), expected, pooled(np.abs(x), layer))


@ROWS
def test_is_pooling_by_definition(row):
    assert_pooled(row.layer(), data(row))


@st.composite
def geometries(draw: Any) -> tuple[str, dict[str, Any], tuple[int, ...]]:
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    each = lambda *values: tuple(draw(st.sampled_from(values)) for _ in range(rank))  # noqa: E731
    size, strides, rates = each(1, 2, 3), each(1, 2, 3), each(1, 2, 4)
    padding = draw(st.sampled_from(["valid", "same", "explicit"]))
    if padding == "explicit":
        padding = tuple((draw(st.integers(0, r)) if k > 1 else 0, 0) for k, r in zip(size, rates, strict=True))
    shape = (2, *each(*range(1, {1: 20, 2: 12, 3: 7}[rank])), 2)
    name = draw(st.sampled_from(["MaxPooling", "AveragePooling"]))
    return f"{name}{rank}D", {"pool_size": size, "strides": strides, "dilation_rate": rates, "padding": padding}, shape


@settings(max_examples=EXAMPLES)
@given(geometries())
def test_any_geometry(geometry):
    name, arguments, shape = geometry
    layer = getattr(layers, name)(**arguments)
    size, strides, rates, padding = (arguments[key] for key in ("pool_size", "strides", "dilation_rate", "padding"))
    pads = oracle.pads(shape[1:-1], size, strides, rates, padding)
    for n, k, s, r, (a, b) in zip(shape[1:-1], size, strides, rates, pads, strict=True):
        count = (n + a + b - (k - 1) * r - 1) // s + 1
        # A window without data isn't compared.
        assume(count > 0 and all(any(0 <= i * s + m * r - a < n for m in range(k)) for i in range(count)))
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    assert layer.compute_output_shape(shape) == pooled(x, layer).shape
    assert_pooled(layer, x)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("name", ["MaxPooling2D", "AveragePooling2D"])
def test_without_dilation_it_is_keras_own(name, padding):
    x = np.random.default_rng(0).standard_normal((2, 9, 10, 3)).astype("float32")
    ours, stock = (getattr(module, name)(3, 2, padding) for module in (layers, keras.layers))
    np.testing.assert_array_equal(output(ours, x), output(stock, x))


@ROWS
def test_is_the_keras_layer(row):
    stock = getattr(keras.layers, row.make.__name__)(2)
    assert isinstance(row.layer(), type(stock))
    assert set(row.layer().get_config()) == {*stock.get_config(), "dilation_rate"}


@ROWS
def test_config_and_saved_model(row, tmp_path):
    layer, x = row.layer(name="subject"), data(row)
    assert row.make.from_config(layer.get_config()).spec == layer.spec
    model = keras.Sequential([keras.Input(row.input_shape), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), output(model, x))
    assert type(restored.get_layer("subject")) is row.make


@ROWS
def test_channels_first_is_channels_last_transposed(row):
    x = data(row)
    first = row.layer(data_format="channels_first")
    actual = output(first, np.moveaxis(x, -1, 1))
    assert actual.shape == first.compute_output_shape(np.moveaxis(x, -1, 1).shape)
    np.testing.assert_allclose(np.moveaxis(actual, 1, -1), output(row.layer(), x), rtol=1e-6, atol=1e-6)


@ROWS
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_dtype_policy(row, policy):
    layer, x = row.layer(dtype=policy), data(row)
    result = layer(x)
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
    actual = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(result, "float32")))
    np.testing.assert_allclose(actual, output(row.layer(), x), rtol=5e-2, atol=5e-2)


@ROWS
def test_unknown_sizes(row):
    model = keras.Sequential([keras.Input((*[None] * (len(row.input_shape) - 1), row.input_shape[-1])), row.layer()])
    assert model.output_shape == (None, *[None] * (len(row.input_shape) - 1), row.input_shape[-1])
    for x in (data(row), data(row)[:1, 1:]):
        np.testing.assert_allclose(model.predict(x, verbose=0), output(row.layer(), x), rtol=1e-6, atol=1e-6)


@ROWS
def test_gradient(row):
    """Of a sum of outputs: a mean hands 1 / (how many) to each, a maximum all to the largest."""
    layer, x = row.layer(), data(row)
    _, (gradient,) = value_and_gradients(layer, [x], lambda shape: np.ones(tuple(shape), "float32"))
    step = np.random.default_rng(1).standard_normal(x.shape)
    h = 1e-6
    change = (pooled(x + h * step, layer).sum() - pooled(x - h * step, layer).sum()) / (2 * h)
    np.testing.assert_allclose((gradient * step).sum(), change, rtol=1e-4)


@ROWS
def test_empty_batch(row):
    layer, x = row.layer(), data(row, batch=0)
    assert layer(x).shape == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pool_size": 0}, "`pool_size` must be a positive integer"),
        ({"dilation_rate": (2, 0)}, "`dilation_rate` must be a positive integer"),
        ({"padding": "causal"}, "must have one spatial axis"),
        ({"strides": -1}, "`strides` must be a positive integer"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.MaxPooling2D(**arguments)


def test_a_window_that_does_not_fit():
    with pytest.raises(ValueError, match="would be empty"):
        layers.AveragePooling1D(3, dilation_rate=4)(np.zeros((1, 8, 1), "float32"))


@pytest.mark.parametrize("padding", ["same", "valid", (1, 2)])
@pytest.mark.parametrize("lengths", ["known", "unknown"])
def test_strided_padding_is_what_the_strided_layer_pads(padding, lengths):
    """At every (d·s)-th position, the dilated layer behind it gives the strided layer's output, and nothing is left over."""
    generator = np.random.default_rng(0)
    for k, s, d in itertools.product((1, 2, 3), (1, 2, 3), (1, 3)):
        kernel = generator.integers(-3, 4, (k, 1, 1)).astype("float32")
        strided = layers.Conv1D(1, k, strides=s, padding=padding, use_bias=False)
        pads = layers.StridedPadding((k,), s, padding if isinstance(padding, str) else (padding,), d)
        dilated = layers.Conv1D(1, k, dilation_rate=d, use_bias=False)
        model = keras.Sequential([keras.Input((None, 1)), pads, dilated])
        strided.build((None, None, 1))
        for layer in (strided, dilated):
            layer.set_weights([kernel])
        for n in range(max(1, k * d), 3 * k * d + 3):
            x = generator.integers(-3, 4, (1, n, 1)).astype("float32")
            y = output(dilated, pads(x)) if lengths == "known" else model.predict_on_batch(x)
            np.testing.assert_array_equal(y[:, :: d * s], output(strided, x[:, ::d]))
            assert y.shape[1] >= min(n, output(strided, x[:, ::d]).shape[1] * d * s)


def test_strided_padding_saves_and_is_known_to_fields(tmp_path):
    inputs = keras.Input((11, None, 2))
    x = layers.StridedPadding((3, 3), 2, grid=(1, 2), value=-1, name="pads")(inputs)
    model = keras.Model(inputs, layers.Conv2D(1, 3, dilation_rate=(1, 2))(x))
    assert x.shape == (None, 13, None, 2)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).standard_normal((1, 11, 10, 2)).astype("float32")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), output(model, x))
    assert restored.get_layer("pads").get_config() == model.get_layer("pads").get_config()
    report = field.analyze(model, (11, 10, 2))
    assert (report.output.size, report.output.offset) == ((3, 5), (-1, -2))
