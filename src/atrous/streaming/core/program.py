"""A program of the native core, as data: what `native/stream.h` says in C, whose terms these are.

A program is a list of operations over numbered tensors. Step i of a result is computed from steps i·stride + offset of what is
read; a tensor without time holds one vector for each signal of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Weights = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Tensor:
    """A sequence of vectors.

    Args:
        channels: Numbers in each; of codes 1.
        steps: In a unit, the least block; 0: it has no time.
        first: Its first step; those before are no steps of the signal. So late it is.
        extra: Steps that it has beyond units·steps + first when the signal has ended.
    """

    channels: int
    steps: int
    first: int = 0
    extra: int = 0


@dataclass(frozen=True, eq=False)
class Source:
    """What an operation reads of a tensor.

    Args:
        tensor: Its number.
        offsets: Of each tap, in steps of the tensor; at most `stride` − 1.
        weights: float32, (taps, channels / groups, columns); of a depthwise convolution (taps, channels).
        stride: Steps of the tensor for each step of the result.
        groups: Of channels, each seen by as many columns.
    """

    tensor: int
    offsets: tuple[int, ...] = (0,)
    weights: Weights | None = None
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True, eq=False)
class Op:
    """One operation: y = last(first(what `code` says) + add).

    Args:
        code: `"product"` (a sum over sources and taps: convolution, dense layer), `"depthwise"`, `"max_pool"`,
            `"average_pool"`; `"add"`, `"subtract"`, `"multiply"`, `"maximum"`, `"minimum"` of two sources; `"affine"`,
            `"layer_norm"`, `"softmax"`; `"copy"`, `"embed"`, `"last"`.
        out: Number of the tensor that it writes.
        sources: What it reads.
        first: A function such as `"tanh"`; of pairs, of the first source; of `"affine"`, before the product.
        last: A function of the result.
        alpha: Parameter of `first`; of a layer normalisation ε.
        last_alpha: Parameter of `last`.
        gate: Whether a product has twice the columns, a and b, and is first(a)·σ(b).
        add: Number of a tensor added to a product; with a gate to a and b, before their functions.
        stretch: Steps of the result for each that is computed here, step `phase` of them.
        phase: Which.
        from_channel: First channel that `"copy"` takes,
        to_channel: first that it writes,
        channels: and how many.
        rows: Of the table of `"embed"`.
        weights: Of `"affine"` and `"layer_norm"` (channels), of `"embed"` (rows, channels).
        bias: (columns).
        name: Of the layer, for messages.
    """

    code: str
    out: int
    sources: tuple[Source, ...]
    first: str = "linear"
    last: str = "linear"
    alpha: float = 0.0
    last_alpha: float = 0.0
    gate: bool = False
    add: int | None = None
    stretch: int = 1
    phase: int = 0
    from_channel: int = 0
    to_channel: int = 0
    channels: int = 0
    rows: int = 0
    weights: Weights | None = None
    bias: Weights | None = None
    name: str = ""

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of the tensors that it reads."""
        return (*(source.tensor for source in self.sources), *(() if self.add is None else (self.add,)))

    @property
    def gathers(self) -> bool:
        """Whether it is a product whose steps don't lie side by side: such a one adds nothing and has no gate."""
        return self.code == "product" and (self.stretch > 1 or any(s.stride > 1 or s.groups > 1 for s in self.sources))


@dataclass(frozen=True, eq=False)
class Program:
    """Operations behind those that write what they read.

    Args:
        tensors: By number.
        ops: In order.
        inputs: Numbers of the tensors that a step is given.
        outputs: Numbers of those that it returns.
    """

    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
