"""Generation: equal to a loop that shows the whole past to the model at each step, drawing by the same random numbers."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import atrous
from atrous.models import WaveNet
from atrous.models.wavenet import mu_law_decode, mu_law_encode
from atrous.ops import native
from atrous.streaming import generation
from atrous.streaming.core.engine import seeded
from atrous.streaming.generation import generate
from atrous.streaming.sampling import Kind, Random, Sampler, kind_of

STEPS = 12
ENGINES = [
    "functional",
    pytest.param("native", marks=pytest.mark.skipif(native.why_not() is not None, reason=f"{native.why_not()}")),
]
TINY = {"rates": (1, 2, 4), "filters": 4, "skip_filters": 8, "kernel_size": 3}
CODES = {"classes": 16, **TINY}
ONE_HOT = {"input_shape": (None, 16), **CODES}
SAMPLES = {"input_shape": (None, 1), **CODES}
LOGISTICS = {"head": "logistics", "mixtures": 3, **TINY}


def wavenet(**arguments):
    model = WaveNet(**arguments)
    for weight in model.weights:  # biases too: at zero, silence would say nothing
        weight.assign(weight + keras.random.uniform(weight.shape, -0.4, 0.4, seed=len(weight.shape)))
    return model


def naive(model, head, temperature, seed, batch, first, feed, conditions=(), steps=STEPS):
    """Every step from nothing, in float64, a sequence at a time: (batch, steps) codes or samples."""
    randoms = [Random(seed, b) for b in range(batch)]
    heard, drawn = np.repeat(first, batch, axis=0), []
    for _ in range(steps):
        given = [heard, *(condition(heard.shape[1]) for condition in conditions)]
        says = keras.ops.convert_to_numpy(model(given if conditions else heard))[:, -1].astype("float64")
        drawn.append([draw(row, head, temperature, random) for row, random in zip(says, randoms, strict=True)])
        heard = np.concatenate([heard, feed(np.array(drawn[-1]))[:, None]], axis=1)
    return np.array(drawn).T


def draw(says, head, temperature, random):
    """From the definition: the inverse of the distribution function."""
    if head == "regression":
        return says[0]
    if head == "categorical":
        return code(says / temperature, random)
    logits, means, log_scales = says.reshape(3, -1)
    i = code(logits, random)
    u = random.uniform()
    return min(max(means[i] + temperature * math.exp(log_scales[i]) * math.log(u / (1 - u)), -1.0), 1.0)


def code(logits, random):
    chances = np.exp(logits) / np.exp(logits).sum()
    u, below = random.uniform(), 0.0
    for i, chance in enumerate(chances):
        below += chance
        if u < below:
            return i
    return len(chances) - 1


CASES = {  # arguments of the model, what it hears first, what it hears of what was drawn
    "codes": (CODES, "categorical", np.array([[8]]), lambda codes: codes),
    "one-hot": (ONE_HOT, "categorical", np.eye(16, dtype="float32")[[[8]]], lambda codes: np.eye(16, dtype="float32")[codes]),
    "samples": (
        SAMPLES,
        "categorical",
        np.asarray(mu_law_decode([[[8]]], 16)),
        lambda codes: np.asarray(mu_law_decode(codes, 16))[:, None],
    ),
    "logistics": (LOGISTICS, "logistics", np.zeros((1, 1, 1), "float32"), lambda x: x[:, None].astype("float32")),
    "logistics of codes": (
        {**LOGISTICS, "input_shape": (None,), "classes": 16},
        "logistics",
        np.array([[8]]),
        lambda x: np.asarray(mu_law_encode(x, 16)),
    ),
    "regression": (
        {"head": "regression", **TINY},
        "regression",
        np.zeros((1, 1, 1), "float32"),
        lambda x: x[:, None].astype("float32"),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("engine", ENGINES)
def test_equal_to_the_loop_over_the_whole_past(case, engine):
    arguments, head, first, feed = CASES[case]
    model = wavenet(**arguments)
    given = {"head": "categorical"} if case == "one-hot" else {}
    found = generate(model, STEPS, batch_size=2, seed=5, temperature=0.8, engine=engine, **given)
    expected = naive(model, head, 0.8, 5, 2, first, feed)
    if head == "categorical":
        assert found.dtype == "int32"
        assert len(set(expected.ravel())) > 4
        np.testing.assert_array_equal(found, expected)
    else:
        assert found.dtype == "float32"
        assert np.ptp(expected) > 0.05
        np.testing.assert_allclose(found[..., 0], expected, atol=2e-5)  # errors are heard again


def test_primer_and_conditions_in_and_out_of_time():
    """The local condition comes at a sixth of the rate; what brings it up isn't streamed, and so needn't be causal."""
    for upsample in ("transposed", "repeat"):
        model = wavenet(**CODES, global_classes=3, local_channels=2, upsampling=(2, 3), upsample=upsample)
        local = np.random.default_rng(1).normal(size=(1, 4, 2)).astype("float32")
        primer = np.array([[3, 9, 12, 8, 1]])
        given = {"local": local, "global": [[1]]}
        found = generate(model, 18, seed=2, primer=primer, conditions=given)

        def whole(length, local=local):
            return local[:, : -(-length // 6)]

        def padded(codes, model=model, whole=whole):  # the naive loop needs lengths that fit: what follows is not heard
            length = codes.shape[1]
            codes = np.pad(codes, [(0, 0), (0, -length % 6)])
            return keras.ops.convert_to_numpy(model([codes, np.array([[1]]), whole(length)]))[:, :length]

        expected = naive(padded, "categorical", 1.0, 2, 1, primer, lambda codes: codes, steps=18)
        np.testing.assert_array_equal(found, expected)
        by_place = generate(model, 18, seed=2, primer=primer, conditions=[[[1]], local])
        np.testing.assert_array_equal(found, by_place)
        other = generate(model, 18, seed=2, primer=primer, conditions={**given, "global": [[2]]})
        assert (found != other).any()


def test_several_conditions_of_channels_and_samples():
    model = wavenet(**LOGISTICS, global_channels=3, local_channels=2)
    rng = np.random.default_rng(0)
    speaker, local = rng.normal(size=(2, 3)).astype("float32"), rng.normal(size=(2, STEPS, 2)).astype("float32")
    found = generate(model, STEPS, batch_size=2, conditions={"global": speaker, "local": local})
    expected = naive(
        model,
        "logistics",
        1.0,
        0,
        2,
        np.zeros((1, 1, 1), "float32"),
        lambda x: x[:, None].astype("float32"),
        [lambda _: speaker, lambda length: local[:, :length]],
    )
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-5)


def test_a_seed_says_what_is_drawn(monkeypatch):
    model = wavenet(**CODES)
    told = []
    one = generate(model, 60, seed=1, progress=told.append)
    assert told[-1] == 60
    assert told == sorted(set(told))
    monkeypatch.setattr(generation._Stepwise, "block", 7)
    monkeypatch.setattr(generation._Native, "block", 7)
    np.testing.assert_array_equal(generate(model, 60, seed=1), one)
    np.testing.assert_array_equal(generate(model, 30, seed=1), one[:, :30])
    several = generate(model, 60, seed=1, batch_size=3)
    np.testing.assert_array_equal(several[:1], one)  # in a batch of any size
    assert (several[1] != several[0]).any()
    assert (generate(model, 60, seed=2) != one).any()


def test_engines_draw_the_same_random_numbers():
    """So that they part only where rounding decides, which is not in a few hundred steps of a small network."""
    for arguments in (CODES, LOGISTICS):
        model = wavenet(**arguments)
        one, other = (generate(model, 300, seed=8, batch_size=2, engine=engine) for engine in (None, "functional"))
        if arguments is CODES:
            np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_allclose(one, other, atol=2e-5)
    if native.why_not() is None:
        states = [Random(8, sequence).state for sequence in range(3)]
        np.testing.assert_array_equal(seeded(8, 3), np.array(states, np.uint64))


def test_temperature_zero_takes_the_likeliest():
    model = wavenet(**CODES)
    found = generate(model, STEPS, temperature=0)
    np.testing.assert_array_equal(found, generate(model, STEPS, temperature=0, seed=9))
    heard = np.concatenate([[[8]], found], axis=1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(heard)).argmax(-1)[:, :-1], found)


# ---- drawing ---------------------------------------------------------------------------------------------------------------


def test_random_numbers_are_those_of_their_authors():
    """xoshiro256++ from the state 1, 2, 3, 4, and splitmix64 from 0: published beside the reference code."""
    random = Random(0, 0)
    assert Random(0, 1).state[0] != random.state[0]
    random.state = [1, 2, 3, 4]
    bits = [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]
    assert [random.uniform() for _ in bits] == [((b >> 12) + 0.5) / 2**52 for b in bits]
    first = 0xE220A8397B1DCDAF  # from 0; a sequence's state begins there
    z = (first + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    assert Random(0, 0).state[0] == z ^ z >> 31


def test_draws_are_distributed_as_the_model_says():
    sampler = Sampler(Kind("categorical", "codes", 1, 4), 2.0, 0, 4000)
    logits = np.log([0.5, 0.3, 0.2, 1e-30])
    share = np.bincount(sampler.draw(np.tile(logits, (4000, 1))), minlength=4) / 4000
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum()
    assert np.abs(share - expected).max() < 4 * 0.5 / 4000**0.5  # four standard deviations
    sampler = Sampler(Kind("logistics", "samples", 1, 0), 0.5, 0, 4000)
    drawn = sampler.draw(np.tile([0.0, 0.0, -0.5, 0.25, math.log(0.02), math.log(0.1)], (4000, 1)))[:, 0]
    assert abs((drawn < -0.2).mean() - 0.5) < 4 * 0.5 / 4000**0.5
    assert abs(np.median(drawn[drawn < -0.2]) + 0.5) < 0.002
    quarter = np.quantile(drawn[drawn > -0.2], 0.75)  # of a logistic: mean + scale · ln 3
    assert abs(quarter - (0.25 + 0.05 * math.log(3))) < 0.01


# ---- what a model is, and mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (CODES, Kind("categorical", "codes", 1, 16)),
        (SAMPLES, Kind("categorical", "samples", 1, 16)),
        (LOGISTICS, Kind("logistics", "samples", 1, 0)),
        ({"head": "regression", **TINY}, Kind("regression", "samples", 1, 0)),
        ({**LOGISTICS, "input_shape": (None,), "classes": 16}, Kind("logistics", "codes", 1, 16)),
        ({"head": "regression", **CODES, "input_shape": (None,)}, Kind("regression", "codes", 1, 16)),
    ],
)
def test_shapes_say_what_a_model_is(arguments, kind):
    assert kind_of(WaveNet(**arguments)) == kind


def test_where_shapes_leave_it_open_the_caller_says():
    model = WaveNet(**ONE_HOT)
    with pytest.raises(ValueError, match="`head` must be given for a model of several channels"):
        kind_of(model)
    assert kind_of(model, "categorical") == Kind("categorical", "one-hot", 16, 16)
    assert kind_of(model, "regression") == Kind("regression", "samples", 16, 0)
    assert generate(model, 3, head="regression").shape == (1, 3, 16)


def strided():
    x = keras.Input((None, 1))
    y = layers.UpSampling1D(2)(atrous.layers.Conv1D(1, 2, strides=2, padding="causal")(x))
    return keras.Model(x, y)


@pytest.mark.parametrize(
    ("model", "given", "answer"),
    [
        (CODES, {"samples": 0}, "`samples` must be a positive integer"),
        (CODES, {"seed": -1}, "`seed` must be"),
        (CODES, {"temperature": -0.5}, "`temperature` must be 0 or more"),
        (CODES, {"temperature": math.nan}, "`temperature` must be 0 or more"),
        (CODES, {"head": "softmax"}, "`head` must be one of"),
        (CODES, {"head": "logistics"}, "must say as much as its next sample takes"),
        (CODES, {"primer": [[16]]}, "`primer` must be codes from 0 to 15"),
        (CODES, {"primer": [[0.5]]}, "`primer` must be codes from 0 to 15"),
        (CODES, {"primer": [1, 2]}, r"`primer` must be \(batch or 1, time\) codes"),
        (LOGISTICS, {"primer": np.zeros((1, 5))}, r"`primer` must be \(batch or 1, time, 1\)"),
        (CODES, {"conditions": {"local": [[1.0]]}}, "`conditions` must be the model's inputs behind the first: none"),
        ({**CODES, "global_classes": 3}, {}, "`conditions` must be .*: global. Received: none"),
        (
            {**CODES, "global_classes": 3},
            {"conditions": {"global": [[3]]}},
            "must be a class from 0 to 2. Received: from 3 to 3",
        ),
        ({**CODES, "local_channels": 2}, {"conditions": [np.zeros((1, 9, 3))]}, r"must have shape \(batch or 1, time, 2\)"),
        (
            {**CODES, "local_channels": 2, "upsampling": 4},
            {"conditions": [np.zeros((1, 2, 2))], "samples": 20},
            "must last as long as all that is heard, 20 samples. Received: one that lasts 8",
        ),
        ({**CODES, "activation": "softmax"}, {}, "`model` must give logits"),
        (strided, {}, "`model` must take one sample a step"),
    ],
)
def test_mistakes_are_told_before_anything_runs(model, given, answer):
    model = model() if callable(model) else WaveNet(**model)
    with pytest.raises(ValueError, match=answer):
        generate(model, **{"samples": 5, **given})
