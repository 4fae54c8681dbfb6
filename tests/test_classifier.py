import keras
import numpy as np
import pytest

from atrous.models import DilatedClassifier

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 28, 28, 1)).astype("float32")


def test_layers_are_those_of_its_name():
    model = DilatedClassifier((28, 28, 1), 10)
    kernels = {layer.name: layer.kernel.shape for layer in model.layers if hasattr(layer, "kernel")}
    assert kernels == {
        "conv1": (3, 3, 1, 32),
        "conv2": (3, 3, 32, 64),
        "dilated": (3, 3, 64, 128),
        "reduce": (1, 1, 128, 64),
        "dense": (7 * 7 * 64, 128),
        "probabilities": (128, 10),
    }
    assert model.get_layer("dilated").dilation_rate == (2, 2)


@pytest.mark.parametrize("side", [1, 7, 28, 65])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_size_and_channels_give_probabilities(side, channels):
    model = DilatedClassifier((side, side + 1, channels), 3)
    probabilities = model.predict(np.zeros((2, side, side + 1, channels)), verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert ("flatten" in [layer.name for layer in model.layers]) == (side + 1 <= 64)


def test_one_model_for_images_of_every_size():
    model = DilatedClassifier((None, None, 3), 2, head="average")
    assert model.predict(np.zeros((1, 40, 30, 3)), verbose=0).shape == (1, 2)
    assert model.predict(np.zeros((1, 9, 100, 3)), verbose=0).shape == (1, 2)


@pytest.mark.parametrize("rates", [1, 3, (1, 2, 5), [2]])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_rates_and_depth(rates, depth):
    model = DilatedClassifier((16, 16, 1), 2, rates=rates, depth=depth, reduction=0)
    found = [layer.dilation_rate[0] for layer in model.layers if layer.name.startswith("dilated")]
    assert found == list(np.atleast_1d(rates))
    assert sum(layer.name.startswith("pool") for layer in model.layers) == depth


def test_saved_model_keeps_names_preprocessing_and_augmentation(tmp_path):
    augmentation = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.1, 0.1)]
    model = DilatedClassifier((28, 28, 1), 2, class_names=("cat", "dog"), augmentation=augmentation, rates=(2, 4))
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.class_names == ("cat", "dog")
    np.testing.assert_array_equal(restored.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    assert [type(layer).__name__ for layer in restored.layers] == [type(layer).__name__ for layer in model.layers]


def test_saved_model_keeps_what_is_frozen(tmp_path):
    model = DilatedClassifier((28, 28, 1), 2)
    model.get_layer("conv1").trainable = False
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(8) % 2, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert [w.path for w in restored.trainable_weights] == [w.path for w in model.trainable_weights]
    restored.fit(IMAGES, np.arange(8) % 2, verbose=0)


def test_numpy_arguments(tmp_path):
    model = DilatedClassifier((28, 28, 1), np.int64(2), class_names=np.array(["cat", "dog"]))
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").class_names == ("cat", "dog")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_policy_is_the_model_s_and_not_the_process_s(policy, tmp_path):
    if keras.config.backend() == "jax" and policy == "float64":
        pytest.skip("JAX computes in float64 only when its x64 mode is on for the whole process")
    DilatedClassifier((28, 28, 1), 2, dtype=policy).save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.get_layer("dilated").dtype_policy.name == policy
    assert restored.predict(IMAGES, verbose=0).dtype == "float32"


def test_layout_does_not_depend_on_the_process():
    keras.config.set_image_data_format("channels_first")
    try:
        model = DilatedClassifier((28, 28, 1), 2)
        assert model.get_layer("conv1").output.shape == (None, 28, 28, 32)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_overfits_eight_images():
    model = DilatedClassifier((28, 28, 1), 8, dropout=0.0)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)  # TensorFlow traces a step that makes variables twice
    history = model.fit(IMAGES, np.arange(8), epochs=60, verbose=0).history
    assert history["accuracy"][-1] > 0.99


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 0}, "`classes` must be a positive integer"),
        ({"rates": ()}, "`rates` must have at least one rate"),
        ({"rates": (2, -1)}, "`rates` must be a positive integer"),
        ({"rates": "2"}, "`rates` must be a positive integer"),
        ({"depth": -1}, "`depth` must be a non-negative integer"),
        ({"head": "tail"}, "`head` must be 'flatten', 'average' or None"),
        ({"input_shape": (28, 28)}, "`input_shape` must be .height, width, channels."),
        ({"input_shape": (None, None, 1), "head": "flatten"}, "`input_shape` must be known"),
        ({"class_names": ["only one"]}, "`class_names` must have 2 entries"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DilatedClassifier(**{"input_shape": (28, 28, 1), "classes": 2, **arguments})
