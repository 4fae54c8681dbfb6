"""Random layers: class, arguments and input, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

FAMILIES = {
    1: ("Conv1D", "DepthwiseConv1D", "SeparableConv1D", "Conv1DTranspose"),
    2: ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose"),
    3: ("Conv3D", "Conv3DTranspose"),
}


@dataclass(frozen=True)
class Case:
    """A layer of random geometry and an input that fits it."""

    name: str
    arguments: dict[str, Any]
    input_shape: tuple[int, ...]
    seed: int

    def input(self, dtype: str = "float32") -> np.ndarray:
        return np.random.default_rng(self.seed).standard_normal(self.input_shape).astype(dtype)


@st.composite
def cases(draw: Any, rank: int, keras_only: bool = True) -> Case:
    """Draws a case; with `keras_only`, one whose arguments Keras's own constructor accepts."""
    name = draw(st.sampled_from(FAMILIES[rank]))
    largest = {1: 24, 2: 12, 3: 7}[rank]
    per_axis = lambda lo, hi: st.tuples(*[st.integers(lo, hi)] * rank)  # noqa: E731
    arguments: dict[str, Any] = {
        "kernel_size": draw(per_axis(1, 4 if rank < 3 else 3)),
        "strides": draw(st.one_of(st.just((1,) * rank), per_axis(1, 3))),
        "dilation_rate": draw(per_axis(1, 4 if rank < 3 else 3)),
        "padding": draw(st.sampled_from(["valid", "same"])),
        "use_bias": draw(st.booleans()),
    }
    if name == "Conv1D" and draw(st.booleans()):
        arguments["padding"] = "causal"
    if not keras_only:
        choices = [st.just(arguments["padding"]), st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank)]
        arguments["padding"] = draw(st.one_of(*choices, *([st.just("causal")] if rank == 1 else [])))
    elif max(arguments["strides"]) > 1 and max(arguments["dilation_rate"]) > 1:
        arguments[draw(st.sampled_from(["strides", "dilation_rate"]))] = (1,) * rank
    groups = draw(st.sampled_from([1, 1, 1, 2])) if name in ("Conv1D", "Conv2D", "Conv3D") else 1
    if groups > 1:
        arguments["groups"] = groups
    channels = groups * draw(st.integers(1, 3))
    if not name.startswith("Depthwise"):
        arguments["filters"] = groups * draw(st.integers(1, 3))
    if "Depthwise" in name or "Separable" in name:
        arguments["depth_multiplier"] = draw(st.integers(1, 2))
        if keras_only and rank == 2:  # stock TensorFlow wants equal strides here
            arguments["strides"] = (arguments["strides"][0],) * 2
            if arguments["strides"][0] > 1:
                arguments["dilation_rate"] = (1, 1)
    if name.endswith("Transpose") and draw(st.booleans()):
        arguments["output_padding"] = tuple(draw(st.integers(0, s - 1)) for s in arguments["strides"])
    spans = [(k - 1) * r + 1 for k, r in zip(arguments["kernel_size"], arguments["dilation_rate"], strict=True)]
    space = []
    for axis, span in enumerate(spans):
        pad = 0 if isinstance(arguments["padding"], str) else sum(arguments["padding"][axis])
        if name.endswith("Transpose"):
            stride = arguments["strides"][axis]
            least = max(-(-(pad + 1 - span) // stride) + 1, 2)
        else:
            least = max(span - pad, 1) if arguments["padding"] not in ("same", "causal") else 1
        space.append(draw(st.integers(least, max(least, largest))))
    return Case(name, arguments, (draw(st.integers(1, 2)), *space, channels), draw(st.integers(0, 2**16)))
