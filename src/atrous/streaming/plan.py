"""What a model must keep to be given its signal block by block: the delay of every tensor, the history of every layer.

A signal of N samples makes N·ratio + growth rows of a tensor, of which N·ratio − delay are known as long as the signal goes on.
Let a layer's output q·p + φ read input q·a + t for t in taps[φ] (`AxisMap`), and N·ratio be a multiple of a. With the largest t
of each phase, the input's delay D gives that of the output:

    e_φ = −⌊(−D − 1 − max taps[φ]) / a⌋        the first turn whose phase φ isn't known is N·ratio / a − e_φ + 1
    D_out = max over φ of (e_φ − 1)·p − φ       and −growth at least: a row is none if it is cut off at the end

A delay is negative where a layer pads in front: what it pads is known before anything comes. That is how a `valid` convolution
behind `ZeroPadding1D` comes to be causal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

from atrous.field.graph import Graph, Use

LENGTH = 2**26
"""At least as long is the signal that a layer's reading is looked at in; no history is longer."""
POSITION = "position"
"""Samples that came, as long as it matters: int32, (1,). Only in the state of a model that needs it."""
LEFT = "left"
"""Samples until the signal ends, int32, (1,); very many while that isn't known. Only where rows follow the last sample."""
RESERVED = (POSITION, LEFT, "samples", "engine")
"""Names in a state that are of no layer."""


class CannotStreamError(ValueError):
    """A layer that keeps a model from being streamed, and why."""

    def __init__(self, use: Use, reason: str) -> None:
        super().__init__(f"`model` can't be streamed: layer {use.name!r} ({type(use.layer).__name__}): {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class Flow:
    """How the rows of a tensor come.

    Args:
        dim: Along which they stand, counted without the batch axis.
        ratio: Rows for each sample of the model's first input with time.
        delay: Rows of N·ratio that aren't known yet after N samples; negative where more are known.
        growth: Rows that the tensor has beyond N·ratio when the signal ends.
    """

    dim: int
    ratio: Fraction = Fraction(1)
    delay: int = 0
    growth: int = 0

    def rows(self, samples: int) -> int:
        """How many samples make."""
        return samples * self.ratio.numerator // self.ratio.denominator

    def known(self, samples: int) -> int:
        """How many are known after so many samples."""
        return self.rows(samples) - self.delay

    @property
    def latency(self) -> int:
        """The delay in samples."""
        return math.ceil(self.delay / self.ratio)


@dataclass
class History:
    """The last rows of a tensor, for the layers that meet them again.

    Args:
        name: For users, by the first layer that takes it.
        tensor: Its number.
        rows: How many.
        value: What stands before the signal's begin, and behind its end: what those layers pad.
        masks_front: Whether rows before the begin have to be made that value, for the tensor is delayed.
        masks_end: Whether rows behind the end have to.
    """

    name: str
    tensor: int
    rows: int = 0
    value: float = 0.0
    masks_front: bool = False
    masks_end: bool = False


@dataclass
class Taken:
    """How a use of a layer takes an input that has time.

    Args:
        rows: Of history that it needs in front of what comes.
        history: Where they are; `None` if it needs nothing but what comes.
        counts: Whether it must know which rows are padding: a mean doesn't count them.
    """

    rows: int = 0
    history: History | None = None
    counts: bool = False


@dataclass
class Stage:
    """A use of a layer, and how it is run.

    Args:
        use: In a signal that is long enough, so that positions in its middle see no edge.
        kind: `"rows"`: on those that came. `"last"`: takes the last one of them. `"recurrent"`: keeps a state of its own.
            `"plain"`: as it is, for nothing that it takes has time.
        taken: For each input.
    """

    use: Use
    kind: str = "plain"
    taken: tuple[Taken | None, ...] = ()


@dataclass
class Plan:
    """How a model is run block by block.

    Args:
        graph: The model's.
        flows: Of each tensor that has time, by its number.
        stages: In order.
        histories: All that is kept, but for the states of recurrent layers.
        exits: For each of the model's outputs, how it is taken.
        last: Tensors that have lost their time: they say what the last row says.
        block: Samples come in multiples of this.
        dtypes: Of each tensor, where known.
    """

    graph: Graph
    flows: dict[int, Flow] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    histories: list[History] = field(default_factory=list)
    exits: list[Taken | None] = field(default_factory=list)
    last: set[int] = field(default_factory=set)
    block: int = 1
    dtypes: dict[int, str] = field(default_factory=dict)

    @property
    def inputs(self) -> list[int]:
        """Numbers of the model's inputs, in order."""
        return list(self.graph.inputs.values())

    @property
    def names(self) -> list[str]:
        """Of the model's inputs, in order."""
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[Flow | None]:
        """How the model's outputs come; none is ahead of its signal."""
        flows = [self.flows.get(key) for key in self.graph.outputs]
        return [flow and replace(flow, delay=max(flow.delay, 0)) for flow in flows]

    @property
    def latency(self) -> int:
        """Samples that the outputs are late."""
        return max((flow.latency for flow in self.outputs if flow), default=0)

    @property
    def remainder(self) -> int:
        """Samples that would have to follow the signal's end to make all outputs known, a multiple of `block`."""
        rest = [Fraction(flow.growth + flow.delay) / flow.ratio for flow in self.outputs if flow]
        return self.block * max((math.ceil(samples / self.block) for samples in rest), default=0)

    @property
    def middle(self) -> int:
        """A number of samples, a multiple of `block`, after which nothing is near an edge of the signals in `stages`."""
        return self.block * -(-LENGTH // self.block)

    @property
    def counts_position(self) -> bool:
        """Whether it must be known how many samples came."""
        return any(h.masks_front for h in self.histories) or any(t and t.counts for stage in self.stages for t in stage.taken)

    @property
    def counts_end(self) -> bool:
        """Whether it must be known where the signal ends."""
        return self.remainder > 0
