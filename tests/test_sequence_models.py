"""Sequence blocks and models: their equations in NumPy and float64, and the numbers of their papers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from atrous import surgery
from atrous.blocks import CausalUnit, SpliceBlock, TemporalBlock, WaveNetBlock, WeightNormConv1D
from atrous.field import analyze, verify
from atrous.layers import Conv1D
from atrous.models import TCN, SpliceNet, WaveNet
from atrous.models.splicenet import VARIANTS
from atrous.models.wavenet import (
    logistic_mixture_loss,
    mu_law_decode,
    mu_law_encode,
    sample_categorical,
    sample_logistics,
)


def array(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def signal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def codes(classes: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, classes, (2, 12))


def trainable(model: Any) -> int:
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def shaken(layer: Any, input_shape: Any = None) -> Any:
    """The layer with weights as after training: no bias is 0, no scale is the norm of its direction."""
    if input_shape is not None:
        layer.build(input_shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        if "seed" not in weight.path:
            weight.assign(array(weight) + rng.uniform(0.05, 0.3, weight.shape))
    return layer


def causal(x: np.ndarray, w: Any, rate: int, bias: Any = 0.0) -> np.ndarray:
    """By the oracle, in float64."""
    w = array(w).astype("float64")
    return oracle.conv(x, w, [1], [rate], [((len(w) - 1) * rate, 0)]) + np.asarray(bias, "float64")


def same(x: np.ndarray, w: Any, rate: int, bias: Any) -> np.ndarray:
    w = array(w).astype("float64")
    reach = (len(w) - 1) * rate
    return oracle.conv(x, w, [1], [rate], [(reach // 2, reach - reach // 2)]) + array(bias).astype("float64")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def weight_normed(layer: Any) -> np.ndarray:
    """g·v / ‖v‖ of Salimans & Kingma 2016, filter by filter."""
    v, g = array(layer.direction).astype("float64"), array(layer.scale).astype("float64")
    return np.stack([g[i] * v[..., i] / np.linalg.norm(v[..., i]) for i in range(v.shape[-1])], axis=-1)


# ---- weight normalisation ----------------------------------------------------------------------------------------------------


def test_the_kernel_begins_as_it_was_drawn():
    layer = WeightNormConv1D(5, 3, kernel_initializer=keras.initializers.GlorotNormal(seed=3))
    plain = Conv1D(5, 3, kernel_initializer=keras.initializers.GlorotNormal(seed=3))
    layer.build((None, None, 4))
    plain.build((None, None, 4))
    np.testing.assert_allclose(array(layer.kernel), array(plain.kernel), rtol=1e-6)
    assert trainable(layer) == trainable(plain) + 5


def test_the_length_of_a_filter_is_its_scale():
    layer = shaken(WeightNormConv1D(5, 3, dilation_rate=2, padding="causal"), (None, None, 4))
    np.testing.assert_allclose(array(layer.kernel), weight_normed(layer), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(array(layer.kernel), axis=(0, 1)), array(layer.scale), rtol=1e-5)
    x = signal(2, 12, 4)
    np.testing.assert_allclose(array(layer(x)), causal(x, weight_normed(layer), 2, array(layer.bias)), rtol=1e-4, atol=1e-5)


def test_directions_of_any_length_are_exact_even_in_half_precision():
    layer = WeightNormConv1D(2, 3, dtype="mixed_float16")
    layer.build((None, None, 4))
    layer.scale.assign([1.0, 2.0])
    layer.load_own_variables({"0": array(layer.direction) * 0 + 1e-4, "1": array(layer.bias), "scale": array(layer.scale)})
    y = array(layer(np.ones((1, 3, 4), "float32"))).astype("float64")
    np.testing.assert_allclose(y[0, 0], np.sqrt(12) * np.array([1, 2]), rtol=1e-2)


def test_a_direction_of_zero_is_a_kernel_of_zero_with_finite_gradients():
    inputs = keras.Input((6, 2))
    model = keras.Model(inputs, WeightNormConv1D(3, 2, kernel_initializer="zeros")(inputs))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(signal(2, 6, 2), signal(2, 5, 3), verbose=0)
    assert all(np.isfinite(array(weight)).all() for weight in model.weights)


def test_surgery_leaves_weight_normalisation_as_it_is():
    model = shaken(TCN((None, 3), 2, (4, 4), 3))
    x = signal(2, 16, 3)
    np.testing.assert_array_equal(array(surgery.accelerate(model)(x)), array(model(x)))


# ---- temporal blocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 4])
def test_temporal_block_is_figure_1b(channels):
    block = shaken(TemporalBlock(4, kernel_size=3, dilation_rate=2), (None, None, channels))
    x = signal(2, 20, channels)
    hidden = x.astype("float64")
    for unit in (block.unit1, block.unit2):
        hidden = np.maximum(causal(hidden, weight_normed(unit.conv), 2, array(unit.conv.bias)), 0)
    skip = x if channels == 4 else causal(x, block.skip.kernel, 1, array(block.skip.bias))
    np.testing.assert_allclose(array(block(x)), np.maximum(hidden + skip, 0), rtol=1e-4, atol=1e-4)
    assert (block.skip is None) == (channels == 4)


def test_values_of_the_input_are_dropped_in_training_alone():
    model = TCN((None, 3), 1, (4,), 2, input_dropout=0.5)
    x = np.ones((1, 400, 3), "float32")
    dropped = array(model.get_layer("input_dropout")(x, training=True))
    assert 0.4 < (dropped == 0).mean() < 0.6
    np.testing.assert_array_equal(array(model.get_layer("input_dropout")(x)), x)


def test_gated_unit_is_tanh_times_sigmoid():
    unit = shaken(CausalUnit(4, 2, 3, gated=True), (None, None, 3))
    x = signal(2, 20, 3)
    a, b = (causal(x, weight_normed(layer), 3, array(layer.bias)) for layer in (unit.conv, unit.gate))
    np.testing.assert_allclose(array(unit(x)), np.tanh(a) * sigmoid(b), rtol=1e-4, atol=1e-5)


def test_dropout_drops_whole_channels_in_training_alone():
    unit = CausalUnit(64, 1, dropout=0.5, kernel_initializer="ones", normalization=None)
    dropped = array(unit(np.ones((1, 9, 1), "float32"), training=True))[0]
    assert np.ptp(dropped, axis=0).max() == 0
    assert 10 < (dropped[0] == 0).sum() < 54
    assert array(unit(np.ones((1, 9, 1), "float32"))).min() == 1
    single = CausalUnit(64, 1, dropout=0.5, kernel_initializer="ones", normalization=None, spatial_dropout=False)
    dropped = array(single(np.ones((1, 9, 1), "float32"), training=True))[0]
    assert np.ptp(dropped, axis=0).max() == 2
    assert 0.4 < (dropped == 0).mean() < 0.6


@pytest.mark.skipif(keras.config.backend() != "torch", reason="compares with PyTorch's own modules")
def test_temporal_block_is_that_of_the_papers_code():
    """A restatement of the block with `torch.nn` and its `weight_norm`, with our weights."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    block = shaken(TemporalBlock(5, kernel_size=3, dilation_rate=2), (None, None, 3))
    x = signal(2, 20, 3)
    h = theirs = torch.tensor(x).transpose(1, 2)
    for unit, channels in ((block.unit1, 3), (block.unit2, 5)):
        conv = weight_norm(nn.Conv1d(channels, 5, 3, dilation=2, padding=4), dim=0)
        with torch.no_grad():
            conv.parametrizations.weight.original0.copy_(torch.tensor(array(unit.conv.scale))[:, None, None])
            conv.parametrizations.weight.original1.copy_(torch.tensor(array(unit.conv.direction).transpose(2, 1, 0).copy()))
            conv.bias.copy_(torch.tensor(array(unit.conv.bias)))
        h = torch.relu(conv(h)[..., :-4])  # what the paper's code calls chomp
    weight = torch.tensor(array(block.skip.kernel).transpose(2, 1, 0).copy())
    skip = nn.functional.conv1d(theirs, weight, torch.tensor(array(block.skip.bias)))
    expected = torch.relu(h + skip).transpose(1, 2).detach().numpy()
    np.testing.assert_allclose(array(block(x)), expected, rtol=1e-4, atol=1e-5)


