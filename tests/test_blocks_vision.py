"""Vision blocks against their equations, restated in NumPy and float64, and the numbers that papers give."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from atrous import schedules
from atrous.blocks import (
    ASPP,
    ContextIdentity,
    ContextModule,
    ConvNormActivation,
    FrontEnd,
    HybridDilatedGroup,
    MultiScale,
    multi_grid,
)
from atrous.field import analyze


def numpy_of(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def trained(block: Any, input_shape: tuple[int, ...]) -> Any:
    """The block, built, with weights of which none is 0 and none is at its start."""
    block.build((None, *input_shape))
    random = np.random.default_rng(3)
    for weight in block.weights:
        if "seed" not in weight.path:
            low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.5
            weight.assign(random.uniform(low, 1.0, weight.shape))
    return block


def conv(x: np.ndarray, layer: Any, kernel: np.ndarray | None = None) -> np.ndarray:
    """A convolution layer at "same" padding, by the definition."""
    w = numpy_of(layer.kernel) if kernel is None else kernel
    pads = oracle.pads(x.shape[1:-1], w.shape[:-2], layer.strides, layer.dilation_rate, layer.padding)
    y = oracle.conv(x, w, layer.strides, layer.dilation_rate, pads)
    return y + (numpy_of(layer.bias) if layer.use_bias else 0)


def norm(x: np.ndarray, layer: Any) -> np.ndarray:
    """Batch normalisation at inference."""
    mean, variance = numpy_of(layer.moving_mean), numpy_of(layer.moving_variance)
    return (x - mean) / np.sqrt(variance + layer.epsilon) * numpy_of(layer.gamma) + numpy_of(layer.beta)


def unit(x: np.ndarray, block: Any) -> np.ndarray:
    """Convolution, batch normalisation, ReLU."""
    y = conv(x, block.conv)
    y = y if block.norm is None else norm(y, block.norm)
    return y if block.act is None else np.maximum(y, 0)


# ---- unit ------------------------------------------------------------------------------------------------------------------


def test_unit_is_convolution_normalization_activation():
    block, x = trained(ConvNormActivation(5, 3, strides=2, dilation_rate=2), (9, 8, 4)), draw(2, 9, 8, 4)
    np.testing.assert_allclose(numpy_of(block(x)), unit(x, block), rtol=1e-4, atol=1e-5)


def test_separable_unit_normalizes_twice():
    block, x = trained(ConvNormActivation(5, 3, dilation_rate=2, separable=True), (9, 8, 4)), draw(2, 9, 8, 4)
    depthwise = numpy_of(block.depthwise.kernel)[..., 0]  # (3, 3, channels)
    diagonal = depthwise[..., None] * np.eye(4)
    y = np.maximum(norm(conv(x, block.depthwise, diagonal), block.depthwise_norm), 0)
    np.testing.assert_allclose(numpy_of(block(x)), unit(y, block), rtol=1e-4, atol=1e-5)


def test_a_bias_stands_only_where_no_normalization_follows():
    assert not ConvNormActivation(2, 3).conv.use_bias
    assert ConvNormActivation(2, 3, normalization=None).conv.use_bias
    assert ConvNormActivation(2, 3, use_bias=True).conv.use_bias


def test_units_copy_the_normalization_layer_they_are_given():
    given = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="given")
    first, second = (ConvNormActivation(2, 3, normalization=given) for _ in range(2))
    assert (first.norm.momentum, first.norm.epsilon, first.norm.name) == (0.9, 1e-5, "norm")
    assert len({id(given), id(first.norm), id(second.norm)}) == 3


def test_branches_begin_different_though_they_share_an_initializer():
    block = MultiScale(4, (1, 2), kernel_initializer=keras.initializers.HeNormal())
    block.build((None, 8, 8, 3))
    first, second = (numpy_of(branch.conv.kernel) for branch in block.branches)
    assert np.abs(first - second).max() > 0.01


def test_groups_divide_the_channels():
    block = ConvNormActivation(48, 3, normalization="group", separable=True)
    block.build((None, 8, 8, 10))
    assert (block.depthwise_norm.groups, block.norm.groups) == (2, 16)


# ---- atrous spatial pyramid pooling ----------------------------------------------------------------------------------------


def test_the_textbook_pyramid():
    block = ASPP(32, rates=(2, 4), project=False, normalization=None)
    assert block.compute_output_shape((None, 32, 32, 64)) == (None, 32, 32, 128)
    assert numpy_of(block(draw(1, 32, 32, 64))).shape == (1, 32, 32, 128)
    one, dilated = 64 * 32 + 32, 9 * 64 * 32 + 32
    assert block.count_params() == one + 2 * dilated + one


@pytest.mark.filterwarnings("ignore:`rates` should be below the size of the map")
@settings(max_examples=15)
@given(
    rates=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    image_pooling=st.booleans(),
)
def test_branches_are_the_definition_side_by_side(rates, size, image_pooling):
    block = trained(ASPP(2, rates, image_pooling=image_pooling, project=False, normalization=None), (*size, 3))
    x = draw(2, *size, 3)
    expected = [conv(x, branch.conv) for branch in block.branches]
    scale = [conv_scale(x, branch.conv) for branch in block.branches]
    if image_pooling:
        mean, magnitude = (np.mean(v.astype("float64"), (1, 2), keepdims=True) for v in (x, np.abs(x)))
        expected.append(np.broadcast_to(conv(mean, block.image.conv), (2, *size, 2)))
        scale.append(np.broadcast_to(conv_scale(magnitude, block.image.conv), (2, *size, 2)))
    oracle.assert_close(numpy_of(block(x)), np.maximum(np.concatenate(expected, -1), 0), np.concatenate(scale, -1))


def conv_scale(x: np.ndarray, layer: Any) -> np.ndarray:
    """Σ|x||w|, with the bias."""
    pads = oracle.pads(x.shape[1:-1], layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    w = np.abs(numpy_of(layer.kernel))
    return oracle.conv(np.abs(x), w, layer.strides, layer.dilation_rate, pads) + np.abs(numpy_of(layer.bias))


def test_projected_pyramid_by_the_equations():
    block, x = trained(ASPP(4, (1, 3), dropout=0.5), (9, 8, 5)), draw(2, 9, 8, 5)
    mean = x.mean((1, 2), keepdims=True)
    maps = [unit(x, branch) for branch in block.branches]
    joined = np.concatenate([*maps, np.broadcast_to(unit(mean, block.image), maps[0].shape)], -1)
    np.testing.assert_allclose(numpy_of(block(x)), unit(joined, block.project), rtol=1e-4, atol=1e-5)
    dropped = numpy_of(block(x, training=True))
    assert 0.3 < np.mean(dropped == 0) < 0.9


def test_deeplab_pyramid_has_its_published_size():
    """On ResNet's 2048 channels: five branches and the projection, of 256 filters each, without biases."""
    block = ASPP(256, (6, 12, 18))
    branches = 2 * 2048 * 256 + 3 * 9 * 2048 * 256
    shapes = sum(np.prod(w.shape) for w in built_lazily(block, (33, 33, 2048)))
    assert shapes == branches + 5 * 256 * 256 + 6 * 2 * 256


