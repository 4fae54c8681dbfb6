"""The cases, by name: shapes that published dilated networks are made of, and the corners between them.

A case is plain data and imports no framework: every peer reads it in a process of its own.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

LARGE = 4e8
"""Multiply-adds (padding included) from which a case counts as large: some 8 ms of a core's peak."""


def _load_oracle() -> ModuleType:
    path = Path(__file__).resolve().parents[1] / "tests" / "oracle.py"
    spec = importlib.util.spec_from_file_location("oracle", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle: Any = _load_oracle()
"""tests/oracle.py, the definition in float64: what every answer is checked against."""


@dataclass(frozen=True)
class Case:
    """One convolution, forward or transposed, and its two gradients.

    Args:
        name: Family and what tells it from its sisters.
        shape: Input, (batch, *space, channels).
        filters: Channels of the output.
        kernel: Taps along each axis.
        rate: Dilation rate, of every axis.
        stride: Stride, of every axis.
        padding: `"same"` or `"causal"`.
        groups: Groups; as many as channels for depthwise.
        transposed: Whether it is the transposed convolution: the output is `stride` times as long as the input.
    """

    name: str
    shape: tuple[int, ...]
    filters: int
    kernel: tuple[int, ...]
    rate: int
    stride: int = 1
    padding: str = "same"
    groups: int = 1
    transposed: bool = False

    @property
    def rank(self) -> int:
        return len(self.kernel)

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def rates(self) -> tuple[int, ...]:
        return (self.rate,) * self.rank

    @property
    def strides(self) -> tuple[int, ...]:
        return (self.stride,) * self.rank

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels > 1

    @property
    def wide(self) -> tuple[int, ...]:
        """Space on the wide side: the input, or the output if transposed."""
        return tuple(n * self.stride for n in self.shape[1:-1]) if self.transposed else self.shape[1:-1]

    @property
    def narrow(self) -> tuple[int, ...]:
        """Space on the side that strides make narrow."""
        return self.shape[1:-1] if self.transposed else tuple(-(-n // self.stride) for n in self.wide)

    @property
    def output(self) -> tuple[int, ...]:
        """Output shape, (batch, *space, filters)."""
        return (self.shape[0], *(self.wide if self.transposed else self.narrow), self.filters)

    @property
    def weights(self) -> tuple[int, ...]:
        """(*kernel, channels / groups, filters); transposed: (*kernel, filters, channels)."""
        return (
            *self.kernel,
            *((self.filters, self.channels) if self.transposed else (self.channels // self.groups, self.filters)),
        )

    @property
    def pads(self) -> tuple[tuple[int, int], ...]:
        """Zeros before and after each axis of the wide side."""
        return tuple(oracle.pads(self.wide, self.kernel, self.strides, self.rates, self.padding))

    @property
    def tags(self) -> frozenset[str]:
        """What the case is, for choosing cases and for geometric means."""
        facts = {
            f"{self.rank}d": True,
            "depthwise": self.depthwise,
            "large": self.dense_macs >= LARGE,
            "strided": self.stride > 1,
            "transposed": self.transposed,
        }
        return frozenset(tag for tag, holds in facts.items() if holds)

    @cached_property
    def dense_macs(self) -> float:
        """Multiply-adds, those with padding included."""
        return self._macs(lambda n, out, k, before: k * out)

    @cached_property
    def valid_macs(self) -> float:
        """Multiply-adds that meet data."""
        return self._macs(lambda n, out, k, before: sum(_met(n, out, self.stride, m * self.rate - before) for m in range(k)))

    def _macs(self, axis: Any) -> float:
        axes = zip(self.wide, self.narrow, self.kernel, self.pads, strict=True)
        per_channel = math.prod(axis(n, out, k, before) for n, out, k, (before, _) in axes)
        return float(self.shape[0] * per_channel * (self.channels // self.groups) * self.filters)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Input and weights, float32, the same numbers every time."""
        random = np.random.default_rng(zlib.crc32(self.name.encode()))
        x = random.standard_normal(self.shape, np.float32)
        inner = math.prod(self.kernel) * self.channels // self.groups
        w = random.standard_normal(self.weights, np.float32) / np.float32(math.sqrt(inner))
        return x, w


def _met(n: int, outputs: int, stride: int, offset: int) -> int:
    """How many of the outputs i meet data: 0 ≤ i·stride + offset < n."""
    first = max(0, -(offset // stride))
    last = min(outputs, -((offset - n) // stride))
    return max(0, last - first)


def _aspp(size: int, rates: Sequence[int]) -> list[Case]:
    return [Case(f"aspp{size}-r{r}", (1, size, size, 2048), 256, (3, 3), r) for r in rates]


def _context(channels: int, rates: Sequence[int]) -> list[Case]:
    return [Case(f"ctx{channels}-r{r}", (1, 64, 64, channels), channels, (3, 3), r) for r in rates]


def _tcn(channels: int, rates: Sequence[int]) -> list[Case]:
    return [Case(f"tcn{channels}-r{r}", (16, 1024, channels), channels, (3,), r, padding="causal") for r in rates]


CASES: tuple[Case, ...] = (
    # Chen, Papandreou, Schroff, Adam 2017, "Rethinking Atrous Convolution" (DeepLabv3): the pyramid at output stride 16 and 8.
    *_aspp(33, (6, 12, 18, 24)),
    *_aspp(65, (12, 24, 36)),
    # Yu, Koltun, Funkhouser 2017, "Dilated Residual Networks": the last stages.
    Case("drn256-r2", (1, 28, 28, 256), 256, (3, 3), 2),
    Case("drn512-r4", (1, 28, 28, 512), 512, (3, 3), 4),
    # Yu, Koltun 2016, "Multi-Scale Context Aggregation by Dilated Convolutions": the basic and a wide context module.
    *_context(21, (1, 2, 4, 8, 16)),
    *_context(64, (16,)),
    *_context(128, (1, 2, 4, 8, 16)),
    # Chen and others 2018, "Encoder-Decoder with Atrous Separable Convolution" (DeepLabv3+): MobileNetV2's last stages.
    *(Case(f"depthwise960-r{r}", (1, 65, 65, 960), 960, (3, 3), r, groups=960) for r in (2, 4)),
    # Bai, Kolter, Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks" (TCN).
    *_tcn(25, (1, 4, 16, 64, 256)),
    *_tcn(64, (1, 4, 16, 64, 256)),
    *_tcn(128, (16,)),
    # van den Oord and others 2016, "WaveNet": filter and gate of one layer.
    *(Case(f"wavenet64-r{r}", (8, 4096, 64), 64, (2,), r, padding="causal") for r in (1, 512)),
    *(Case(f"wavenet128-r{r}", (1, 16000, 64), 128, (2,), r, padding="causal") for r in (1, 32, 512)),
    # Lal and others 2021, "Deep learning-based enhancement of epigenomics data with AtacWorks": few channels, many taps.
    Case("atac15-r8", (4, 60000, 15), 15, (51,), 8),
    # What Keras refuses: a stride with a rate, and dilated transposed convolution.
    Case("strided-s2-r2", (1, 64, 64, 128), 128, (3, 3), 2, stride=2),
    Case("transposed-s1-r2", (1, 32, 32, 64), 64, (3, 3), 2, transposed=True),
    Case("transposed-s2-r2", (1, 32, 32, 64), 64, (3, 3), 2, stride=2, transposed=True),
)

QUICK = ("aspp33-r6", "drn512-r4", "ctx64-r16", "depthwise960-r4", "tcn128-r16", "wavenet64-r512", "atac15-r8")
"""One of each kind."""


def choose(patterns: Iterable[str], cases: Sequence[Case] = CASES) -> list[Case]:
    """The cases whose name matches a pattern such as `aspp33*`, or that carry the tag of that name; all if there is none.

    Args:
        patterns: Patterns and tags; each may hold several, with commas or blanks between.
        cases: What to choose from.

    Raises:
        ValueError: A pattern matches nothing.
    """
    patterns = words(patterns)
    for pattern in patterns:
        if not any(_matches(case, pattern) for case in cases):
            names = ", ".join(case.name for case in cases)
            raise ValueError(f"`cases` must match a name or a tag. Received: {pattern!r}. Names: {names}.")
    return [case for case in cases if not patterns or any(_matches(case, pattern) for pattern in patterns)]


def words(options: Iterable[str]) -> list[str]:
    """What stands between commas and blanks."""
    return [word for option in options for word in option.replace(",", " ").split()]


def _matches(case: Case, pattern: str) -> bool:
    return fnmatch.fnmatchcase(case.name, pattern) or pattern in case.tags