# ---- TCN ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ({"input_shape": (None, 2), "outputs": 1, "filters": (24,) * 8, "kernel_size": 8, "output": "last"}, 70_369),
        ({"input_shape": (None, 1), "outputs": 10, "filters": (10,) * 8, "kernel_size": 8}, 12_530),
        ({"input_shape": (None, 88), "outputs": 88, "filters": (150,) * 2, "kernel_size": 3}, 269_938),
        ({"input_shape": (None, 88), "outputs": 88, "filters": (150,) * 4, "kernel_size": 6}, 1_053_238),
    ],
    ids=["adding", "copy memory", "JSB chorales", "Nottingham"],
)
def test_networks_of_the_paper_have_their_parameters_and_field(arguments, parameters):
    model = TCN(**arguments)
    assert trainable(model) == parameters
    k, n = arguments["kernel_size"], len(arguments["filters"])
    assert analyze(model).features.size == (1 + 2 * (k - 1) * (2**n - 1),)


@settings(max_examples=8)
@given(st.integers(2, 4), st.integers(1, 4))
def test_a_tcn_sees_as_many_steps_as_the_formula_says(k, n):
    model = TCN((None, 2), 1, (3,) * n, k, kernel_initializer=keras.initializers.RandomUniform(0.1, 1, seed=2))
    model.get_layer("outputs").kernel.assign(np.ones((3, 1)))
    size = 1 + 2 * (k - 1) * (2**n - 1)
    assert analyze(model).output.size == (size,)
    x = np.zeros((1, size + 2, 2), "float32")
    for step, sees in ((1, False), (2, True)):  # the last one in front of the field, and the first inside it
        x[:] = 0
        x[:, step] = 1
        assert bool(array(model(x))[0, -1, 0]) == sees


