"""`to_keras` on models with blocks in them: the same numbers from layers that Keras has."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

import atrous
from atrous import blocks, layers
from atrous.models import DeepLabV3Plus
from catalog_blocks import BLOCKS
from networks import conv, functional, inputs_of, randomize, sequential
from test_blocks import other_weights
from test_surgery import all_layers, assert_same, output

BACKEND = keras.config.backend()
LIFTED = "unit"
"""Has a stride and a rate."""

EACH = pytest.mark.parametrize("name", [name for name in BLOCKS if name != LIFTED])
LOADS = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "atrous":
            raise ImportError("atrous must not be imported")
sys.meta_path.insert(0, Refused())
import keras, numpy, pathlib
for file in pathlib.Path(sys.argv[1]).glob("*.keras"):
    given, expected = (numpy.load(file.with_suffix(f".{what}.npy")) for what in ("x", "y"))
    got = keras.ops.convert_to_numpy(keras.saving.load_model(file)(given))
    numpy.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * abs(expected).max(), err_msg=file.stem)
    print(file.stem)
"""


def block_in(name: str, open_sizes: bool = False) -> Any:
    row = BLOCKS[name]
    size = [*(n if not open_sizes else None for n in row.input_shape[:-1]), row.input_shape[-1]]
    model = functional(row.layer(name="block"), size=tuple(size))
    other_weights(model)
    return model


@EACH
@pytest.mark.parametrize("open_sizes", [False, True], ids=["sized", "any size"])
def test_a_block_becomes_its_layers(name, open_sizes):
    model = block_in(name, open_sizes)
    x = np.random.default_rng(0).standard_normal((2, *BLOCKS[name].input_shape)).astype("float32")
    stock = atrous.to_keras(model)
    assert_same(output(stock, x), output(model, x), 5e-6)
    assert not any(type(layer).__module__.startswith("atrous") for layer in all_layers(stock))
    assert all(operation.name.startswith("block") for operation in stock.operations[1:])
    assert stock.input_shape == model.input_shape
    assert stock.output_shape == model.output_shape
    assert not {id(v) for v in model.variables} & {id(v) for v in stock.variables}
    assert isinstance(model.get_layer("block"), BLOCKS[name].make)


def test_files_load_where_atrous_is_not(tmp_path):
    names = [name for name in BLOCKS if name != LIFTED]
    for name in names:
        stock = atrous.to_keras(block_in(name))
        assert "atrous" not in json.dumps(keras.saving.serialize_keras_object(stock))
        stock.save(tmp_path / f"{name}.keras")
        x = np.random.default_rng(0).standard_normal((2, *BLOCKS[name].input_shape)).astype("float32")
        np.save(tmp_path / f"{name}.x.npy", x)
        np.save(tmp_path / f"{name}.y.npy", *output(stock, x))
    done = subprocess.run([sys.executable, "-c", LOADS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert sorted(done.stdout.splitlines()) == sorted(names), done.stderr


def test_layers_are_called_as_the_block_and_themselves():
    stock = atrous.to_keras(functional(blocks.ASPP(4, (2, 4), name="aspp"), blocks.BasicBlock(4, 2, name="basic")))
    names = [operation.name for operation in stock.operations]
    assert {f"aspp_{unit}_{part}" for unit in ("point", "dilated1", "project") for part in ("conv", "norm", "act")} < {*names}
    assert {"aspp_add", "aspp_zeros_like", "basic_conv1_conv_padding", "basic_add", "basic_shortcut_conv"} < {*names}
    padding = stock.get_layer("basic_conv1_conv_padding")
    assert type(padding) is keras.layers.ZeroPadding2D
    assert padding.padding == ((1, 1), (1, 1))
    assert stock.get_layer("basic_conv1_conv").padding == "valid"
    assert stock.get_layer("basic_conv2_conv").padding == "same"


def test_names_are_new_in_the_model():
    size = (8, 8, 3)
    inputs = keras.Input(size)
    unit = blocks.ConvNormActivation(3, 3, name="a")
    x = conv(name="a_conv")(unit(unit(inputs)))
    x = keras.layers.ReLU(name="a_act_1")(x)
    model = keras.Model(inputs, functional(blocks.ConvNormActivation(3, 3, name="a"))(x))
    other_weights(model)
    stock = atrous.to_keras(model)
    names = [layer.name for layer in stock.layers[1:]]
    assert names == ["a_conv_1", "a_norm", "a_act", "a_conv", "a_act_1", model.layers[-1].name]
    assert [layer.name for layer in stock.layers[-1].layers[1:]] == ["a_conv", "a_norm", "a_act"]
    x = inputs_of(model)
    assert_same(output(stock, x), output(model, x))


def test_weight_normalisation_leaves_its_kernel():
    model = block_in("weight norm")
    stock = atrous.to_keras(model)
    (folded,) = stock.layers[1:]
    assert (type(folded), folded.name, folded.padding) == (keras.layers.Conv1D, "block", "causal")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(layer.kernel) for layer in (folded, model.get_layer("block"))))


def test_what_is_frozen_stays_so():
    frozen, half = blocks.BasicBlock(4, name="frozen"), blocks.ConvNormActivation(4, 3, name="half")
    model = functional(frozen, half)
    frozen.trainable = half.norm.trainable = False
    stock = atrous.to_keras(model)
    assert [weight.shape for weight in stock.trainable_weights] == [(3, 3, 4, 4)] == [w.shape for w in model.trainable_weights]
    assert {layer.name for layer in stock.layers[1:] if layer.trainable} == {"half_conv", "half_act"}