def built_lazily(block: Any, input_shape: tuple[int, ...]) -> list[Any]:
    """Trainable weights of a block too large to be drawn."""
    with keras.StatelessScope():
        block.build((None, *input_shape))
    return block.trainable_weights


def test_bilinear_growth_of_one_position_is_broadcasting():
    one = draw(2, 1, 1, 3)
    grown = keras.ops.image.resize(one, (5, 7), interpolation="bilinear", data_format="channels_last")
    np.testing.assert_allclose(numpy_of(grown), np.broadcast_to(one, (2, 5, 7, 3)), rtol=1e-6)


def test_rates_grow_with_the_resolution():
    assert [ASPP(4, (6, 12, 18), output_stride=s).scaled_rates for s in (16, 8, 32)] == [(6, 12, 18), (12, 24, 36), (3, 6, 9)]
    dilated = ASPP(4, (6, 12), output_stride=8).branches[2]
    assert dilated.conv.dilation_rate == (24, 24)


def test_it_warns_once_where_a_rate_reaches_the_map():
    block = ASPP(4, (2, 8, 9), name="pyramid")
    with pytest.warns(UserWarning, match=r"rates \[8, 9\] on a map of size \(8, 12\), in layer 'pyramid'"):
        block.build((None, 8, 12, 3))
    block(draw(1, 8, 12, 3))
    ASPP(4, (2, 7))(draw(1, 8, 12, 3))
    open_sizes = ASPP(4, (2, 8))
    open_sizes.build((None, None, None, 3))
    with pytest.warns(UserWarning, match="below the size of the map"):
        open_sizes(draw(1, 9, 8, 3))
    open_sizes(draw(1, 7, 7, 3))