@pytest.mark.parametrize("gated", [False, True])
def test_rules_of_the_field_agree_with_gradients(gated):
    assert verify(TCN((48, 2), 1, (3, 3), 3, gated=gated)).agrees
    assert verify(WaveNet((48, 1), head="regression", rates=(1, 2, 4), filters=4, skip_filters=4)).agrees
    assert verify(SpliceNet(((3, 1), (5, 2)), input_shape=(60, 4), filters=4, blocks=1)).agrees


@pytest.mark.parametrize("normalization", ["weight", "batch", "layer", None])
@pytest.mark.parametrize("gated", [False, True])
def test_the_future_is_never_seen(normalization, gated):
    model = shaken(TCN((None, 2), 3, (4, 4), normalization=normalization, gated=gated))
    x = signal(1, 30, 2)
    later = x.copy()
    later[:, 20:] = signal(1, 10, 2, seed=1)
    np.testing.assert_array_equal(array(model(x))[:, :20], array(model(later))[:, :20])
    assert np.abs(array(model(x)) - array(model(later)))[:, 20:].min() > 0


def test_outputs_are_every_step_the_last_or_a_horizon():
    arguments = {"input_shape": (None, 2), "outputs": 3, "filters": 4, "rates": (1, 2)}
    x = signal(2, 12, 2)
    every, last = TCN(**arguments), TCN(**arguments, output="last")
    last.set_weights(every.get_weights())
    np.testing.assert_allclose(array(last(x)), array(every(x))[:, -1], rtol=1e-5, atol=1e-6)
    ahead = TCN(**arguments, output="horizon", horizon=5)
    assert ahead.output_shape == (None, 5, 3)
    assert array(ahead(x)).shape == (2, 5, 3)
    assert TCN(**arguments, output="horizon").output_shape == (None, 1, 3)


