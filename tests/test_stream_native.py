"""The native engine says block by block what the model says of the whole signal, and refuses what it can't."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from keras import layers, ops

import atrous
import streams
from atrous.models import TCN, WaveNet
from atrous.ops import native
from atrous.streaming import Step
from atrous.streaming.core.engine import NativeEngine, seeded
from atrous.streaming.core.lowering import CannotLowerError, lower
from atrous.streaming.sampling import Kind, Sampler

pytestmark = pytest.mark.skipif(not native.available(), reason="the native core isn't installed")


def stepped(engine: NativeEngine, inputs: list[np.ndarray], cuts: list[int]) -> list[np.ndarray]:
    """The outputs of all blocks and what follows the end; `cuts` counts in the least blocks."""
    plan, flows = engine.plan, [engine.plan.flows.get(key) for key in engine.plan.inputs]
    ends = np.cumsum(cuts) * plan.block
    made = [
        engine.step([streams.part(x, f, begin, end) for x, f in zip(inputs, flows, strict=True)])
        for begin, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    if plan.remainder:
        engine.end()
        made.append(engine.step([np.zeros((len(x), f.rows(plan.remainder), *x.shape[2:]), x.dtype) if f else x
                                 for x, f in zip(inputs, flows, strict=True)]))  # fmt: skip
    return [_joined(list(each), flow, int(ends[-1])) for each, flow in zip(zip(*made, strict=True), plan.outputs, strict=True)]


def _joined(blocks: list[np.ndarray], flow: Any, samples: int) -> np.ndarray:
    """Without the first rows of an output that is late, up to its end."""
    if flow is None:
        return blocks[-1]
    return np.concatenate(blocks, axis=1)[:, flow.delay : flow.delay + flow.rows(samples) + flow.growth]


def check(model: keras.Model, cuts: list[int], batch_size: int = 2, lookahead: int = 0) -> NativeEngine:
    step = Step(model, lookahead)
    engine = NativeEngine(step.plan, batch_size)
    inputs = streams.inputs_of(step, sum(cuts) * engine.plan.block, batch_size)
    for actual, want in zip(stepped(engine, inputs, cuts), streams.expected(model, inputs), strict=True):
        streams.assert_equal(actual, want, layers=max(len(engine.program.ops), 10))
    return engine


cuttings = st.lists(st.integers(1, 20), min_size=1, max_size=4)


REFUSALS = {"it pads something else than zeros", "it reads steps before they come"}
"""Of random networks: what is made of padding before anything comes is made when it is its turn, which is too late for some."""


@pytest.mark.parametrize(
    ("networks", "refusals"), [(streams.networks, 20), (streams.late_networks, 10)], ids=["causal", "late"]
)
def test_random_networks_in_random_blocks(networks, refusals):
    refused: Counter[str] = Counter()

    @seed(0)
    @settings(max_examples=60)
    @given(networks, cuttings, st.sampled_from([1, 2, 3, 8]))
    def check_one(network, cuts, batch_size):
        model = network.build()
        try:
            check(model, cuts, batch_size, lookahead=10_000)
        except CannotLowerError as error:
            refused[error.reason.partition(":")[0]] += 1

    check_one()
    assert set(refused) <= REFUSALS, refused
    assert sum(refused.values()) <= refusals, refused


# ---- models ------------------------------------------------------------------------------------------------------------------


def chain(*every: Any, shape: tuple[int | None, ...] = (None, 3)) -> keras.Model:
    return keras.Sequential([keras.Input(shape, name="x"), *every])


def amplifier(channels: tuple[int, ...] = (16, 8), rates: tuple[int, ...] = (1, 2, 4, 8, 16)) -> keras.Model:
    """As Neural Amp Modeler has them: every layer hears the signal itself, too, and the head the sum of all activations."""
    signal = x = keras.Input((None, 1))
    head = None
    for i, width in enumerate(channels):
        x = layers.Conv1D(width, 1, use_bias=False)(x)
        for rate in rates:
            z = layers.Conv1D(width, 3, dilation_rate=rate, padding="causal")(x) + layers.Conv1D(width, 1, use_bias=False)(
                signal
            )
            z = ops.tanh(z)
            head = z if head is None else head + z
            x = x + layers.Conv1D(width, 1)(z)
        head = layers.Conv1D(channels[i + 1] if i + 1 < len(channels) else 1, 1, use_bias=i > 0)(head)
    return keras.Model(signal, 0.02 * head)


def as_pytorch_has_it() -> keras.Model:
    """Zeros put in front, convolutions without padding, batch normalisation, channels halved into filter and gate."""
    x = y = signal = keras.Input((None, 6))
    for rate in (1, 2, 4):
        y = layers.ZeroPadding1D((2 * rate, 0))(y)
        y = layers.Conv1D(12, 3, dilation_rate=rate, use_bias=False)(y)
        a, b = ops.split(layers.BatchNormalization()(y), 2, axis=-1)
        x = y = x + ops.tanh(a) * ops.sigmoid(b)
    return keras.Model(signal, y)


def spectrum() -> keras.Model:
    """Down by strides and pooling, up again by transposition and repetition."""
    x = keras.Input((None, 2))
    y = layers.Conv1D(8, 5, 2, padding="causal", activation="gelu")(x)
    y = down = layers.MaxPooling1D(2)(atrous.layers.SeparableConv1D(12, 3, padding="causal", activation="silu")(y))
    y = layers.Conv1D(12, 3, padding="causal", groups=4, activation="elu")(y)
    y = layers.Concatenate()([y, atrous.layers.AveragePooling1D(3, 1, padding="causal")(down)])
    y = atrous.layers.Conv1DTranspose(6, 4, strides=2, padding="causal", activation=keras.activations.leaky_relu)(y)
    y = layers.UpSampling1D(2)(y)
    return keras.Model(x, layers.Dense(5, activation="softmax")(layers.Concatenate()([y, x])))


def head(kind: str) -> keras.Model:
    return WaveNet(head=kind, rates=(1, 2, 4), filters=5, skip_filters=9, mixtures=4)


MODELS = {
    "wavenet": lambda: WaveNet(rates=(1, 2, 4, 8), stacks=2, filters=24, gate_filters=16, skip_filters=20, classes=60),
    "wavenet of logistics": lambda: head("logistics"),
    "wavenet of values": lambda: head("regression"),
    "wavenet, conditions": lambda: WaveNet(
        (None, 1), head="regression", rates=(1, 2), filters=4, global_channels=3, local_channels=2, upsampling=(3, 2)
    ),
    "wavenet, repeated conditions": lambda: WaveNet(rates=(1, 2), filters=8, local_channels=2, upsampling=4, upsample="repeat"),
    "wavenet, speakers": lambda: WaveNet(rates=(1, 2), filters=12, skip_filters=4, global_classes=5),
    "tcn": lambda: TCN((None, 2), 1, (4, 16, 40)),
    "tcn, gated": lambda: TCN((None, 2), 3, (8, 16), 5, gated=True),
    "tcn, batch": lambda: TCN((None, 2), 1, (8, 16), normalization="batch", gated=True),
    "tcn, layer": lambda: TCN((None, 2), 1, (8, 16), normalization="layer", gated=True),
    "tcn, last step": lambda: TCN((None, 2), 1, (4, 4), output="last"),
    "tcn, horizon": lambda: TCN((None, 2), 1, (4, 4), output="horizon", horizon=3),
    "amplifier": amplifier,
    "as PyTorch has it": as_pytorch_has_it,
    "spectrum": spectrum,
    "many channels": lambda: chain(layers.Conv1D(600, 2, padding="causal"), layers.Conv1D(33, 3, padding="causal")),
    "scaled": lambda: chain(layers.Rescaling(0.5, -1), layers.LayerNormalization(), layers.Dense(4, "hard_silu")),
    "slopes": lambda: chain(layers.Conv1D(9, 3, padding="causal"), layers.PReLU(shared_axes=[1]), layers.Dense(2)),
    "same": lambda: chain(layers.Conv1D(6, 5, padding="same", activation="relu"), layers.Conv1D(3, 3, 2, padding="same")),
    "same, transposed": lambda: chain(
        layers.Conv1D(6, 4, 2, padding="same"), layers.Conv1DTranspose(3, 5, 2, padding="same"), layers.Softmax()
    ),
    "valid": lambda: chain(layers.Conv1D(2, 7), layers.ReLU(), layers.Conv1D(2, 3, dilation_rate=2)),
    "late": lambda: chain(layers.ZeroPadding1D((2, 0)), layers.Cropping1D((0, 2)), layers.ReLU(), layers.Conv1D(2, 1)),
    "late, then ahead": lambda: chain(
        layers.ZeroPadding1D((2, 0)), layers.Cropping1D((0, 2)), layers.ReLU(), layers.Conv1D(2, 5, padding="same")
    ),
    "several outputs": lambda: keras.Model(x := keras.Input((None, 3)), [y := layers.Dense(4)(x), y[..., 1:3], ops.relu(-y)]),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(name):
    model = MODELS[name]()
    streams.randomize(model)
    for batch_size, cuts in ((1, [1] * 12 + [30]), (3, [17, 1, 2, 40]), (8, [9, 11])):
        check(model, cuts, batch_size, lookahead=50)


def test_long_blocks_are_cut_into_pieces():
    model = amplifier(rates=(1, 512))
    check(model, [5000, 1, 3000], batch_size=1)


@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_every_instruction_set(isa):
    core = native.core()
    if isa not in core.isas():
        pytest.skip(f"this processor has no {isa}")
    before = core.isa()
    core.set_isa(isa)
    try:
        for name in ("wavenet", "tcn, layer", "spectrum", "amplifier"):
            check(MODELS[name](), [1, 2, 30], batch_size=3)
    finally:
        core.set_isa(before)


ACTIVATIONS = (  # noqa: SIM905
    "relu relu6 leaky_relu elu selu gelu silu tanh sigmoid hard_sigmoid hard_silu softplus softsign exponential"
).split()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_to_a_few_units_in_the_last_place(name):
    model = chain(layers.Activation(name), shape=(None, 1))
    x = np.concatenate([np.linspace(-20, 20, 4001), np.geomspace(1e-30, 1, 200), [-100, 80]])
    x = x.astype("float32")[None, :, None]
    (made,) = NativeEngine(model, 1).step([x])
    want = keras.ops.convert_to_numpy(getattr(keras.activations, name)(x.astype("float64")))
    size = np.abs(x) if name in ("gelu", "hard_silu") else np.ones_like(x) if name == "hard_sigmoid" else np.abs(want)
    assert (np.abs(made - want) <= 8 * 2.0**-23 * np.maximum(np.abs(want), size) + 1.2e-38).all()


def test_functions_of_keras_ops():
    def network(x: Any) -> Any:
        y = ops.nn.gelu(x * 2.0, approximate=True) - ops.nn.leaky_relu(1.0 - x, 0.3) / 4.0
        y = ops.maximum(y, 0.0) + ops.clip(x, 0, 0.5) + ops.square(x) + ops.abs(x) + ops.exp(-x)
        return ops.multiply(y, np.array([1.0, 2.0, 3.0], "float32")) + ops.minimum(x, y) + x * x

    x = keras.Input((None, 3))
    check(keras.Model(x, network(x)), [3, 7])


# ---- how it is run -----------------------------------------------------------------------------------------------------------


def test_layers_are_fused():
    model = WaveNet(rates=(1, 2, 4, 8), stacks=3, filters=16, skip_filters=32, classes=64)
    ops_of_it = lower(model).ops
    # A product with a gate, one for the residual, one for the skip; and the embedding, the head, without the last residual.
    assert Counter(op.code for op in ops_of_it) == {"embed": 1, "product": 3 * 12 - 1 + 2}
    assert sum(op.gate for op in ops_of_it) == 12
    assert sum(op.add is not None for op in ops_of_it) == 11 + 11
    assert len(lower(TCN((None, 2), 1, (4,) * 3, normalization="batch")).ops) == 3 * 2 + 1 + 1  # and one skip
    rate = [op for op in lower(amplifier()).ops if len(op.sources) == 2 and op.code == "product"]
    assert len(rate) == 2 * 5  # the signal comes in with the layer before


@pytest.mark.parametrize("name", ["wavenet", "spectrum", "amplifier"])
def test_a_state_goes_on_in_another_engine(name):
    model = MODELS[name]()
    first, second = NativeEngine(model, 2), NativeEngine(model, 2)
    block = first.plan.block
    (x,) = streams.inputs_of(Step(model), 30 * block, 2)
    whole = first.step([x])[0]
    first.reset()
    first.step([x[:, : 11 * block]])
    second.step([x[:, : 4 * block]])
    second.set_state(first.state)
    assert np.array_equal(second.step([x[:, 11 * block :]])[0], first.step([x[:, 11 * block :]])[0])
    streams.assert_equal(second.step([x])[0] * 0 + whole, streams.expected(model, [x])[0])
    assert all(value.shape[0] == 2 for key, value in first.state.items() if key != "position")
    first.reset()
    assert not any(value.any() for value in first.state.values())
    streams.assert_equal(first.step([x])[0], streams.expected(model, [x])[0])


def test_a_condition_may_change_between_steps():
    model = WaveNet(rates=(1, 2), filters=8, skip_filters=8, classes=9, global_classes=5)
    engine = NativeEngine(model, 1)
    codes = np.arange(6, dtype="int32")[None]
    for speaker in (3, 3, 1):
        engine.reset()
        given = [codes, np.array([[speaker]], "int32")]
        made = [engine.step([given[0][:, i : i + 1], given[1]])[0] for i in range(6)]
        streams.assert_equal(np.concatenate(made, axis=1), streams.expected(model, given)[0])


def test_nan_stays_where_it_was_heard():
    engine = NativeEngine(TCN((None, 1), 1, (4,), 2), 2)
    x = np.zeros((2, 20, 1), "float32")
    x[1, 5] = np.nan
    (made,) = engine.step([x])
    assert np.isfinite(made[0]).all()
    assert np.isfinite(made[1, :5]).all()
    assert np.isnan(made[1, 5:8]).all()
    assert np.isfinite(made[1, 8:]).all()


REFUSED = {
    "recurrent": (lambda: chain(layers.GRU(2, return_sequences=True, name="memory")), "memory.*nothing that does"),
    "activation": (lambda: chain(layers.Conv1D(2, 1, activation="mish", name="odd")), "odd.*activation"),
    "custom activation": (
        lambda: chain(layers.Conv1D(2, 1, activation=lambda x: x * ops.tanh(x), name="own")),
        "own.*activation",
    ),
    "bfloat16": (lambda: chain(layers.Conv1D(2, 1, dtype="mixed_bfloat16", name="half")), "half.*bfloat16"),
    "ones in front": (
        lambda: chain(atrous.layers.StridedPadding((3,), 1, ((2, 0),), value=1.0, name="ones"), layers.Conv1D(2, 3)),
        "ones",
    ),
    "computed before it comes": (
        lambda: chain(layers.ZeroPadding1D((2, 0)), layers.Activation("sigmoid"), layers.Conv1D(2, 3, name="late")),
        "late.*before they come",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(name):
    make, message = REFUSED[name]
    with pytest.raises(CannotLowerError, match=message):
        NativeEngine(make(), 1)


def test_a_layer_of_somebody_else_is_not_taken_for_its_base():
    class Doubled(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    with pytest.raises(CannotLowerError, match="Doubled"):
        lower(chain(Doubled(2)))


def test_without_the_core_the_reason_is_said(monkeypatch):
    monkeypatch.setenv("ATROUS_NATIVE", "0")
    with pytest.raises(ValueError, match="ATROUS_NATIVE=0"):
        NativeEngine(TCN((None, 1), 1, (4,)), 1)


# ---- generation --------------------------------------------------------------------------------------------------------------


def generated(model: keras.Model, steps: list[int], draw: str, feed: Any, batch_size: int = 2, **options: Any) -> np.ndarray:
    engine, random = NativeEngine(model, batch_size), seeded(7, batch_size)
    made = []
    for count in steps:
        drawn, feed = engine.generate(count, draw, random, feed, **options)
        made.append(drawn)
    return np.concatenate(made, axis=1)


def step_by_step(model: keras.Model, steps: int, kind: Kind, feed: np.ndarray, temperature: float, table: Any) -> np.ndarray:
    """The same in Python."""
    engine, sampler = NativeEngine(model, len(feed)), Sampler(kind, temperature, 7, len(feed))
    made = []
    for _ in range(steps):
        made.append(sampler.draw(engine.step([feed])[0][:, 0]))
        feed = (made[-1] if table is None else table[made[-1]])[:, None]
    return np.stack(made, axis=1)


KINDS = {
    "codes": (
        lambda: WaveNet(rates=(1, 2, 4), filters=8, skip_filters=8, classes=12),
        Kind("categorical", "codes", 1, 12),
        None,
    ),
    "one-hot": (
        lambda: WaveNet((None, 6), classes=6, rates=(1, 2), filters=8, skip_filters=8),
        Kind("categorical", "one-hot", 6, 6),
        np.eye(6, dtype="float32"),
    ),
    "logistics": (lambda: head("logistics"), Kind("logistics", "samples", 1, 0), None),
    "regression": (lambda: head("regression"), Kind("regression", "samples", 1, 0), None),
}


@pytest.mark.parametrize("temperature", [0.0, 0.7])
@pytest.mark.parametrize("name", KINDS)
def test_generation_feeds_back_what_it_draws(name, temperature):
    make, kind, table = KINDS[name]
    model = make()
    streams.randomize(model)
    feed = np.zeros((2, 1), "int32") if kind.takes == "codes" else np.zeros((2, 1, kind.channels), "float32")
    made = generated(model, [40], kind.head, feed[:, 0], temperature=temperature, table=table)
    assert np.array_equal(made, generated(model, [1, 9, 30], kind.head, feed[:, 0], temperature=temperature, table=table))
    want = step_by_step(model, 40, kind, feed, temperature, table)
    if kind.draws_codes:
        assert np.array_equal(made, want)
    else:
        np.testing.assert_allclose(made, want, atol=1e-4)


def test_sequences_draw_the_same_in_batches_of_any_size():
    model = WaveNet(rates=(1, 2), filters=8, skip_filters=8, classes=12)
    three = generated(model, [20], "categorical", np.zeros(3, "int32"), batch_size=3)
    assert np.array_equal(three[:2], generated(model, [20], "categorical", np.zeros(2, "int32")))
    assert not np.array_equal(three[0], three[1])


def test_generation_with_conditions():
    model = WaveNet(rates=(1, 2), filters=8, skip_filters=8, classes=12, global_classes=3, local_channels=2)
    speaker, local = np.array([[1], [2]]), np.random.default_rng(0).normal(size=(2, 30, 2)).astype("float32")
    feed = np.zeros(2, "int32")
    made = generated(model, [30], "categorical", feed, conditions=[speaker, local], temperature=0.0)
    heard = np.concatenate([feed[:, None], made[:, :-1]], axis=1)
    logits = streams.expected(model, [heard, speaker, local])[0]
    assert np.array_equal(made, logits.argmax(axis=-1))


def test_generation_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="not possible, or not of the kind"):
        generated(TCN((None, 1), 2, (4,)), [3], "regression", np.zeros((2, 1)))
    strided = chain(layers.Conv1D(1, 2, 2), layers.UpSampling1D(2), shape=(None, 1))
    with pytest.raises(ValueError, match="not of the kind"):
        generated(strided, [2], "regression", np.zeros((2, 1)))


def test_codes_without_a_row_are_refused_and_the_state_stays():
    engine = NativeEngine(WaveNet(rates=(1, 2), filters=8, skip_filters=8, classes=12), 1)
    engine.step([np.array([[3, 4]], "int32")])
    before = engine.state
    for code in (-1, 12):
        with pytest.raises(ValueError, match="a code is below 0"):
            engine.step([np.array([[1, code]], "int32")])
    assert all(np.array_equal(value, before[key]) for key, value in engine.state.items())
