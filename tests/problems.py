"""Random convolutions as numbers and arrays, with the answers of the definition, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

import oracle
from atrous.spec import ConvSpec

DIRECTIONS = ("forward", "input_gradient", "kernel_gradient")


@dataclass(frozen=True)
class Problem:
    """A geometry, and arrays that fit it."""

    spec: ConvSpec
    batch: int
    size: tuple[int, ...]
    inner: int  # channels of a group
    outer: int  # filters of a group
    seed: int = 0

    @property
    def channels(self) -> int:
        return self.spec.groups * self.inner

    @property
    def filters(self) -> int:
        return self.spec.groups * self.outer

    @property
    def output(self) -> tuple[int, ...]:
        return tuple(n or 0 for n in self.spec.output_size(self.size))

    @property
    def pads(self) -> oracle.Pads:
        return oracle.pads(self.size, self.spec.kernel_size, self.spec.strides, self.spec.dilation_rate, self.spec.padding)

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """x, kernel, upstream and bias; float32."""
        shapes = {
            "x": (self.batch, *self.size, self.channels),
            "kernel": (*self.spec.kernel_size, self.inner, self.filters),
            "upstream": (self.batch, *self.output, self.filters),
            "bias": (self.filters,),
        }
        random = np.random.default_rng(self.seed)
        return {name: random.standard_normal(shape).astype("float32") for name, shape in shapes.items()}

    def operands(self, direction: str) -> tuple[np.ndarray, np.ndarray]:
        names = {"forward": ("x", "kernel"), "input_gradient": ("upstream", "kernel"), "kernel_gradient": ("x", "upstream")}
        first, second = names[direction]
        return self.arrays[first], self.arrays[second]

    def answer(self, direction: str, first: Any, second: Any) -> np.ndarray:
        """The definition's, in float64."""
        spec = self.spec
        geometry = (spec.strides, spec.dilation_rate, self.pads, spec.groups)
        if direction == "forward":
            return oracle.conv(first, second, *geometry)
        if direction == "input_gradient":
            return oracle.input_gradient(first, second, self.size, *geometry)
        return oracle.kernel_gradient(first, second, spec.kernel_size, *geometry)

    def conv(self) -> dict[str, Any]:
        """The geometry as `atrous._native` takes it."""
        return {
            "batch": self.batch, "channels": self.channels, "filters": self.filters, "groups": self.spec.groups,
            "input": self.size, "output": self.output, "kernel": self.spec.kernel_size, "strides": self.spec.strides,
            "rates": self.spec.dilation_rate, "before": tuple(before for before, _ in self.pads),
        }  # fmt: skip

    def check(self, actual: Any, direction: str, operands: Any = None, dtype: str = "float32") -> None:
        """Asserts that `actual` is the answer, by the one tolerance rule."""
        first, second = (np.asarray(a, "float64") for a in operands or self.operands(direction))
        scale = self.answer(direction, abs(first), abs(second))
        oracle.assert_close(actual, self.answer(direction, first, second), scale, dtype)


@st.composite
def problems(draw: Any, rank: int) -> Problem:
    """Draws a small geometry of a rank; each kind of padding, depthwise among the groups."""
    largest = {1: 40, 2: 12, 3: 6}[rank]
    per_axis = lambda lo, hi: st.tuples(*[st.integers(lo, hi)] * rank)  # noqa: E731
    pads = st.tuples(*[st.tuples(st.integers(0, 5), st.integers(0, 5))] * rank)
    padding = draw(st.one_of(st.sampled_from(["valid", "same", *(["causal"] if rank == 1 else [])]), pads))
    inner, outer, groups = draw(
        st.sampled_from([(3, 4, 1), (1, 1, 1), (5, 17, 1), (2, 3, 2), (1, 1, 5), (1, 2, 9), (20, 7, 1)])
    )
    spec = ConvSpec.parse(
        rank,
        draw(per_axis(1, 3)),
        draw(st.one_of(st.just(1), per_axis(1, 3))),
        draw(per_axis(1, 5)),
        padding,
        groups,
    )
    size = []
    for axis, span in enumerate(spec.effective_kernel_size):
        pad = 0 if isinstance(spec.padding, str) else sum(spec.padding[axis])
        least = 1 if spec.padding in ("same", "causal") else max(span - pad, 1)
        size.append(draw(st.integers(least, max(least, largest))))
    return Problem(spec, draw(st.integers(1, 2)), tuple(size), inner, outer, draw(st.integers(0, 2**16)))
