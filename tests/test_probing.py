"""Every rule against gradients: what a layer reads is what its output depends on."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

import atrous
from atrous.field import verify
from atrous.field.analysis import Analysis
from atrous.field.gradients import float64, gradient
from atrous.field.reads import Reads
from atrous.field.registry import _RULES
from atrous.field.rules.operations import ARITHMETIC
from atrous.field.rules.positions import POSITIONWISE


def conv(**arguments):
    return layers.Conv2D(2, 3, **({"padding": "same"} | arguments))


# A layer, and an input that fits: (length, channels), (height, width, channels), …
LAYERS = {
    "Conv1D": (layers.Conv1D(3, 3), (13, 2)),
    "Conv1D same, even kernel": (layers.Conv1D(3, 4, padding="same"), (13, 2)),
    "Conv1D same, strided": (layers.Conv1D(3, 3, strides=2, padding="same"), (14, 2)),
    "Conv1D same, strided, odd": (layers.Conv1D(3, 2, strides=3, padding="same"), (13, 2)),
    "Conv1D causal": (layers.Conv1D(3, 3, dilation_rate=2, padding="causal"), (13, 2)),
    "Conv1D grouped": (layers.Conv1D(4, 3, groups=2), (13, 4)),
    "Conv2D": (layers.Conv2D(3, (3, 2), dilation_rate=(2, 3)), (13, 11, 2)),
    "Conv2D strided": (layers.Conv2D(3, (3, 4), strides=(2, 3), padding="same"), (13, 11, 2)),
    "Conv3D": (layers.Conv3D(2, (1, 2, 3), strides=(1, 2, 1), padding="same"), (5, 6, 7, 2)),
    "DepthwiseConv1D": (layers.DepthwiseConv1D(3, depth_multiplier=2, dilation_rate=2), (13, 2)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D(3, strides=2, padding="same"), (13, 10, 2)),
    "SeparableConv1D": (layers.SeparableConv1D(3, 3, padding="same"), (13, 2)),
    "SeparableConv2D": (layers.SeparableConv2D(3, 3, strides=2, padding="same"), (13, 10, 2)),
    "atrous.Conv1D": (atrous.layers.Conv1D(3, 3, strides=2, dilation_rate=3, padding="causal"), (21, 2)),
    "atrous.Conv2D": (atrous.layers.Conv2D(3, 3, dilation_rate=(1, 3), padding=((1, 0), (2, 4))), (12, 10, 2)),
    "atrous.DepthwiseConv1D": (atrous.layers.DepthwiseConv1D(3, dilation_rate=2, padding="causal"), (13, 2)),
    "atrous.DepthwiseConv2D": (atrous.layers.DepthwiseConv2D(3, strides=2, dilation_rate=2, padding="same"), (13, 10, 2)),
    "atrous.SeparableConv1D": (atrous.layers.SeparableConv1D(3, 3, dilation_rate=2, padding=(4, 0)), (13, 2)),
    "atrous.Conv1DTranspose": (
        atrous.layers.Conv1DTranspose(3, 3, strides=2, dilation_rate=2, padding="causal"),
        (9, 2),
    ),
    "atrous.Conv2DTranspose": (atrous.layers.Conv2DTranspose(3, 3, dilation_rate=2, padding="same"), (6, 5, 2)),
    "atrous.Conv3DTranspose": (atrous.layers.Conv3DTranspose(2, 2, strides=2, dilation_rate=2, padding=1), (3, 4, 3, 2)),
    "Conv2DTranspose output_padding": (
        layers.Conv2DTranspose(2, 3, strides=(2, 3), padding="same", output_padding=(1, 2)),
        (5, 4, 2),
    ),
    "Conv2DTranspose output_padding, valid": (layers.Conv2DTranspose(2, 3, strides=2, output_padding=1), (5, 4, 2)),
    "Conv3DTranspose": (layers.Conv3DTranspose(2, (3, 2, 1), strides=(1, 2, 2), padding="same"), (3, 4, 3, 2)),
    "Conv1DTranspose dilated": (layers.Conv1DTranspose(2, 3, dilation_rate=2, padding="valid"), (9, 2)),
    "MaxPooling1D": (layers.MaxPooling1D(3, 2, padding="same"), (13, 2)),
    "MaxPooling2D": (layers.MaxPooling2D((2, 3)), (13, 11, 2)),
    "MaxPooling3D": (layers.MaxPooling3D(2, 1), (5, 4, 3, 2)),
    "AveragePooling1D": (layers.AveragePooling1D(3), (13, 2)),
    "AveragePooling2D": (layers.AveragePooling2D(3, 2, padding="same"), (13, 10, 2)),
    "AveragePooling3D": (layers.AveragePooling3D(2), (5, 4, 6, 2)),
    "GlobalAveragePooling2D": (layers.GlobalAveragePooling2D(keepdims=True), (7, 6, 2)),
    "ZeroPadding1D": (layers.ZeroPadding1D((2, 1)), (7, 2)),
    "ZeroPadding2D": (layers.ZeroPadding2D(((1, 2), (0, 3))), (7, 6, 2)),
    "ZeroPadding3D": (layers.ZeroPadding3D(1), (3, 4, 2, 2)),
    "Cropping1D": (layers.Cropping1D((2, 1)), (7, 2)),
    "Cropping2D": (layers.Cropping2D(((1, 2), (0, 3))), (7, 6, 2)),
    "Cropping3D": (layers.Cropping3D(1), (3, 4, 5, 2)),
    "CenterCrop": (layers.CenterCrop(4, 3), (7, 6, 2)),
    "CenterCrop, odd": (layers.CenterCrop(3, 4), (8, 7, 2)),
    "UpSampling1D": (layers.UpSampling1D(3), (5, 2)),
    "UpSampling2D": (layers.UpSampling2D((2, 3)), (5, 4, 2)),
    "UpSampling2D bilinear": (layers.UpSampling2D((2, 3), interpolation="bilinear"), (5, 4, 2)),
    "UpSampling2D bicubic": (layers.UpSampling2D((4, 2), interpolation="bicubic"), (7, 6, 2)),
    "UpSampling3D": (layers.UpSampling3D((1, 2, 3)), (3, 4, 2, 2)),
    "Resizing": (layers.Resizing(7, 5), (10, 8, 2)),
    "Resizing up": (layers.Resizing(13, 9), (10, 8, 2)),
    "Resizing nearest": (layers.Resizing(7, 12, interpolation="nearest"), (10, 8, 2)),
    "Resizing bicubic": (layers.Resizing(7, 13, interpolation="bicubic"), (10, 8, 2)),
    "Permute": (layers.Permute((2, 1, 3)), (4, 3, 2)),
    "Reshape, merging": (layers.Reshape((12, 2)), (4, 3, 2)),
    "Reshape, channels of several": (layers.Reshape((4, 6)), (4, 3, 2)),
    "Flatten": (layers.Flatten(), (4, 3, 2)),
    "Dense": (layers.Dense(3), (4, 3, 2)),
    "Embedding": (layers.Embedding(5, 3), (7,)),
    "Activation": (layers.Activation("relu"), (7, 2)),
    "PReLU": (layers.PReLU(shared_axes=[1]), (7, 2)),
    "ReLU": (layers.ReLU(6.0, negative_slope=0.1), (7, 2)),
    "Softmax": (layers.Softmax(), (7, 2)),
    "Softmax over space": (layers.Softmax(axis=1), (7, 5, 2)),
    "BatchNormalization": (layers.BatchNormalization(), (7, 2)),
    "LayerNormalization": (layers.LayerNormalization(), (7, 5, 2)),
    "LayerNormalization over space": (layers.LayerNormalization(axis=(1, 2)), (7, 5, 2)),
    "LayerNormalization over width": (layers.LayerNormalization(axis=2), (7, 5, 2)),
    "GroupNormalization": (layers.GroupNormalization(2), (7, 5, 4)),
    "RMSNormalization": (layers.RMSNormalization(axis=1), (7, 5, 2)),
    "UnitNormalization": (layers.UnitNormalization(axis=1), (7, 5, 2)),
    "Dropout": (layers.Dropout(0.5), (7, 2)),
    "RandomFlip": (layers.RandomFlip(), (7, 5, 3)),
    "Rescaling": (layers.Rescaling(1 / 255, -1.0), (7, 5, 3)),
    "SimpleRNN": (layers.SimpleRNN(3, return_sequences=True), (7, 2)),
    "SimpleRNN, last": (layers.SimpleRNN(3), (7, 2)),
    "GRU": (layers.GRU(3, return_sequences=True), (7, 2)),
    "LSTM": (layers.LSTM(3), (7, 2)),
    "RNN": (layers.RNN(layers.LSTMCell(3), return_sequences=True), (7, 2)),
    "Bidirectional": (layers.Bidirectional(layers.LSTM(3, return_sequences=True)), (7, 2)),
    "Bidirectional, summed": (layers.Bidirectional(layers.GRU(3, return_sequences=True), merge_mode="sum"), (7, 2)),
    "TimeDistributed": (layers.TimeDistributed(layers.Conv2D(2, 3, activation="relu")), (3, 7, 6, 2)),
    "TimeDistributed pool": (layers.TimeDistributed(layers.MaxPooling1D(2)), (3, 6, 2)),
    "SpectralNormalization": (layers.SpectralNormalization(conv()), (7, 6, 2)),
    "channels first": (
        keras.Sequential([conv(data_format="channels_first", strides=2), layers.BatchNormalization(axis=1)]),
        (2, 7, 6),
    ),
}
for rank, kernel, strides, padding in (
    (rank, kernel, strides, padding)
    for rank in (1, 2)
    for kernel in (1, 2, 3, 5)
    for strides in (1, 2, 3)
    for padding in ("same", "valid")
):
    layer = getattr(layers, f"Conv{rank}DTranspose")(2, kernel, strides=strides, padding=padding)
    LAYERS[f"Conv{rank}DTranspose k{kernel} s{strides} {padding}"] = layer, (*(6, 5)[:rank], 2)
for kind, rank in ((kind, rank) for kind in ("Average", "Max") for rank in (1, 2, 3)):
    shape = (*(8, 6, 5)[:rank], 2)
    LAYERS[f"Global{kind}Pooling{rank}D"] = getattr(layers, f"Global{kind}Pooling{rank}D")(), shape
    if hasattr(layers, f"Adaptive{kind}Pooling{rank}D"):
        for size in (1, 3, 5):
            made = getattr(layers, f"Adaptive{kind}Pooling{rank}D")((size, 4, 2)[:rank])
            LAYERS[f"Adaptive{kind}Pooling{rank}D to {size}"] = made, shape


def model_of(layer, shape):
    x = keras.Input(shape)
    return keras.Model(x, layer(x))


def agree(found):
    assert found.checks
    assert found.agrees, found.differing


def some(table):
    """All of it on TensorFlow; elsewhere, where compilation or time is dear, one in four: the arithmetic is the same."""
    return list(table)[:: 1 if keras.backend.backend() == "tensorflow" else 4]


@pytest.mark.parametrize("name", some(LAYERS))
def test_a_layer_reads_what_its_gradient_reaches(name):
    agree(verify(model_of(*LAYERS[name])))


class Taps(layers.Layer):
    """A layer that is made of operations and weights of its own."""

    def __init__(self, function, **weights):
        super().__init__()
        self.function, self.shapes = function, weights

    def build(self, _):
        self.named = {name: self.add_weight(shape=shape, name=name) for name, shape in self.shapes.items()}

    def call(self, x):
        return self.function(x, **self.named)


OPERATION_CALLS = {
    "slice": (lambda x: x[:, 1:-2, ::2], (7, 6, 2)),
    "slice with ellipsis and index": (lambda x: x[..., 1:, 0], (7, 6, 2)),
    "index of a position": (lambda x: x[:, 3], (7, 6, 2)),
    "new axis": (lambda x: ops.squeeze(x[:, None, 2:], 1), (7, 2)),
    "pad": (lambda x: ops.pad(x, ((0, 0), (2, 0), (0, 1), (0, 0))), (7, 6, 2)),
    "concatenate": (lambda x: ops.concatenate([x, x * 2.0], -1), (7, 6, 2)),
    "concatenate with zeros in front": (lambda x: ops.concatenate([ops.zeros_like(x), x], 1)[:, 3:], (7, 2)),
    "transpose": (lambda x: ops.transpose(x, (0, 2, 1, 3)), (7, 6, 2)),
    "moveaxis": (lambda x: ops.moveaxis(x, -1, 1), (7, 6, 2)),
    "swapaxes": (lambda x: ops.swapaxes(x, 1, 2), (7, 6, 2)),
    "reshape": (lambda x: ops.reshape(x, (-1, 42, 2)), (7, 6, 2)),
    "reshape and back": (lambda x: ops.reshape(ops.reshape(x, (-1, 42, 2)), (-1, 7, 6, 2)), (7, 6, 2)),
    "channels become several": (lambda x: ops.reshape(x, (-1, 7, 2, 3)), (7, 6)),
    "squeeze and excite": (lambda x: x * ops.sigmoid(ops.mean(x, (1, 2), keepdims=True)), (7, 6, 2)),
    "mean over rows": (lambda x: ops.mean(x, 1), (7, 6, 2)),
    "max over channels": (lambda x: ops.max(x, -1, keepdims=True), (7, 6, 2)),
    "softmax": (lambda x: ops.softmax(x, 1), (7, 6, 2)),
    "repeat": (lambda x: ops.repeat(x, 3, 1), (5, 2)),
    "split": (lambda x: ops.split(x, 3, 1)[1], (9, 2)),
    "split at": (lambda x: ops.split(x, [2, 5], 1)[2], (9, 2)),
    "broadcast": (lambda x: ops.broadcast_to(ops.mean(x, 1, keepdims=True), (1, 9, 2)), (9, 2)),
    "add a vector": (lambda x, vector: x + vector, (9, 2), {"vector": (2,)}),
    "where": (lambda x: ops.where(x > 0, x, -x), (9, 2)),
    "max pool": (lambda x: ops.max_pool(x, 3, 2, "same"), (9, 8, 2)),
    "average pool": (lambda x: ops.average_pool(x, 2, 2), (9, 8, 2)),
    "resize": (lambda x: ops.image.resize(x, (7, 12)), (10, 8, 2)),
    "conv": (lambda x, kernel: ops.conv(x, kernel, 2, "same"), (9, 8, 2), {"kernel": (3, 3, 2, 3)}),
    "depthwise_conv": (lambda x, kernel: ops.depthwise_conv(x, kernel, 1, "valid"), (9, 8, 2), {"kernel": (3, 2, 2, 2)}),
    "conv_transpose": (
        lambda x, kernel: ops.conv_transpose(x, kernel, 2, "same", None, "channels_last"),
        (5, 4, 2),
        {"kernel": (3, 2, 3, 2)},
    ),
    "matmul": (lambda x, kernel: ops.matmul(x, kernel), (9, 8, 2), {"kernel": (2, 3)}),
    "attention": (lambda x: ops.dot_product_attention(x, x, x), (7, 2, 3)),
    "causal attention": (lambda x: ops.dot_product_attention(x, x, x, is_causal=True), (7, 2, 3)),
}


if keras.backend.backend() != "tensorflow":
    del OPERATION_CALLS["broadcast"]  # elsewhere, Keras can't infer its shape: it tries another batch than the 1 given


@pytest.mark.parametrize("name", some(OPERATION_CALLS))
def test_an_operation_reads_what_its_gradient_reaches(name):
    function, shape, *weights = OPERATION_CALLS[name]
    agree(verify(model_of(Taps(function, **(weights[0] if weights else {})), shape)))


def attention(**arguments):
    def build(x):
        return layers.MultiHeadAttention(2, 3, **arguments)(x, x)

    return build


def causal(x):
    return layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True)


def cross(x):
    memory = layers.Conv1D(3, 3)(x)
    return layers.MultiHeadAttention(2, 3)(layers.Cropping1D((2, 0))(x), memory)


def pyramid(x):
    rates = [layers.Conv2D(2, 3, padding="same", dilation_rate=rate)(x) for rate in (1, 2, 3)]
    pooled = layers.UpSampling2D((12, 10))(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Conv2D(2, 1)(layers.Concatenate()([*rates, pooled]))


def u_net(x):
    a = conv()(x)
    b = conv()(layers.MaxPooling2D()(a))
    c = layers.Conv2DTranspose(2, 2, strides=2)(b)
    return conv()(layers.Concatenate()([a, c]))


def merges(x):
    """Of branches that see different positions."""
    branches = [x, layers.Cropping1D((2, 0))(layers.ZeroPadding1D((0, 2))(x)), layers.Conv1D(2, 3, padding="same")(x)]
    kinds = (layers.Add, layers.Average, layers.Maximum, layers.Minimum, layers.Multiply)
    return [*(kind()(branches) for kind in kinds), layers.Subtract()(branches[1:])]


def shared(x):
    layer = layers.Conv1D(2, 3, padding="same", dilation_rate=2)
    return layer(layer(x))


def nested(x):
    inner = keras.Sequential([keras.Input((None, 2)), layers.Conv1D(2, 3), layers.ReLU()], name="inner")
    return inner(inner(x))


def broadcast(x):
    row = layers.Lambda(lambda y: ops.mean(y, 1, keepdims=True))(x)
    return layers.Add()([x, row])


def subtracted(x):
    return layers.Subtract()([x, x])


def scaled(x):
    return layers.Multiply()([x, layers.Dense(2)(layers.GlobalAveragePooling1D(keepdims=True)(x))])


def sequence_of_columns(x):
    return layers.Bidirectional(layers.GRU(2, return_sequences=True))(layers.Reshape((6, 14))(layers.Permute((2, 1, 3))(x)))


NETWORKS = {
    "self-attention": (attention(), (7, 2)),
    "attention over rows": (attention(attention_axes=(1,)), (7, 5, 2)),
    "attention over the map": (attention(attention_axes=(1, 2)), (4, 5, 2)),
    "causal attention": (causal, (7, 2)),
    "cross-attention": (cross, (9, 2)),
    "attention layer": (lambda x: layers.Attention()([x, layers.Conv1D(2, 3)(x)]), (9, 2)),
    "additive, causal": (lambda x: layers.AdditiveAttention()([x, x], use_causal_mask=True), (7, 2)),
    "grouped attention": (lambda x: layers.GroupQueryAttention(4, 4, 2)(x, x), (7, 2)),
    "pyramid": (pyramid, (12, 10, 2)),
    "u-net": (u_net, (16, 12, 2)),
    "merges": (merges, (13, 2)),
    "shared layer": (shared, (17, 2)),
    "nested model, twice": (nested, (13, 2)),
    "broadcast": (broadcast, (7, 5, 2)),
    "minus itself": (subtracted, (7, 2)),
    "squeeze and excite": (scaled, (7, 2)),
    "sequence of columns": (sequence_of_columns, (7, 6, 2)),
    "repeat vector": (lambda x: layers.RepeatVector(4)(layers.Flatten()(layers.Conv1D(2, 3)(x))), (7, 2)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_reads_what_its_gradient_reaches(name):
    build, shape = NETWORKS[name]
    x = keras.Input(shape)
    agree(verify(keras.Model(x, build(x))))


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Conv1D(2, 3, padding="causal"), layers.Conv1D(2, 3, padding="causal", dilation_rate=2)
        self.norm = layers.LayerNormalization()

    def call(self, x, training=False):
        return x + self.norm(self.second(ops.relu(self.first(x))), training=training)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(), Block()]
        self.head = keras.Sequential([layers.Dropout(0.5), layers.Conv1D(3, 1)])

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_layers_of_layers_and_subclassed_models_are_followed():
    model = Subclassed()
    found = verify(model, (17, 2))
    agree(found)
    assert len({check.layer for check in found.checks}) > 8
    agree(verify(model_of(Block(), (17, 2))))


def test_each_input_of_several_is_probed():
    a, b = keras.Input((9, 2), name="a"), keras.Input((9, 3), name="b")
    y = layers.Concatenate()([layers.Conv1D(2, 3, padding="same", name="left")(a), b])
    model = keras.Model([a, b], [layers.Conv1D(2, 3, padding="same", name="both")(y), y])
    for name, layer_names in (("a", 3), ("b", 2)):
        found = verify(model, input_name=name)
        agree(found)
        assert len({check.layer for check in found.checks}) == layer_names


def test_numbers_of_words_have_gradients():
    x = keras.Input((9,), dtype="int32")
    agree(verify(keras.Model(x, layers.Conv1D(2, 3)(layers.Embedding(5, 3, mask_zero=False)(x)))))


def test_a_wrong_rule_is_found_out(monkeypatch):
    model = keras.Sequential([keras.Input((13, 2)), layers.Conv1D(2, 3, padding="same", name="wide"), layers.Conv1D(2, 3)])
    narrow = Reads((13, 2), _RULES[layers.ReLU](Analysis(model).graph.uses[0].call).links)
    for type_ in (layers.Conv1D, *layers.Conv1D.__mro__):
        if type_ in _RULES:
            old = _RULES[type_]
            monkeypatch.setitem(_RULES, type_, lambda call: narrow if call.layer.name == "wide" else old(call))  # noqa: B023
            break
    found = verify(model)
    assert not found.agrees
    assert {check.layer for check in found.differing} == {"wide", model.layers[1].name}
    middle = next(check for check in found.differing if check.position == (6,))
    assert middle.missing == ((5,), (7,))
    assert middle.surplus == ()
    assert middle.field is False


def test_what_is_seen_too_little_is_surplus(monkeypatch):
    model = keras.Sequential([keras.Input((13, 2)), layers.ReLU(name="point")])
    wide = _RULES[layers.Conv1D]
    spec = layers.Conv1D(2, 3, padding="same")
    monkeypatch.setitem(_RULES, layers.ReLU, lambda call: wide(type(call)(spec, call.shapes)))
    (corner, *_, last) = verify(model).differing
    assert corner.surplus == ((1,),)
    assert last.surplus == ((11,),)


def example(type_):
    """A layer of a type that needs no, or one, argument."""
    for arguments in ((), (0.2,), (0.2, 0.2), (4,)):
        with contextlib.suppress(TypeError, ValueError):
            return type_(*arguments)
    raise AssertionError(type_)


@pytest.mark.parametrize("type_", some(POSITIONWISE), ids=lambda type_: type_.__name__)
def test_what_works_position_by_position_does(type_):
    """By changing one position of the real layer's input: the probe takes these for identities."""
    layer = layers.Activation("gelu") if type_ is layers.Activation else example(type_)
    shape = {"SpatialDropout1D": (9, 3), "SpatialDropout3D": (4, 5, 3, 2)}.get(type_.__name__, (7, 6, 3))
    x = np.random.default_rng(0).uniform(0.1, 0.9, (1, *shape)).astype("float32")
    changed = x.copy()
    changed[0, 2] += 0.05
    mode = {"training": False} if "training" in inspect.signature(layer.call).parameters else {}
    before, after = (ops.convert_to_numpy(layer(ops.convert_to_tensor(a), **mode)) for a in (x, changed))
    assert before.shape == x.shape
    assert (before[0, 2] != after[0, 2]).any()
    np.testing.assert_array_equal(np.delete(before, 2, 1), np.delete(after, 2, 1))