# ---- context ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"size": "large", "noise": 0.0}, {"normalization": None, "padding": "same"}])
def test_context_module_begins_as_the_identity(options):
    x = np.abs(draw(2, 20, 18, 3))
    np.testing.assert_allclose(numpy_of(ContextModule(**options)(x)), x, rtol=1e-5, atol=1e-6)


def test_noise_of_a_large_module_breaks_ties_and_little_else():
    x = np.abs(draw(1, 20, 18, 3))
    block = ContextModule(size="large", rates=(1, 2, 1))
    y = numpy_of(block(x))
    assert 0 < np.abs(y - x).max() < 0.1
    kernel = numpy_of(block.convs[0].conv.kernel)
    assert np.abs(kernel[..., 0] - kernel[..., 1]).max() > 0  # both descend from the same map


@pytest.mark.parametrize(("maps", "channels", "filters"), [(3, 3, 3), (3, 3, 6), (3, 12, 6), (2, 8, 2), (5, 5, 40)])
def test_identity_is_equation_5(maps, channels, filters):
    kernel = numpy_of(ContextIdentity(maps)((3, 5, channels, filters)))
    expected = np.zeros((3, 5, channels, filters))
    for a in range(channels):
        for b in range(filters):
            if a * maps // channels == b * maps // filters:
                expected[1, 2, a, b] = maps / filters
    np.testing.assert_array_equal(kernel, expected.astype("float32"))
    noisy = numpy_of(ContextIdentity(maps, noise=0.01, seed=1)((3, 5, channels, filters)))
    np.testing.assert_array_equal(noisy[expected > 0], kernel[expected > 0])
    assert noisy[expected == 0].std() == pytest.approx(0.01 * maps / filters, rel=0.3)


def test_context_module_has_its_published_numbers():
    """Table 1: it sees 67×67; 64·C² weights in a basic module; maps of a large one are 2, 2, 4, 8, 16, 32, 32, 1 times C."""
    inputs = keras.Input((None, None, 3))
    basic = ContextModule(name="context")
    report = analyze(keras.Model(inputs, basic(inputs)))
    assert [report[f"context/conv{i}"].size[0] for i in range(1, 8)] == [3, 5, 9, 17, 33, 65, 67]
    assert report.output.size == (67, 67)
    assert basic.count_params() == 64 * 3**2 + 8 * 3
    large = ContextModule(1, size="large")
    large.build((None, 9, 9, 1))
    assert [conv.filters for conv in large.convs] == [2, 2, 4, 8, 16, 32, 32, 1]


