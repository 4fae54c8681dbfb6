"""Exported models, run by the runtimes people deploy on: onnxruntime and LiteRT, at sizes not known at export."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from catalog import LAYERS, Row

if keras.config.backend() != "tensorflow":
    pytest.skip("export of the stock path is TensorFlow's", allow_module_level=True)

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
litert = pytest.importorskip("ai_edge_litert.interpreter")

# tf2onnx and the LiteRT converter use what NumPy and TensorFlow deprecate.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")]
ROWS = pytest.mark.parametrize("row", LAYERS.values(), ids=LAYERS)


def dynamic_model(row: Row) -> Any:
    """Input of unknown batch and space, the layer with a bias that shows, a ReLU."""
    shape = (*[None] * (len(row.input_shape) - 1), row.input_shape[-1])
    return keras.Sequential([keras.Input(shape), row.layer(bias_initializer="normal"), keras.layers.ReLU()])


def inputs(row: Row) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    larger = tuple(n + 3 for n in row.input_shape[:-1])
    return [
        generator.standard_normal((2, *space, row.input_shape[-1])).astype("float32")
        for space in (row.input_shape[:-1], larger)
    ]


@ROWS
def test_onnx(row, tmp_path):
    model, path = dynamic_model(row), tmp_path / "model.onnx"
    expected = [model.predict(x, verbose=0) for x in inputs(row)]
    model.export(path, format="onnx", verbose=False)  # Keras exports to ONNX only a model that has been called
    session = onnxruntime.InferenceSession(path)
    for x, want in zip(inputs(row), expected, strict=True):
        (actual,) = session.run(None, {session.get_inputs()[0].name: x})
        np.testing.assert_allclose(actual, want, rtol=1e-4, atol=1e-5)
    nodes = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert nodes["Conv"] + nodes["ConvTranspose"] == (2 if "Separable" in row.make.__name__ else 1), nodes


@ROWS
def test_litert(row, tmp_path):
    model, path = dynamic_model(row), tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False)
    for x in inputs(row):
        np.testing.assert_allclose(run_litert(path, x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def run_litert(path: Path, x: np.ndarray) -> np.ndarray:
    interpreter = litert.Interpreter(str(path))
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(target["index"]))


@ROWS
def test_saved_model_runs_without_the_package(row, tmp_path):
    import tensorflow as tf

    model = dynamic_model(row)
    model.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    restored = tf.saved_model.load(str(tmp_path / "model"))
    for x in inputs(row):
        np.testing.assert_allclose(restored.serve(x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@ROWS
def test_xla(row):
    import tensorflow as tf

    layer, (x, _) = row.layer(), inputs(row)
    expected = layer(x)
    compiled = tf.function(layer, jit_compile=True, autograph=False)
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-4, atol=1e-5)
