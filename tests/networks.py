"""Keras models that hold convolutions in every way there is: one row feeds every test of surgery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

SIZE = (8, 8, 3)


@keras.saving.register_keras_serializable("tests")
class Branches(layers.Layer):
    """Convolutions in a list, a dict with a list in it, and a tuple, made by the constructor."""

    def __init__(self, filters: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.filters = filters
        self.listed = [layers.Conv2D(filters, 3, padding="same", dilation_rate=rate) for rate in (1, 2)]
        self.named = {
            "depthwise": layers.DepthwiseConv2D(3, padding="same"),
            "more": [layers.SeparableConv2D(filters, 3, padding="same")],
        }
        self.paired = (layers.Conv2D(filters, 1), layers.ReLU())

    def build(self, input_shape: Any) -> None:
        for layer in self._chain():
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, inputs: Any) -> Any:
        for layer in self._chain():
            inputs = layer(inputs)
        return inputs

    def _chain(self) -> Any:
        return *self.listed, self.named["depthwise"], *self.named["more"], *self.paired

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}


class Subclassed(keras.Model):
    """What Keras cannot make again: there is no `get_config`."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = Branches()
        self.heads = [layers.Conv2D(2, 3, dilation_rate=3, padding="same", name="head")]

    def call(self, inputs: Any) -> Any:
        return self.heads[0](self.branches(inputs))


def conv(filters: int = 3, kernel_size: int = 3, **options: Any) -> Any:
    return layers.Conv2D(filters, kernel_size, padding="same", **options)


def sequential(*inner: Any, size: tuple[int | None, ...] = SIZE) -> Any:
    return keras.Sequential([keras.Input(size), *inner])


def functional(*inner: Any, size: tuple[int | None, ...] = SIZE) -> Any:
    inputs = x = keras.Input(size)
    for layer in inner:
        x = layer(x)
    return keras.Model(inputs, x)


def every_kind() -> Any:
    inputs = keras.Input(SIZE)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1)(
        layers.SeparableConv2D(4, 3, dilation_rate=2, padding="same", depth_multiplier=2)(inputs)
    )
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)(x)
    rows = layers.Reshape((49, 8))(x)
    rows = layers.Conv1D(4, 3, dilation_rate=4, padding="causal", use_bias=False)(rows)
    rows = layers.SeparableConv1D(4, 3, strides=2)(layers.DepthwiseConv1D(3, padding="same")(rows))
    rows = layers.Conv1DTranspose(4, 3, strides=2, padding="same")(rows)
    cube = layers.Conv3D(2, 2, strides=2)(layers.Reshape((4, 4, 3, 4))(rows))
    cube = layers.Conv3DTranspose(2, 2, strides=2)(cube)
    return keras.Model(inputs, layers.Flatten()(cube))


def shared_between_nested_models() -> Any:
    shared = conv(activation="tanh")
    return functional(shared, sequential(shared, conv(4)), conv(), functional(conv(), shared))


def two_inputs() -> Any:
    inputs = {"left": keras.Input(SIZE, name="left"), "right": keras.Input(SIZE, name="right")}
    eye = conv(4, dilation_rate=2)
    both = eye(inputs["left"]) + 2 * keras.ops.relu(eye(inputs["right"]))
    return keras.Model(inputs, {"sum": conv(2)(both), "mean": layers.GlobalAveragePooling2D()(both)})


def lora() -> Any:
    model = sequential(conv(4, name="tuned"), conv(2))
    model.get_layer("tuned").enable_lora(2)
    return model


def partly_frozen() -> Any:
    inner = sequential(conv(name="frozen"), conv(name="thawed"), layers.BatchNormalization())
    inner.trainable = False
    inner.get_layer("thawed").trainable = True
    return functional(inner, conv(name="last"))


NETWORKS: dict[str, Callable[[], Any]] = {
    "every kind": every_kind,
    "sequential": lambda: sequential(conv(dilation_rate=2), layers.BatchNormalization(), conv(2, strides=2)),
    "one layer twice": lambda: functional(layer := conv(), layers.ReLU(), layer),
    "one layer twice in a sequential model": lambda: sequential(layer := conv(), layers.ReLU(), layer),
    "one model twice": lambda: functional(model := sequential(conv(dilation_rate=2)), layers.ReLU(), model),
    "shared between nested models": shared_between_nested_models,
    "two inputs": two_inputs,
    "custom layer": lambda: functional(Branches(), conv(2)),
    "wrapped": lambda: functional(
        layers.SpectralNormalization(conv(4, dilation_rate=2)),
        layers.Reshape((8, 8, 4, 1)),
        layers.TimeDistributed(conv(2, name="each")),
        layers.TimeDistributed(keras.Sequential([conv(2), Branches(2)])),
    ),
    "wrapped and shared": lambda: functional(layer := conv(), layers.SpectralNormalization(layer), layers.Dropout(0.5, seed=1)),
    "lambda": lambda: functional(conv(activation=lambda x: x * SIZE[2]), layers.Lambda(lambda x: x + np.float32(1))),
    "lora": lora,
    "partly frozen": partly_frozen,
    "bfloat16": lambda: functional(conv(dtype="mixed_bfloat16"), conv(dtype="float32")),
    "channels first": lambda: functional(
        layers.Permute((3, 1, 2)), layers.Conv2D(5, 3, dilation_rate=2, data_format="channels_first")
    ),
    "regularized": lambda: functional(
        conv(kernel_regularizer="l2", bias_constraint="non_neg", activity_regularizer=keras.regularizers.L1(0.01))
    ),
}


def inputs_of(model: Any, batch: int = 2) -> Any:
    generator = np.random.default_rng(0)
    return keras.tree.map_structure(
        lambda tensor: generator.standard_normal((batch, *(n or 9 for n in tensor.shape[1:]))).astype("float32"),
        model.inputs[0] if len(model.inputs) == 1 else model.input,
    )


def randomize(model: Any) -> Any:
    """Weights that show every mistake: none is zero or one."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        if "seed" not in weight.name:
            weight.assign(generator.uniform(0.1, 0.6, weight.shape) * generator.choice([1, 1, -1], weight.shape))
    return model
