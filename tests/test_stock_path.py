"""The table of TensorFlow's stock path: operation × type × layout × oneDNN × direction, every cell against the definition.

`python tools/stock_path_table.py` prints which nodes each cell is made of (recorded in docs/stock-path.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import oracle

if keras.config.backend() != "tensorflow":
    pytest.skip("the stock path's table is TensorFlow's", allow_module_level=True)

import tensorflow as tf

from atrous import ops
from atrous.ops import native
from atrous.spec import ConvSpec
from operations import DTYPES, TABLE, data, definition, forward_and_gradients, to_layout


@pytest.fixture(autouse=True)
def stock_path():
    with native.portable():
        yield


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TABLE)
def test_every_cell_is_the_definition(name, dtype, layout):
    x, w = data(name, dtype)
    forward, all_three = forward_and_gradients(name, layout)
    x_in = tf.convert_to_tensor(to_layout(x.numpy(), layout))
    g_in = tf.cast(tf.random.stateless_normal(forward(x_in, w).shape, (1, 2)), dtype)
    x64, w64, g64 = (np.asarray(a).astype("float64") for a in (x, w, np.asarray(g_in)))
    g64 = g64 if layout == "channels_last" else np.moveaxis(g64, 1, -1)
    expected = definition(name, x64, w64, g64)
    scales = definition(name, abs(x64), abs(w64), abs(g64))
    for run in (all_three, tf.function(all_three, autograph=False)):
        for result, want, scale, is_data in zip(run(x_in, w, g_in), expected, scales, (True, True, False), strict=True):
            got = np.asarray(result)
            got = np.moveaxis(got, 1, -1) if is_data and layout == "channels_first" else got
            oracle.assert_close(got, want, scale, dtype)


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row[0] is not ops.conv_transpose])
@pytest.mark.parametrize("known", [True, False], ids=["static", "dynamic"])
def test_forward_is_one_convolution_node(name, known):
    _, x_shape, _, spec = TABLE[name]
    _, w = data(name, "float32")
    forward, _ = forward_and_gradients(name, "channels_last")
    shape = x_shape if known else (None, *[None] * spec.rank, x_shape[-1])
    graph = tf.function(lambda x: forward(x, w), autograph=False).get_concrete_function(tf.TensorSpec(shape)).graph
    nodes = [op.type for op in graph.get_operations() if "Conv" in op.type]
    if _has_no_single_node(name):
        assert len(nodes) > 0
    else:
        assert len(nodes) == 1, nodes
        assert not any("SpaceToBatch" in op.type for op in graph.get_operations())


def _has_no_single_node(name: str) -> bool:
    """What TensorFlow has no kernel for on this build; docs/stock-path.md."""
    from atrous.ops.tensorflow.depthwise import runs_dilated
    from atrous.ops.tensorflow.forward import runs_dilated_conv3d

    if name in ("conv3d grouped", "conv3d uneven"):
        return True
    if name.startswith("conv3d"):
        return not runs_dilated_conv3d(tf.float32)
    dilated_depthwise = name in ("depthwise1d", "depthwise2d") and not runs_dilated(tf.float32)
    return dilated_depthwise or name in ("depthwise2d strided", "depthwise2d row")


@pytest.mark.parametrize("name", TABLE)
def test_second_order_gradients(name):
    """Σ (∂L/∂x)² + Σ (∂L/∂w)² differentiated again, against central differences of the first gradient in float64."""
    x, w = data(name, "float64")
    _, _all_three = forward_and_gradients(name, "channels_last")

    def first_order(x: Any, w: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch((x, w))
            loss = tf.reduce_sum(tf.sin(TABLE[name][0](x, w, TABLE[name][3])))
        dx, dw = tape.gradient(loss, (x, w))
        return tf.reduce_sum(dx**2) + tf.reduce_sum(dw**2)

    with tf.GradientTape() as tape:
        tape.watch((x, w))
        value = first_order(x, w)
    gradients = tape.gradient(value, (x, w))
    step = 1e-5
    for which, gradient in enumerate(gradients):
        direction = tf.random.stateless_normal(gradient.shape, (3, 4), dtype="float64")
        moved = [[x, w], [x, w]]
        moved[0][which] = moved[0][which] + step * direction
        moved[1][which] = moved[1][which] - step * direction
        slope = (first_order(*moved[0]) - first_order(*moved[1])) / (2 * step)
        np.testing.assert_allclose(tf.reduce_sum(gradient * direction), slope, rtol=1e-5)


@pytest.mark.parametrize("name", TABLE)
def test_jacobian(name):
    """Every entry of ∂y/∂w, whose rows are kernel gradients of unit upstream gradients."""
    x, w = data(name, "float32")
    x = x[:1]
    forward, _ = forward_and_gradients(name, "channels_last")
    with tf.GradientTape() as tape:
        tape.watch(w)
        y = forward(x, w)
    jacobian = np.asarray(tape.jacobian(y, w)).reshape(-1, *w.shape)
    x64, w64 = np.asarray(x, "float64"), np.asarray(w, "float64")
    for row in range(0, len(jacobian), 17):
        unit = np.zeros(y.shape).reshape(-1)
        unit[row] = 1
        unit = unit.reshape(y.shape)
        expected = definition(name, x64, w64, unit)[2]
        oracle.assert_close(jacobian[row], expected, definition(name, abs(x64), abs(w64), unit)[2])


@pytest.mark.parametrize("rate", [7, 10**6, 2**31], ids=["wide", "huge", "beyond int32"])
@pytest.mark.parametrize("function", [ops.conv, ops.depthwise_conv])
def test_taps_in_the_padding_count_and_cost_nothing(function, rate):
    generator = np.random.default_rng(0)
    x = tf.constant(generator.standard_normal((2, 5, 7, 4)), "float32")
    middle = tf.constant(generator.standard_normal((1, 1, 4, 2)), "float32")
    kernel = tf.pad(middle, [(1, 1), (1, 1), (0, 0), (0, 0)], constant_values=np.nan)
    results = []
    for weights in (kernel, middle):
        with tf.GradientTape() as tape:
            tape.watch((x, weights))
            y = function(x, weights, ConvSpec.parse(2, weights.shape[0], 1, rate, "same"))
        results.append([y, *tape.gradient(y, [x, weights])])
    for actual, expected in zip(results[0][:2], results[1][:2], strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    outside = np.delete(np.asarray(results[0][2]).reshape(9, 4, 2), 4, axis=0)
    np.testing.assert_array_equal(outside, 0)
    np.testing.assert_allclose(results[0][2][1:2, 1:2], results[1][2], rtol=1e-5, atol=1e-5)


def test_the_whole_table_without_onednn():
    """Every cell that oneDNN has kernels for, and every node; derivatives of higher order are made of the same nodes."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        pytest.skip("this is that run")
    chosen = ["-k", "(every_cell and not float64) or one_convolution_node or taps_in_the_padding"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *chosen, str(Path(__file__))]
    done = subprocess.run(
        command, env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stdout[-4000:]
