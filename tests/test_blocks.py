"""The table of blocks and models × the table of what must hold for every one of them."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import pytest

from atrous.field import analyze
from catalog_blocks import BLOCKS, MODELS, Row

ROWS = pytest.mark.parametrize("row", BLOCKS.values(), ids=BLOCKS)
EVERY = {**BLOCKS, **MODELS}
EVERY_ROW = pytest.mark.parametrize("row", EVERY.values(), ids=EVERY)
EVERY_NAME = pytest.mark.parametrize("name", EVERY)
MODEL_NAMES = pytest.mark.parametrize("name", MODELS)
BACKEND = keras.config.backend()


def data(row: Row, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch, *row.input_shape)).astype("float32")


def output(layer: Any, x: Any, **call: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(layer(x, **call), "float32")))


def model_of(row: Row, space: tuple[int | None, ...] | None = None) -> Any:
    """A row's model, or the model of its block alone, which is called `subject` there."""
    shape = (*(row.input_shape[:-1] if space is None else space), row.input_shape[-1])
    if row in MODELS.values():
        return row.model(shape)
    inputs = keras.Input(shape)
    return keras.Model(inputs, row.layer(name="subject")(inputs))


def other_weights(layer: Any) -> None:
    """Weights as after some training: biases and moving means that aren't 0, kernels that differ a little from their start."""
    draw = np.random.default_rng(1)
    for weight in layer.weights:
        if "seed" not in weight.path:
            value = np.asarray(keras.ops.convert_to_numpy(weight))
            shift = draw.uniform(0.01, 0.1, value.shape)
            weight.assign(value * (1 + shift) if value.ndim > 1 else value + shift)


@functools.cache
def shared(name: str) -> tuple[Any, np.ndarray, np.ndarray]:
    """A row's model as after some training, its data and its output: built once for the tests that only look at it."""
    row = EVERY[name]
    keras.utils.set_random_seed(1)  # its weights are the same whichever test asks first
    model, x = model_of(row), data(row)
    other_weights(model)
    return model, x, output(model, x)


@ROWS
def test_output_has_the_computed_shape(row):
    layer, x = row.layer(), data(row)
    assert output(layer, x).shape == layer.compute_output_shape(x.shape)
    unknown = (None, *[None] * (x.ndim - 2), x.shape[-1])
    assert layer.compute_output_shape(unknown) == (*unknown[:-1], layer.compute_output_shape(x.shape)[-1])


@ROWS
def test_config_round_trip(row):
    layer = row.layer()
    copy = row.make.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert set(row.arguments) <= set(layer.get_config())


@EVERY_NAME
def test_saved_model_gives_the_same_output(name, tmp_path):
    model, x, expected = shared(name)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), expected)
    if row := BLOCKS.get(name):
        assert type(restored.get_layer("subject")) is row.make
    assert [w.path for w in restored.weights] == [w.path for w in model.weights]


@EVERY_NAME
def test_weights_alone_are_saved_too(name, tmp_path):
    model, x, expected = shared(name)
    model.save_weights(tmp_path / "model.weights.h5")
    other = model_of(EVERY[name])
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(output(other, x), expected)


@ROWS
def test_mixed_precision_reaches_every_layer(row):
    layer, x = row.layer(dtype="mixed_bfloat16"), data(row)
    layer(x)
    reference = row.layer()
    reference.build(x.shape)
    reference.set_weights([keras.ops.convert_to_numpy(w) for w in layer.weights])
    assert {each.compute_dtype for each in layer._flatten_layers()} == {"bfloat16"}
    assert {w.dtype for w in layer.trainable_weights} == {"float32"}
    expected = output(reference, x)
    np.testing.assert_allclose(output(layer, x), expected, rtol=0.05, atol=0.05 * np.abs(expected).max())


@EVERY_ROW
def test_gradients_reach_every_trainable_weight(row):
    """One step of plain descent moves every weight."""
    model, x = model_of(row), data(row, batch=4)
    target = np.random.default_rng(2).standard_normal(model.compute_output_shape(x.shape)).astype("float32")
    other_weights(model)
    before = [np.array(keras.ops.convert_to_numpy(w)) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=BACKEND == "tensorflow")  # a graph isn't worth it for one step
    model.fit(x, target, verbose=0)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(weight) - old).max() > 0, weight.path


