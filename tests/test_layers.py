"""Layers against `keras.layers` and against the definition: values and gradients, on the backend that runs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings

import oracle
from atrous import layers
from cases import Case, cases
from gradients import value_and_gradients

EXAMPLES = {"tensorflow": 500, "torch": 20}.get(keras.config.backend(), 14)  # JAX compiles every one of them


def weights_of(layer: Any, case: Case) -> list[np.ndarray]:
    generator = np.random.default_rng(case.seed + 1)
    return [generator.standard_normal(w.shape).astype("float32") for w in layer.weights]


def run(layer: Any, case: Case, weights: list[np.ndarray]) -> Any:
    """Output and gradients for the input and each weight, of Σ u · layer(x) for a fixed u."""

    def call(x: Any, *weights: Any) -> Any:
        return layer.stateless_call(list(weights), [], x)[0] if keras.config.backend() == "jax" else _with(layer, weights, x)

    return value_and_gradients(call, [case.input(), *weights], _upstream)


def _with(layer: Any, weights: Any, x: Any) -> Any:
    scope = keras.StatelessScope(list(zip(layer.weights, weights, strict=True)))
    with scope:
        return layer(x)


def _upstream(shape: Any) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(tuple(shape)).astype("float32")


def expected(case: Case, weights: list[np.ndarray], magnitude: bool = False) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same from the definition, in float64; with `magnitude`, of absolute values: the scale of the tolerance."""
    clean = np.abs if magnitude else np.asarray
    x, weights = clean(case.input().astype("float64")), [clean(w.astype("float64")) for w in weights]
    g = clean(_upstream(output_shape(case)).astype("float64"))
    forward = {"Con": _conv, "Dep": _depthwise, "Sep": _separable}[case.name[:3]] if "Tran" not in case.name else _transpose
    y, gradients = forward(case, x, weights, g)
    if case.arguments["use_bias"]:
        y = y + weights[-1]
        gradients.append(g.reshape(-1, g.shape[-1]).sum(0))
    return y, gradients


def output_shape(case: Case) -> tuple[int, ...]:
    return getattr(layers, case.name)(**case.arguments).compute_output_shape(case.input_shape)


def _geometry(case: Case) -> tuple[Any, Any, Any]:
    a = case.arguments
    pads = oracle.pads(case.input_shape[1:-1], a["kernel_size"], a["strides"], a["dilation_rate"], a["padding"])
    return a["strides"], a["dilation_rate"], pads


def _conv(case: Case, x: Any, weights: Any, g: Any) -> Any:
    w, groups, (s, r, p) = weights[0], case.arguments.get("groups", 1), _geometry(case)
    y = oracle.conv(x, w, s, r, p, groups)
    return y, [
        oracle.input_gradient(g, w, x.shape[1:-1], s, r, p, groups),
        oracle.kernel_gradient(x, g, w.shape[:-2], s, r, p, groups),
    ]


def _depthwise(case: Case, x: Any, weights: Any, g: Any) -> Any:
    w, groups, (s, r, p) = weights[0], x.shape[-1], _geometry(case)
    flat = w.reshape(*w.shape[:-2], 1, -1)
    y = oracle.conv(x, flat, s, r, p, groups)
    dw = oracle.kernel_gradient(x, g, w.shape[:-2], s, r, p, groups)
    return y, [oracle.input_gradient(g, flat, x.shape[1:-1], s, r, p, groups), dw.reshape(w.shape)]


def _separable(case: Case, x: Any, weights: Any, g: Any) -> Any:
    pointwise = weights[1].reshape(weights[1].shape[-2:])
    inner = np.einsum("...o,io->...i", g, pointwise)
    spread, (dx, dw) = _depthwise(case, x, weights[:1], inner)
    dp = np.einsum("pi,po->io", spread.reshape(-1, spread.shape[-1]), g.reshape(-1, g.shape[-1]))
    return spread @ pointwise, [dx, dw, dp.reshape(weights[1].shape)]


def _transpose(case: Case, x: Any, weights: Any, g: Any) -> Any:
    """By the rule Keras documents: `same` gives n·s, or (n−1)·s + span mod 2 + output_padding; the rest is cut evenly."""
    w, a = weights[0], case.arguments
    extra = a.get("output_padding") or (None,) * len(a["strides"])
    before, size = [], g.shape[1:-1]
    for k, s, r, e, n, out in zip(a["kernel_size"], a["strides"], a["dilation_rate"], extra, x.shape[1:-1], size, strict=True):
        span = (k - 1) * r + 1
        cut = {"valid": 0, "causal": 0}.get(a["padding"]) if isinstance(a["padding"], str) else a["padding"][len(before)][0]
        before.append(max((n - 1) * s + span - out, 0) // 2 if cut is None else cut)
        if a["padding"] == "same":
            assert out == (n * s if e is None else (n - 1) * s + span % 2 + e)
    y = oracle.conv_transpose(x, w, a["strides"], a["dilation_rate"], before, size)
    reach = [(n - 1) * s + (k - 1) * r + 1 for n, s, k, r in zip(
        x.shape[1:-1], a["strides"], a["kernel_size"], a["dilation_rate"], strict=True)]  # fmt: skip
    padded = np.zeros((g.shape[0], *[max(f, b + n) for f, b, n in zip(reach, before, size, strict=True)], g.shape[-1]))
    padded[(slice(None), *[slice(b, b + n) for b, n in zip(before, size, strict=True)])] = g
    padded = padded[(slice(None), *[slice(0, f) for f in reach])]
    none = [(0, 0)] * len(reach)
    dx = oracle.conv(padded, w, a["strides"], a["dilation_rate"], none)
    return y, [dx, oracle.kernel_gradient(padded, x, a["kernel_size"], a["strides"], a["dilation_rate"], none)]


def check(case: Case, against_keras: bool = False) -> bool:
    """Compares the layer with the definition and with Keras's layer; returns whether Keras's ran on this build."""
    layer = getattr(layers, case.name)(**case.arguments)
    layer.build(case.input_shape)
    weights = weights_of(layer, case)
    y, gradients = run(layer, case, weights)
    answers = [expected(case, weights)]
    if against_keras:
        answers += run_stock(case, weights)
    scale, gradient_scales = expected(case, weights, magnitude=True)
    for answer, answer_gradients in answers:
        oracle.assert_close(y, answer, scale)
        for actual, wanted, gradient_scale in zip(gradients, answer_gradients, gradient_scales, strict=True):
            oracle.assert_close(actual, wanted, gradient_scale)
    return len(answers) == 2


def run_stock(case: Case, weights: list[np.ndarray]) -> list[Any]:
    """What Keras's layer gives, as a list of one; empty where this build has no kernel for what its constructor accepted."""
    stock = getattr(keras.layers, case.name)(**case.arguments)
    stock.build(case.input_shape)
    try:
        return [run(stock, case, weights)]
    except Exception as error:
        if isinstance(error, AssertionError):
            raise
        return []


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equal_to_keras_layers(rank):
    compared = []

    @settings(max_examples=EXAMPLES)
    @given(cases(rank))
    def same(case):
        compared.append(check(case, against_keras=True))

    same()
    assert len(compared) >= EXAMPLES
    assert np.mean(compared) > 0.8, "Keras's own layers ran in too few of the cases to compare with them"


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equal_to_the_definition_where_keras_has_limits(rank):
    @settings(max_examples=EXAMPLES // 2)
    @given(cases(rank, keras_only=False))
    def same(case):
        check(case)

    same()
