"""Residual networks and dilated residual networks: published sizes, what rates keep, what is refused."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from atrous.blocks import BasicBlock, BottleneckBlock
from atrous.field import analyze
from atrous.models import DRN, ResNet
from backbones import without_values

PUBLISHED = {
    "a_50": 25_557_032,
    "c_26": 21_126_584,
    "c_42": 31_234_744,
    "c_58": 41_591_608,
    "d_22": 16_393_752,
    "d_38": 26_501_912,
    "d_54": 35_809_176,
    "d_105": 54_801_304,
}
TORCHVISION = {"resnet_18": 11_689_512, "resnet_34": 21_797_672, "resnet_50": 25_557_032, "resnet_101": 44_549_160}
SMALL = {"channels": (4, 4, 4, 6, 6, 8, 8, 8), "classes": 3}


def trainable(model: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def output(model: Any, x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(x)))


def other_weights(model: Any) -> None:
    """Weights as after some training: moving means that aren't 0, variances that aren't 1."""
    draw = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(draw.uniform(0.1, 0.5, weight.shape))


@pytest.mark.parametrize("variant", PUBLISHED)
def test_drn_has_the_published_size(variant):
    with without_values():
        model = DRN(variant, classes=1000, input_shape=(224, 224, 3))
    assert trainable(model) == PUBLISHED[variant]
    assert model.output_shape == (None, 1000)
    last = "stage4" if variant == "a_50" else "stage8"
    assert model.get_layer(last).output.shape[1:3] == (28, 28)


@pytest.mark.parametrize("variant", TORCHVISION)
def test_resnet_has_the_published_size(variant):
    with without_values():
        assert trainable(ResNet(variant)) == TORCHVISION[variant]


CASES = [
    ("resnet_14_small", 8, (65, 64)),
    ("resnet_14_small", 4, (75, 33)),
    ("resnet_50", 8, (65, 32)),
    ("resnet_50", 16, (40, 33)),
]


@pytest.mark.parametrize(("variant", "output_stride", "size"), CASES)
def test_rates_in_the_place_of_strides_compute_the_same_more_densely(variant, output_stride, size):
    arguments: dict[str, Any] = {"input_shape": (None, None, 3), "include_top": False}
    coarse = ResNet(variant, **arguments)
    dense = ResNet(variant, output_stride=output_stride, **arguments)
    other_weights(coarse)
    dense.set_weights(coarse.get_weights())
    x = np.random.default_rng(0).standard_normal((1, *size, 3)).astype("float32")
    expected, step = output(coarse, x), 32 // output_stride
    actual = output(dense, x)
    np.testing.assert_allclose(actual[:, ::step, ::step], expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert actual.shape[1:3] == tuple(-(-n // output_stride) for n in size)


def test_drn_a_is_a_resnet_of_output_stride_8():
    a, resnet = DRN("a_50"), ResNet("resnet_50", output_stride=8)
    assert [weight.path for weight in a.weights] == [weight.path for weight in resnet.weights]
    rates = {each.path: each.dilation_rate for each in a._flatten_layers() if hasattr(each, "dilation_rate")}
    assert rates == {each.path: each.dilation_rate for each in resnet._flatten_layers() if hasattr(each, "dilation_rate")}


def test_the_field_of_a_small_drn_is_what_its_rates_say():
    """Stem 7; then for each 3×3 convolution twice its rate, in the positions of its input."""
    model = DRN("d_22", input_shape=(None, None, 3), **SMALL)
    plain = 7 + 2 * (1 + 1)
    strided = 2 * (2 * 1 + 4 * 3) + 2 * (4 * 1 + 8 * 3)
    dilated = 8 * 2 * (4 * 2 + 4 * 4 + 2 + 1)
    report = analyze(model)
    assert report["stage8"].size == (plain + strided + dilated,) * 2
    assert report["stage8"].stride == (8, 8)
    assert report["stage2"].stride == (2, 2)


def test_the_field_of_a_resnet_with_multi_grid_is_what_its_rates_say():
    arguments = {"output_stride": 16, "multi_grid": (1, 2), "include_top": False, "input_shape": (None, None, 3)}
    stem, pool, stage1, stage2 = 7, 2 * 2, 2 * (4 * 2), 2 * (4 + 8)
    stage3, stage4 = 2 * (8 + 16 * 3), 2 * 16 * (2 + 2 + 4 + 4)
    field = analyze(ResNet("resnet_14_small", **arguments)).output
    assert field.size == (stem + pool + stage1 + stage2 + stage3 + stage4,) * 2
    assert field.stride == (16, 16)


@pytest.mark.parametrize("variant", ["c_26", "d_22", "c_58"])
def test_any_size_and_the_last_stages_add_nothing(variant):
    model = DRN(variant, input_shape=(None, None, 1), **SMALL)
    assert output(model, np.zeros((1, 45, 50, 1), "float32")).shape == (1, 3)
    for each in model.layers:
        if isinstance(each, (BasicBlock, BottleneckBlock)):
            assert each.residual is (each.name[:6] not in ("stage7", "stage8"))


def test_without_top_it_is_a_backbone_that_is_saved_and_restored(tmp_path):
    model = DRN("c_26", include_top=False, input_shape=(None, None, 3), include_preprocessing=True, **SMALL)
    other_weights(model)
    x = np.random.default_rng(0).uniform(0, 255, (1, 40, 33, 3)).astype("float32")
    expected = output(model, x)
    assert expected.shape == (1, 5, 5, 8)
    model.save(tmp_path / "drn.keras")
    np.testing.assert_array_equal(output(keras.saving.load_model(tmp_path / "drn.keras"), x), expected)
    again = DRN(
        "c_26",
        include_top=False,
        input_shape=(None, None, 3),
        include_preprocessing=True,
        weights=tmp_path / "drn.keras",
        **SMALL,
    )
    np.testing.assert_array_equal(output(again, x), expected)


def test_preprocessing_takes_pixels_to_mean_0_and_deviation_1():
    model = ResNet("resnet_14_small", classes=2, input_shape=(None, None, 3), include_preprocessing=True)
    normalize = keras.Model(model.input, model.get_layer("normalize").output)
    pixels = 255 * np.array([[0.485, 0.456, 0.406], [0.485 + 0.229, 0.456 + 0.224, 0.406 + 0.225]], "float32")
    actual = output(normalize, pixels[None, None])[0, 0]
    np.testing.assert_allclose(actual, [[0, 0, 0], [1, 1, 1]], atol=1e-5)


def test_multi_grid_multiplies_the_rates_of_the_last_stage():
    model = ResNet("resnet_50", output_stride=16, multi_grid=(1, 2, 4), include_top=False)
    assert [model.get_layer(f"stage4_block{i}").dilation_rate for i in (1, 2, 3)] == [2, 4, 8]
    plain = ResNet("resnet_50", output_stride=16, include_top=False)
    assert [plain.get_layer(f"stage4_block{i}").dilation_rate for i in (1, 2, 3)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("make", "arguments", "said"),
    [
        (DRN, {"variant": "e_1"}, r"`variant` must be one of 'a_50', 'c_26'.*Received: variant='e_1'"),
        (DRN, {"channels": (4, 4)}, "`channels`.*8"),
        (DRN, {"variant": "a_50", "channels": (4,) * 8}, "`channels` must be None"),
        (DRN, {"classes": 0}, "`classes`"),
        (DRN, {"input_shape": (32, 32)}, r"`input_shape` must be \(height, width, channels\)"),
        (DRN, {"input_shape": (32, 32, 1), "include_preprocessing": True}, "`include_preprocessing` needs images of three"),
        (ResNet, {"output_stride": 12}, "`output_stride` must be a power of two from 4 to 32.*Received: output_stride=12"),
        (ResNet, {"output_stride": 64}, "`output_stride` must be a power of two from 4 to 32"),
        (ResNet, {"multi_grid": (1, 2)}, r"`multi_grid` must have a rate for each of the 3 blocks.*\(1, 2\)"),
        (ResNet, {"multi_grid": ()}, "`multi_grid` must have at least one rate"),
    ],
)
def test_wrong_use_is_told(make, arguments, said):
    with pytest.raises(ValueError, match=f"(?s){said}"):
        make(**arguments)


def test_a_shortcut_that_cannot_be_the_identity_is_refused():
    with pytest.raises(ValueError, match="`projection` must not be False where the stride or the number of channels changes"):
        BasicBlock(4, projection=False).build((None, 8, 8, 3))


def test_the_reference_has_a_projection_that_does_nothing():
    block = BasicBlock(4, residual=False, projection=True)
    x = np.random.default_rng(0).standard_normal((1, 6, 6, 3)).astype("float32")
    before = np.array(keras.ops.convert_to_numpy(block(x)))
    kernel = block.shortcut.conv.kernel
    assert kernel.shape == (1, 1, 3, 4)
    kernel.assign(keras.ops.add(kernel, 1.0))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(block(x)), before)