# ---- WaveNet -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("residual", [False, True])
def test_wavenet_block_is_equation_2_with_conditions(residual):
    block = WaveNetBlock(3, 2, 4, gate_filters=5, skip_filters=6, residual=residual)
    x, same_at_all_times, local = signal(2, 20, 3), signal(2, 1, 4), signal(2, 20, 2)
    block.build([x.shape, same_at_all_times.shape, local.shape])
    shaken(block)
    a = causal(x, block.filter.kernel, 4, array(block.filter.bias))
    b = causal(x, block.gate.kernel, 4, array(block.gate.bias))
    for h, to_filter, to_gate in zip((same_at_all_times, local), block.filter_conditions, block.gate_conditions, strict=True):
        a, b = a + causal(h, to_filter.kernel, 1), b + causal(h, to_gate.kernel, 1)
    z = np.tanh(a) * sigmoid(b)
    outputs = block([x, same_at_all_times, local])
    skip = outputs[1] if residual else outputs
    np.testing.assert_allclose(array(skip), causal(z, block.skip.kernel, 1, array(block.skip.bias)), rtol=1e-4, atol=1e-4)
    if residual:
        expected = x + causal(z, block.residual.kernel, 1, array(block.residual.bias))
        np.testing.assert_allclose(array(outputs[0]), expected, rtol=1e-4, atol=1e-4)
    shapes = tuple(tuple(each.shape) for each in outputs) if residual else tuple(outputs.shape)
    assert block.compute_output_shape([x.shape, same_at_all_times.shape, local.shape]) == shapes


def test_a_stack_of_ten_blocks_sees_1024_samples():
    assert analyze(WaveNet()).output.size == (1024,)
    assert analyze(WaveNet(stacks=3)).output.size == (1 + 3 * 1023,)
    assert analyze(WaveNet(head="regression", input_kernel_size=2)).output.size == (1025,)
    assert WaveNet().get_layer("block10").dilation_rate == 512


@pytest.mark.parametrize(
    ("arguments", "x", "channels"),
    [
        ({}, codes(256), 256),
        ({"classes": 17, "input_kernel_size": 2}, codes(17), 17),
        ({"input_shape": (None, 5), "classes": 5}, np.eye(5, dtype="float32")[codes(5)], 5),
        ({"head": "logistics", "mixtures": 4}, signal(2, 12, 1), 12),
        ({"head": "regression", "input_shape": (None, 3)}, signal(2, 12, 3), 3),
        ({"head": "regression", "input_shape": (12,), "classes": 9}, codes(9), 1),
    ],
)
def test_heads_and_inputs(arguments, x, channels):
    model = WaveNet(**arguments, rates=(1, 2, 4), filters=4, skip_filters=6)
    y = array(model(x))
    assert y.shape == (2, 12, channels)
    later = np.array(x)
    later[:, 7] = x[:, 7][..., ::-1] if x.ndim == 3 and x.shape[-1] > 1 else 1 - x[:, 7] % 2
    np.testing.assert_array_equal(array(model(later))[:, :7], y[:, :7])


def conditioned(**more: Any) -> Any:
    arguments = {"rates": (1, 2, 4), "filters": 4, "skip_filters": 6, "head": "regression", **more}
    return shaken(WaveNet(**arguments))


def test_a_vector_and_a_class_hold_for_all_time():
    x, h = signal(3, 12, 1), signal(3, 5)
    model = conditioned(global_channels=5)
    assert [each.name for each in model.inputs] == ["inputs", "global"]
    y = array(model([x, h]))
    assert np.abs(array(model([x, h + 1])) - y).min() > 0
    by_class = conditioned(global_classes=2)
    a, b = (array(by_class([x, np.full((3, 1), c)])) for c in (0, 1))
    assert np.abs(a - b).min() > 0


