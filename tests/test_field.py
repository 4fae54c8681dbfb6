"""Fields and taps of chains against a probe of every input cell, which knows nothing of gradients or rules."""

import keras
import numpy as np
import pytest
from keras import layers

from atrous.field import analyze, tap_spans

DTYPE = "float32" if keras.backend.backend() == "jax" else "float64"  # JAX has float64 only if told before it starts


def reached(model, position):
    """First and last input index on each axis that the output at `position` depends on, by a probe of every input cell.

    Weights are positive, biases zero and activations linear, so that contributions never cancel and no other cell shows.
    """
    model.set_weights([np.full(w.shape, 0.0 if len(w.shape) == 1 else 0.5) for w in model.weights])
    shape = model.inputs[0].shape[1:]
    cells = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    outputs = keras.ops.convert_to_numpy(model(cells))[(slice(None), *position)].sum(axis=-1)
    seen = np.argwhere(outputs.reshape(shape[:-1]) > 1e-6)
    return tuple(zip(seen.min(axis=0).tolist(), seen.max(axis=0).tolist(), strict=True))


def inside(field, position, spatial):
    """The theoretical span, cut to the input; stacks keep the outermost taps of dilated kernels out of the padding."""
    return tuple((max(a, 0), min(b, n - 1)) for (a, b), n in zip(field.span(position), spatial, strict=True))


STACKS = {
    "classifier": (
        (20, 20),
        [
            layers.Conv2D(1, 3, padding="same"),
            layers.AveragePooling2D(2),
            layers.Conv2D(1, 3, padding="same"),
            layers.AveragePooling2D(2),
            layers.Conv2D(1, 3, dilation_rate=2, padding="same"),
            layers.Conv2D(1, 1),
            layers.Activation("linear"),
        ],
    ),
    "same with strides, odd and even": (
        (13, 16),
        [
            layers.Conv2D(1, 3, strides=2, padding="same"),
            layers.DepthwiseConv2D(2, strides=2, padding="same"),
            layers.AveragePooling2D(3, strides=1, padding="same"),
        ],
    ),
    "pads and crops": (
        (12, 11),
        [
            layers.ZeroPadding2D(((2, 0), (0, 3))),
            layers.SeparableConv2D(1, 3, dilation_rate=2),
            layers.Cropping2D(((2, 0), (2, 3))),
            layers.Dense(2),
        ],
    ),
    "causal": ((24,), [layers.Conv1D(1, 2, dilation_rate=rate, padding="causal") for rate in (1, 2, 4)]),
    "three axes": ((7, 8, 6), [layers.Conv3D(1, (3, 2, 1)), layers.Conv3D(1, 2, strides=2, padding="same")]),
}


@pytest.mark.parametrize("name", STACKS)
def test_the_field_is_what_a_probe_reaches(name):
    spatial, stack = STACKS[name]
    copies = [type(layer).from_config(layer.get_config() | {"dtype": DTYPE}) for layer in stack]
    model = keras.Sequential([keras.Input((*spatial, 1)), *copies])
    field = analyze(model)[copies[-1].name]
    grid = model.outputs[0].shape[1:-1]
    for position in (tuple(0 for _ in grid), tuple(n // 2 for n in grid), tuple(n - 1 for n in grid)):
        assert reached(model, position) == inside(field, position, spatial)


@pytest.mark.parametrize("position", [(0, 0), (3, 3), (6, 5)])
def test_taps_are_where_a_probe_reaches_through_a_dilated_kernel(position):
    conv = layers.Conv2D(1, (3, 2), dilation_rate=(2, 3), padding="same", name="dilated", dtype=DTYPE)
    pool = layers.AveragePooling2D(2, dtype=DTYPE)
    model = keras.Sequential([keras.Input((14, 13, 1)), pool, conv])
    model.set_weights([np.full(w.shape, 0.0 if len(w.shape) == 1 else 0.5) for w in model.weights])
    cells = np.eye(14 * 13).reshape(-1, 14, 13, 1)
    seen = keras.ops.convert_to_numpy(model(cells))[(slice(None), *position)].sum(axis=-1).reshape(14, 13) > 1e-6
    expected = np.zeros((14, 13), dtype=bool)
    for (top, bottom), (left, right) in tap_spans(model, "dilated", position):
        expected[top : bottom + 1, left : right + 1] = True
    np.testing.assert_array_equal(seen, expected)


def test_taps_of_a_layer_without_a_kernel_are_refused():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(name="flat"), layers.Dense(2, name="head")])
    for name in ("flat", "head"):
        with pytest.raises(ValueError, match=f"`layer` must name a convolution or pooling.*{name}"):
            tap_spans(model, name, (0, 0))
