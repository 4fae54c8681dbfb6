"""DeepLab: on any backbone, at any size, as published; what is frozen; what is refused."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atrous.blocks import ResizeLike
from atrous.field import analyze
from atrous.models import DRN, DeepLabV3, DeepLabV3Plus, ResNet, freeze
from atrous.models.backbone import _preprocessed
from backbones import without_values

TINY: dict[str, Any] = {"classes": 3, "filters": 4, "rates": (1, 2)}


def output(model: Any, x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(x)))


def trainable(model: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def image(*size: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, *size, channels)).astype("float32")


def own_backbone(strides: tuple[int, ...] = (2, 2, 2, 2, 2), space: Any = (None, None)) -> Any:
    """Plain Keras layers, one convolution a stride."""
    x = inputs = keras.Input((*space, 3))
    for i, stride in enumerate(strides, 1):
        x = keras.layers.Conv2D(2 + i, 3, strides=stride, padding="same", activation="relu", name=f"c{i}")(x)
    return keras.Model(inputs, x, name="own")


def bilinear(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizing by its definition: output i lies at (i + 1/2)·n/m − 1/2, and beyond the edge is the edge."""
    for axis, m in enumerate(size, 1):
        n = x.shape[axis]
        at = np.clip((np.arange(m) + 0.5) * n / m - 0.5, 0, n - 1)
        below = np.floor(at).astype(int)
        share = (at - below).reshape([-1 if d == axis else 1 for d in range(4)])
        x = (1 - share) * x.take(below, axis) + share * x.take(np.minimum(below + 1, n - 1), axis)
    return x


@given(st.tuples(*[st.integers(1, 9)] * 2), st.tuples(*[st.integers(1, 20)] * 2))
def test_resizing_is_its_definition(small, large):
    x, like = image(*small, channels=2), image(*large, channels=1)
    actual = np.asarray(keras.ops.convert_to_numpy(ResizeLike()([x, like])))
    np.testing.assert_allclose(actual, bilinear(x.astype("float64"), large), rtol=1e-4, atol=1e-4)


def test_the_map_that_gives_the_size_is_not_looked_at():
    """Reach of a pooling by 4 that is resized to its input: three pixels more on both sides, not the whole image."""
    inputs = keras.Input((32, 32, 1))
    x = keras.layers.AveragePooling2D(4)(inputs)
    model = keras.Model(inputs, ResizeLike(name="resize")([x, inputs]))
    assert analyze(model).output.size == (8, 8)
    restored = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(output(restored, image(32, 32, channels=1)), output(model, image(32, 32, channels=1)))


def test_torchvision_has_as_many_parameters():
    with without_values():
        model = DeepLabV3("resnet_50", 21, output_stride=8, auxiliary=True)
    assert trainable(model) == 42_004_074


def test_the_decoder_is_as_published():
    model = DeepLabV3Plus("resnet_18", classes=21)
    assert model.get_layer("low_level").input is model.get_layer("stage1").output
    assert model.get_layer("low_level").output.shape[-1] == 48
    assert model.get_layer("concat").output.shape[-1] == 256 + 48
    assert [tuple(model.get_layer(f"decoder{i}").conv.kernel.shape) for i in (1, 2)] == [(3, 3, 304, 256), (3, 3, 256, 256)]
    assert model.get_layer("scores").kernel.shape == (1, 1, 256, 21)
    assert [branch.conv.dilation_rate for branch in model.get_layer("aspp").branches] == [(1, 1), (6, 6), (12, 12), (18, 18)]
    report = analyze(model)
    assert [report[name].stride[0] for name in ("stage1", "stage4", "decoder2", "logits")] == [4, 16, 4, 1]
    dense = DeepLabV3Plus("resnet_18", classes=21, output_stride=8, separable=True)
    assert [branch.depthwise.dilation_rate[0] for branch in dense.get_layer("aspp").branches[1:]] == [12, 24, 36]
    assert dense.get_layer("decoder1").depthwise is not None


@pytest.mark.parametrize("size", [(500, 500), (513, 513), (65, 48)])
def test_every_size_comes_back(size):
    model = DeepLabV3Plus("resnet_14_small", 3, filters=4, low_level_filters=2)
    if min(size) > 100:
        assert output(model, image(*size)).shape == (1, *size, 3)
    else:
        with pytest.warns(UserWarning, match="`rates` should be below the size of the map"):
            assert output(model, image(*size)).shape == (1, *size, 3)


@pytest.mark.parametrize(("output_stride", "step"), [(8, 4), (16, 2), (32, 1)])
def test_a_backbone_of_ones_own_is_dilated_exactly(output_stride, step):
    backbone = own_backbone()
    model = DeepLabV3Plus(backbone, output_stride=output_stride, **TINY | {"rates": (2,)})
    x = image(70, 64)
    dense = output(keras.Model(model.input, model.get_layer("aspp").input), x)
    np.testing.assert_allclose(dense[:, ::step, ::step], output(backbone, x), rtol=1e-4, atol=1e-5)
    assert model.get_layer("low_level").input is model.get_layer("c2").output
    assert model.get_layer("c2") is not backbone.get_layer("c2")
    assert output(model, x).shape == (1, 70, 64, 3)


def test_a_backbone_of_keras_applications():
    model = DeepLabV3Plus("MobileNetV2", output_stride=16, include_preprocessing=True, **TINY)
    assert model.get_layer("low_level").input is model.get_layer("block_3_expand_relu").output
    report = analyze(model, (224, 224, 3))
    assert report["out_relu"].stride == (16, 16)
    assert output(model, image(70, 65)).shape == (1, 70, 65, 3)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", "DenseNet121", "EfficientNetB0", "Xception"])
