"""Convolutions on NumPy arrays, by the native core and by the definition in plain NumPy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

import oracle
from atrous.ops import native
from atrous.ops import numpy as ops
from atrous.spec import ConvSpec
from problems import DIRECTIONS, Problem, problems

EVERY_DIRECTION = pytest.mark.parametrize("direction", DIRECTIONS)
EVERY_PATH = pytest.mark.parametrize("path", ["native", "plain"], indirect=True)
RANKS = pytest.mark.parametrize("rank", [1, 2, 3])
SMALL = Problem(ConvSpec.parse(2, 3, 1, 2, "same"), 2, (7, 6), 3, 4)


@pytest.fixture
def path(request, monkeypatch):
    """Computes by the native core, or without it."""
    if request.param == "plain":
        monkeypatch.setenv("ATROUS_NATIVE", "0")
    elif not native.available():
        pytest.skip("there is no native core here")
    else:
        monkeypatch.delenv("ATROUS_NATIVE", raising=False)
        monkeypatch.setattr(ops.definition, "DIRECTIONS", {})  # whatever comes here fails
    return request.param


def compute(problem, direction, first, second, **more):
    if direction == "forward":
        return ops.conv(first, second, problem.spec, **more)
    if direction == "input_gradient":
        return ops.input_gradient(first, second, problem.spec, problem.size, **more)
    return ops.kernel_gradient(first, second, problem.spec, **more)


@RANKS
@EVERY_PATH
def test_equals_the_definition(rank, path):
    @given(problem=problems(rank))
    @settings(max_examples=60)
    def same(problem):
        for direction in DIRECTIONS:
            problem.check(compute(problem, direction, *problem.operands(direction)), direction)

    same()


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@RANKS
def test_other_types_are_computed_by_the_definition(rank, dtype):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype

    @given(problem=problems(rank))
    @settings(max_examples=20)
    def same(problem):
        for direction in DIRECTIONS:
            operands = [a.astype(kind) for a in problem.operands(direction)]
            result = compute(problem, direction, *operands)
            assert result.dtype == kind
            problem.check(result, direction, operands, dtype)

    same()


@EVERY_PATH
@EVERY_DIRECTION
def test_channels_first_and_strided_arrays(path, direction):
    def first_channels(array):
        return np.moveaxis(array, -1, 1)

    first, second = SMALL.operands(direction)
    swapped = first_channels(first), second if direction != "kernel_gradient" else first_channels(second)
    result = compute(SMALL, direction, *swapped, data_format="channels_first")
    SMALL.check(result if direction == "kernel_gradient" else np.moveaxis(result, 1, -1), direction)
    SMALL.check(compute(SMALL, direction, np.asfortranarray(first), np.repeat(second, 2, -1)[..., ::2]), direction)


@EVERY_PATH
def test_depthwise(path):
    spec = ConvSpec.parse(1, 3, 1, 3, "causal")
    problem = Problem(dataclasses.replace(spec, groups=5), 2, (19,), 1, 2)
    x, kernel = problem.operands("forward")
    problem.check(ops.depthwise_conv(x, kernel.reshape(3, 5, 2), spec), "forward")


@EVERY_PATH
def test_bias(path):
    x, kernel = SMALL.operands("forward")
    bias = SMALL.arrays["bias"]
    scale = SMALL.answer("forward", abs(x), abs(kernel)) + abs(bias)
    oracle.assert_close(ops.conv(x, kernel, SMALL.spec, bias=bias), SMALL.answer("forward", x, kernel) + bias, scale)
    y = ops.conv_transpose(x, np.moveaxis(kernel, -1, -2), SMALL.spec, bias=bias)
    oracle.assert_close(
        y - ops.conv_transpose(x, np.moveaxis(kernel, -1, -2), SMALL.spec), np.broadcast_to(bias, y.shape), scale
    )


@EVERY_PATH
@pytest.mark.parametrize("padding", ["valid", "same", ((1, 0), (2, 3))])
@pytest.mark.parametrize("output_padding", [None, (1, 0)])
@pytest.mark.parametrize("strides", [1, (2, 3)])
def test_conv_transpose(path, padding, output_padding, strides):
    if strides == 1 and output_padding is not None:
        output_padding = (0, 0)
    spec = ConvSpec.parse(2, (2, 3), strides, 2, padding)
    random = np.random.default_rng(0)
    x = random.standard_normal((2, 5, 4, 3)).astype("float32")
    kernel = random.standard_normal((2, 3, 4, 3)).astype("float32")
    axes = spec.transposed(output_padding)
    geometry = (spec.strides, spec.dilation_rate, [axis.before for axis in axes], [axis.output_size(n) for axis, n in zip(axes, (5, 4), strict=True)])  # fmt: skip  # noqa: E501
    y = ops.conv_transpose(x, kernel, spec, output_padding)
    oracle.assert_close(y, oracle.conv_transpose(x, kernel, *geometry), oracle.conv_transpose(abs(x), abs(kernel), *geometry))
    first = ops.conv_transpose(np.moveaxis(x, -1, 1), kernel, spec, output_padding, "channels_first")
    assert (first == np.moveaxis(y, -1, 1)).all()


@EVERY_PATH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_over_padding_contribute_nothing_whatever_they_are(path, bad):
    problem = Problem(ConvSpec.parse(2, 3, 1, 6, "same"), 1, (5, 5), 3, 4)
    x, kernel = problem.operands("forward")
    poisoned = np.full_like(kernel, bad)
    poisoned[1, 1] = kernel[1, 1]
    problem.check(ops.conv(x, poisoned, problem.spec), "forward")
    back = ops.input_gradient(problem.arrays["upstream"], poisoned, problem.spec, problem.size)
    problem.check(back, "input_gradient")


@EVERY_PATH
def test_nan_and_inf_are_passed_on_without_a_warning(path):
    x, kernel = (a.copy() for a in SMALL.operands("forward"))
    x[0, 0, 0, 0], kernel[1, 1, 0, 0] = np.inf, -np.inf
    assert ops.conv(x, kernel, SMALL.spec)[0, 0, 0, 0] == -np.inf
    x[0, 0, 0, 0] = 0
    assert np.isnan(ops.conv(x, kernel, SMALL.spec)[0, 0, 0, 0])


@EVERY_PATH
def test_empty_batch(path):
    problem = Problem(ConvSpec.parse(2, 3, 2, 2, "same", groups=2), 0, (7, 6), 3, 4)
    shapes = {"forward": (0, 4, 3, 8), "input_gradient": (0, 7, 6, 6), "kernel_gradient": (3, 3, 3, 8)}
    for direction, shape in shapes.items():
        result = compute(problem, direction, *problem.operands(direction))
        assert result.shape == shape
        assert not result.any()


@EVERY_PATH
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x, w, s: ops.conv(x, w.astype("float64"), s), TypeError, "one floating dtype. Received: float32, float64"),
        (
            lambda x, w, s: ops.conv(x.astype("int32"), w.astype("int32"), s),
            TypeError,
            "floating dtype. Received: int32, int32",
        ),
        (lambda x, w, s: ops.conv(x[0], w, s), ValueError, r"`x` must have 4 axes.*Received: shape \(7, 6, 3\)"),
        (
            lambda x, w, s: ops.conv(x[..., :2], w, s),
            ValueError,
            r"`kernel` must be .*and 2 channels. Received: shape \(3, 3, 3, 4\)",
        ),
        (lambda x, w, s: ops.conv(x, w[:2], s), ValueError, r"kernel_size=\(3, 3\).*Received: shape \(2, 3, 3, 4\)"),
        (
            lambda x, w, s: ops.conv(x, w, s, bias=x[0, 0, 0]),
            ValueError,
            r"`bias` must have one entry .*Received: shape \(3,\)",
        ),
        (
            lambda x, w, s: ops.conv(x, w, ConvSpec.parse(2, 3, 1, 2**31, "same")),
            ValueError,
            r"must be below 2\^31. Received: ",
        ),
        (lambda x, w, s: ops.conv(x, w, ConvSpec.parse(2, 3, 1, 9)), ValueError, "The output would be empty"),
        (lambda x, w, s: ops.conv_transpose(x, w, s), ValueError, "`kernel` must be .*and 3 filters"),
        (
            lambda x, w, s: ops.conv_transpose(x, w.reshape(3, 3, 4, 3), ConvSpec.parse(2, 3, 1, 1, 9)),
            ValueError,
            "the pads crop more than there is",
        ),
        (lambda x, w, s: ops.input_gradient(x, w, s, (7, 6)), ValueError, "`kernel` must be .*and 3 filters"),
        (lambda x, w, s: ops.input_gradient(w, w, s, (7, 6)), ValueError, r"`upstream` must have the shape .*\(3, 7, 6, 4\)"),
        (
            lambda x, w, s: ops.kernel_gradient(x, x[:1], s),
            ValueError,
            r"`upstream` must have the shape .*Received: \(1, 7, 6, 3\)",
        ),
        (
            lambda x, w, s: ops.kernel_gradient(x, x, dataclasses.replace(s, groups=2)),
            ValueError,
            "`groups` must divide the channels of `x`. Received: groups=2, channels=3",
        ),
    ],
)
def test_bad_input(path, call, error, message):
    with pytest.raises(error, match=message):
        call(*SMALL.operands("forward"), SMALL.spec)
