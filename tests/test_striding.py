"""`to_output_stride`: at every position of the original grid, the dilated network gives the original's output."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras import layers

import atrous
from atrous.surgery import to_output_stride
from backbones import application, depth, error, image, output, randomized

BACKEND = keras.config.backend()
EXAMPLES = 60 if BACKEND == "tensorflow" else 8

# `make prove` has the others, and the deep ones: benchmarks/the_dilated_network_equals_the_original.py.
SIZE = (70, 61)  # even and odd lengths take turns on the way down: 35, 18, 9, 5 and 31, 16, 8, 4
FAMILIES = {
    "ResNet50": (application("ResNet50"), SIZE),
    "VGG16": (application("VGG16"), SIZE),
    "MobileNet": (application("MobileNet", alpha=0.25), SIZE),
    "MobileNetV2": (application("MobileNetV2", alpha=0.35), SIZE),
    "Xception": (application("Xception"), (76, 79)),
}
ADDED = ("_padding", "_share", "_ones")
"""How the names of layers end that are put in between."""


def assert_exact(dilated: Any, model: Any, sizes: Any, factor: Any) -> None:
    rows, columns = np.broadcast_to(factor, 2)
    for size in sizes:
        x = image(size)
        assert error(output(dilated, x)[:, ::rows, ::columns], output(model, x), depth(model)) <= 1, size


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_exact_at_any_size(name):
    make, size = FAMILIES[name]
    model = randomized(make((None, None)))
    dilated = to_output_stride(model, 8)
    assert_exact(dilated, model, [size], 4)
    for a, b in zip(model.weights, dilated.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    names = [layer.name for layer in dilated.layers]
    assert [name for name in names if not name.endswith(ADDED)] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV2"])
def test_a_model_of_fixed_size(name):
    make, size = FAMILIES[name]
    model = randomized(make(size))
    dilated = to_output_stride(model, 16)
    assert_exact(dilated, model, [size], 2)
    assert [layer.name for layer in dilated.layers] == [layer.name for layer in model.layers]
    assert [w.path for w in dilated.weights] == [w.path for w in model.weights]


def test_an_image_of_224_at_stride_8_is_28():
    """Even where windows of 2 or 3, without padding, reach no further than position 27."""
    for name in ("VGG16", "MobileNetV2"):
        assert to_output_stride(FAMILIES[name][0]((224, 225)), 8).output_shape[1:3] == (28, 28 if name == "VGG16" else 29)


def test_squeeze_and_excite_is_refused_or_sampled():
    model = randomized(application("MobileNetV3Small")((None, None)))
    with pytest.raises(ValueError, match=r"squeeze.*GlobalAveragePooling2D.*pool=\"sampled\""):
        to_output_stride(model, 8)
    assert_exact(to_output_stride(model, 8, pool="sampled"), model, [SIZE], 4)


@pytest.mark.parametrize("kind", ["GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten"])
def test_a_head_is_refused_or_sampled(kind):
    model = small(getattr(layers, kind)(name="head"), layers.Dense(3), size=(17, 18))
    with pytest.raises(ValueError, match=rf"layer 'head' \({kind}\): it takes all positions together"):
        to_output_stride(model, 2)
    dilated = to_output_stride(model, 2, pool="sampled")
    x = image((17, 18))
    np.testing.assert_allclose(output(dilated, x), output(model, x), rtol=1e-5, atol=1e-5)


def small(*behind: Any, size: Any = (None, None), functional: bool = True) -> Any:
    """Three strides of 2, the last of which is a pooling, and what follows."""
    inner = [
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="one"),
        layers.DepthwiseConv2D(3, strides=2, padding="same", name="two"),
        layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(3, strides=2, padding="same", name="three"),
        layers.SeparableConv2D(4, 2, padding="same", name="four"),
        *behind,
    ]
    if not functional:
        return randomized(keras.Sequential([keras.Input((*size, 3)), *inner], name="small"))
    inputs = x = keras.Input((*size, 3), name="image")
    for layer in inner:
        x = layer(x)
    return randomized(keras.Model(inputs, x, name="small"))


def test_the_docstring_of_the_rule():
    """Which strides go, and what becomes of the rates."""
    geometry = {layer.name: layer for layer in to_output_stride(small(size=(64, 64)), 4).layers}
    assert [geometry[name].strides for name in ("one", "two", "three", "four")] == [(2, 2), (2, 2), (1, 1), (1, 1)]
    assert [type(geometry[name]) for name in ("one", "three")] == [layers.Conv2D, atrous.layers.MaxPooling2D]
    assert type(geometry["four"]) is atrous.layers.SeparableConv2D
    assert geometry["four"].dilation_rate == (2, 2)
    assert geometry["three"].padding == ((0, 2), (0, 2))


@pytest.mark.parametrize("target", [1, 2, 4, 8, (8, 2), (1, 4)])
@pytest.mark.parametrize("functional", [True, False])
def test_each_axis_has_its_stride(target, functional):
    model = small(functional=functional)
    dilated = to_output_stride(model, target)
    assert_exact(dilated, model, [(17, 24), (16, 19), (5, 1)], 8 // np.array(target))
    rows = atrous.field.analyze(dilated, (64, 64, 3)).output
    assert rows.stride == tuple(np.broadcast_to(target, 2))


def test_the_model_is_left_as_it_was():
    model, x = small(), image((20, 20))
    model.compile("sgd", "mse")
    before, config, nodes = output(model, x), model.get_config(), [len(layer._inbound_nodes) for layer in model.layers]
    dilated = to_output_stride(model, 2)
    dilated.get_layer("one").kernel.assign(np.zeros(dilated.get_layer("one").kernel.shape))
    np.testing.assert_array_equal(output(model, x), before)
    assert model.get_config() == config
    assert [len(layer._inbound_nodes) for layer in model.layers] == nodes
    assert model.compiled
    assert not dilated.compiled


def test_the_new_model_is_a_model_like_any_other(tmp_path):
    model = small(layers.AveragePooling2D(3, strides=2, padding="same"))
    model.get_layer("two").trainable = False
    dilated, x = to_output_stride(model, 4), image((21, 30))
    expected = output(dilated, x)
    dilated.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(output(restored, x), expected)
    assert not restored.get_layer("two").trainable
    features = keras.Model(dilated.input, dilated.get_layer("norm").output)  # every layer has one output
    assert features.output_shape == (None, None, None, 4)
    np.testing.assert_allclose(dilated.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)
    dilated.compile("sgd", "mse")
    dilated.fit(x, np.zeros_like(expected), verbose=0)


def test_it_composes_with_accelerate_and_with_itself():
    model, sizes = small(layers.MaxPooling2D(2), layers.Conv2D(3, 3, padding="same")), [(40, 41), (33, 64)]
    fast = [to_output_stride(atrous.accelerate(model), 4), atrous.accelerate(to_output_stride(model, 4))]
    for dilated in (*fast, to_output_stride(to_output_stride(model, 8), 4)):
        assert_exact(dilated, model, sizes, 4)
    kinds = [[type(layer) for layer in dilated.layers] for dilated in fast]
    assert kinds[0] == kinds[1]
    assert atrous.layers.Conv2D in kinds[0]


def test_our_blocks_are_taken_apart():
    model = randomized(atrous.models.ResNet("resnet_14_small", input_shape=(None, None, 3), include_top=False))
    dilated = to_output_stride(model, 8)
    assert_exact(dilated, model, [SIZE], 4)
    assert dilated.get_layer("stage3_block1_conv1_conv").get_weights()[0].shape[:2] == (3, 3)
    assert model.get_layer("stage3_block1").name == "stage3_block1"


def test_back_to_keras_where_keras_can():
    strided = [layers.Conv2D(2, 3, strides=2, padding="same") for _ in range(2)]
    model = keras.Sequential([keras.Input((17, 17, 3)), *strided, layers.Conv2D(2, 3, padding="same")])
    stock = atrous.to_keras(to_output_stride(model, 2))
    assert {type(layer) for layer in stock.layers} == {layers.Conv2D, layers.InputLayer}
    assert stock.layers[-1].dilation_rate == (2, 2)


def test_models_inside_models_and_shared_layers():
    inner = keras.Sequential([layers.Conv2D(4, 3, strides=2, padding="same"), layers.ReLU()], name="inner")
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    deep = keras.Input((None, None, 4))
    block = keras.Model(deep, layers.Add()([shared(shared(deep)), deep]), name="block")
    inputs = keras.Input((None, None, 3))
    model = randomized(keras.Model(inputs, block(block(inner(layers.Conv2D(3, 2, strides=2)(inputs))))))
    dilated = to_output_stride(model, 2)
    assert_exact(dilated, model, [(21, 34), (20, 9)], 2)
    assert dilated.get_layer("block").get_layer("shared").dilation_rate == (2, 2)
    assert dilated.get_layer("inner").layers[-1].name == inner.layers[-1].name
    assert len(dilated.weights) == len(model.weights)


def test_a_stride_may_go_in_part():
    model = randomized(
        keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 4, strides=4), layers.Conv2D(4, 3, padding="same")])
    )
    assert_exact(to_output_stride(model, 2), model, [(16, 17), (35, 22)], 2)


@pytest.mark.parametrize("size", [(None, None), (18, 22)])
def test_branches_that_end_differently_are_cut(size):
    inputs = keras.Input((*size, 3))
    pooled = layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(inputs))
    sampled = layers.Conv2D(4, 1, strides=2)(layers.ZeroPadding2D(((0, 2), (0, 2)))(inputs))
    model = randomized(keras.Model(inputs, layers.Concatenate(name="it")([pooled, sampled])))
    dilated = to_output_stride(model, 1)
    assert_exact(dilated, model, [(18, 22)], 2)
    assert dilated.get_layer("it_cropped_1").cropping == ((0, 1), (0, 1))


def test_branches_of_unknown_lengths_are_refused():
    inputs = keras.Input((None, None, 3))
    halves = [layers.Conv2D(4, size, strides=2, padding=padding)(inputs) for size, padding in ((2, "valid"), (1, "same"))]
    model = keras.Model(inputs, layers.Add(name="it")(halves))  # fits at even lengths only
    with pytest.raises(
        ValueError, match=r"layer 'it' \(Add\): it joins maps whose lengths on the denser grid can't be compared"
    ):
        to_output_stride(model, 1)


def test_channels_first():
    last = small(layers.GlobalAveragePooling2D(keepdims=True), size=(19, 22))
    sampled = to_output_stride(last, 2, pool="sampled")
    inputs = x = keras.Input((3, 19, 22))
    for layer in last.layers[1:]:
        config = layer.get_config()
        config |= {"data_format": "channels_first"} if "data_format" in config else {}
        config |= {"axis": 1} if "axis" in config else {}
        kind = getattr(atrous.layers, type(layer).__name__, type(layer))
        x = kind.from_config(config)(x)
    first = keras.Model(inputs, x)
    first.set_weights(last.get_weights())
    data = image((19, 22))
    actual = output(to_output_stride(first, 2, pool="sampled"), np.moveaxis(data, -1, 1))
    np.testing.assert_allclose(np.moveaxis(actual, 1, -1), output(sampled, data), rtol=1e-4, atol=1e-4)


STEPS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["conv", "pool", "residual", "padded", "cropped", "dilated"]),
        "stride": st.sampled_from([1, 1, 2, 2, 4]),
        "size": st.integers(1, 4),
        "padding": st.sampled_from(["valid", "same", "causal"]),
        "pair": st.tuples(st.integers(0, 2), st.integers(0, 2)),
    }
)


def behind(x: Any, kind: str, stride: int, size: int, padding: str, pair: tuple[int, int]) -> Any:
    """One more step of a network over (batch, time, channels)."""
    if kind == "cropped":
        return layers.Cropping1D(pair)(x)
    if kind == "pool":
        return layers.MaxPooling1D(size, stride, "same" if padding == "causal" else padding)(x)
    if kind == "dilated":
        return atrous.layers.Conv1D(2, 3, strides=stride, dilation_rate=2, padding=pair if size > 2 else padding)(x)
    if kind == "residual":
        short = layers.MaxPooling1D(1, stride)(x) if padding == "valid" else layers.Conv1D(2, 1, strides=stride)(x)
        return layers.Add()([layers.Conv1D(2, size, strides=stride, padding="same")(x), short])
    return layers.Conv1D(2, size, strides=stride, padding=padding)(layers.ZeroPadding1D(pair)(x) if kind == "padded" else x)


@settings(max_examples=EXAMPLES)
@given(st.lists(STEPS, min_size=2, max_size=5), st.sampled_from([None, 40, 53]), st.sampled_from([1, 2, 4, 8]))
def test_any_network_is_exact_to_the_bit(steps, length, target):
    """Integers: sums have no rounding."""
    stride = int(np.prod([step["stride"] for step in steps if step["kind"] != "cropped"]))
    assume(target <= stride)
    inputs = x = keras.Input((length, 2))
    for step in steps:
        try:
            x = behind(x, **step)
        except ValueError:  # nothing would be left
            assume(False)
        assume(x.shape[1] != 0)
    model, generator = keras.Model(inputs, x), np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.integers(-1, 2, weight.shape))
    dilated = to_output_stride(model, target)
    for n in [length] if length else [40, 41, 46, 47, 53]:
        x = generator.integers(-2, 3, (1, n, 2)).astype("float32")
        try:
            expected = output(model, x)
        except Exception:  # each backend has its own, where nothing is left
            continue
        np.testing.assert_array_equal(output(dilated, x)[:, :: stride // target], expected)


class Composite(layers.Layer):
    """Keras can make it again, but it is no graph."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv = layers.Conv2D(4, 3, padding="same", name="hidden")

    def build(self, shape: Any) -> None:
        self.conv.build(shape)

    def call(self, x: Any) -> Any:
        return self.conv(x)


