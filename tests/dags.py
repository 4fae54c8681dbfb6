"""Random networks: branches, skips, strides, dilation, transposes, crops, as one hypothesis strategy.

A network is a plain value (what to do, in order), so that a failing one is printed whole and shrinks well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from hypothesis import strategies as st
from keras import layers, ops


@dataclass(frozen=True)
class Step:
    """One layer: what it is, and which of the tensors made so far it takes, counted from the last."""

    kind: str
    arguments: tuple[Any, ...] = ()
    back: int = 0


@dataclass(frozen=True)
class Dag:
    """A network of up to eight steps over one or two spatial axes."""

    size: tuple[int, ...]
    steps: tuple[Step, ...]

    def build(self) -> keras.Model:
        x = keras.Input((*self.size, 1), name="x")
        tensors = [x]
        for number, step in enumerate(self.steps):
            tensors.append(_layer(step, f"s{number}", tensors))
        return keras.Model(x, tensors[-1])


sizes = st.integers(1, 3)


def _steps() -> st.SearchStrategy[Step]:
    back = st.sampled_from([0, 0, 0, 1, 2])
    padding = st.sampled_from(["same", "valid"])
    kernel = st.integers(1, 4)
    return st.one_of(
        st.builds(Step, st.just("conv"), st.tuples(kernel, st.just(1), sizes, padding), back),
        st.builds(Step, st.just("conv"), st.tuples(kernel, sizes, st.just(1), padding), back),
        st.builds(Step, st.just("depthwise"), st.tuples(kernel, st.just(1), sizes, padding), back),
        st.builds(Step, st.sampled_from(["max", "average"]), st.tuples(sizes, sizes, padding), back),
        st.builds(Step, st.just("transpose"), st.tuples(kernel, sizes, padding), back),
        st.builds(Step, st.sampled_from(["pad", "crop"]), st.tuples(st.integers(0, 2), st.integers(0, 2)), back),
        st.builds(Step, st.just("up"), st.tuples(st.integers(2, 3), st.sampled_from(["nearest", "bilinear"])), back),
        st.builds(Step, st.just("slice"), st.tuples(st.integers(0, 2), sizes), back),
        st.builds(Step, st.sampled_from(["relu", "excite", "norm"]), st.just(()), back),
        # weighted: without joins there is no DAG
        *[st.builds(Step, st.sampled_from(["add", "concatenate", "multiply"]), st.tuples(st.integers(1, 5)), back)] * 3,
    )


dags = st.builds(
    Dag,
    st.one_of(st.tuples(st.integers(6, 21)), st.tuples(st.integers(5, 11), st.integers(5, 11))),
    st.lists(_steps(), min_size=2, max_size=8).map(tuple),
)


def _layer(step: Step, name: str, tensors: list[Any]) -> Any:
    x = tensors[max(len(tensors) - 1 - step.back, 0)]
    rank = len(x.shape) - 2
    shortest = min(x.shape[1:-1])
    match step.kind, step.arguments:
        case "conv" | "depthwise" as kind, (kernel, strides, rate, padding):
            kernel = min(kernel, 1 + (shortest - 1) // rate) if padding == "valid" else kernel
            options = {"strides": strides, "dilation_rate": rate, "padding": padding, "use_bias": False, "name": name}
            if kind == "conv":
                return getattr(layers, f"Conv{rank}D")(1, kernel, **options)(x)
            return getattr(layers, f"DepthwiseConv{rank}D")(kernel, **options)(x)
        case "max" | "average" as kind, (size, strides, padding):
            size = min(size, shortest)
            return getattr(layers, f"{kind.title()}Pooling{rank}D")(size, strides, padding, name=name)(x)
        case "transpose", (kernel, strides, padding):
            strides = strides if shortest < 12 else 1
            return getattr(layers, f"Conv{rank}DTranspose")(1, kernel, strides, padding, use_bias=False, name=name)(x)
        case "pad", amounts:
            return getattr(layers, f"ZeroPadding{rank}D")(_each(amounts, rank), name=name)(x)
        case "crop", (before, after):
            amounts = _each((before, after) if before + after < shortest else (0, 0), rank)
            return getattr(layers, f"Cropping{rank}D")(amounts, name=name)(x)
        case "up", (times, interpolation):
            if shortest >= 12:
                return layers.Identity(name=name)(x)
            return (
                layers.UpSampling1D(times, name=name)(x)
                if rank == 1
                else layers.UpSampling2D(times, interpolation=interpolation, name=name)(x)
            )
        case "slice", (start, step_):
            return x[:, min(start, x.shape[1] - 1) :: step_]
        case "relu", _:
            return layers.ReLU(name=name)(x)
        case "excite", _:
            return x * ops.mean(x, tuple(range(1, rank + 1)), keepdims=True)
        case "norm", _:
            return layers.LayerNormalization(axis=-2, name=name)(x)
        case kind, (other,):
            return _joined(kind, name, x, tensors[max(len(tensors) - 1 - other, 0)])
    raise AssertionError(step)


def _each(amounts: tuple[int, int], rank: int) -> Any:
    return amounts if rank == 1 else (amounts, amounts[::-1])


def _joined(kind: str, name: str, x: Any, y: Any) -> Any:
    """Both cropped to what they share, at their ends in turn: branches that are not aligned are wanted, too."""
    shared = [min(a, b) for a, b in zip(x.shape[1:-1], y.shape[1:-1], strict=True)]
    x, y = (
        x[(slice(None), *(slice(0, n) for n in shared))],
        y[(slice(None), *(slice(m - n, m) for n, m in zip(shared, y.shape[1:-1], strict=True)))],
    )
    return getattr(layers, kind.title())(name=name)([x, y])