def test_preprocessing_is_that_of_keras_applications(name):
    application = getattr(keras.applications, name)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 4, 3)).astype("float32")
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, _preprocessed(inputs, application))
    expected = sys.modules[application.__module__].preprocess_input(pixels.copy(), data_format="channels_last")
    np.testing.assert_allclose(output(model, pixels), expected, rtol=1e-5, atol=1e-4)
    restored = keras.Model.from_config(model.get_config())
    np.testing.assert_array_equal(output(restored, pixels), output(model, pixels))


def test_a_drn_is_a_backbone_too():
    backbone = DRN("d_22", channels=(2, 2, 3, 3, 4, 4, 4, 4), include_top=False, input_shape=(None, None, 3))
    model = DeepLabV3(backbone, output_stride=8, **TINY)
    x = image(50, 41)
    features = keras.Model(model.input, model.get_layer("aspp").input)
    np.testing.assert_array_equal(output(features, x), output(backbone, x))
    assert output(model, x).shape == (1, 50, 41, 3)


def test_a_dilated_foreign_backbone_is_saved_and_restored(tmp_path):
    model, x = DeepLabV3(own_backbone(), output_stride=8, activation="softmax", **TINY), image(61, 52)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), output(model, x))
    np.testing.assert_allclose(output(model, x).sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("backbone", ["resnet_14_small", "own"])
def test_the_auxiliary_head_looks_at_the_stage_before(backbone):
    model = DeepLabV3(own_backbone() if backbone == "own" else backbone, auxiliary=True, **TINY)
    outputs = model(image(64, 70))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "logits": (1, 64, 70, 3),
        "auxiliary_logits": (1, 64, 70, 3),
    }
    stage = "c4" if backbone == "own" else "stage3"
    assert model.get_layer("auxiliary_refine").input is model.get_layer(stage).output


def test_a_frozen_stage_keeps_weights_and_statistics():
    model = DeepLabV3Plus("resnet_14_small", output_stride=16, **TINY)
    freeze(model, "stage3")
    before = {weight.path: np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights}
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    x = np.random.default_rng(0).standard_normal((8, 48, 48, 3)).astype("float32")
    model.fit(x, (x.sum(axis=-1) > 0).astype(int), batch_size=8, verbose=0)
    frozen = ("stem", "stage1", "stage2", "stage3")
    for weight in model.weights:
        if "seed" not in weight.path:
            moved = bool(np.abs(keras.ops.convert_to_numpy(weight) - before[weight.path]).max() > 0)
            assert moved is not weight.path.startswith(frozen), weight.path
    freeze(model, None)
    assert all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rates": ()}, "`rates` must have at least one rate"),
        ({"output_stride": 12}, "`output_stride` must be a power of two from 4 to 32"),
        ({"output_stride": 64}, "`output_stride` must be a power of two from 4 to 32"),
        ({"backbone": "resnet_51"}, "`backbone` must be a keras.Model, one of resnet_14_small.*MobileNetV2.*'resnet_51'"),
        ({"backbone_weights": "imagenet"}, "`backbone_weights` must be None or a file for a built-in backbone"),
        ({"backbone": own_backbone, "output_stride": 12}, "`output_stride` must be a power of two"),
        ({"backbone": own_backbone, "output_stride": 64}, "`output_stride` must not be above that of the model, 32"),
        ({"backbone": own_backbone, "multi_grid": (1, 2)}, "`multi_grid` must be None but for a built-in backbone"),
        (
            {"backbone": own_backbone, "input_shape": (9, 9, 3)},
            r"`input_shape` must be None or the backbone's own.*\(9, 9, 3\)",
        ),
        ({"backbone": own_backbone, "include_preprocessing": True}, "`include_preprocessing` must be False with a backbone"),
        ({"backbone": own_backbone, "backbone_weights": "a.h5"}, "`backbone_weights` must be None with a backbone"),
        (
            {"backbone": lambda: own_backbone((2, 4, 4))},
            r"have one at stride 4 inside.*Received: 'own', whose maps have strides \[2, 8, 32\]",
        ),
        ({"backbone": lambda: ResNet("resnet_14_small", 3)}, "`backbone` must return a map"),
        ({"backbone": lambda: 5}, "`backbone` must be a name or a functional keras.Model with one input"),
        ({"classes": 0}, "`classes`"),
        ({"low_level_filters": 0}, "`low_level_filters`"),
    ],
)
def test_wrong_use_is_told(arguments, said):
    backbone = arguments.get("backbone", "resnet_14_small")
    arguments = {**TINY, **arguments, "backbone": backbone() if callable(backbone) else backbone}
    with pytest.raises(ValueError, match=f"(?s){said}"):
        DeepLabV3Plus(**arguments)


def test_what_cannot_be_frozen_is_told():
    with pytest.raises(
        ValueError, match=r"`until` must be None or the name of a layer of the model\. Received: until='stage9'"
    ):
        freeze(own_backbone(), "stage9")


def test_two_maps_are_needed_for_resizing():
    with pytest.raises(ValueError, match="The input must be two maps"):
        ResizeLike()([image(4, 4)])
    with pytest.raises(ValueError, match="`interpolation` must be 'bilinear'"):
        ResizeLike("lanczos")
