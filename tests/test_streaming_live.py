"""`atrous.streaming.stream`: what comes in, what comes out, what is kept, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import atrous
import streams
from atrous.ops import native
from atrous.streaming import predict, stream

FUNCTIONAL = {"engine": "functional"}


@pytest.fixture(params=["functional", "native"])
def engine(request):
    if request.param == "native" and not native.enabled():
        pytest.skip(str(native.why_not()))
    return request.param


def network(padding: str = "causal", name: str = "network") -> keras.Model:
    """A strided convolution, a dilated one, a skip."""
    x = keras.Input((None, 2), name="microphone")
    y = atrous.layers.Conv1D(4, 3, strides=2, padding=padding, activation="tanh", name="down")(x)
    y = layers.Add(name="skip")([y, layers.Conv1D(4, 3, dilation_rate=2, padding=padding, name="dilated")(y)])
    model = keras.Model(x, y, name=name)
    streams.randomize(model)
    return model


def signal(n: int = 24, batch_size: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch_size, n, 2)).astype("float32")


def whole(model: Any, x: Any) -> np.ndarray:
    return ops.convert_to_numpy(model(x))


def conditioned() -> keras.Model:
    model = atrous.models.WaveNet(
        rates=(1, 2), filters=4, skip_filters=4, classes=8, global_channels=3, local_channels=2, upsampling=4
    )
    streams.randomize(model)
    return model


def conditions(n: int = 24) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "inputs": rng.integers(0, 8, (1, n)),
        "global": rng.normal(size=(1, 3)).astype("float32"),
        "local": rng.normal(size=(1, n // 4, 2)).astype("float32"),
    }


# ---- running -----------------------------------------------------------------------------------------------------------------


def test_a_block_gives_what_its_samples_are_for(engine):
    model, x = network(), signal(batch_size=2)
    live = stream(model, batch_size=2, engine=engine)
    why = "engine='functional'" if engine == "functional" else None
    assert (live.latency, live.input_block, live.engine, live.why_not_native) == (0, 2, engine, why)
    blocks = [live.step(x[:, a:b]) for a, b in ((0, 2), (2, 4), (4, 4), (4, 6), (6, 24))]  # of a size seen twice, it is traced
    assert [block.shape for block in blocks] == [(2, n, 4) for n in (1, 1, 0, 1, 9)]
    streams.assert_equal(np.concatenate(blocks, axis=1), whole(model, x))
    assert live.flush().shape == (2, 0, 4)


def test_another_signal(engine):
    model, x = network(), signal()
    live = stream(model, engine=engine)
    first = live.step(x)
    live.reset()
    np.testing.assert_array_equal(live.step(x), first)


def test_a_model_that_looks_ahead_is_late():
    model, x = network("same"), signal()
    live = stream(model, lookahead=8, **FUNCTIONAL)
    assert live.latency == 6
    blocks = [live.step(x[:, :2]), live.step(x[:, 2:4]), live.step(x[:, 4:10]), live.step(x[:, 10:])]
    assert [block.shape[1] for block in blocks] == [0, 0, 2, 7]
    streams.assert_equal(np.concatenate([*blocks, live.flush()], axis=1), whole(model, x))
    with pytest.raises(ValueError, match=r"`step` must not follow `flush`, which ended the signal. Call `reset`"):
        live.step(x)
    live.reset()
    assert live.step(x[:, :2]).shape[1] == 0


def test_a_signal_shorter_than_the_latency():
    model, x = network("same"), signal(4)
    live = stream(model, lookahead=6, **FUNCTIONAL)
    assert live.step(x).shape[1] == 0
    streams.assert_equal(live.flush(), whole(model, x))


def test_warm_up_is_a_past(engine):
    model, x = network(), signal()
    live = stream(model, engine=engine)
    live.step(signal() + 1)
    live.warm_up(x[:, :10])
    streams.assert_equal(live.step(x[:, 10:]), whole(model, x)[:, 5:])


def test_last_step_is_what_the_model_says_of_all_that_came(engine):
    model = atrous.models.TCN((None, 2), 3, (4, 4), output="last")
    streams.randomize(model)
    live, x = stream(model, engine=engine), signal()
    for begin, end in ((0, 5), (5, 6), (6, 24)):
        streams.assert_equal(live.step(x[:, begin:end]), whole(model, x[:, :end]))
    assert live.flush() is None


@pytest.mark.parametrize("how", ["list", "dict", "reset", "reset dict"])
def test_conditions(how, engine):
    model, given = conditioned(), conditions()
    want = whole(model, list(given.values()))
    live = stream(model, engine=engine)
    assert live.input_block == 4
    if "reset" in how:
        live.reset({"global": given["global"]} if "dict" in how else given["global"])
    made = []
    for begin, end in ((0, 4), (4, 24)):
        block = {**given, "inputs": given["inputs"][:, begin:end], "local": given["local"][:, begin // 4 : end // 4]}
        if "reset" in how or begin:  # it is known by now
            del block["global"]
        made.append(live.step(block if "dict" in how else list(block.values())))
    streams.assert_equal(np.concatenate(made, axis=1), want)


def test_outputs_come_as_the_model_returns_them():
    x = keras.Input((None, 2))
    model = keras.Model(x, {"b": layers.Conv1D(2, 3, padding="causal")(x), "a": x[:, -1]})
    live = stream(model, **FUNCTIONAL)
    made = live.step(signal())
    np.testing.assert_array_equal(made["a"], signal()[:, -1])
    streams.assert_equal(made["b"], ops.convert_to_numpy(model(signal())["b"]))


# ---- long signals ------------------------------------------------------------------------------------------------------------


def test_predict_in_blocks(tmp_path):
    model, x = network("same"), signal(1000)
    want = whole(model, x)
    streams.assert_equal(predict(model, x, block_size=128, engine="functional"), want)
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", "float32", want.shape)
    assert predict(model, x, block_size=300, out=out, engine="functional") is out
    streams.assert_equal(np.load(tmp_path / "out.npy"), want)
    given = conditions()
    streams.assert_equal(predict(conditioned(), given, block_size=8, engine="functional"), whole(conditioned(), given))


# ---- state -------------------------------------------------------------------------------------------------------------------


def test_state_is_named_by_layers_and_can_be_put_back(engine):
    model, x = network(), signal()
    live = stream(model, engine=engine)
    live.step(x[:, :10])
    state = live.state
    assert engine == "native" or {name: value.shape for name, value in state.items()} == {
        "down": (1, 2, 2),
        "dilated": (1, 4, 4),
        "samples": (),
        "engine": (),
    }
    assert state["samples"] == 10
    first = live.step(x[:, 10:])
    other = stream(model, engine=engine)
    other.state = state
    np.testing.assert_array_equal(other.step(x[:, 10:]), first)


CONTINUED = """
import numpy as np, sys
import test_streaming_live as t
from atrous.streaming import stream
model = t.network("same", name="another_name")
live = stream(model, lookahead=8, engine="functional")
live.load(sys.argv[1])
x = t.signal()
np.save(sys.argv[2], np.concatenate([live.step(x[:, 10:18]), live.step(x[:, 18:]), live.flush()], axis=1))
"""


def test_a_new_process_goes_on_from_a_file(tmp_path):
    model, x = network("same"), signal()
    live = stream(model, lookahead=8, **FUNCTIONAL)
    first = live.step(x[:, :10])
    live.save(tmp_path / "state.npz")
    command = [sys.executable, "-c", CONTINUED, str(tmp_path / "state.npz"), str(tmp_path / "rest.npy")]
    subprocess.run(command, check=True, cwd=Path(__file__).parent, timeout=300)
    streams.assert_equal(np.concatenate([first, np.load(tmp_path / "rest.npy")], axis=1), whole(model, x))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".npz"] == ["state.npz"]


def test_layers_without_names_may_be_counted_anew(engine, tmp_path):
    def counted() -> keras.Model:
        x, h = keras.Input((None, 2)), keras.Input((2,))
        y = layers.Conv1D(2, 3, padding="causal")(x)
        return keras.Model([x, h], layers.Conv1D(2, 2, padding="causal")(y) * layers.Reshape((1, 2))(h))

    x, h = signal(), np.ones((1, 2), "float32")
    first, second = counted(), counted()
    second.set_weights(first.get_weights())
    live = stream(first, engine=engine)
    live.step([x[:, :5], h])
    live.save(tmp_path / "state.npz")
    other = stream(second, engine=engine)
    assert {history.name for history in other.plan.histories}.isdisjoint(history.name for history in live.plan.histories)
    other.load(tmp_path / "state.npz")
    np.testing.assert_array_equal(other.step(x[:, 5:]), live.step(x[:, 5:]))


def test_a_state_of_another_model_is_refused(tmp_path, engine):
    live, x = stream(network(), engine=engine), signal()
    live.step(x[:, :10])
    live.save(tmp_path / "state.npz")
    changed = network()
    changed.weights[0].assign(ops.convert_to_numpy(changed.weights[0]) + 1)
    for model in (changed, conditioned()):
        other = stream(model, engine=engine)
        with pytest.raises(ValueError, match=r"`path` must hold a state of this very model, its layers and its weights"):
            other.load(tmp_path / "state.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "state.npz").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"`path` must be a file that `Stream.save` wrote. Received: .*damaged.npz"):
        live.load(tmp_path / "damaged.npz")
    with pytest.raises(FileNotFoundError):
        live.load(tmp_path / "missing.npz")
    streams.assert_equal(live.step(x[:, 10:]), whole(network(), x)[:, 5:])  # none of this changed it


def test_a_state_that_does_not_fit_is_refused(engine):
    live, x = stream(network(), engine=engine), signal()
    live.step(x[:, :10])
    state = live.state
    name, *_ = state
    with pytest.raises(
        ValueError, match=rf"`state` must be one that this stream gave: it has {name}, .*, samples. Received: sam"
    ):
        live.state = {"samples": state["samples"]}
    with pytest.raises(ValueError, match=rf"'{name}' has shape .*. Received: \(1, 1, 9\)"):
        live.state = {**state, name: np.zeros((1, 1, 9), "float32")}
    with pytest.raises(ValueError, match=rf"'{name}' has shape \(2, .*. Received: \(1, "):
        stream(network(), 2, engine=engine).state = state
    with pytest.raises(ValueError, match=rf"`state` must be of the engine '{engine}'. Received: one of 'other'"):
        live.state = {**state, "engine": np.array("other")}
    streams.assert_equal(live.step(x[:, 10:]), whole(network(), x)[:, 5:])
    live.flush()
    with pytest.raises(ValueError, match=r"`state` must be read before `flush`"):
        _ = live.state


# ---- what is refused ---------------------------------------------------------------------------------------------------------


def _with_nan() -> np.ndarray:
    x = signal(4)
    x[0, 2, 1] = np.nan
    return x


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (signal(4)[0], r"'microphone' must have shape \(1, n, 2\). Received: shape \(4, 2\)"),
        (signal(4, 2), r"must have shape \(1, n, 2\). Received: shape \(2, 4, 2\)"),
        (signal(4)[..., :1], r"must have shape \(1, n, 2\). Received: shape \(1, 4, 1\)"),
        (signal(5), r"A block must be a multiple of 2 samples, for the model's strides. Received: 5"),
        (_with_nan(), r"'microphone' must be finite. Received: nan at \[0, 2, 1\] of the block"),
        (signal(4).astype(str), r"'microphone' must be of type float32. Received: <U"),
        ([signal(4), signal(4)], r"`inputs` must be 1 arrays: microphone. Received: 2"),
        ({"speaker": signal(4)}, r"`inputs` must have the names microphone. Received: speaker"),
    ],
)
def test_a_block_that_does_not_fit_changes_nothing(block, message, engine):
    live, x = stream(network(), engine=engine), signal()
    live.step(x[:, :10])
    with pytest.raises(ValueError, match=message):
        live.step(block)
    streams.assert_equal(live.step(x[:, 10:]), whole(network(), x)[:, 5:])


def test_conditions_that_do_not_fit(engine):
    live, given = stream(conditioned(), engine=engine), conditions(8)
    with pytest.raises(ValueError, match=r"'inputs' must be of type int32. Received: float32"):
        live.step({**given, "inputs": given["inputs"].astype("float32")})
    with pytest.raises(ValueError, match=r"'local' must have shape \(1, 2, 2\). Received: shape \(1, 1, 2\)"):
        live.step({**given, "local": given["local"][:, :1]})
    with pytest.raises(ValueError, match=r"`inputs` must have the names inputs, global, local. Received: inputs, local"):
        live.step({"inputs": given["inputs"], "local": given["local"]})


def test_nan_may_pass(engine):
    live = stream(network(), check_finite=False, engine=engine)
    assert np.isnan(live.step(_with_nan())).any()


def test_arguments():
    with pytest.raises(ValueError, match=r"`batch_size` must be a positive integer. Received: batch_size=0"):
        stream(network(), 0)
    with pytest.raises(ValueError, match=r"`engine` must be 'functional', 'native' or None. Received: engine='cuda'"):
        stream(network(), engine="cuda")  # type: ignore[arg-type]


@pytest.mark.skipif(not native.enabled(), reason="nothing is native")
def test_what_is_not_native_says_why():
    recurrent = keras.Sequential([keras.Input((None, 2)), layers.GRU(2, return_sequences=True, name="memory")])
    live = stream(recurrent)
    assert live.engine == "functional"
    assert "'memory' (GRU): the native core has nothing that does what it does" in live.why_not_native
    with pytest.raises(
        ValueError, match=r"`engine` must be 'functional' for this model. Received: engine='native'; layer 'memory'"
    ):
        stream(recurrent, engine="native")
    assert stream(network("same"), lookahead=8).engine == "native"
    with atrous.portable():
        assert stream(network()).why_not_native == "inside `atrous.portable()`"


def test_what_only_running_a_layer_tells_is_told_at_once():
    with pytest.raises(
        ValueError, match=r"layer 'own' \(PReLU\) can't be computed part by part: it has a value for each position"
    ):
        stream(keras.Sequential([keras.Input((8, 2)), layers.PReLU(name="own")]), **FUNCTIONAL)
