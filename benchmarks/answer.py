"""The right results of a case in float64, and how far a peer's are from them.

Computed by tests/oracle.py. The loss of a training step is Σ y², so the gradient that flows in is 2y: errors of a peer's
gradients hold what they inherit from its own y.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.suite import Case, oracle

Pair = tuple[np.ndarray, np.ndarray]
"""What is right, and the scale of its allowed error: the same sum with every term made positive."""


@dataclass(frozen=True)
class Error:
    """How far a result is from the right one: at most, and at most relative to Σ|x||w| of the same element.

    Of a gradient, x and w are its own operands.
    """

    largest: float
    relative: float


class Answer:
    """Output of a case, and the gradients of Σ y² for input and weights, each computed when first asked for."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._x, self._w = (a.astype("float64") for a in case.data())

    def errors(self, direction: str, results: tuple[np.ndarray, ...]) -> tuple[Error, ...]:
        """Of (output,) if `direction` is `"forward"`, of (input gradient, kernel gradient) if `"training"`."""
        known = self._forward if direction == "forward" else self._training
        return tuple(_error(result, *pair) for result, pair in zip(results, known, strict=True))

    @cached_property
    def _forward(self) -> tuple[Pair, ...]:
        return ((self._conv(self._x, self._w), self._conv(abs(self._x), abs(self._w))),)

    @cached_property
    def _training(self) -> tuple[Pair, ...]:
        upstream, x, w = 2 * self._forward[0][0], self._x, self._w
        return (
            (self._input_gradient(upstream, w), self._input_gradient(abs(upstream), abs(w))),
            (self._kernel_gradient(x, upstream), self._kernel_gradient(abs(x), abs(upstream))),
        )

    # A transposed convolution's operations are the convolution's, in other places.

    def _conv(self, x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return self._widen(x, w) if self.case.transposed else self._narrow(x, w)

    def _input_gradient(self, g: np.ndarray, w: np.ndarray) -> np.ndarray:
        return self._narrow(g, w) if self.case.transposed else self._widen(g, w)

    def _kernel_gradient(self, x: np.ndarray, g: np.ndarray) -> np.ndarray:
        wide, narrow = (g, x) if self.case.transposed else (x, g)
        return np.asarray(oracle.kernel_gradient(wide, narrow, self.case.kernel, *self._geometry))

    def _narrow(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.asarray(oracle.conv(a, w, *self._geometry))

    def _widen(self, a: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.asarray(oracle.input_gradient(a, w, self.case.wide, *self._geometry))

    @property
    def _geometry(self) -> tuple[Any, ...]:
        case = self.case
        return case.strides, case.rates, case.pads, case.groups


def _error(result: np.ndarray, expected: np.ndarray, scale: np.ndarray) -> Error:
    if result.shape != expected.shape:
        raise ValueError(f"The result must have shape {expected.shape}. Received: {result.shape}.")
    difference = np.abs(result - expected)
    relative = np.divide(difference, scale, out=np.where(difference > 0, np.inf, 0.0), where=scale > 0)
    return Error(float(difference.max(initial=0)), float(relative.max(initial=0)))
