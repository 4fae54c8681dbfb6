"""`accelerate` and `to_keras`: the same model with other layers in it."""

from __future__ import annotations

import json
from typing import Any

import keras
import numpy as np
import pytest

import atrous
from atrous import layers
from atrous.models import DilatedClassifier
from networks import NETWORKS, SIZE, Branches, Subclassed, conv, functional, inputs_of, randomize, sequential

BACKEND = keras.config.backend()
CONVOLUTIONS = [name for name in layers.__all__ if "Conv" in name]
STOCK = {getattr(keras.layers, name) for name in CONVOLUTIONS}
OURS = {getattr(layers, name) for name in CONVOLUTIONS}
COMPILED_BY_JAX = ("sequential", "shared between nested models", "wrapped and shared", "custom layer", "lora")
EACH = pytest.mark.parametrize("name", COMPILED_BY_JAX if BACKEND == "jax" else NETWORKS)


def all_layers(model: Any) -> list[Any]:
    return model._flatten_layers()


def convolutions(model: Any) -> list[Any]:
    return [layer for layer in all_layers(model) if isinstance(layer, tuple(STOCK))]


def output(model: Any, x: Any) -> list[np.ndarray]:
    result = keras.tree.flatten(model(x, training=False))
    return [np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))) for y in result]


def assert_same(actual: Any, expected: Any, tolerance: float = 2e-6) -> None:
    """Within a share of the largest number: sums are made in another order."""
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=0, atol=tolerance * np.abs(e).max())


