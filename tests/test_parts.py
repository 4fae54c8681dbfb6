"""Every kind of layer on part of its input: equal to that part of what it makes of the whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from atrous import blocks, layers
from atrous.field.graph import graph_of
from atrous.parts.computing import compute
from atrous.parts.part import CannotCutError, Part, needs

K = keras.layers
MAPS = {
    "same": lambda: layers.Conv2D(3, 3, dilation_rate=2, padding="same"),
    "strided same": lambda: layers.Conv2D(3, (3, 4), strides=2, padding="same", activation="relu"),
    "keras strided": lambda: K.Conv2D(3, 3, strides=(2, 3), padding="same"),
    "valid": lambda: K.Conv2D(3, 3, dilation_rate=(1, 2)),
    "explicit": lambda: layers.Conv2D(3, 3, dilation_rate=3, padding=((3, 1), (0, 6))),
    "depthwise": lambda: layers.DepthwiseConv2D(5, padding="same", depth_multiplier=2),
    "separable": lambda: K.SeparableConv2D(3, 3, dilation_rate=2, padding="same"),
    "transposed": lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
    "transposed, large": lambda: layers.Conv2DTranspose(3, 5, strides=2, padding="valid"),
    "transposed, holes": lambda: layers.Conv2DTranspose(3, 2, strides=3, padding="valid", output_padding=2),
    "transposed, dilated": lambda: layers.Conv2DTranspose(3, 3, strides=2, dilation_rate=2, padding="same"),
    "maximum": lambda: K.MaxPooling2D(3, 2, padding="same"),
    "maximum, dilated": lambda: layers.MaxPooling2D(3, 1, dilation_rate=2, padding="same"),
    "mean": lambda: K.AveragePooling2D(3, 2, padding="same"),
    "mean, dilated": lambda: layers.AveragePooling2D(3, 1, dilation_rate=2, padding=((2, 3), (1, 0))),
    "padding": lambda: K.ZeroPadding2D(((3, 1), (0, 2))),
    "cropping": lambda: K.Cropping2D(((3, 1), (0, 2))),
    "strided padding": lambda: layers.StridedPadding((3, 3), 2, "same", grid=2, value=1.5),
    "repeat": lambda: K.UpSampling2D((2, 3)),
    "bilinear": lambda: K.UpSampling2D((2, 3), interpolation="bilinear"),
    "resizing": lambda: K.Resizing(31, 9),
    "resizing, nearest": lambda: K.Resizing(31, 9, interpolation="nearest"),
    "softmax": lambda: K.Softmax(),
    "layer norm": lambda: K.LayerNormalization(),
    "batch norm": lambda: K.BatchNormalization(),
    "dense": lambda: K.Dense(4),
    "permute": lambda: K.Permute((2, 1, 3)),
    "reshape": lambda: K.Reshape((17, 14, 1, 2)),
    "prelu": lambda: K.PReLU(shared_axes=(1, 2)),
}
OPERATIONS = {
    "pad": lambda x: ops.pad(x, ((0, 0), (2, 1), (0, 3), (1, 1)), constant_values=2.0),
    "slice": lambda x: x[:, 2:-1, 1::2, :1],
    "new axis": lambda x: x[:, 3:, None],
    "arithmetic": lambda x: ops.tanh(x) * ops.sigmoid(x) + x[:, :, :, :1] * 2,
    "sum over channels": lambda x: ops.sum(x, axis=-1),
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "repeat": lambda x: ops.repeat(x, 3, axis=2),
    "pooling": lambda x: ops.max_pool(x, 3, 2, "same"),
    "branches": lambda x: ops.concatenate([x, ops.relu(x)], axis=-1),
    "split": lambda x: ops.split(x, 2, axis=-1)[1],
}


def model_of(name: str) -> keras.Model:
    inputs = keras.Input((17, 14, 2))
    outputs = MAPS[name]()(inputs) if name in MAPS else OPERATIONS[name](inputs)
    model = keras.Model(inputs, outputs)
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).uniform(0.5, 1.5, weight.shape))
    return model


def clipped(span, length):
    first, last = max(span[0], 0), min(span[1], length)
    return (first, last) if first < last else (0, 1)


def part_of(graph, x: np.ndarray, want) -> np.ndarray:
    """Computes part of a graph's output, from the parts of tensors that it needs."""
    wants: dict[int, dict] = {graph.outputs[0]: want}
    for use in reversed(graph.uses):
        for place, made in enumerate(use.outputs):
            for taken, spans in zip(use.inputs, needs(use, place, wants[made]) if made in wants else [], strict=False):
                spans = {d: clipped(span, graph.shapes[taken][d]) for d, span in spans.items()}
                for d, (first, last) in wants.get(taken, {}).items():
                    spans[d] = min(first, spans[d][0]), max(last, spans[d][1])
                wants[taken] = spans
    key = next(iter(graph.inputs.values()))
    first = Part(x[(slice(None), *(slice(*wants[key].get(d, (0, n))) for d, n in enumerate(x.shape[1:])))], wants[key])
    tensors = {key: first}
    for use in graph.uses:
        want = next(wants[made] for made in use.outputs if made in wants)
        tensors.update(zip(use.outputs, compute(use, [tensors[taken] for taken in use.inputs], want), strict=True))
    return ops.convert_to_numpy(tensors[graph.outputs[0]].values)


