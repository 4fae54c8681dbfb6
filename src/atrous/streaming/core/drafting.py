"""A program of the native core in the making, and what translations of layers ask of it.

A tensor of the model is a *view* of one of the program's: element i of it is step i + shift. A shift is how late a tensor is
that waits for later steps; zeros that a layer pads in front are a shift, too, a negative one, for what lies before the first
step is zero anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from atrous.field.axis import AxisMap
from atrous.field.graph import Use
from atrous.streaming.core.functions import LINEAR, Function, of_activation
from atrous.streaming.core.program import Op, Program, Source, Tensor
from atrous.streaming.plan import Plan, Stage


class CannotLowerError(ValueError):
    """A layer that the native core can't stream, and why."""

    def __init__(self, use: Use, reason: str) -> None:
        super().__init__(f"layer {use.name!r} ({type(use.layer).__name__}): {reason}")
        self.reason = reason


@dataclass(frozen=True)
class View:
    """Where a tensor of the model is: element i of it is step i + `shift` of a tensor of the program."""

    tensor: int
    shift: int = 0


class Draft:
    """A program in the making: what translations of layers write into.

    Attributes:
        plan: The model's.
        views: Of the model's tensors so far, by number.
        tensors: Of the program.
        ops: Of the program.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.views: dict[int, View] = {}
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.codes: set[int] = set()
        self.delayed: dict[tuple[int, int], int] = {}
        self.use: Use

    def program(self, inputs: Sequence[int], outputs: Sequence[int]) -> Program:
        """What was made."""
        return Program(tuple(self.tensors), tuple(self.ops), tuple(inputs), tuple(outputs))

    def refusal(self, reason: str) -> CannotLowerError:
        """An error for the layer that is being translated."""
        return CannotLowerError(self.use, reason)

    def input(self, key: int) -> int:
        """A tensor for an input of the model."""
        number = self.new(self.width(key), key)
        self.views[key] = View(number)
        return number

    def output(self, key: int) -> int:
        """The tensor that an output of the model is."""
        if key not in self.views:
            raise ValueError("an output of the model depends on none of its inputs")
        if self.views[key].tensor in self.codes:
            raise ValueError("an output of the model is a sequence of codes")
        return self.at_rest(key, self.late(key))

    def begin(self, stage: Stage) -> None:
        """Turns to a use of a layer.

        Raises:
            CannotLowerError: Nothing like it can be run.
        """
        self.use = use = stage.use
        plan = self.plan
        if any(key not in self.views for key in use.inputs):
            raise self.refusal("it takes a tensor that is made of nothing but another one's shape")
        if any(plan.flows[key].dim for key in (*use.inputs, *use.outputs) if key in plan.flows):
            raise self.refusal("time is not its first axis")
        if any(len(plan.graph.shapes[key]) > 2 for key in (*use.inputs, *use.outputs) if key in plan.flows):
            raise self.refusal("a step of it is more than a vector of channels")
        dtype = getattr(use.layer, "compute_dtype", "float32")
        if dtype != "float32":
            raise self.refusal(f"it computes in {dtype}; the native core in float32")

    # ---- what translations ask -----------------------------------------------------------------------------------------------

    def steps(self, key: int) -> int:
        """Steps a unit of one of the model's tensors; 0 if it has no time."""
        flow = self.plan.flows.get(key)
        return flow.rows(self.plan.block) if flow else 0

    def shape(self, key: int) -> tuple[int, ...]:
        """Of one of the model's tensors, without its batch axis and without time."""
        shape = self.plan.graph.shapes[key]
        return tuple(shape[1:]) if key in self.plan.flows else tuple(shape)

    def width(self, key: int) -> int:
        """Numbers in one step of it."""
        return int(np.prod(self.shape(key), dtype=np.int64))

    def channels(self, key: int) -> int:
        """The same, where the last axis is all that there is."""
        shape = self.shape(key)
        if not shape or int(np.prod(shape[:-1])) != 1:
            if key in self.plan.flows:
                raise self.refusal("it works on a sequence of numbers, not of vectors")
            raise self.refusal(f"it works along one of several axes, {shape}")
        return shape[-1]

    def late(self, key: int) -> int:
        """Steps by which a tensor of the model comes late, where it is written."""
        flow = self.plan.flows.get(key)
        return max(flow.delay, 0) if flow else 0

    def at_rest(self, key: int, late: int | None = None) -> int:
        """A tensor of the program in which one of the model's is as late as the layer's output, or by so many steps."""
        view, late = self.views[key], self.late(self.use.outputs[0]) if late is None else late
        if view.shift == late or key not in self.plan.flows:
            return view.tensor
        if (key, late) not in self.delayed:
            if view.shift > late:
                raise self.refusal("it takes steps before they come")
            made = self.new(self.width(key), key, late)
            self.add(Op("copy", made, (Source(view.tensor, (view.shift - late,)),), channels=self.width(key)))
            self.delayed[key, late] = made
        return self.delayed[key, late]

    def reading(self, view: View, step: AxisMap) -> list[tuple[int, tuple[int, ...]]]:
        """How the layer's output is computed from one of its inputs: for each phase, where it is written, and offsets read."""
        late = self.late(self.use.outputs[0])
        found = []
        for phase, taps in enumerate(step.taps):
            turn, place = divmod(phase + late, step.period)
            offsets = tuple(tap + view.shift - turn * step.advance for tap in taps)
            if max(offsets, default=0) >= step.advance:
                raise self.refusal("it reads steps before they come: what is made of padding in front isn't made in advance")
            found.append((place, offsets))
        return found

    def new(self, channels: int, like: int, shift: int | None = None) -> int:
        """A new tensor of the program, with the steps of one of the model's; as late as it, or by `shift`."""
        flow, shift = self.plan.flows.get(like), self.late(like) if shift is None else shift
        first = max(shift, 0)
        extra = max(flow.growth + shift, 0) - first if flow else 0  # below 0, nothing follows that could look at the end
        self.tensors.append(Tensor(channels, self.steps(like), first, extra))
        return len(self.tensors) - 1

    def made(self, channels: int) -> int:
        """A new tensor for what the layer computes first, before its activation, say."""
        return self.new(channels, self.use.outputs[0])

    def result(self) -> int:
        """A new tensor for the first output of the layer."""
        key = self.use.outputs[0]
        self.give(self.made(self.width(key)))
        return self.views[key].tensor

    def give(self, made: int, output: int | None = None) -> None:
        """Says which tensor an output of the layer is; the first, by default."""
        key = self.use.outputs[0] if output is None else output
        self.views[key] = View(made, self.late(key))

    def alias(self, shift: int = 0) -> None:
        """The output of the layer is its input, maybe shifted."""
        view = self.views[self.use.inputs[0]]
        self.views[self.use.outputs[0]] = View(view.tensor, view.shift + shift)

    def add(self, op: Op) -> None:
        """Adds an operation."""
        name = self.use.name if hasattr(self, "use") else ""
        for source in op.sources:
            if source.tensor in self.codes and op.code not in ("embed", "copy"):
                raise self.refusal("it computes with codes that an embedding takes as well")
        self.ops.append(replace(op, name=name))

    def function(self, tensor: int, function: Function | None, into: int) -> None:
        """Applies f, as an operation of its own; `fused` takes it into what is before."""
        if function is None:
            raise self.refusal("its activation is none that the native core has")
        self.add(Op("affine", into, (Source(tensor),), first=function[0], alpha=function[1]))

    def softmax(self, tensor: int) -> None:
        """The output of the layer is the softmax of a tensor of the program."""
        self.add(Op("softmax", self.result(), (Source(tensor),)))

    def activated(self, made: int, activation: Any) -> None:
        """Puts a layer's activation behind what it computed, as its output."""
        if activation is keras.activations.softmax:
            self.softmax(made)
        elif (function := of_activation(activation)) == LINEAR:
            self.give(made)
        else:
            self.function(made, function, self.result())


def array(values: Any) -> np.ndarray:
    """Weights as float32."""
    numbers = keras.ops.convert_to_numpy(values) if not isinstance(values, (int, float, np.ndarray)) else np.asarray(values)
    return np.ascontiguousarray(numbers, "float32")