@EVERY_NAME
def test_unknown_lengths_give_the_same_as_known_ones(name):
    if not EVERY[name].any_size:
        pytest.skip("its weights depend on the size")
    known, x, expected = shared(name)
    unknown = model_of(EVERY[name], space=(None,) * (x.ndim - 2))
    unknown.set_weights(known.get_weights())
    np.testing.assert_allclose(output(unknown, x), expected, rtol=1e-5, atol=1e-5)
    larger = np.concatenate([x, x], axis=1)
    assert output(unknown, larger).shape == tuple(unknown.compute_output_shape(larger.shape))


@MODEL_NAMES
def test_predict_is_the_call(name):
    model, x, expected = shared(name)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


@EVERY_NAME
def test_what_it_sees_is_known(name):
    row = EVERY[name]
    report = analyze(shared(name)[0], row.input_shape)
    if row.field is not None:
        assert set(report.output.size) <= {row.field}
    if name in BLOCKS:
        assert len(report["subject"].size) == len(row.input_shape) - 1
        assert report["subject"].size == report.output.size


@ROWS
def test_channels_first_is_channels_last_transposed(row):
    if "data_format" not in row.layer().get_config():
        pytest.skip("it takes channels last alone")
    if BACKEND == "tensorflow" and "MaxPooling2D" in {type(each).__name__ for each in row.layer()._flatten_layers()}:
        pytest.skip("TensorFlow has no channels-first pooling on CPUs")
    if BACKEND == "torch" and row.arguments.get("normalization") == "layer":
        pytest.skip("Keras's layer normalisation takes the last axis alone on PyTorch")
    last, x = row.layer(), data(row)
    expected = output(last, x)
    first = row.layer(data_format="channels_first")
    turned = np.moveaxis(x, -1, 1)
    first.build(turned.shape)
    first.set_weights(last.get_weights())
    actual = output(first, turned)
    assert actual.shape == first.compute_output_shape(turned.shape)
    np.testing.assert_allclose(np.moveaxis(actual, 1, -1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="speaks of TensorFlow's graphs")
@ROWS
def test_a_traced_function_is_the_call(row):
    import tensorflow as tf

    layer, x = row.layer(), data(row)
    layer.build(x.shape)
    space = [None] * (x.ndim - 2)
    traced = tf.function(layer, input_signature=[tf.TensorSpec([None, *space, x.shape[-1]])], jit_compile=False)
    np.testing.assert_allclose(traced(x), output(layer, x), rtol=1e-5, atol=1e-5)


@MODEL_NAMES
def test_a_model_is_plain_and_its_layers_have_names(name):
    model, x, expected = shared(name)
    assert isinstance(model, keras.Model)
    assert model.inputs
    numbered = [each.name for each in model.layers if each.name.rstrip("0123456789").endswith("_")]
    assert not [name for name in numbered if name.rpartition("_")[0] in {keras_name(each) for each in model.layers}]
    assert tuple(model.compute_output_shape(x.shape)) == expected.shape


def keras_name(layer: Any) -> str:
    """What Keras calls a layer that has no name of its own."""
    return keras.src.utils.naming.to_snake_case(type(layer).__name__)


@MODEL_NAMES
def test_a_model_in_half_precision_is_near_the_whole_one(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = EVERY[name].model()
    finally:
        keras.config.set_dtype_policy(policy)
    whole, x, expected = shared(name)
    half.set_weights(whole.get_weights())
    kinds = [each.compute_dtype for each in half._flatten_layers() if hasattr(each, "kernel_size")]
    assert kinds.count("bfloat16") >= len(kinds) - len(half.outputs)  # the last layer may stay exact for the sake of the loss
    np.testing.assert_allclose(output(half, x), expected, rtol=0.1, atol=0.05 * np.abs(expected).max())