@pytest.mark.parametrize("name", [*MAPS, *OPERATIONS])
def test_a_part_is_that_part_of_the_whole(name):
    model = model_of(name)
    graph = graph_of(model)
    x = np.random.default_rng(1).standard_normal((3, 17, 14, 2)).astype("float32")
    whole = ops.convert_to_numpy(model(x))
    dims = [d for d, n in enumerate(whole.shape[1:]) if n > 5]

    @given(st.data())
    def check(data):
        want = {}
        for d in dims:
            first = data.draw(st.integers(0, whole.shape[d + 1] - 1))
            want[d] = first, data.draw(st.integers(first + 1, whole.shape[d + 1]))
        part = part_of(graph, x, want)
        expected = whole[(slice(None), *(slice(*want.get(d, (0, None))) for d in range(whole.ndim - 1)))]
        np.testing.assert_allclose(part, expected, rtol=2e-5, atol=2e-6)

    check()


def refused(outputs) -> str:
    """What is said of a model whose input is cut."""
    inputs = keras.Input((17, 14, 2))
    graph = graph_of(keras.Model(inputs, outputs(inputs)))
    tensors = {0: Part(np.zeros((1, 4, 14, 2), "float32"), {0: (2, 6)})}
    try:
        for use in graph.uses:
            tensors.update(zip(use.outputs, compute(use, [tensors[taken] for taken in use.inputs], {0: (3, 5)}), strict=True))
    except CannotCutError as error:
        return str(error)
    raise AssertionError("it was computed")


def test_what_reads_everything_is_refused_by_name():
    assert "'pool' (GlobalAveragePooling2D)" in refused(lambda x: x + K.GlobalAveragePooling2D(keepdims=True, name="pool")(x))
    assert "'norm' (GroupNormalization)" in refused(K.GroupNormalization(1, name="norm"))
    assert "'over' (LayerNormalization)" in refused(K.LayerNormalization(axis=(1, 2), name="over"))
    assert "(PReLU)" in refused(K.PReLU())
    assert "value for each position" in refused(lambda x: x + ops.ones((17, 1, 1)))
    assert "'bicubic'" in refused(K.Resizing(20, 20, interpolation="bicubic"))


def test_a_composite_layer_is_entered():
    inputs = keras.Input((17, 14, 2))
    model = keras.Model(inputs, blocks.HybridDilatedGroup(2, rates=(1, 2, 5))(inputs))
    x = np.random.default_rng(1).standard_normal((1, 17, 14, 2)).astype("float32")
    part = part_of(graph_of(model), x, {0: (4, 9), 1: (0, 14)})
    np.testing.assert_allclose(part, ops.convert_to_numpy(model(x))[:, 4:9], rtol=2e-5, atol=2e-6)
