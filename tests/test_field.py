"""The arithmetic of receptive fields against what gradients reach."""

import keras
import numpy as np
import pytest
from keras import layers

from atrous.field import receptive_fields, tap_spans
from atrous.spec import ReceptiveField

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
    field = receptive_fields(model)[copies[-1].name]
    grid = model.outputs[0].shape[1:-1]
    for position in (tuple(0 for _ in grid), tuple(n // 2 for n in grid), tuple(n - 1 for n in grid)):
        assert reached(model, position) == inside(field, position, spatial)


def test_channels_first_reads_the_other_axes():
    conv = layers.Conv2D(1, 3, strides=2, padding="same", data_format="channels_first")
    model = keras.Sequential([keras.Input((1, 9, 12)), conv])
    assert receptive_fields(model)[conv.name] == ReceptiveField((3, 3), (2, 2), (-1, 0))


def test_head_sees_everything_and_a_dense_over_a_map_does_not():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, name="conv"),
            layers.Dense(2, name="mix"),
            layers.Flatten(name="flat"),
            layers.Dense(3, name="head"),
        ]
    )
    fields = receptive_fields(model)
    assert [name for name in fields if fields[name] is None] == ["flat", "head"]
    assert fields["mix"] == fields["conv"]


def test_models_inside_models_are_entered():
    stem = keras.Sequential([layers.RandomFlip(name="flip"), layers.Conv2D(2, 3, name="conv")], name="stem")
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, layers.Conv2D(2, 3, name="conv")(stem(x)))
    fields = receptive_fields(model)
    assert fields["stem/conv"].size == (3, 3)
    assert fields["conv"].size == (5, 5)


def test_a_branch_is_refused_by_name():
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, layers.Add(name="join")([x, layers.Conv2D(1, 3, padding="same")(x)]))
    with pytest.raises(ValueError, match=r"must be a chain.*'join' with 2 inputs"):
        receptive_fields(model)


def test_an_unknown_layer_is_refused_by_name():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.UpSampling2D(name="up")])
    with pytest.raises(ValueError, match="layer 'up' of type UpSampling2D"):
        receptive_fields(model)


def test_same_with_strides_behind_an_unknown_length_is_refused_by_name():
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 3, strides=2, padding="same", name="down")])
    with pytest.raises(ValueError, match=r"Layer 'down'.*input_size"):
        receptive_fields(model)


def test_a_model_without_symbolic_input_is_refused():
    with pytest.raises(ValueError, match="functional or sequential, and built"):
        receptive_fields(keras.Sequential([layers.Flatten()], name="unbuilt"))


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
        with pytest.raises(ValueError, match=f"`layer` must name a convolution.*{name}"):
            tap_spans(model, name, (0, 0))
