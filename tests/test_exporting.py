"""`atrous.export`: models that run where atrous isn't installed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import atrous
from atrous import layers
from atrous.ops import native
from atrous.surgery.exporting import READERS
from networks import Branches, conv, functional, inputs_of, sequential

if keras.config.backend() != "tensorflow":
    pytest.skip("what is looked for are TensorFlow's operations", allow_module_level=True)

import tensorflow as tf

onnxruntime = pytest.importorskip("onnxruntime")
litert = pytest.importorskip("ai_edge_litert.interpreter")

# tf2onnx and the LiteRT converter use what NumPy and TensorFlow deprecate.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")]
MODELS = pytest.mark.parametrize("make", [functional, sequential])


def network(make: Any) -> Any:
    """Never called: neither is a copy that `accelerate` made."""
    return atrous.accelerate(make(conv(4, dilation_rate=2), Branches(2)))


def native_operations(function: Any) -> list[str]:
    return [node.type for node in function.graph.get_operations() if node.type.startswith("Atrous")]


@MODELS
def test_saved_model(make, tmp_path, capsys):
    model = network(make)
    assert atrous.export(model, tmp_path / "model") == tmp_path / "model"
    assert capsys.readouterr().out == ""
    names = list(READERS["tf_saved_model"](tmp_path / "model"))
    assert "Conv2D" in names
    assert not any(name.startswith("Atrous") for name in names)
    x = inputs_of(model)
    restored = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(restored.serve(x), model(x), rtol=1e-4, atol=1e-5)


@MODELS
def test_onnx_of_a_model_that_was_never_called(make, tmp_path):
    model = network(make)
    path = atrous.export(model, tmp_path / "model.onnx", "onnx")
    assert set(READERS["onnx"](path)) >= {"Conv"}
    session = onnxruntime.InferenceSession(path)
    x = inputs_of(model)
    np.testing.assert_allclose(session.run(None, {session.get_inputs()[0].name: x})[0], model(x), rtol=1e-4, atol=1e-5)


def test_litert(tmp_path):
    model = network(functional)
    path = atrous.export(model, tmp_path / "model.tflite", "litert")
    interpreter = litert.Interpreter(str(path))
    interpreter.allocate_tensors()
    x = inputs_of(model, batch=1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    actual = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(actual, model(x), rtol=1e-4, atol=1e-5)


class Traced(keras.Model):
    """What hides a graph from the exporter: a function that was traced once and for all."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = layers.Conv2D(2, 3, dilation_rate=2)

    def build(self, input_shape: Any) -> None:
        self.layer.build(input_shape)
        self.trace = tf.function(self.layer).get_concrete_function(tf.TensorSpec((None, 8, 8, 3)))

    def call(self, inputs: Any) -> Any:
        return self.trace(inputs)


@pytest.mark.skipif(not native.enabled(), reason="nothing is native")
def test_a_graph_made_before_is_found(tmp_path):
    model, x = Traced(), np.zeros((1, 8, 8, 3), "float32")
    model(x)
    assert native_operations(model.trace) == ["AtrousConv"]
    with pytest.raises(ValueError, match=r"`model` must not hold functions that were traced before.*Received: AtrousConv in"):
        atrous.export(model, tmp_path / "model")
    with atrous.portable():
        portable = Traced()
        portable(x)
    assert native_operations(portable.trace) == []
    atrous.export(portable, tmp_path / "portable")


def test_portable_reaches_what_is_traced_inside_only():
    layer = layers.Conv2D(2, 3, dilation_rate=2)
    layer.build((None, 8, 8, 3))
    trace = tf.function(layer).get_concrete_function
    with atrous.portable():
        assert native_operations(trace(tf.TensorSpec((1, 8, 8, 3)))) == []
    assert native_operations(trace(tf.TensorSpec((2, 8, 8, 3)))) == (["AtrousConv"] if native.enabled() else [])


def test_what_is_no_model_is_refused():
    with pytest.raises(ValueError, match=r"`model` must be a keras.Model. Received: <Conv2D"):
        atrous.export(layers.Conv2D(2, 3), "model")
