"""The table of layers × the table of what must hold for every layer."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from catalog import LAYERS, Row
from gradients import value_and_gradients

ROWS = pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)
BACKEND = keras.config.backend()


def data(row: Row, batch: int = 2, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, *row.input_shape)).astype(dtype)


def output(layer: Any, x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer(x)))


def model_of(row: Row, **more: Any) -> Any:
    return keras.Sequential([keras.Input(row.input_shape), row.layer(name="subject", **more)])


@ROWS
def test_is_the_keras_layer(row):
    stock = getattr(keras.layers, row.make.__name__)
    layer = row.layer()
    assert isinstance(layer, stock)
    assert set(layer.get_config()) == set(stock.from_config(_stock_config(row)).get_config())
    assert layer.name.startswith(stock.from_config(_stock_config(row)).name.rsplit("_", 1)[0])


def _stock_config(row: Row) -> dict[str, Any]:
    return {**row.arguments, "padding": "valid", "dilation_rate": 1, "strides": 1}


@ROWS
def test_output_has_the_computed_shape(row):
    layer, x = row.layer(), data(row)
    assert output(layer, x).shape == layer.compute_output_shape(x.shape)


@ROWS
def test_config_round_trip(row):
    layer = row.layer(activation="relu", use_bias=False)
    copy = row.make.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.spec == layer.spec


@ROWS
def test_saved_model_gives_the_same_output(row, tmp_path):
    model, x = model_of(row), data(row)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), output(model, x))
    assert type(restored.get_layer("subject")) is row.make


@ROWS
def test_weights_go_to_and_from_keras_layers(row):
    layer, x = row.layer(), data(row)
    layer.build(x.shape)
    stock = getattr(keras.layers, row.make.__name__).from_config({**_stock_config(row), "name": "stock"})
    stock.build(x.shape)
    stock.set_weights(layer.get_weights())
    assert [w.name for w in stock.weights] == [w.name for w in layer.weights]


@ROWS
def test_channels_first_is_channels_last_transposed(row):
    last, x = row.layer(), data(row)
    expected = output(last, x)
    first = row.layer(data_format="channels_first")
    first.build((2, row.input_shape[-1], *row.input_shape[:-1]))
    first.set_weights(last.get_weights())
    actual = output(first, np.moveaxis(x, -1, 1))
    assert actual.shape == first.compute_output_shape(np.moveaxis(x, -1, 1).shape)
    np.testing.assert_allclose(np.moveaxis(actual, 1, -1), expected, rtol=1e-5, atol=1e-5)


@ROWS
def test_channels_first_bias_where_the_last_axis_is_as_long(row):
    layer = row.layer(data_format="channels_first", bias_initializer="normal")
    *space, channels = row.input_shape
    shapes = [(2, channels, *space[:-1], n) for n in range(1, 20)]
    shape, *_ = [shape for shape in shapes if (out := _output_shape(layer, shape)) and out[1] == out[-1]]
    layer.build(shape)
    bias = np.asarray(keras.ops.convert_to_numpy(layer.bias))
    result = np.moveaxis(output(layer, np.zeros(shape, "float32")), 1, -1)
    np.testing.assert_array_equal(result, np.broadcast_to(bias, result.shape))


def _output_shape(layer: Any, shape: tuple[int, ...]) -> Any:
    try:
        return layer.compute_output_shape(shape)
    except ValueError:  # the output would be empty
        return None


@ROWS
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float64", "mixed_float16"])
def test_dtype_policy(row, policy):
    if BACKEND == "jax" and policy == "float64":
        pytest.skip("JAX computes in float64 only when its x64 mode is on for the whole process")
    layer, x = row.layer(dtype=policy), data(row)
    result = layer(x)
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
    reference = row.layer()
    reference.build(x.shape)
    reference.set_weights([np.asarray(w, "float32") for w in map(keras.ops.convert_to_numpy, layer.weights)])
    tolerance = {"bfloat16": 5e-2, "float16": 5e-3, "float64": 1e-5}[layer.compute_dtype]
    actual = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(result, "float32")))
    np.testing.assert_allclose(actual, output(reference, x), rtol=tolerance, atol=tolerance)


@ROWS
def test_trains(row):
    model, x = model_of(row), data(row, batch=8)
    target = np.zeros(model.output_shape[1:], "float32") + np.ones((8, *[1] * (len(row.input_shape))), "float32")
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.optimizer.build(model.trainable_variables)  # TensorFlow traces a step that makes variables twice
    losses = model.fit(x, target, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@ROWS
def test_dense_follows_at_dynamic_batch_and_space(row):
    inputs = keras.Input((*[None] * (len(row.input_shape) - 1), row.input_shape[-1]))
    layer = row.layer()
    hidden = layer(inputs)
    assert hidden.shape == (None, *[None] * (len(row.input_shape) - 1), layer.compute_output_shape((1, *row.input_shape))[-1])
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    x = data(row)
    assert model.predict(x, verbose=0).shape == (*layer.compute_output_shape(x.shape)[:-1], 2)
    half = x[:1, : max(row.input_shape[0] - 2, 1)]
    assert model.predict(half, verbose=0).shape[1] == layer.compute_output_shape(half.shape)[1]


@ROWS
def test_flatten_and_dense_follow_at_static_space(row):
    model = keras.Sequential([keras.Input(row.input_shape), row.layer(), keras.layers.Flatten(), keras.layers.Dense(2)])
    assert model.predict(data(row), verbose=0).shape == (2, 2)


@ROWS
def test_subclassed_model(row):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = row.layer()

        def call(self, x):
            return self.first(x)

    model, x = Subclassed(), data(row)
    result = model.predict(x, verbose=0)
    np.testing.assert_allclose(result, output(model, x), rtol=1e-5, atol=1e-5)


@ROWS
def test_time_distributed(row):
    layer, x = row.layer(), data(row, batch=6)
    expected = output(layer, x)
    wrapped = keras.layers.TimeDistributed(layer)
    actual = output(wrapped, x.reshape(2, 3, *row.input_shape))
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@ROWS
def test_spectral_normalization(row):
    if "Separable" in row.make.__name__:
        pytest.skip("Keras's wrapper normalises layers with a single kernel")
    layer, x = row.layer(), data(row)
    wrapped = keras.layers.SpectralNormalization(layer, power_iterations=10)
    wrapped.build(x.shape)
    layer.kernel.assign(layer.kernel + 1)  # one singular value is the largest by far: few iterations find it
    wrapped(x, training=True)
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel))
    np.testing.assert_allclose(np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]))[1][0], 1, rtol=0.05)


@ROWS
def test_empty_batch(row):
    layer, x = row.layer(), data(row, batch=0)
    layer.build(x.shape)
    weights = layer.get_weights()
    result, (dx, *gradients) = value_and_gradients(
        lambda x, *weights: layer.stateless_call(list(weights), [], x)[0], [x, *weights], np.zeros
    )
    assert result.shape == layer.compute_output_shape(x.shape)
    assert dx.size == 0
    for gradient, weight in zip(gradients, weights, strict=True):
        np.testing.assert_array_equal(gradient, np.zeros_like(weight))


@pytest.mark.parametrize("name", [name for name, row in LAYERS.items() if name.startswith("Conv") and "Transpose" not in name])
def test_lora(name):
    row = LAYERS[name]
    model, x = model_of(row), data(row)
    layer = model.get_layer("subject")
    before = output(model, x)
    layer.enable_lora(2)
    np.testing.assert_allclose(output(model, x), before, rtol=1e-5, atol=1e-5)
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    assert np.abs(output(model, x) - before).max() > 1e-3


def test_a_subclass_may_convolve_in_its_own_way():
    class Standardized(LAYERS["Conv2D"].make):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel / 2)

    row, x = LAYERS["Conv2D"], data(LAYERS["Conv2D"])
    plain, halved = row.layer(), Standardized(**row.arguments, bias_initializer="ones")
    expected = output(plain, x) / 2 + 1
    halved.build(x.shape)
    halved.set_weights([plain.get_weights()[0], np.ones(4)])
    np.testing.assert_allclose(output(halved, x), expected, rtol=1e-5, atol=1e-5)


def test_a_layer_is_fast_to_recognise_in_a_saved_file():
    layer = LAYERS["Conv2D"].layer()
    assert keras.saving.serialize_keras_object(layer)["registered_name"] == "atrous>Conv2D"
