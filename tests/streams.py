"""Random causal networks over time, as one hypothesis strategy, and what they say block by block.

A network is a plain value (what to do, in order), so that a failing one is printed whole and shrinks well.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from hypothesis import strategies as st
from keras import layers, ops

import atrous
from atrous import blocks
from atrous.streaming import Step
from oracle import assert_close

CHANNELS = 2
RATES = Fraction(1, 8), Fraction(3)
"""Steps of a tensor for each of the input: no fewer and no more."""


@dataclass(frozen=True)
class Layer:
    """What to do, and with which of the tensors made so far, counted from the last."""

    kind: str
    arguments: tuple[Any, ...] = ()
    back: int = 0


@dataclass(frozen=True)
class Network:
    """A causal network of up to eight layers."""

    layers: tuple[Layer, ...]

    def build(self) -> keras.Model:
        """The network, with weights that show."""
        x = keras.Input((None, CHANNELS), name="x")
        made = [(x, Fraction(1))]
        for number, layer in enumerate(self.layers):
            made.append(_made(layer, f"s{number}", made))
        model = keras.Model(x, made[-1][0])
        randomize(model)
        return model


kernels, rates, strides = st.integers(1, 4), st.integers(1, 3), st.sampled_from([1, 1, 2, 3])


def _layers() -> st.SearchStrategy[Layer]:
    back = st.sampled_from([0, 0, 0, 1, 2])
    window = st.tuples(kernels, strides, rates)
    between = st.sampled_from(["linear", "sigmoid", "relu"])
    join = st.builds(Layer, st.sampled_from(["add", "multiply", "concatenate", "gate"]), st.tuples(st.integers(1, 5)), back)
    return st.one_of(
        st.builds(Layer, st.sampled_from(["conv", "depthwise", "separable", "max", "average"]), window, back),
        st.builds(Layer, st.just("padded"), st.tuples(kernels, strides, rates, st.integers(0, 2), between), back),
        st.builds(Layer, st.just("transposed"), st.tuples(kernels, strides, rates), back),
        st.builds(Layer, st.just("cropped"), st.tuples(kernels, strides), back),
        st.builds(Layer, st.sampled_from(["up", "repeat", "down"]), st.tuples(st.integers(2, 3)), back),
        st.builds(Layer, st.sampled_from(["late", "shifted"]), st.tuples(st.integers(1, 4)), back),
        st.builds(
            Layer, st.sampled_from(["batch norm", "layer norm", "tanh", "softmax", "temporal", "wavenet"]), st.just(()), back
        ),
        *[join] * 2,  # weighted: without joins there is no graph
    )


def _ahead() -> st.SearchStrategy[Layer]:
    """Layers that look ahead."""
    kinds = st.sampled_from(["conv", "depthwise", "max", "average", "transposed"])
    return st.builds(Layer, st.just("ahead"), st.tuples(kinds, kernels, strides, rates), st.sampled_from([0, 0, 1]))


networks = st.builds(Network, st.lists(_layers(), min_size=2, max_size=7).map(tuple))
late_networks = st.builds(
    lambda first, more: Network((*more[:1], first, *more[1:])), _ahead(), st.lists(_layers() | _ahead(), max_size=5)
)


def _made(layer: Layer, name: str, made: list[tuple[Any, Fraction]]) -> tuple[Any, Fraction]:
    x, ratio = made[max(len(made) - 1 - layer.back, 0)]
    match layer.kind, layer.arguments:
        case "conv" | "depthwise" | "separable" | "max" | "average" as kind, (kernel, stride, rate):
            stride = stride if ratio / stride >= RATES[0] else 1
            options = {"strides": stride, "dilation_rate": rate, "padding": "causal", "name": name}
            if kind == "conv":
                y = atrous.layers.Conv1D(CHANNELS, kernel, **options)(x)
            elif kind == "depthwise":
                y = atrous.layers.DepthwiseConv1D(kernel, **options)(x)
            elif kind == "separable":
                y = atrous.layers.SeparableConv1D(CHANNELS, kernel, **options)(x)
            else:
                y = getattr(atrous.layers, f"{kind.title()}Pooling1D")(kernel, **options)(x)
            return y, ratio / stride
        case "padded", (kernel, stride, rate, how, between):  # as PyTorch's users write it
            stride = stride if ratio / stride >= RATES[0] and rate == 1 else 1
            zeros = (kernel - 1) * rate
            if how == 0:
                y = layers.ZeroPadding1D((zeros, 0), name=f"{name}_pad")(x)
            elif how == 1:
                y = ops.pad(x, ((0, 0), (zeros, 0), (0, 0)), constant_values=0.5)
            else:
                y = atrous.layers.StridedPadding((zeros + 1,), 1, ((zeros, 0),), value=-1.0, name=f"{name}_pad")(x)
            y = layers.Activation(between, name=f"{name}_act")(y)
            return layers.Conv1D(CHANNELS, kernel, stride, dilation_rate=rate, name=name)(y), ratio / stride
        case "transposed", (kernel, stride, rate):
            stride = stride if ratio * stride <= RATES[1] else 1
            conv = atrous.layers.Conv1DTranspose(
                CHANNELS, kernel, strides=stride, dilation_rate=rate, padding="causal", name=name
            )
            return conv(x), ratio * stride
        case "cropped", (kernel, stride):
            stride = stride if ratio * stride <= RATES[1] else 1
            y = layers.Conv1DTranspose(CHANNELS, kernel, strides=stride, name=name)(x)
            return layers.Cropping1D((0, max(kernel - stride, 0)), name=f"{name}_crop")(y), ratio * stride
        case "up" | "repeat" as kind, (times,):
            times = times if ratio * times <= RATES[1] else 1
            return (layers.UpSampling1D(times, name=name)(x) if kind == "up" else ops.repeat(x, times, axis=1)), ratio * times
        case "ahead", (kind, kernel, stride, rate):
            up = kind == "transposed"
            after = ratio * stride if up else ratio / stride
            stride, after = (stride, after) if RATES[0] <= after <= RATES[1] else (1, ratio)
            options = {"strides": stride, "dilation_rate": rate, "padding": "same", "name": name}
            if kind == "depthwise":
                return atrous.layers.DepthwiseConv1D(kernel, **options)(x), after
            if kind == "max":
                return atrous.layers.MaxPooling1D(kernel, **options)(x), after
            if kind == "average":
                reach = (kernel - 1) * rate
                return atrous.layers.AveragePooling1D(kernel, **{**options, "padding": (reach // 2, -(-reach // 2))})(x), after
            return (atrous.layers.Conv1DTranspose if up else atrous.layers.Conv1D)(CHANNELS, kernel, **options)(x), after
        case "down", (times,):
            times = times if ratio / times >= RATES[0] else 1
            return x[:, ::times], ratio / times
        case "late", (steps,):
            return layers.Cropping1D((0, steps), name=name)(layers.ZeroPadding1D((steps, 0), name=f"{name}_pad")(x)), ratio
        case "shifted", (steps,):
            return ops.pad(x, ((0, 0), (steps, 0), (0, 0)))[:, :-steps], ratio
        case "batch norm", _:
            return layers.BatchNormalization(name=name)(x), ratio
        case "layer norm", _:
            return layers.LayerNormalization(name=name)(x), ratio
        case "tanh" | "softmax" as kind, _:
            return layers.Activation(kind, name=name)(x), ratio
        case "temporal", _:
            return blocks.TemporalBlock(CHANNELS, 2, 2, normalization="layer", name=name)(x), ratio
        case "wavenet", _:
            return sum(blocks.WaveNetBlock(x.shape[-1], 2, 3, name=name)(x)), ratio
        case kind, (other,):
            return _joined(kind, name, x, ratio, made, other), ratio
    raise AssertionError(layer)


def _joined(kind: str, name: str, x: Any, ratio: Fraction, made: list[tuple[Any, Fraction]], other: int) -> Any:
    """With the nearest of the others that comes at the same rate."""
    fitting = [y for y, rate in made if rate == ratio]
    y = fitting[max(len(fitting) - 1 - other, 0)]
    if kind == "concatenate":
        return layers.Concatenate(name=name)([x, y])
    if x.shape[-1] != y.shape[-1]:
        y = layers.Dense(x.shape[-1], name=f"{name}_as_wide")(y)
    if kind == "gate":
        return ops.tanh(x) * ops.sigmoid(y)
    return getattr(layers, kind.title())(name=name)([x, y])


def randomize(model: keras.Model, seed: int = 0) -> None:
    """Weights that show: no bias is 0, no variance 1."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            positive = any(word in weight.path for word in ("variance", "gamma", "scale"))
            weight.assign(rng.uniform(0.3, 1, weight.shape) if positive else rng.normal(0, 0.5, weight.shape))