def test_valid_context_is_the_inside_of_the_same():
    same = trained(ContextModule(rates=(1, 2, 4)), (24, 20, 3))
    valid = ContextModule(rates=(1, 2, 4), padding="valid")
    valid.build((None, 24, 20, 3))
    valid.set_weights(same.get_weights())
    x = draw(1, 24, 20, 3)
    np.testing.assert_allclose(numpy_of(valid(x)), numpy_of(same(x))[:, 7:-7, 7:-7], rtol=1e-4, atol=1e-4)


def test_front_end_takes_images_of_900_to_maps_of_66():
    """As in the authors' training, with a margin of 186 pixels on each side; with zeros, it has an eighth of the resolution."""
    assert FrontEnd(21, padding="valid").compute_output_shape((1, 900, 900, 3)) == (1, 66, 66, 21)
    assert FrontEnd(21).compute_output_shape((1, None, 512, 3)) == (1, None, 64, 21)


def test_front_end_is_vgg16():
    """The convolutions of configuration D (Simonyan & Zisserman 2015), an eighth as wide, and its dense layers as windows."""
    block = FrontEnd(5, widths=(8, 16, 32, 64, 64, 512))
    block.build((None, 64, 64, 3))
    widths = [8, 8, 16, 16, 32, 32, 32, 64, 64, 64, 64, 64, 64]
    kernels = [(3, 3, a, b) for a, b in pairwise([3, *widths])] + [(7, 7, 64, 512), (1, 1, 512, 512), (1, 1, 512, 5)]
    assert [w.shape for w in block.weights if w.name == "kernel"] == kernels
    full = FrontEnd(21)
    assert full.widths == (64, 128, 256, 512, 512, 4096)
    assert [each.conv.dilation_rate[0] for each in full.chain if hasattr(each, "conv")] == [1] * 10 + [2] * 3 + [4, 1, 1]


# ---- hybrid dilated convolution --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [4, 3])
def test_residual_group_by_the_equations(channels):
    block, x = trained(HybridDilatedGroup(4, (1, 2), residual=True), (9, 8, channels)), draw(2, 9, 8, channels)
    inner = unit(unit(x, block.convs[0]), block.convs[1])
    kept = x if channels == 4 else unit(x, block.shortcut)
    assert (block.shortcut is None) == (channels == 4)
    np.testing.assert_allclose(numpy_of(block(x)), np.maximum(inner + kept, 0), rtol=1e-4, atol=1e-4)


def test_rates_of_a_group_are_those_of_the_paper():
    assert HybridDilatedGroup(4).rates == (1, 2, 5)
    assert HybridDilatedGroup(4, kernel_size=2).rates == schedules.hybrid(3, 2)


@pytest.mark.parametrize("rates", [(2,), (2, 2, 2), (2, 4, 8), (1, 2, 9)])
def test_rates_with_holes_are_refused(rates):
    with pytest.raises(ValueError, match=r"`rates` must leave no holes \(gridding\)") as raised:
        HybridDilatedGroup(4, rates)
    better = eval(str(raised.value).partition("for instance rates=")[2].partition(", which")[0])
    HybridDilatedGroup(4, better)
    assert HybridDilatedGroup(4, rates, check=False).rates == rates


def test_rates_that_break_the_rule_without_holes_are_warned_about():
    with pytest.warns(UserWarning, match="M₂ is 5"):
        HybridDilatedGroup(4, schedules.sawtooth((1, 2, 5), 2))


def test_multi_grid_multiplies():
    assert multi_grid((1, 2, 4), 2) == (2, 4, 8)
    assert multi_grid([1, 2, 1], 4) == (4, 8, 4)


# ---- multi-scale features --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fuse", ["sum", "concat", "attention"])
def test_fusion_by_the_equations(fuse):
    block, x = trained(MultiScale(4, (1, 3), fuse=fuse), (9, 8, 5)), draw(2, 9, 8, 5)
    maps = [unit(x, branch) for branch in block.branches]
    joined = np.concatenate(maps, -1)
    expected = {"sum": sum(maps), "concat": joined}
    if fuse == "attention":
        scores = unit(unit(joined, block.attend), block.scores)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        expected["attention"] = sum(weights[..., i : i + 1] * each for i, each in enumerate(maps))
    np.testing.assert_allclose(numpy_of(block(x)), expected[fuse], rtol=1e-4, atol=1e-4)