def test_types_are_those_of_the_block():
    model = functional(blocks.BasicBlock(3, dtype="mixed_bfloat16"), blocks.MultiScale(2, dtype="float32"))
    other_weights(model)
    stock, x = atrous.to_keras(model), inputs_of(model)
    assert stock.output.dtype == "float32"
    assert "bfloat16" in {str(operation.output.dtype) for operation in stock.operations}
    assert_same(output(stock, x), output(model, x), 1e-6)


def test_dropout_is_active_in_training():
    stock = atrous.to_keras(functional(blocks.TemporalBlock(3, dropout=0.9), size=(20, 3)))
    x = np.ones((4, 20, 3), "float32")
    trained = keras.ops.convert_to_numpy(stock(x, training=True))
    assert np.abs(trained - output(stock, x)[0]).max() > 0.01
    stock.compile("sgd", "mse")
    assert np.isfinite(stock.train_on_batch(x, x))


def test_convolutions_by_themselves_pad_in_front():
    shared = layers.Conv2D(3, 3, padding=((2, 0), (1, 1)), name="shared")
    model = randomize(
        sequential(shared, shared, layers.DepthwiseConv2D(3, strides=2, padding=1), layers.SeparableConv2D(3, 2, padding=1))
    )
    stock, x = atrous.to_keras(model), inputs_of(model)
    assert_same(output(stock, x), output(model, x))
    assert [layer.name for layer in stock.layers if "ZeroPadding" in type(layer).__name__] == [
        f"{layer.name}_padding" for layer in model.layers[:1] + model.layers[2:]
    ]
    causal = randomize(sequential(layers.SeparableConv1D(2, 3, dilation_rate=2, padding="causal"), size=(9, 3)))
    assert_same(output(atrous.to_keras(causal), inputs_of(causal)), output(causal, inputs_of(causal)))


def test_dilated_pooling_becomes_operations():
    model = sequential(
        layers.MaxPooling2D(3, 1, dilation_rate=2), layers.AveragePooling2D(2, 2, dilation_rate=2, padding="same")
    )
    stock, x = atrous.to_keras(model), inputs_of(model)
    assert_same(output(stock, x), output(model, x))


def test_deeplab():
    arguments = {"backbone": "resnet_14_small", "classes": 3, "rates": (1,), "filters": 4, "low_level_filters": 3}
    model = DeepLabV3Plus(input_shape=(33, 32, 3), **arguments)
    other_weights(model)
    stock, x = atrous.to_keras(model), inputs_of(model)
    assert_same(output(stock, x), output(model, x), 5e-6)
    assert {"upsample", "logits"} < {operation.name for operation in stock.operations}
    assert atrous.accelerate(stock).count_params() == model.count_params()
    with pytest.raises(ValueError, match=r"layer 'upsample': keras.layers has no ResizeLike, and .* a known size"):
        atrous.to_keras(DeepLabV3Plus(**arguments))


def test_what_keras_lacks_is_named():
    with pytest.raises(
        ValueError, match=r"layer 'block_conv': keras.layers.Conv2D takes no strides=\(2, 2\) with dilation_rate"
    ):
        atrous.to_keras(block_in(LIFTED))


def test_sizes_that_only_a_call_knows_are_named():
    class First(keras.layers.Layer):
        __module__ = "atrous.blocks"

        def call(self, inputs: Any) -> Any:
            return keras.ops.broadcast_to(inputs[:, :1], keras.ops.shape(inputs))

    with pytest.raises(ValueError, match=r"layer 'first': keras.layers has no First, .*'broadcast_to\w*' takes a size that"):
        atrous.to_keras(functional(First(name="first")))


@pytest.mark.parametrize(
    "make",
    [
        lambda: blocks.ASPP(4, (2,), name="subject"),
        lambda: functional(keras.layers.TimeDistributed(blocks.ASPP(4, (2,), name="subject")), size=(2, 8, 8, 3)),
    ],
    ids=["a layer by itself", "wrapped"],
)
def test_where_there_is_no_graph_a_block_is_named(make):
    with pytest.raises(ValueError, match=r"layer 'subject': keras\.layers has no ASPP, which can be unfolded"):
        atrous.to_keras(make())


def test_in_place_nothing_is_unfolded():
    model = block_in("aspp")
    with pytest.raises(ValueError, match=r"layer 'block': keras\.layers has no ASPP, which can be unfolded in a copy"):
        atrous.to_keras(model, inplace=True)
    assert type(model.get_layer("block")) is blocks.ASPP


def test_accelerate_keeps_blocks():
    model = block_in("aspp")
    fast, x = atrous.accelerate(model), inputs_of(model)
    assert [type(layer) for layer in all_layers(fast)] == [type(layer) for layer in all_layers(model)]
    assert_same(output(fast, x), output(model, x))


def test_after_another_output_stride():
    model = functional(conv(4, strides=2), conv(4, strides=2), conv(4), blocks.ASPP(4, (1, 2)), size=(32, 32, 3))
    other_weights(model)
    backbone = keras.Model(model.input, model.layers[-2].output)
    dilated = atrous.to_output_stride(backbone, 2)
    model = keras.Model(dilated.input, blocks.ASPP(4, (1, 2))(dilated.output))
    stock, x = atrous.to_keras(model), inputs_of(model)
    assert_same(output(stock, x), output(model, x))