@pytest.mark.parametrize("upsample", ["transposed", "repeat"])
def test_a_slower_condition_speaks_to_its_own_samples(upsample, tmp_path):
    model = conditioned(local_channels=2, upsampling=(2, 3), upsample=upsample, rates=(1,), kernel_size=1)
    x, h = signal(1, 24, 1), signal(1, 4, 2)
    y = array(model([x, h]))
    other = h.copy()
    other[0, 2] += 1
    changed = np.abs(array(model([x, other])) - y)[0, :, 0] > 0
    assert np.flatnonzero(changed).tolist() == list(range(12, 18))
    field = analyze(model, [(24, 1), (4, 2)])
    assert field.output.size == (1,)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(array(restored([x, h])), y)


def test_all_conditions_together_are_saved_and_trained(tmp_path):
    model = conditioned(global_classes=3, local_channels=2, upsampling=4)
    inputs = {"inputs": signal(2, 8, 1), "global": np.array([[0], [2]]), "local": signal(2, 2, 2)}
    before = [np.array(array(w)) for w in model.trainable_weights]
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(inputs, signal(2, 8, 1), verbose=0)
    moved = [np.abs(array(w) - old).max() > 0 for w, old in zip(model.trainable_weights, before, strict=True)]
    assert all(moved), [w.path for w, each in zip(model.trainable_weights, moved, strict=True) if not each]
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored.predict(inputs, verbose=0), model.predict(inputs, verbose=0))


@settings(max_examples=30)
@given(st.integers(2, 65_536))
def test_mu_law_is_the_formula_and_codes_survive(classes):
    mu = classes - 1
    x = np.linspace(-1, 1, 1001)
    compressed = np.sign(x) * np.log(1 + mu * np.abs(x)) / np.log(1 + mu)
    codes = array(mu_law_encode(x, classes))
    exact = (compressed + 1) / 2 * mu
    assert np.abs(codes - exact).max() <= 0.5 + 1e-6 * classes  # rounded, but for ties
    assert codes.min() == 0
    assert codes.max() == mu
    every = np.linspace(0, mu, 500).astype("int32")  # always as many, for JAX compiles anew for each shape
    np.testing.assert_array_equal(array(mu_law_encode(mu_law_decode(every, classes), classes)), every)


def test_mu_law_keeps_256_levels_within_half_a_step():
    x = np.linspace(-1, 1, 1999)
    error = np.abs(array(mu_law_decode(mu_law_encode(x))) - x)
    step = (1 / 255 + np.abs(x)) * np.log(256) * 2 / 255  # the derivative of the inverse, times a code
    assert (error / step).max() < 0.52
    np.testing.assert_array_equal(array(mu_law_encode(np.array([-7.0, 0.0, 7.0]))), [0, 128, 255])


def mixture(levels: int, parameters: np.ndarray) -> np.ndarray:
    """Probability of each level, (…, levels), from σ itself."""
    logits, means, log_scales = np.split(parameters.astype("float64")[..., None, :], 3, axis=-1)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    ends = (np.arange(levels - 1) + 0.5) * 2 / (levels - 1) - 1
    inner = sigmoid((ends[:, None] - means) * np.exp(-log_scales))
    cumulative = np.concatenate([np.zeros_like(inner[..., :1, :]), inner, np.ones_like(inner[..., :1, :])], axis=-2)
    return (weights * np.diff(cumulative, axis=-2)).sum(-1)


def test_logistic_mixture_loss_is_the_probability_of_a_level():
    parameters = np.random.default_rng(0).uniform(-1, 1, (2, 3, 12)).astype("float32")
    parameters[..., 8:] *= 3
    expected = -np.log(mixture(33, parameters))
    assert expected.max() < 30  # all that float64 can tell apart by differences
    for level in range(33):
        y = np.full((2, 3, 1), level * 2 / 32 - 1, "float32")
        np.testing.assert_allclose(
            array(logistic_mixture_loss(y, parameters, levels=33)), expected[..., level], rtol=1e-4, atol=1e-5
        )