def test_attention_without_preference_is_the_mean():
    block, x = MultiScale(4, (1, 2, 4), fuse="attention"), draw(1, 9, 8, 5)
    block.build(x.shape)
    block.scores.conv.kernel.assign(np.zeros(block.scores.conv.kernel.shape))
    mean = np.mean([numpy_of(branch(x)) for branch in block.branches], 0)
    np.testing.assert_allclose(numpy_of(block(x)), mean, rtol=1e-5, atol=1e-6)


# ---- wrong use -------------------------------------------------------------------------------------------------------------

WRONG = [
    (lambda: ASPP(4, ()), r"`rates` must have at least one rate: .* Received: rates=\(\)"),
    (lambda: ASPP(4, (2, 0)), r"`rates` must be a positive integer\. Received: rates=0"),
    (lambda: ASPP(4, "24"), r"`rates` must be a positive integer\. Received: rates='2'"),
    (lambda: ASPP(0, (2,)), r"`filters` must be a positive integer\. Received: filters=0"),
    (lambda: ASPP(4, (1, 2), output_stride=32), r"`rates` must stay integers .* rates=\(1, 2\), output_stride=32"),
    (
        lambda: ASPP(4, (1, 2), rank=3, separable=True),
        r"`rank` of separable convolutions must be one of 1, 2\. Received: rank=3",
    ),
    (lambda: ConvNormActivation(4, 3, rank=4), r"`rank` must be one of 1, 2, 3\. Received: rank=4"),
    (
        lambda: ConvNormActivation(4, 3, normalization="instance"),
        r"`normalization` must be one of .* Received: normalization='ins",
    ),
    (
        lambda: ConvNormActivation(4, 3, separable=True, groups=2),
        r"`groups` must be 1 in a separable unit.* Received: groups=2",
    ),
    (lambda: ConvNormActivation(4, 3, data_format="last"), r"`data_format` .* must be one of .* Received: data_format=last"),
    (lambda: ContextModule(size="huge"), r"`size` must be one of 'basic', 'large'\. Received: size='huge'"),
    (lambda: ContextModule(rates=[]), r"`rates` must have at least one rate: .* Received: rates=\[\]"),
    (
        lambda: ContextModule(4).build((None, 9, 9, 3)),
        r"must have as many channels .* channels=4, input_shape=\(None, 9, 9, 3\)",
    ),
    (lambda: ContextIdentity(3)((3, 3, 4, 6)), r"`shape` must have .* Received: shape=\(3, 3, 4, 6\), maps=3"),
    (lambda: FrontEnd(4, widths=(1, 2)), r"`widths` must be .* Received: widths=\(1, 2\)"),
    (lambda: HybridDilatedGroup(4, ()), r"`rates` must have at least one rate"),
    (lambda: multi_grid((), 2), r"`unit_rates` must have at least one rate: .* Received: unit_rates=\(\)"),
    (lambda: multi_grid((1, 2), 0), r"`rate` must be a positive integer\. Received: rate=0"),
    (lambda: MultiScale(4, ()), r"`rates` must have at least one rate"),
    (lambda: MultiScale(4, fuse="max"), r"`fuse` must be one of 'sum', 'concat', 'attention'\. Received: fuse='max'"),
    (lambda: MultiScale(4, padding="causal"), r"`padding='causal'` must have one spatial axis"),
]


@pytest.mark.parametrize(("use", "message"), WRONG)
def test_wrong_use_is_one_clear_sentence(use, message):
    with pytest.raises(ValueError, match=message):
        use()