def test_every_rule_has_a_row():
    made = {type(layer) for layer, _ in LAYERS.values()} | set(POSITIONWISE)
    for build, shape in NETWORKS.values():
        x = keras.Input(shape)
        made |= {type(layer) for layer in keras.Model(x, build(x))._flatten_layers()}
    refused = {layers.RandomCrop}
    elsewhere = {layers.MelSpectrogram, layers.STFTSpectrogram}  # a probe is linear, they aren't: tests/test_analysis.py
    missing = (
        {t for t in _RULES if t.__module__.startswith("keras") and not any(issubclass(m, t) for m in made)}
        - refused
        - elsewhere
    )
    assert not missing


def test_elementwise_operations_are_elementwise():
    """By changing one element: the probe takes all of these to be alike."""
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(0.1, 0.9, (1, 4, 3)).astype("float32") for _ in range(2))
    changed = x.copy()
    changed[0, 2, 1] += 0.05
    tried = 0
    for name in ARITHMETIC:
        function = getattr(ops, _snake(name), None)
        if name in ("BatchNorm", "Clip", "Where", "Cast", "Threshold", "SaturateCast") or function is None:
            continue
        try:
            before, after = (ops.convert_to_numpy(function(ops.convert_to_tensor(a))) for a in (x, changed))
        except TypeError:
            before, after = (
                ops.convert_to_numpy(function(ops.convert_to_tensor(a), ops.convert_to_tensor(y))) for a in (x, changed)
            )
        except Exception:  # of whole numbers or truth values alone
            continue
        elsewhere = np.ones(x.shape, bool)
        elsewhere[0, 2, 1] = False
        np.testing.assert_array_equal(before[elsewhere], after[elsewhere])
        tried += 1
    assert tried > 50


