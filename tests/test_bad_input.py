"""What a user gets wrong is answered with a ValueError in one form: the argument, the rule, what was received."""

import keras
import numpy as np
import pytest

from atrous import layers

CONSTRUCTION = [
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": -2}, "`dilation_rate` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 0}, "`dilation_rate` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": "2"}, "`dilation_rate` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": (1, 2, 3)}, "`dilation_rate` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 1.5}, "`dilation_rate` must be"),
    (layers.Conv2D, {"filters": 0, "kernel_size": 3}, "`filters` must be"),
    (layers.Conv2D, {"filters": "4", "kernel_size": 3}, "`filters` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 0}, "`kernel_size` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": (3, 3, 3)}, "`kernel_size` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "strides": 0}, "`strides` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "causal"}, "`padding='causal'` must"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "padding": "smae"}, "`padding` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "padding": -1}, "`padding` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "groups": 0}, "`groups` must be"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "groups": 3}, "`filters` must be a multiple of `groups`"),
    (layers.DepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 0}, "`depth_multiplier` must be"),
    (layers.SeparableConv1D, {"filters": -1, "kernel_size": 3}, "`filters` must be"),
    (layers.Conv1DTranspose, {"filters": 4, "kernel_size": 3, "strides": 2, "output_padding": 2}, "`output_padding` must be"),
]
INPUTS = [
    (layers.Conv2D, {"filters": 4, "kernel_size": 3}, (2, 8, 8), "must have 4 axes"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3}, (2, 8, 8, 8, 3), "must have 4 axes"),
    (layers.Conv1D, {"filters": 4, "kernel_size": 3}, (2, 8, 8, 3), "must have 3 axes"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3}, (2, 8, 8, None), "known, positive number of channels"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "groups": 2}, (2, 8, 8, 3), "multiple of `groups`"),
    (layers.Conv2D, {"filters": 4, "kernel_size": 3, "dilation_rate": 4}, (2, 8, 8, 3), "output would be empty"),
    (layers.DepthwiseConv1D, {"kernel_size": 3, "dilation_rate": 4}, (2, 8, 3), "output would be empty"),
    (layers.Conv1D, {"filters": 4, "kernel_size": 3}, (2, 0, 3), "output would be empty"),
    (layers.Conv2DTranspose, {"filters": 4, "kernel_size": 3, "padding": 4}, (2, 4, 4, 3), "output would be empty"),
]


@pytest.mark.parametrize(("layer", "arguments", "message"), CONSTRUCTION)
def test_bad_arguments_at_construction(layer, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        layer(**arguments)
    assert "Received: " in str(error.value)


@pytest.mark.parametrize(("layer", "arguments", "shape", "message"), INPUTS)
def test_bad_input_at_build(layer, arguments, shape, message):
    with pytest.raises(ValueError, match=message) as error:
        layer(**arguments).build(shape)
    assert "Received: " in str(error.value)


@pytest.mark.parametrize(("layer", "arguments", "shape", "message"), [row for row in INPUTS if None not in row[2]])
def test_bad_input_at_the_first_call(layer, arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)(np.zeros(shape, "float32"))


def test_bad_input_in_a_functional_model():
    with pytest.raises(ValueError, match="output would be empty"):
        layers.Conv2D(4, 3, dilation_rate=4)(keras.Input((8, 8, 3)))


def test_bad_input_after_build():
    layer = layers.Conv2D(4, 3, dilation_rate=2)
    layer(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match="output would be empty"):
        layer(np.zeros((1, 4, 4, 3), "float32"))
    with pytest.raises(ValueError, match="incompatible"):
        layer(np.zeros((1, 8, 8, 2), "float32"))


def test_missing_argument_is_python_s_own_error():
    with pytest.raises(TypeError, match="kernel_size"):
        layers.Conv2D(4)