def test_logistic_mixture_loss_is_finite_far_away():
    parameters = np.array([[[0.0, 1.0, -40.0]], [[0.0, -1.0, 40.0]]], "float32")
    loss = array(logistic_mixture_loss(np.array([[[-0.5]], [[0.9]]], "float32"), parameters))
    assert np.isfinite(loss).all()
    assert loss[0] > 1e5


def test_logistics_are_trained_by_name_and_saved(tmp_path):
    model = WaveNet(head="logistics", mixtures=2, rates=(1, 2), filters=4, skip_filters=4)
    model.compile("adam", logistic_mixture_loss)
    model.optimizer.build(model.trainable_variables)  # TensorFlow traces a step that makes variables twice
    wave = np.sin(np.arange(33) / 3).astype("float32")[None, :, None]
    first = model.evaluate(wave[:, :-1], wave[:, 1:], verbose=0)
    model.fit(wave[:, :-1], wave[:, 1:], epochs=20, verbose=0)
    assert model.evaluate(wave[:, :-1], wave[:, 1:], verbose=0) < first
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").loss is logistic_mixture_loss


def test_samples_are_as_frequent_as_they_should_be():
    logits = np.log(np.array([0.1, 0.6, 0.3], "float32"))
    drawn = array(sample_categorical(np.broadcast_to(logits, (20_000, 3)), seed=1))
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.1, 0.6, 0.3], atol=0.015)
    cold = array(sample_categorical(np.broadcast_to(logits, (2000, 3)), temperature=0.01, seed=2))
    assert set(cold) == {1}
    parameters = np.array([0.5, -0.5, -0.4, 0.5, -2.0, -1.5], "float32")
    drawn = array(sample_logistics(np.broadcast_to(parameters, (20_000, 6)), seed=3))
    assert drawn.shape == (20_000, 1)
    expected = mixture(9, parameters)
    levels = np.round((drawn[:, 0] + 1) * 4).astype(int)
    np.testing.assert_allclose(np.bincount(levels, minlength=9) / 20_000, expected, atol=0.015)


# ---- SpliceNet ---------------------------------------------------------------------------------------------------------------