def _snake(name):
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def test_the_model_is_left_as_it_is():
    inputs = keras.Input((17, 2))
    block = Block()
    model = keras.Model(inputs, layers.Dense(1, kernel_regularizer="l2")(block(layers.Dropout(0.5)(inputs))))
    nodes = {layer.name: (len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()}
    weights, state = model.get_weights(), np.random.get_state()[1].copy()
    name = layers.Dense(1).name
    agree(verify(model))
    assert nodes == {layer.name: (len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in model._flatten_layers()}
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert np.array_equal(state, np.random.get_state()[1])
    assert int(layers.Dense(1).name.split("_")[-1]) == int(name.split("_")[-1]) + 1
    assert block.input is not None


def test_questions_are_chosen():
    model = keras.Sequential([keras.Input((13, 2)), layers.Conv1D(2, 3, name="a"), layers.Conv1D(2, 3, name="b")])
    found = verify(model, layers="a", positions=[(0,), (3,)])
    assert [(check.layer, check.position, check.seen) for check in found.checks] == [("a", (0,), 3), ("a", (3,), 3)]
    assert {check.layer for check in verify(model, layers=["a", "b"]).checks} == {"a", "b"}
    with pytest.raises(ValueError, match=r"`layers` must be names of layers of.*'c'"):
        verify(model, layers="c")
    with pytest.raises(ValueError, match="`position` must be an index"):
        verify(model, positions=[(13,)])
    with pytest.raises(ValueError, match="`input_shape` must be given"):
        verify(keras.Sequential([keras.Input((None, 2)), layers.Conv1D(2, 3)]))


def test_a_gradient_is_float64_everywhere():
    at = np.array([[1.0, 2.0, 3.0]])
    with float64():
        found = gradient(lambda x: ops.sum(x[:, :2] * 1e-60 * x[:, 1:]), at)
        nothing = gradient(lambda x: ops.sum(ops.ones((2,), "float64")), at)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.array([[2.0, 4.0, 2.0]]) * 1e-60, rtol=1e-15)
    assert not nothing.any()


@pytest.mark.parametrize("rank", some([1, 2]))
def test_500_layers_neither_overflow_nor_vanish(rank):
    kernel, shape = (5, (40, 1)) if rank == 1 else (3, (9, 8, 1))
    x = y = keras.Input(shape)
    conv = getattr(layers, f"Conv{rank}D")(1, kernel, padding="same")
    for _ in range(500):
        y = conv(y)
    model = keras.Model(x, y)
    (check,) = verify(model, layers=conv.name, positions=[(0,) * rank]).checks
    assert check.agrees
    assert check.seen == np.prod(shape)
