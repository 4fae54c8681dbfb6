"""The native engine: a model's program, run by the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atrous.ops import native
from atrous.streaming.core.lowering import lower
from atrous.streaming.core.program import Program
from atrous.streaming.plan import POSITION, Plan
from atrous.streaming.planning import plan_of

Array = np.ndarray[Any, np.dtype[Any]]


def why_not(plan: Plan) -> str | None:
    """What keeps the core from running a model, in a sentence; `None` if nothing does."""
    try:
        _program(plan)
    except ValueError as error:
        return str(error)
    return None


class NativeEngine:
    """Runs a model in float32 on one core, in one call a block, without an allocation, lock or line of Python inside.

    The weights are taken when it is made, and packed; those that the model gets later don't reach it.

    Args:
        model: A `keras.Model`, or its `Plan`.
        batch_size: Signals that are run side by side.

    Raises:
        ValueError: The core can't run the model: the message says why, and names the layer.
    """

    name = "native"

    def __init__(self, model: Any, batch_size: int) -> None:
        self.plan = model if isinstance(model, Plan) else plan_of(model)
        self.batch_size = batch_size
        self.program = _program(self.plan)
        self._stream = native.core().Stream(self.program, batch_size)
        tensors = [self.program.tensors[number] for number in self.program.inputs]
        self._codes = {op.sources[0].tensor for op in self.program.ops if op.code == "embed"}
        self._kinds = [np.dtype("int32" if number in self._codes else "float32") for number in self.program.inputs]
        self._steps, self._channels = [tensor.steps for tensor in tensors], [tensor.channels for tensor in tensors]
        self._moving = next(i for i, steps in enumerate(self._steps) if steps)
        self._given: list[Array | None] = [None] * len(tensors)
        shapes = [(self.plan.graph.shapes[key], key in self.plan.flows) for key in self.plan.graph.outputs]
        self._shapes = [shape if len(shape) != 1 + timed else None for shape, timed in shapes]
        self._names = [f"past{i}" for i in range(len(self._stream.state()))]

    def reset(self, inputs: Sequence[Array | None] = ()) -> None:
        """Begins a signal.

        Args:
            inputs: Those of the model's inputs that have no time, `None` for the others; they are taken with the next step
                all the same, so that they may be left out here.
        """
        self._stream.reset()

    def step(self, inputs: Sequence[Array]) -> list[Array]:
        """Runs a block.

        Args:
            inputs: All of the model's inputs in its order: `(batch_size, n, channels)` float32, `(batch_size, n)` codes, or
                without time. n is a multiple of the plan's `block`.

        Returns:
            The model's outputs, float32.
        """
        units = inputs[self._moving].shape[1] // self._steps[self._moving]
        try:
            outputs = self._stream.step(units, [self._dense(i, x, units) for i, x in enumerate(inputs)])
        except BaseException:
            self._given = [None] * len(inputs)  # the core hasn't got them
            raise
        return [x if shape is None else self._shaped(x, shape) for x, shape in zip(outputs, self._shapes, strict=True)]

    def end(self) -> None:
        """Says that the signal is over; what follows is padding."""
        self._stream.end()

    @property
    def state(self) -> dict[str, Array]:
        """What is kept: `past0`, `past1`, … in the order of the network, `(batch_size, steps, channels)`; and `position`."""
        arrays = dict(zip(self._names, (values for _, values in self._stream.state()), strict=True))
        return {**arrays, POSITION: np.array([self._stream.units], "int64")}

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Takes what `state` gave. The names and shapes must be its own."""
        self._stream.set_state([np.ascontiguousarray(state[name], "float32") for name in self._names])
        self._stream.units = int(state[POSITION][0])

    def generate(
        self,
        steps: int,
        draw: str,
        random: Array,
        feed: Array,
        conditions: Sequence[Array | None] = (),
        temperature: float = 1.0,
        table: Array | None = None,
        least_log_scale: float = -14.0,
    ) -> tuple[Array, Array]:
        """Many times: a step, a sample drawn from its output, that sample fed to the next; all of it in one call.

        Args:
            steps: How often.
            draw: `"categorical"` (codes, from logits), `"logistics"` (values, from parameters as `logistic_mixture_loss` takes
                them) or `"regression"` (the output itself).
            random: `seeded(seed, batch_size)`, uint64 (batch_size, 4); it is changed, and goes on with the next call.
            feed: What the model's first input takes first: (batch_size,) codes, or (batch_size, channels).
            conditions: The other inputs, in order: those in time with `steps` rows.
            temperature: Divides logits, or multiplies the scales of logistics; 0 takes what is likeliest.
            table: What to feed for each code, (classes, channels), where the model takes values.
            least_log_scale: Of a logistic; smaller ones count as this.

        Returns:
            What was drawn, (batch_size, steps) codes, int32, or (batch_size, steps, channels); and what to feed next.

        Raises:
            ValueError: The model has a stride, or doesn't say what `draw` takes.
        """
        inputs = [None, *conditions]
        given = [None if x is None else self._dense(i, x, steps) for i, x in enumerate(inputs)]
        codes = self.program.inputs[0] in self._codes
        first = np.ascontiguousarray(feed, "int32" if codes else "float32").reshape(self.batch_size, -1)
        values = None if table is None else np.ascontiguousarray(table, "float32")
        drawn, following = self._stream.generate(steps, draw, temperature, least_log_scale, values, random, first, given, 0)
        return drawn, following[:, 0] if codes else following

    # ---- arrays --------------------------------------------------------------------------------------------------------------

    def _dense(self, place: int, x: Array, units: int) -> Array | None:
        """An input as the core takes it; `None` for one without time that is what it was."""
        steps, channels = self._steps[place], self._channels[place]
        if steps:
            return np.ascontiguousarray(x, self._kinds[place]).reshape(self.batch_size, units * steps, channels)
        known = self._given[place]
        if known is not None and np.array_equal(known, x):
            return None
        self._given[place] = np.array(x)
        return np.ascontiguousarray(x, self._kinds[place]).reshape(self.batch_size, channels)

    def _shaped(self, x: Array, shape: tuple[int, ...]) -> Array:
        """An output whose steps aren't vectors, or that has no time, in the shape that the model gives it."""
        return x.reshape(*x.shape[:-1], *shape[1:]) if x.ndim == 3 else x.reshape(self.batch_size, *shape)


def seeded(seed: int, batch_size: int) -> Array:
    """Generators of random numbers for `NativeEngine.generate`: sequence i draws the same in batches of any size."""
    states: Array = native.core().stream_seed(seed, batch_size)
    return states


def _program(plan: Plan) -> Program:
    obstacle = native.why_not()
    if obstacle:
        raise ValueError(obstacle)
    return lower(plan)