def inputs_of(step: Step, samples: int, batch_size: int, seed: int = 0) -> list[np.ndarray]:
    """Random inputs of the right lengths."""
    rng = np.random.default_rng(seed)
    made = []
    for x, key in zip(step.model.inputs, step.plan.inputs, strict=True):
        flow = step.plan.flows.get(key)
        shape = [flow.rows(samples) if flow and d == flow.dim else n for d, n in enumerate(step.plan.graph.shapes[key])]
        is_code = "int" in str(x.dtype)
        made.append(rng.integers(0, 4, (batch_size, *shape)) if is_code else rng.normal(size=(batch_size, *shape)))
        made[-1] = made[-1].astype(str(x.dtype))
    return made


def part(x: np.ndarray, flow: Any, first: int, last: int) -> np.ndarray:
    """The rows of an input that some samples make; all of one without time."""
    return x if flow is None else x[(slice(None),) * (flow.dim + 1) + (slice(flow.rows(first), flow.rows(last)),)]


def zeros(inputs: list[np.ndarray], step: Step, samples: int) -> list[np.ndarray]:
    """What to go on with when the signal has ended."""
    made = []
    for x, key in zip(inputs, step.plan.inputs, strict=True):
        flow = step.plan.flows.get(key)
        shape = [flow.rows(samples) if flow and d == flow.dim + 1 else n for d, n in enumerate(x.shape)]
        made.append(np.zeros(shape, x.dtype) if flow else x)
    return made


def expected(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What the model says of the whole signal."""
    made = model(inputs if len(inputs) > 1 else inputs[0])
    return [ops.convert_to_numpy(y) for y in keras.tree.flatten(made)]


def assert_equal(actual: Any, want: np.ndarray, layers: int = 10) -> None:
    """By the one tolerance rule; each of so many layers may err by it, at the size of what comes out."""
    assert_close(actual, want, np.full(want.shape, layers * max(np.abs(want).max(), 1.0) if want.size else 0.0))
