"""The step as a model: exported, and run block by block by the runtimes people deploy on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import atrous
import streams
from atrous.streaming import step_model, stream

if keras.config.backend() != "tensorflow":
    pytest.skip("export of the stock path is TensorFlow's", allow_module_level=True)

import tensorflow as tf

onnxruntime = pytest.importorskip("onnxruntime")
litert = pytest.importorskip("ai_edge_litert.interpreter")

# tf2onnx and the LiteRT converter use what NumPy and TensorFlow deprecate.
pytestmark = [pytest.mark.filterwarnings(f"ignore::{kind}") for kind in ("DeprecationWarning", "FutureWarning", "UserWarning")]
BLOCK = 4


def causal() -> keras.Model:
    return atrous.models.WaveNet(
        rates=(1, 2), filters=4, skip_filters=4, classes=8, global_channels=3, local_channels=2, upsampling=2
    )


def late() -> keras.Model:
    x = keras.Input((None, 2), name="microphone")
    y = layers.Conv1D(4, 3, padding="same", name="ahead")(x)
    y = layers.Concatenate(name="both")([layers.MaxPooling1D(3, 1, padding="same", name="largest")(y), x])
    y = atrous.layers.AveragePooling1D(2, 2, padding="causal", name="mean")(y)
    memory = layers.GRU(3, return_sequences=True, name="memory")(x)
    return keras.Model(x, layers.Multiply(name="gated")([memory[:, ::2], layers.Dense(3)(y)]), name="late")


MODELS = pytest.mark.parametrize("make", [causal, late])


def steps_of(model: Any) -> tuple[Any, dict[str, np.ndarray], list[dict[str, np.ndarray]], np.ndarray]:
    """The step as a model, its first state, the blocks of a signal, and what the model says of the whole of it."""
    streams.randomize(model)
    step = step_model(model, BLOCK, lookahead=100)
    live = stream(model, lookahead=100, engine="functional")
    plan, names = live.plan, [x.name for x in model.inputs]
    whole = streams.inputs_of(atrous.streaming.Step(model, 100), 6 * BLOCK, 1)
    static = {name: x for name, x, key in zip(names, whole, plan.inputs, strict=True) if key not in plan.flows}
    live.reset(static or None)
    state = {name: x for name, x in live.state.items() if name in step.input}
    blocks = [
        {
            name.replace("global", "global_"): streams.part(x, plan.flows.get(key), begin, begin + BLOCK)
            for name, x, key in zip(names, whole, plan.inputs, strict=True)
        }
        for begin in range(0, 6 * BLOCK, BLOCK)
    ]
    (want,) = streams.expected(model, whole)
    return step, state, blocks, want


def check(run: Any, state: dict[str, np.ndarray], blocks: list[dict[str, np.ndarray]], want: np.ndarray, late: int) -> None:
    """Feeds the state back; behind the end of a signal, zeros, and word that it has ended."""
    made = []
    if "left" in state:
        blocks = [*blocks, {name: np.zeros_like(x) for name, x in blocks[-1].items()}]
    for i, block in enumerate(blocks):
        if "left" in state and i == len(blocks) - 1:
            state["left"] = np.zeros((1,), "int32")
        outputs = run({**block, **state})
        state = {name: outputs[f"next_{name}"] for name in state}
        made += [value for name, value in outputs.items() if not name.startswith("next_")]
    y = np.concatenate(made, axis=1)[:, late:]
    streams.assert_equal(y[:, : want.shape[1]], want)


def delay(model: Any) -> int:
    (flow,) = stream(model, lookahead=100, engine="functional").plan.outputs
    return flow.delay


@MODELS
def test_saved_model(make, tmp_path):
    model = make()
    step, *what = steps_of(model)
    atrous.export(step, tmp_path / "step")
    serve = tf.saved_model.load(str(tmp_path / "step")).signatures["serving_default"]

    def run(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: y.numpy() for name, y in serve(**{n: tf.constant(x) for n, x in given.items()}).items()}

    check(run, *what, delay(model))


@MODELS
def test_onnx(make, tmp_path):
    model = make()
    step, *what = steps_of(model)
    session = onnxruntime.InferenceSession(atrous.export(step, tmp_path / "step.onnx", "onnx"))
    names = [output.name for output in session.get_outputs()]
    assert {x.name for x in session.get_inputs()} == set(step.input)
    check(lambda given: dict(zip(names, session.run(None, given), strict=True)), *what, delay(model))


@MODELS
def test_litert(make, tmp_path):
    model = make()
    step, *what = steps_of(model)
    run = litert.Interpreter(str(atrous.export(step, tmp_path / "step.tflite", "litert"))).get_signature_runner()
    check(lambda given: dict(run(**given)), *what, delay(model))


def test_names_are_those_of_layers():
    step = step_model(late(), BLOCK, batch_size=2, lookahead=100)
    assert {name: tuple(x.shape) for name, x in step.input.items()} == {
        "microphone": (2, BLOCK, 2),
        "ahead": (2, 2, 2),
        "largest": (2, 2, 4),
        "mean": (2, 1, 6),
        "memory_state": (2, 3),
        "position": (1,),
        "left": (1,),
        "gated": (2, 1, 3),
    }
    assert set(step_model(causal(), BLOCK).input) == {"inputs", "global_", "local", "block1_filter", "block2_filter"}


def test_blocks_of_a_size_that_can_not_be():
    with pytest.raises(ValueError, match=r"`block_size` must be a multiple of 2. Received: block_size=3"):
        step_model(late(), 3, lookahead=100)
    with pytest.raises(ValueError, match=r"'ahead' \(Conv1D\) is the first"):
        step_model(late(), 4)


def test_the_step_is_saved_and_shares_its_weights(tmp_path):
    model = causal()
    step = step_model(model, BLOCK)
    assert len(step.trainable_weights) == len(model.trainable_weights)
    streams.randomize(model)
    given = {name: np.ones(x.shape, x.dtype) for name, x in step.input.items()}
    want = step(given)
    step.save(tmp_path / "step.keras")
    for name, x in keras.models.load_model(tmp_path / "step.keras")(given).items():
        np.testing.assert_array_equal(x, want[name])