def configuration(model: Any) -> Any:
    """What Keras saves of a model, with our layers named as Keras's."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            name = value.get("class_name") if str(value.get("module")).startswith("atrous.layers") else None
            stock = {"module": "keras.layers", "registered_name": None} if name else {}
            return {key: plain(inner) for key, inner in {**value, **stock}.items()}
        return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value

    return plain(keras.saving.serialize_keras_object(model))


@EACH
def test_an_accelerated_copy_computes_the_same(name):
    model = randomize(NETWORKS[name]())
    x, before = inputs_of(model), [type(layer) for layer in all_layers(model)]
    expected = output(model, x)
    fast = atrous.accelerate(model)
    assert {type(layer) for layer in convolutions(fast)} <= OURS
    tolerance = 2e-2 if "bfloat16" in name else 2e-6
    assert_same(output(fast, x), expected, tolerance)
    assert [type(layer) for layer in all_layers(model)] == before
    assert not {id(v) for v in model.variables} & {id(v) for v in fast.variables}
    assert_same(output(model, x), expected, 0)


@EACH
def test_the_copy_is_like_the_original(name):
    model = randomize(NETWORKS[name]())
    fast = atrous.accelerate(model)
    pairs = list(zip(all_layers(model), all_layers(fast), strict=True))
    assert [(a.name, a.trainable, a.dtype_policy) for a, _ in pairs] == [
        (b.name, b.trainable, b.dtype_policy) for _, b in pairs
    ]
    for a, b in zip(model.variables, fast.variables, strict=True):
        assert (a.name, a.shape, a.trainable) == (b.name, b.shape, b.trainable)
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))
    kinds = [(type(a), type(b)) for a, b in pairs if isinstance(a, tuple(STOCK))]
    assert kinds
    assert all(b is getattr(layers, a.__name__) for a, b in kinds)
    assert fast.input_shape == model.input_shape
    assert fast.output_shape == model.output_shape


@EACH
@pytest.mark.filterwarnings("ignore:.*`lambda`")  # get_config
def test_there_and_back(name):
    model = randomize(NETWORKS[name]())
    x = inputs_of(model)
    back = atrous.to_keras(atrous.accelerate(model))
    assert [type(layer) for layer in all_layers(back)] == [type(layer) for layer in all_layers(model)]
    assert_same(output(back, x), output(model, x), 0)
    for a, b in zip(convolutions(model), convolutions(back), strict=True):
        ours, theirs = a.get_config(), b.get_config()
        assert {**ours, "activation": 0} == {**theirs, "activation": 0}
        assert a.activation is b.activation
        assert vars(a).keys() == vars(b).keys()


@EACH
def test_in_place_it_stays_the_same_model(name):
    model = randomize(NETWORKS[name]())
    x, ids = inputs_of(model), [id(layer) for layer in all_layers(model)]
    expected, weights = output(model, x), [id(v) for v in model.variables]
    assert atrous.accelerate(model, inplace=True) is model
    assert {type(layer) for layer in convolutions(model)} <= OURS
    assert_same(output(model, x), expected, 2e-2 if "bfloat16" in name else 2e-6)
    assert [id(layer) for layer in all_layers(model)] == ids
    assert [id(v) for v in model.variables] == weights
    assert atrous.to_keras(model, inplace=True) is model
    assert_same(output(model, x), expected, 0)


@pytest.mark.parametrize("name", ["shared between nested models", "wrapped and shared", "partly frozen", "lora"])
def test_a_compiled_model_goes_on_training_where_it_was(name):
    model = randomize(NETWORKS[name]())
    x = inputs_of(model, batch=4)
    y = np.zeros((4, *model.output_shape[1:]), "float32")
    model.compile(keras.optimizers.Adam(0.01, beta_1=0.5), "mse", metrics=["mae"], run_eagerly=BACKEND == "tensorflow")
    model.fit(x, y, epochs=2, verbose=0)
    fast = atrous.accelerate(model)
    for a, b in zip(model.optimizer.variables, fast.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))
    histories = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history for m in (model, fast)]
    for key in ("loss", "mae"):
        np.testing.assert_allclose(histories[1][key], histories[0][key], rtol=1e-4)
    for a, b in zip(model.trainable_variables, fast.trainable_variables, strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (b, a)), atol=1e-3)


def test_a_time_axis_of_unknown_length():
    """For which Keras maps the layer over the steps of the running graph."""
    model = randomize(functional(keras.layers.TimeDistributed(conv(2, dilation_rate=2)), size=(None, 8, 8, 3)))
    x = np.random.default_rng(0).standard_normal((2, 5, 8, 8, 3)).astype("float32")
    expected, fast = model.predict(x, verbose=0), atrous.accelerate(model)
    assert_same([fast.predict(x, verbose=0)], [expected])
    for each in (model, fast):
        each.compile("sgd", "mse")
        each.fit(x, x[..., :2], verbose=0)
    for a, b in zip(model.weights, fast.weights, strict=True):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (b, a)), atol=1e-6)


def test_functions_of_the_script_are_copied_with_the_model():
    def activation(x: Any) -> Any:
        return x * keras.ops.sigmoid(x)

    def loss(truth: Any, prediction: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(truth - prediction))

    class Distance(keras.metrics.MeanMetricWrapper):
        def __init__(self, name: str = "distance", **options: Any) -> None:
            super().__init__(loss, name=name)

    model = functional(conv(activation=activation))
    model.compile("sgd", loss, metrics=[Distance(), loss])
    fast = atrous.accelerate(model)
    assert convolutions(fast)[0].activation is activation
    x = inputs_of(model)
    assert fast.evaluate(x, x, verbose=0) == pytest.approx(model.evaluate(x, x, verbose=0), rel=1e-5)


def test_functions_traced_before_are_dropped(monkeypatch):
    model = Subclassed()
    x = np.zeros((2, 8, 8, 3), "float32")
    model.compile("sgd", "mse")
    model.fit(x, x[..., :2], verbose=0)
    model.evaluate(x, x[..., :2], verbose=0)
    model.predict(x, verbose=0)
    atrous.accelerate(model, inplace=True)
    called = []
    call = layers.Conv2D.call
    monkeypatch.setattr(layers.Conv2D, "call", lambda self, inputs: called.append(self) or call(self, inputs))
    for step in (model.fit, model.evaluate):
        called.clear()
        step(x, x[..., :2], verbose=0)
        assert len(called) >= 4
    called.clear()
    model.predict(x, verbose=0)
    assert len(called) >= 4


@pytest.mark.parametrize("name", ["every kind", "two inputs", "wrapped"])
def test_an_accelerated_model_saves_and_loads(name, tmp_path):
    fast = atrous.accelerate(randomize(NETWORKS[name]()))
    fast.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = inputs_of(fast)
    assert_same(output(loaded, x), output(fast, x), 2e-6)
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in fast.layers]


def test_weights_go_both_ways():
    model = randomize(NETWORKS["every kind"]())
    fast = atrous.accelerate(NETWORKS["every kind"]())
    fast.set_weights(model.get_weights())
    x = inputs_of(model)
    assert_same(output(fast, x), output(model, x))
    NETWORKS["every kind"]().set_weights(fast.get_weights())


@pytest.mark.parametrize("inplace", [False, True])
def test_a_model_that_is_not_built_yet(inplace):
    model = keras.Sequential([conv(dilation_rate=2), keras.layers.Conv2DTranspose(2, 3)])
    fast = atrous.accelerate(model, inplace=inplace)
    assert not fast.built
    x = np.ones((1, 8, 8, 3), "float32")
    y = output(fast, x)
    assert {type(layer) for layer in convolutions(fast)} == {layers.Conv2D, layers.Conv2DTranspose}
    back = atrous.to_keras(
        keras.Sequential([layers.Conv2D(3, 3, padding="same", dilation_rate=2), layers.Conv2DTranspose(2, 3)]), inplace
    )
    assert not back.built
    back(x)
    assert all(layer.built and layer.path for layer in back.layers)
    back.set_weights(fast.get_weights())
    assert_same(output(back, x), y)
    assert {type(layer) for layer in convolutions(back)} <= STOCK


def test_a_layer_by_itself():
    layer = Branches()
    x = np.ones((1, 8, 8, 3), "float32")
    expected = output(layer, x)
    fast = atrous.accelerate(layer)
    assert fast is not layer
    assert_same(output(fast, x), expected)
    assert type(atrous.accelerate(keras.layers.Conv1D(2, 3))) is layers.Conv1D


def test_what_a_layer_adapted_to_is_copied():
    lookup = keras.layers.Normalization()
    lookup.adapt(np.random.default_rng(0).normal(5, 2, (50, *(8, 8, 3))).astype("float32"))
    model = functional(lookup, conv())
    x = inputs_of(model)
    assert_same(output(atrous.accelerate(model), x), output(model, x))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras's text layers run on TensorFlow")
def test_a_vocabulary_is_copied():
    text = keras.layers.TextVectorization(output_sequence_length=6)
    text.adapt(["wide and deep", "deep and wide", "wide"])
    inputs = keras.Input((), dtype="string")
    x = keras.layers.Embedding(8, 3)(text(inputs))
    model = keras.Model(inputs, keras.layers.Conv1D(2, 3, padding="causal")(x))
    fast = atrous.accelerate(model)
    words = keras.ops.convert_to_tensor(["deep wide and deep"])
    assert_same(output(fast, words), output(model, words))


def test_subclasses_of_keras_layers_are_left_alone():
    class Doubled(keras.layers.Conv2D):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    model = functional(Doubled(3, 3), conv())
    fast = atrous.accelerate(model)
    assert [type(layer) for layer in convolutions(fast)] == [Doubled, layers.Conv2D]
    x = inputs_of(model)
    assert_same(output(fast, x), output(model, x))


def test_what_cannot_be_copied_is_named():
    model = Subclassed()
    model(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match=r"`inplace=True`.*'subclassed\w*', a Subclassed: .* could not be deserialized"):
        atrous.accelerate(model)
    assert {type(layer) for layer in convolutions(model)} <= STOCK
    x = np.random.default_rng(0).standard_normal((1, 8, 8, 3)).astype("float32")
    expected = output(model, x)
    assert_same(output(atrous.accelerate(model, inplace=True), x), expected)
    with pytest.raises(ValueError, match="inplace"):
        atrous.to_keras(model)


def test_what_is_nested_and_cannot_be_copied_is_named():
    class Odd(keras.layers.Layer):
        def __init__(self, inner: Any) -> None:
            super().__init__(name="odd")
            self.inner = inner

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model = functional(conv(), sequential(Odd(conv())))
    with pytest.raises(ValueError, match="'odd', a Odd: it has no"):
        atrous.accelerate(model)


def test_a_copy_that_would_differ_is_refused():
    """A configuration may not tell all: here that two layers have one kernel, and how many layers there are."""
    tied = functional(conv(use_bias=False, name="a"), conv(use_bias=False, name="b"))
    first, second = convolutions(tied)
    second._untrack_variable(second._kernel)
    second._tracker.unlock()
    second._kernel = first._kernel

    class Growing(keras.layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(name="growing")
            self.inner: list[Any] = []

        def call(self, inputs: Any) -> Any:
            for layer in self.inner:
                inputs = layer(inputs)
            return inputs

    grown = Growing()
    grown.inner.append(conv())
    for model, name in ((tied, "functional"), (functional(grown), "growing|functional")):
        with pytest.raises(ValueError, match=rf"Received: '({name})\w*', a \w+: the copy has other"):
            atrous.accelerate(model)
        atrous.accelerate(model, inplace=True)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: layers.Conv2D(2, 3, strides=2, dilation_rate=2), r"strides=\(2, 2\) with dilation_rate=\(2, 2\)"),
        (lambda: layers.DepthwiseConv2D(3, strides=2, dilation_rate=2), r"strides=\(2, 2\) with dilation_rate"),
        (lambda: layers.Conv2DTranspose(2, 3, strides=2, padding=1), "no padding=.*Cropping2D behind"),
    ],
    ids=["stride and rate", "depthwise stride and rate", "transposed"],
)
def test_layers_that_keras_lacks_are_named(layer, reason):
    model = sequential(layer())
    model.layers[0].name = "special"
    for inplace in (False, True):
        with pytest.raises(
            ValueError, match=rf"`model` must.*layer 'special': keras.layers.{type(layer()).__name__}.*{reason}"
        ):
            atrous.to_keras(model, inplace)
    assert type(model.layers[0]) is type(layer())


def test_a_causal_layer_that_keras_lacks_is_named():
    with pytest.raises(ValueError, match="takes no padding='causal'"):
        atrous.to_keras(sequential(layers.Conv1DTranspose(2, 3, padding="causal"), size=(9, 3)))


@pytest.mark.parametrize(
    ("layer", "size", "reason"),
    [
        (lambda: layers.Conv2D(2, 3, padding=((2, 0), (1, 1))), SIZE, r"=\(\(2, 0\), \(1, 1\)\).*ZeroPadding2D in front"),
        (lambda: layers.Conv2D(2, 3, strides=2, padding=1), SIZE, "=.*ZeroPadding2D"),
        (lambda: layers.SeparableConv1D(2, 3, padding="causal"), (9, 3), "='causal'"),
    ],
    ids=["uneven padding", "padding with stride", "causal"],
)
def test_in_place_padding_that_keras_lacks_is_named(layer, size, reason):
    with pytest.raises(ValueError, match=rf"takes no padding{reason}"):
        atrous.to_keras(sequential(layer(), size=size), inplace=True)


def test_a_subclass_of_ours_is_named():
    class Mine(layers.Conv2D):
        pass

    with pytest.raises(ValueError, match=r"'mine\w*': its class Mine is a subclass of atrous.layers.Conv2D"):
        atrous.to_keras(sequential(Mine(2, 3)))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's limit")
def test_uneven_strides_are_named_on_tensorflow():
    with pytest.raises(ValueError, match=r"on TensorFlow keras.layers.DepthwiseConv2D takes no strides=\(1, 2\)"):
        atrous.to_keras(sequential(layers.DepthwiseConv2D(3, strides=(1, 2))))


@pytest.mark.parametrize(
    ("layer", "padding"),
    [
        (lambda: layers.Conv2D(2, 3, dilation_rate=(2, 3), padding=((2, 2), (3, 3))), "same"),
        (lambda: layers.Conv2D(2, 4, padding=((1, 2), (1, 2))), "same"),
        (lambda: layers.Conv2D(2, 3, strides=2, padding=0), "valid"),
    ],
)
def test_explicit_padding_that_has_a_name(layer, padding):
    model = randomize(sequential(layer()))
    stock = atrous.to_keras(model)
    assert stock.layers[0].padding == padding
    x = inputs_of(model)
    assert_same(output(stock, x), output(model, x))


def test_explicit_causal_padding():
    model = randomize(sequential(layers.Conv1D(2, 3, strides=2, padding=(2, 0)), size=(9, 3)))
    stock = atrous.to_keras(model)
    assert stock.layers[0].padding == "causal"
    assert_same(output(stock, inputs_of(model)), output(model, inputs_of(model)))


@pytest.mark.parametrize("nested", [False, True])
def test_our_models_become_plain_models(nested, tmp_path):
    ours = DilatedClassifier((8, 8, 3), 4, depth=1, class_names=list("abcd"))
    ours.layers[2].trainable = False
    model = randomize(functional(ours) if nested else ours)
    model.compile("adam", "sparse_categorical_crossentropy")
    plain = atrous.to_keras(model)
    assert not any(type(layer).__module__.startswith("atrous") for layer in all_layers(plain))
    assert [layer.trainable for layer in all_layers(plain)] == [layer.trainable for layer in all_layers(model)]
    x = inputs_of(model)
    assert_same(output(plain, x), output(model, x))
    plain.fit(x, np.zeros(2), verbose=0)
    plain.save(tmp_path / "plain.keras")
    assert "atrous" not in json.dumps(keras.saving.serialize_keras_object(plain))
    assert type(atrous.accelerate(ours)) is DilatedClassifier


@pytest.mark.skipif(BACKEND == "jax", reason="JAX compiles every layer by itself: a minute")
@pytest.mark.parametrize(
    "application",
    [
        lambda: keras.applications.MobileNetV2((32, 32, 3), 0.35, weights=None, classes=5),
        lambda: keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), include_top=False),
        lambda: keras.applications.Xception(weights=None, input_shape=(71, 71, 3), include_top=False),
    ],
    ids=["MobileNetV2", "ResNet50", "Xception"],
)
def test_applications(application):
    model = application()
    x = inputs_of(model)
    fast = atrous.accelerate(model)
    assert {type(layer) for layer in convolutions(fast)} <= OURS
    assert_same(output(fast, x), output(model, x), 2e-5)
    assert configuration(fast) == configuration(model)


def test_what_is_no_model_is_refused():
    for function in (atrous.accelerate, atrous.to_keras):
        with pytest.raises(ValueError, match=r"`model` must be a Keras model or layer\. Received: 'model\.keras'"):
            function("model.keras")