class Positions(layers.Layer):
    """A weight for each position."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], name="table")

    def call(self, x: Any) -> Any:
        return x + self.table


class Own(layers.Conv2D):
    """May compute something else."""


REFUSED = {
    "up-sampling": (layers.UpSampling2D(name="it"), "adds positions between"),
    "transposed": (layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="it"), "adds positions between"),
    "resizing": (layers.Resizing(5, 5, name="it"), "adds positions between|moves positions"),
    "norm over space": (layers.GroupNormalization(2, name="it"), "every position takes all others"),
    "softmax over space": (layers.Softmax(axis=1, name="it"), "every position takes all others"),
    "a subclass": (Own(2, 3, name="it"), "subclass of Conv2D"),
    "weights of positions": (layers.PReLU(name="it"), "on the denser grid"),
    "own weights of positions": (Positions(name="it"), "on the denser grid"),
    "rows as channels": (layers.Permute((3, 1, 2), name="it"), None),
    "merged": (layers.Reshape((-1, 4), name="it"), "moves positions"),
    "wrapped": (layers.SpectralNormalization(layers.Conv2D(2, 3), name="it"), "moves positions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_exact_is_refused_by_name(name):
    layer, reason = REFUSED[name]
    model = small(layer, size=(24, 24))
    if reason is None:
        assert to_output_stride(model, 4).output_shape == (None, 4, 6, 6)
        return
    with pytest.raises(ValueError, match=rf"Received: layer 'it' \({type(layer).__name__}\): .*({reason})"):
        to_output_stride(model, 4)
    to_output_stride(model, 8)  # where nothing is denser, it may stand


def test_what_is_inside_a_layer_is_refused_by_name():
    model = small(Composite(name="block"))
    with pytest.raises(ValueError, match=r"layer 'block/hidden' \(Conv2D\): it would have to change, inside a layer"):
        to_output_stride(model, 4)


def test_attention_takes_all_positions():
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, strides=2)(inputs)
    model = keras.Model(inputs, layers.MultiHeadAttention(1, 4, attention_axes=(1, 2), name="it")(x, x))
    with pytest.raises(ValueError, match=r"layer 'it' \(MultiHeadAttention\): it takes all positions together"):
        to_output_stride(model, 1)
    dilated, x = to_output_stride(randomized(model), 1, pool="sampled"), image((16, 16))  # dense queries, sampled keys
    np.testing.assert_allclose(output(dilated, x)[:, ::2, ::2], output(model, x), rtol=1e-4, atol=1e-4)


def test_joined_and_shared_between_grids():
    inputs = keras.Input((16, 16, 3))
    coarse = layers.Conv2D(3, 3, strides=2, padding="same")(inputs)
    model = keras.Model(inputs, layers.Add(name="it")([coarse, layers.Cropping2D(4)(inputs)]))
    with pytest.raises(ValueError, match=r"layer 'it' \(Add\): it joins maps that become denser by different factors"):
        to_output_stride(model, 1)
    shared = layers.Conv2D(3, 3, padding="same", name="it")
    model = keras.Model(inputs, shared(layers.Conv2D(3, 3, strides=2, padding="same")(shared(inputs))))
    with pytest.raises(ValueError, match=r"layer 'it' \(Conv2D\): it is used several times"):
        to_output_stride(model, 1)


@pytest.mark.parametrize(
    ("output_stride", "message"),
    [
        (3, "`output_stride` must be a power of two. Received: output_stride=3."),
        ((4, 6), "`output_stride` must be a power of two. Received: output_stride=(4, 6)."),
        (16, "`output_stride` must not be above that of the model, 8. Received: output_stride=16."),
        ((16, 2), "`output_stride` must not be above that of the model, 8. Received: output_stride=(16, 2)."),
        (0, "`output_stride` must be a positive integer or 2 of them, one for each spatial axis. Received: output_stride=0."),
        (
            "8",
            "`output_stride` must be a positive integer or 2 of them, one for each spatial axis. Received: output_stride='8'.",
        ),
    ],
)
def test_wrong_strides(output_stride, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        to_output_stride(small(), output_stride)


def test_strides_that_do_not_multiply_to_it():
    model = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 3, strides=3), layers.Conv2D(2, 3, strides=2)])
    with pytest.raises(ValueError, match="must be the product of the model's first strides; they come to 2 before"):
        to_output_stride(model, 4)


def test_wrong_use():
    with pytest.raises(ValueError, match=r"`model` must be a functional or sequential keras\.Model that is built"):
        to_output_stride(keras.Sequential([layers.Conv2D(2, 3)]), 8)
    with pytest.raises(ValueError, match=r"`pool` must be None or 'sampled'\. Received: pool='all'"):
        to_output_stride(small(), 8, pool="all")


def test_keras_hub():
    keras_hub = pytest.importorskip("keras_hub", reason="keras-hub isn't installed")
    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 16, 16],
        stackwise_num_blocks=[1, 2, 1],
        stackwise_num_strides=[1, 2, 2],
        block_type="basic_block",
    )
    model = randomized(backbone)
    assert_exact(to_output_stride(model, 4), model, [(64, 65), (50, 33)], 4)
