"""This library's kernels on NumPy arrays, straight from the native core: no framework, weights packed on every call."""

from __future__ import annotations

from typing import Any

import numpy as np

from atrous.ops import native
from benchmarks.peers.peer import Peer, Variants
from benchmarks.suite import Case


class AtrousNumPy(Peer):
    version = f"{native.core().isa()}, {native.core().threads()} threads"

    def forward(self, case: Case) -> Variants:
        core, conv, (x, w) = native.core(), geometry(case), case.data()
        return {"": lambda: core.run(DIRECTIONS[case.transposed]["forward"], x, w, None, conv)}

    def training(self, case: Case) -> Variants:
        core, conv, (x, w), names = native.core(), geometry(case), case.data(), DIRECTIONS[case.transposed]

        def step() -> tuple[np.ndarray, np.ndarray]:
            upstream = 2 * core.run(names["forward"], x, w, None, conv)
            pair = (upstream, x) if case.transposed else (x, upstream)
            return (
                core.run(names["input_gradient"], upstream, w, None, conv),
                core.run("kernel_gradient", *pair, None, conv),
            )

        return {"": step}

    def arrays(self, case: Case, result: Any) -> tuple[np.ndarray, ...]:
        return result if isinstance(result, tuple) else (result,)

    def details(self, case: Case, direction: str) -> dict[str, Any]:
        return {"plans": plans(case, direction)}

    def peak(self) -> float:
        return float(max(native.core().peak() for _ in range(PEAKS)))


PEAKS = 3
"""Measurements of the peak, of which the highest counts."""

DIRECTIONS = {
    False: {"forward": "forward", "input_gradient": "input_gradient"},
    True: {"forward": "input_gradient", "input_gradient": "forward"},
}
"""The core's name of what is wanted; a transposed convolution is a convolution's input gradient, and the other way round."""


def geometry(case: Case) -> dict[str, Any]:
    """The case as the core takes it."""
    channels, filters = (case.filters, case.channels) if case.transposed else (case.channels, case.filters)
    return {
        "batch": case.shape[0],
        "channels": channels,
        "filters": filters,
        "groups": case.groups,
        "input": case.wide,
        "output": case.narrow,
        "kernel": case.kernel,
        "strides": case.strides,
        "rates": case.rates,
        "before": tuple(before for before, _ in case.pads),
    }


def plans(case: Case, direction: str) -> dict[str, dict[str, Any]]:
    """The core's plan of every run that a direction takes."""
    names = DIRECTIONS[case.transposed]
    wanted = {"forward": names["forward"]}
    if direction == "training":
        wanted |= {"input_gradient": names["input_gradient"], "kernel_gradient": "kernel_gradient"}
    return {what: dict(native.core().plan(name, geometry(case))) for what, name in wanted.items()}


peer = AtrousNumPy