def test_splice_block_is_figure_1b():
    block = shaken(SpliceBlock(4, 5, 3), (None, None, 4))
    x = signal(2, 40, 4)
    hidden = x.astype("float64")
    for norm, conv in ((block.norm1, block.conv1), (block.norm2, block.conv2)):
        gamma, beta, mean, variance = (array(each).astype("float64") for each in norm.weights)
        hidden = np.maximum((hidden - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta, 0)
        hidden = same(hidden, conv.kernel, 3, conv.bias)
    np.testing.assert_allclose(array(block(x)), x + hidden, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("variant", "field"), [("80nt", 81), ("400nt", 401), ("2k", 2001), ("10k", 10_001)])
def test_variants_see_what_they_are_called_after(variant, field):
    model = SpliceNet(variant)
    assert analyze(model).output.size == (field,)
    stages = VARIANTS[variant]
    units = sum(4 * (2 * (taps * 32 * 32 + 32) + 2 * 2 * 32) for taps, _ in stages)
    pointwise = (4 + 1) * 32 + (1 + len(stages)) * 33 * 32 + 33 * 3
    assert trainable(model) == units + pointwise
    assert f"| {trainable(model):,} |" in SpliceNet.__doc__
    assert model.compute_output_shape((2, 5000 + field - 1, 4)) == (2, 5000, 3)


def test_cropping_takes_away_what_doesnt_see_all_of_its_context():
    whole, cropped = (shaken(SpliceNet("80nt", filters=4, crop=crop)) for crop in (False, True))
    cropped.set_weights(whole.get_weights())
    x = signal(1, 100, 4)
    np.testing.assert_allclose(array(cropped(x)), array(whole(x))[:, 40:-40], rtol=1e-5, atol=1e-5)
    assert cropped.get_layer("stage1_block4").output.shape == (None, None, 4)
    probable = SpliceNet("80nt", filters=4, activation="softmax")
    np.testing.assert_allclose(array(probable(x)).sum(-1), 1, rtol=1e-5)


# ---- all of them -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model.weights.h5", "model.keras"])
@pytest.mark.parametrize(
    ("make", "arguments", "x"),
    [
        (TCN, {"input_shape": (None, 2), "filters": (3, 3)}, signal(1, 9, 2)),
        (WaveNet, {"rates": (1, 2), "filters": 3, "skip_filters": 4}, codes(256)),
        (SpliceNet, {"variant": ((3, 1),), "filters": 4, "blocks": 1}, signal(1, 9, 4)),
    ],
)
def test_weights_come_from_a_file(make, arguments, x, file, tmp_path):
    model = shaken(make(**arguments))
    (model.save if file.endswith(".keras") else model.save_weights)(tmp_path / file)
    np.testing.assert_array_equal(array(make(**arguments, weights=tmp_path / file)(x)), array(model(x)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: TCN(padding="same"), "`padding` must be 'causal'"),
        (lambda: TemporalBlock(4, padding="same"), "`padding` must be 'causal'"),
        (lambda: WaveNet(padding="valid"), "`padding` must be 'causal'"),
        (lambda: WaveNetBlock(4, padding=2), "`padding` must be 'causal'"),
        (lambda: TCN(filters=()), "`filters` must have at least one entry"),
        (lambda: TCN(filters=8), "`filters` must have at least one entry"),
        (lambda: TCN(filters=8, rates=()), "`rates` must have at least one rate"),
        (lambda: TCN(filters=(8, 8), rates=(1, 2, 4)), "`rates` must have one entry a level"),
        (lambda: TCN(filters=(8, 0)), "`filters` must be a positive integer"),
        (lambda: TCN(rates=(1, 0), filters=4), "`rates` must be a positive integer"),
        (lambda: TCN(output="first"), "`output` must be one of"),
        (lambda: TCN(horizon=3), "`horizon` needs `output='horizon'`"),
        (lambda: TCN((None,)), "`input_shape` must be"),
        (lambda: TCN(normalization="group"), "`normalization` must be one of"),
        (lambda: WaveNet(rates=()), "`rates` must have at least one rate"),
        (lambda: WaveNet(stacks=0), "`stacks` must be a positive integer"),
        (lambda: WaveNet(head="softmax"), "`head` must be one of"),
        (lambda: WaveNet((None, None)), "`input_shape` must be"),
        (lambda: WaveNet(upsample="linear"), "`upsample` must be one of"),
        (lambda: WaveNet(local_channels=2, upsampling=0), "`upsampling` must be a positive integer"),
        (lambda: WaveNetBlock(4).build((None, 9, 3)), "must have `filters` channels"),
        (lambda: WaveNetBlock(4).build([(None, 9, 4), (None, 8, 2)]), "A condition must be as long as the input"),
        (lambda: SpliceNet("1k"), "`variant` must be one of"),
        (lambda: SpliceNet(()), "`variant` must be a name"),
        (lambda: SpliceNet(((3, 0),)), "`rate` must be a positive integer"),
        (lambda: SpliceNet(((4, 1),)), "`kernel_size` must be odd"),
        (lambda: SpliceNet("80nt", input_shape=(80, 4)), "`input_shape` must have more than the 80 positions"),
        (lambda: SpliceNet(input_shape=(None,)), "`input_shape` must be"),
        (lambda: SpliceBlock(4, 3).build((None, 9, 3)), "must have `filters` channels"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        make()
    assert "Received: " in str(caught.value)
