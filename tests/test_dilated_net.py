"""DilatedNet: what it sees, its size, VGG-16's weights, and the module that begins as the identity."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from atrous.field import analyze
from atrous.models import DilatedNet
from backbones import without_values

SMALL: dict[str, Any] = {"classes": 3, "widths": (2, 3, 4, 4, 5, 6)}


def output(model: Any, x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(x)))


def image(*size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, *size, 3)).astype("float32")


def test_it_has_the_size_of_vgg_16_and_of_the_context_module():
    """VGG-16 has 138,357,544 parameters, of which 4,097,000 are its last layer's; the basic module has 7·9·C² + C² + 8·C."""
    classes = 21
    with without_values():
        model = DilatedNet(classes)
    front_end = 138_357_544 - 4096 * 1000 - 1000 + 4096 * classes + classes
    module = 7 * 9 * classes**2 + classes**2 + 8 * classes
    assert model.get_layer("front_end").count_params() == front_end
    assert model.count_params() == front_end + module


def test_the_context_module_sees_67_positions_more_of_the_front_ends_map():
    model = DilatedNet(**SMALL)
    report = analyze(model)
    front_end = 44 + 8 * (3 * 2 + 3 * 4 + 24)
    assert report["front_end"].size == (front_end,) * 2
    assert report["front_end"].stride == (8, 8)
    assert report["context"].size == (front_end + 8 * 66,) * 2
    assert report["logits"].stride == (1, 1)


def test_with_the_identity_the_context_module_changes_nothing_that_is_positive():
    alone = DilatedNet(context=None, **SMALL)
    whole = DilatedNet(**SMALL)
    whole.get_layer("front_end").set_weights(alone.get_layer("front_end").get_weights())
    x = image(40, 56)
    maps = output(keras.Model(alone.input, alone.get_layer("front_end").output), x)
    context = output(keras.Model(whole.input, whole.get_layer("context").output), x)
    np.testing.assert_allclose(context, np.maximum(maps, 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("context", "size"), [("basic", (50, 41)), ("large", (33, 64)), (None, (70, 70))])
def test_every_size_comes_back(context, size):
    model = DilatedNet(context=context, rates=(1, 2), activation="softmax", **SMALL)
    y = output(model, image(*size))
    assert y.shape == (1, *size, 3)
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)


def small_vgg(fc: int = 6) -> Any:
    """VGG-16's layers and names, with few channels, at 224 pixels: `fc1` is a dense layer over 7×7 positions."""
    x = inputs = keras.Input((224, 224, 3))
    for stage, (width, count) in enumerate(zip((2, 3, 4, 4, 5), (2, 2, 3, 3, 3), strict=True), 1):
        for i in range(1, count + 1):
            name = f"block{stage}_conv{i}"
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", bias_initializer="normal", name=name)(x)
        x = keras.layers.MaxPooling2D(2, name=f"block{stage}_pool")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(fc, activation="relu", bias_initializer="normal", name="fc1")(x)
    return keras.Model(inputs, keras.layers.Dense(6, activation="relu", name="fc2")(x))


def test_vgg_16_gives_its_weights_to_the_front_end():
    """The kernel of `fc6` is that of `fc1`: at one position, with the map sampled by 4, both see the same."""
    vgg = small_vgg()
    front_end = DilatedNet(context=None, front_end_weights=vgg, **SMALL).get_layer("front_end")
    units = {each.name: each for each in front_end.chain}
    for ours, theirs in (("conv1_1", "block1_conv1"), ("conv5_3", "block5_conv3")):
        np.testing.assert_array_equal(units[ours].conv.kernel, vgg.get_layer(theirs).kernel)
        np.testing.assert_array_equal(units[ours].conv.bias, vgg.get_layer(theirs).bias)
    maps = np.random.default_rng(0).standard_normal((1, 7, 7, 5)).astype("float32")
    expected = output(vgg.get_layer("fc2"), output(vgg.get_layer("fc1"), maps.reshape(1, -1)))
    spread = np.zeros((1, 25, 25, 5), "float32")
    spread[:, ::4, ::4] = maps
    actual = output(units["fc7"], output(units["fc6"], spread))[:, 12, 12]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_it_is_saved_and_restored(tmp_path):
    model, x = DilatedNet(rates=(1, 2), **SMALL), image(24, 24)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(keras.saving.load_model(tmp_path / "model.keras"), x), output(model, x))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"context": "huge"}, "`context` must be one of 'basic', 'large'"),
        ({"classes": 0}, "`classes`"),
        ({"rates": ()}, "`rates` must have at least one rate"),
        ({"widths": (2, 3)}, "`widths`.*6"),
        ({"input_shape": (8, 8)}, "`input_shape` must be"),
        ({"front_end_weights": small_vgg, "widths": (2, 3, 4, 4, 5, 7)}, "`front_end_weights` needs the `widths`.*'fc6'"),
        (
            {"front_end_weights": lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])},
            "`front_end_weights` must be a keras.applications.VGG16 with `include_top=True`",
        ),
    ],
)
def test_wrong_use_is_told(arguments, said):
    if make := arguments.get("front_end_weights"):
        arguments = {**arguments, "front_end_weights": make()}
    with pytest.raises(ValueError, match=f"(?s){said}"):
        DilatedNet(**SMALL | arguments)
