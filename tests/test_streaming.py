"""Whatever the blocks, a step at a time says what the whole signal does at once."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from keras import layers, ops

import atrous
import streams
from atrous.streaming import Step
from atrous.streaming.core.engine import NativeEngine, why_not
from gradients import value_and_gradients


def stepped(step: Step, inputs: list[np.ndarray], cuts: list[int]) -> list[np.ndarray]:
    """The outputs of a pure step, block by block and behind the end; `cuts` counts in its least blocks."""
    plan, flows = step.plan, [step.plan.flows.get(key) for key in step.plan.inputs]
    state = step.initial_state(len(inputs[0]), inputs)
    ends = np.cumsum(cuts) * plan.block
    made = []
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        outputs, state = step([streams.part(x, f, begin, end) for x, f in zip(inputs, flows, strict=True)], state)
        made.append([ops.convert_to_numpy(y) for y in outputs])
    if plan.remainder:
        outputs, _ = step(streams.zeros(inputs, step, plan.remainder), {**state, "left": np.zeros(1, "int32")})
        made.append([ops.convert_to_numpy(y) for y in outputs])
    return [_joined(list(each), flow, int(ends[-1])) for each, flow in zip(zip(*made, strict=True), plan.outputs, strict=True)]


def _joined(blocks: list[np.ndarray], flow: Any, samples: int) -> np.ndarray:
    """Without the first rows of an output that is late, up to its end."""
    if flow is None:
        return blocks[-1]
    y = np.concatenate(blocks, axis=flow.dim + 1)
    return y[(slice(None),) * (flow.dim + 1) + (slice(flow.delay, flow.delay + flow.rows(samples) + flow.growth),)]


def natively(step: Step, inputs: list[np.ndarray], cuts: list[int]) -> np.ndarray:
    """The same by the native engine, of a model with one input and one output."""
    engine, ends = NativeEngine(step.plan, len(inputs[0])), np.cumsum(cuts) * step.plan.block
    blocks = zip([0, *ends[:-1]], ends, strict=True)
    return np.concatenate([engine.step([inputs[0][:, begin:end]])[0] for begin, end in blocks], axis=1)


cuttings = st.lists(st.integers(1, 4), min_size=2, max_size=4)


@pytest.mark.parametrize("part", range(4))
def test_random_causal_networks_in_random_blocks(part):
    @seed(part)
    @settings(max_examples=50)
    @given(streams.networks, cuttings, st.integers(1, 3))
    def check(network, cuts, batch_size):
        step = Step(network.build())
        assert step.plan.latency == step.plan.remainder == 0
        inputs = streams.inputs_of(step, sum(cuts) * step.plan.block, batch_size)
        (want,) = streams.expected(step.model, inputs)
        streams.assert_equal(stepped(step, inputs, cuts)[0], want)
        if why_not(step.plan) is None:
            streams.assert_equal(natively(step, inputs, cuts), want)

    check()


@settings(max_examples=60)
@given(streams.late_networks, cuttings, st.integers(1, 2))
def test_random_networks_that_look_ahead_up_to_the_end_of_the_signal(network, cuts, batch_size):
    step = Step(network.build(), lookahead=10_000)
    inputs = streams.inputs_of(step, sum(cuts) * step.plan.block, batch_size)
    streams.assert_equal(stepped(step, inputs, cuts)[0], streams.expected(step.model, inputs)[0])


# ---- what random networks don't have -----------------------------------------------------------------------------------------


def chain(*every: Any, shape: tuple[int | None, ...] = (None, 3)) -> keras.Model:
    return keras.Sequential([keras.Input(shape, name="x"), *every])


def graph(make: Any, shape: tuple[int | None, ...] = (None, 3)) -> keras.Model:
    x = keras.Input(shape, name="x")
    return keras.Model(x, make(x))


def two_heads(x: Any) -> Any:
    y = layers.Conv1D(3, 5, padding="same")(x)
    return [x + y, layers.Conv1D(2, 3, padding="causal")(y), x]


def aligned_by_cropping(x: Any) -> Any:
    y = layers.Conv1D(3, 5)(x)
    return [layers.Cropping1D((4, 0))(x) + y, layers.Cropping1D((2, 2))(x) * y]


def known_before_anything_comes(x: Any) -> Any:
    """Seven rows are: those that the bias makes of the padding."""
    y = layers.Conv1D(3, 1, activation="sigmoid")(layers.ZeroPadding1D((8, 0))(x))
    return layers.AveragePooling1D(2, 1)(y)


MODELS = {
    "tcn": lambda: atrous.models.TCN((None, 2), 1, (4, 4, 4)),
    "tcn, last step": lambda: atrous.models.TCN((None, 2), 1, (4, 4), output="last"),
    "tcn, horizon": lambda: atrous.models.TCN((None, 2), 1, (4, 4), output="horizon", horizon=3),
    "wavenet of codes": lambda: atrous.models.WaveNet(rates=(1, 2, 4), filters=4, skip_filters=4, input_kernel_size=2),
    "wavenet, conditions": lambda: atrous.models.WaveNet(
        (None, 1), head="regression", rates=(1, 2), filters=4, global_channels=3, local_channels=2, upsampling=(3, 2)
    ),
    "wavenet, speakers": lambda: atrous.models.WaveNet((96,), rates=(1, 2), filters=4, skip_filters=4, global_classes=5),
    "same, strided": lambda: chain(layers.Conv1D(2, 7, 3, padding="same"), layers.Conv1D(2, 3, 2, padding="same")),
    "valid": lambda: chain(layers.Conv1D(2, 7), layers.ReLU(), layers.Conv1D(2, 3, dilation_rate=2)),
    "more in front than needed": lambda: graph(known_before_anything_comes),
    "padded late": lambda: chain(layers.Conv1D(2, 3, dilation_rate=2), layers.ZeroPadding1D((4, 0)), layers.Conv1D(2, 3)),
    "padded at the end": lambda: chain(layers.ZeroPadding1D((0, 3)), layers.Activation("sigmoid"), layers.MaxPooling1D(3, 1)),
    "transposed, overhanging": lambda: chain(layers.Conv1DTranspose(2, 5, 2)),
    "transposed, same": lambda: chain(layers.Conv1DTranspose(2, 4, 2, padding="same")),
    "transposed, cropped": lambda: chain(atrous.layers.Conv1DTranspose(2, 5, strides=3, padding=(1, 2))),
    "transposed, holes": lambda: chain(layers.Conv1DTranspose(2, 2, 3, padding="same")),
    "means of what is there": lambda: chain(
        layers.Conv1D(2, 3, padding="same"),
        layers.AveragePooling1D(3, 1, "same"),
        atrous.layers.AveragePooling1D(4, 1, padding=(1, 2)),
    ),
    "maxima of negative numbers": lambda: chain(layers.Activation(lambda x: -ops.exp(x)), layers.MaxPooling1D(4, 1, "same")),
    "recurrent": lambda: chain(layers.LSTM(4, return_sequences=True), layers.GRU(3, return_sequences=True)),
    "recurrent, padded": lambda: chain(layers.ZeroPadding1D((2, 0)), layers.GRU(3, return_sequences=True), layers.Conv1D(2, 3)),
    "recurrent, last": lambda: chain(layers.SimpleRNN(3, return_sequences=True), layers.LSTM(3), layers.Dense(2)),
    "outputs with delays of their own": lambda: graph(two_heads),
    "aligned by cropping": lambda: graph(aligned_by_cropping),
    "time moves": lambda: chain(layers.Permute((2, 1)), layers.Activation("tanh"), layers.Permute((2, 1)), layers.Dense(2)),
    "channels first": lambda: chain(
        atrous.layers.Conv1D(2, 3, padding="causal", data_format="channels_first"), layers.Softmax(axis=1), shape=(3, None)
    ),
    "spectrogram": lambda: chain(
        atrous.layers.Conv2D(2, 3, strides=(1, 2), padding=((2, 0), (1, 1))), layers.Reshape((-1, 6)), shape=(None, 6, 1)
    ),
    "time distributed": lambda: chain(layers.TimeDistributed(layers.Dense(2)), layers.PReLU(shared_axes=[1])),
    "reshaped by its length": lambda: chain(layers.Reshape((48, 3, 1)), layers.Reshape((48, 3)), shape=(48, 3)),
    "kept as a row": lambda: graph(lambda x: layers.Conv1D(2, 3, padding="causal")(x)[:, -1:] * 2),
    "split and joined": lambda: graph(
        lambda x: ops.concatenate(ops.split(layers.Conv1D(4, 2, padding="causal")(x), 2, -1), -1)
    ),
    "a dict of outputs": lambda: graph(lambda x: {"b": layers.Conv1D(2, 3, padding="causal")(x), "a": ops.mean(x, axis=-1)}),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model = MODELS[name]()
    streams.randomize(model)
    step = Step(model, lookahead=100)
    block = step.plan.block
    fixed = None if None in model.inputs[0].shape[1:] else model.inputs[0].shape[1]
    cuts = [1, 3, 1, 2, 5] if fixed is None else [fixed // block - 11, 10, 1]
    inputs = streams.inputs_of(step, sum(cuts) * block, 2)
    for actual, want in zip(stepped(step, inputs, cuts), streams.expected(model, inputs), strict=True):
        streams.assert_equal(actual, want)


def test_a_model_without_a_graph():
    class Network(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.convs = [atrous.layers.Conv1D(3, 2, dilation_rate=r, padding="causal") for r in (1, 2)]

        def call(self, inputs: Any) -> Any:
            for conv in self.convs:
                inputs = ops.tanh(conv(inputs)) + inputs
            return inputs

    model = Network()
    x = np.random.default_rng(0).normal(size=(2, 9, 3)).astype("float32")
    want = ops.convert_to_numpy(model(x))
    streams.assert_equal(stepped(Step(model, input_shape=(None, 3)), [x], [4, 5])[0], want)


def test_layers_that_take_the_same_keep_it_once():
    model = atrous.models.WaveNet(rates=(1, 2, 4), filters=4)
    state = Step(model).initial_state(3)
    assert {name: tuple(x.shape) for name, x in state.items()} == {
        "block1_filter": (3, 1, 4),
        "block2_filter": (3, 2, 4),
        "block3_filter": (3, 4, 4),
    }


def test_gradients_flow_through_steps_to_inputs_and_weights():
    model = chain(
        layers.Conv1D(2, 3, dilation_rate=2, padding="same", activation="tanh"), layers.Conv1D(2, 3, padding="causal")
    )
    streams.randomize(model)
    step, variables = Step(model, lookahead=2), model.trainable_variables
    x = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")
    weights = [ops.convert_to_numpy(v) for v in variables]

    def whole(x: Any, *weights: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return model(x)

    def in_steps(x: Any, *weights: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            state = step.initial_state(2)
            first, state = step([x[:, :5]], state)
            second, state = step([x[:, 5:]], state)
            last, _ = step([ops.zeros_like(x[:, :2])], {**state, "left": ops.zeros((1,), "int32")})
            return ops.concatenate([*first, *second, *last], axis=1)[:, 2:]

    def upstream(shape: Any) -> Any:
        return np.random.default_rng(1).normal(size=tuple(shape)).astype("float32")

    want, gradients = value_and_gradients(whole, [x, *weights], upstream)
    actual, of_steps = value_and_gradients(in_steps, [x, *weights], upstream)
    streams.assert_equal(actual, want)
    for a, b in zip(of_steps, gradients, strict=True):
        assert np.abs(b).max() > 0.1
        streams.assert_equal(a, b)


# ---- what can't be -----------------------------------------------------------------------------------------------------------


def stateful() -> keras.Model:
    x = keras.Input(batch_shape=(1, None, 3))
    return keras.Model(x, layers.LSTM(2, stateful=True, return_sequences=True, name="memory")(x))


def started() -> keras.Model:
    x, h = keras.Input((None, 3)), keras.Input((2,))
    return keras.Model([x, h], layers.GRU(2, return_sequences=True)(x, initial_state=h))


REFUSED = [
    ("'pool' (GlobalAveragePooling1D): it reads all positions at", lambda: chain(layers.GlobalAveragePooling1D(name="pool"))),
    ("'norm' (GroupNormalization): every position reads all", lambda: chain(layers.GroupNormalization(1, name="norm"))),
    (
        "'norm' (LayerNormalization): every position reads all",
        lambda: chain(layers.LayerNormalization(axis=1, name="norm"), shape=(8, 3)),
    ),
    (
        "'both' (Bidirectional): every position reads all",
        lambda: chain(layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")),
    ),
    ("(MultiHeadAttention): it reads all positions at once", lambda: graph(lambda x: layers.MultiHeadAttention(1, 2)(x, x))),
    (
        "(MultiHeadAttention): it reads all that came before",
        lambda: graph(lambda x: layers.MultiHeadAttention(1, 2)(x, x, use_causal_mask=True)),
    ),
    ("'flat' (Flatten): it reads all positions at once", lambda: chain(layers.Flatten(name="flat"), shape=(8, 3))),
    ("'frames' (Reshape): it merges or splits time", lambda: chain(layers.Reshape((4, 6), name="frames"), shape=(8, 3))),
    ("(GetItem): what it reads depends on how long the signal is", lambda: graph(lambda x: x[:, -5:])),
    ("(GetItem): how much it makes isn't in proportion to how much comes", lambda: graph(lambda x: x[:, 2:10])),
    ("(GetItem): it takes one position alone", lambda: graph(lambda x: x[:, 3])),
    ("(Multiply): it gives every step what only the last one knows", lambda: graph(lambda x: x * x[:, -1:])),
    (
        "(Concatenate): it puts tensors behind each other along time",
        lambda: graph(lambda x: ops.concatenate([x, ops.relu(x)], axis=1)),
    ),
    (
        "(GetItem): it takes the last step, which isn't known before the signal ends",
        lambda: graph(lambda x: layers.Conv1D(2, 3, padding="same")(x)[:, -1]),
    ),
    ("(Add): it takes a tensor that is made of nothing but another one's shape", lambda: graph(lambda x: x + ops.ones_like(x))),
    ("'memory' (LSTM): it keeps its state by itself", stateful),
    (
        "'memory' (LSTM): it comes behind a layer that looks ahead",
        lambda: chain(layers.Conv1D(2, 3, padding="same"), layers.LSTM(2, return_sequences=True, name="memory")),
    ),
    (
        "(GRU): it passes over steps that a layer in front of it masks",
        lambda: chain(layers.Masking(), layers.GRU(2, return_sequences=True)),
    ),
    (
        "(GRU): its first state comes from the model",
        started,
    ),
    (
        "(UpSampling2D): at the edges of the signal it repeats the outermost rows",
        lambda: chain(layers.UpSampling2D(2, interpolation="bilinear"), shape=(None, 6, 1)),
    ),
    ("which axis is time is known where it alone is open", lambda: chain(layers.Conv2D(1, 1), shape=(None, None, 1))),
    ("must have an input with time", lambda: chain(layers.Dense(2), shape=(1,))),
]


@pytest.mark.parametrize(("reason", "make"), REFUSED, ids=[reason for reason, _ in REFUSED])
def test_refused_by_name(reason, make):
    with pytest.raises(ValueError, match=re.escape(reason)):
        Step(make(), lookahead=100)


def test_means_that_are_others_on_pytorch():
    model = chain(layers.AveragePooling1D(4, 1, "same", name="mean"))
    if keras.backend.backend() == "torch":
        with pytest.raises(ValueError, match=r"'mean' \(AveragePooling1D\): on PyTorch, Keras repeats what is at the edges"):
            Step(model, lookahead=2)
        return
    step = Step(model, lookahead=2)
    inputs = streams.inputs_of(step, 8, 1)
    streams.assert_equal(stepped(step, inputs, [3, 5])[0], streams.expected(model, inputs)[0])


def test_looking_ahead_is_refused_by_name_and_latency():
    model = chain(
        layers.Conv1D(2, 3, padding="causal"),
        layers.MaxPooling1D(2),
        layers.Conv1D(2, 5, padding="same", name="first"),
        layers.Conv1D(2, 3, padding="same"),
    )
    with pytest.raises(ValueError, match=r"'first' \(Conv1D\) is the first.*6 samples late.*lookahead=5.*Pass lookahead=6"):
        Step(model, lookahead=5)
    assert Step(model, lookahead=6).plan.latency == 6
    assert Step(model, lookahead=600).plan.latency == 6
    with pytest.raises(ValueError, match=r"`lookahead` must be a number of samples.*Received: lookahead=-1"):
        Step(model, lookahead=-1)
