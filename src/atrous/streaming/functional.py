"""One step of a stream as a pure function of inputs and state, made of Keras operations: differentiable, traceable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from atrous.field.graph import Use
from atrous.parts.computing import compute
from atrous.parts.part import Part, Tensor, called, twin
from atrous.streaming.plan import LEFT, POSITION, Flow, History, Plan, Stage, Taken
from atrous.streaming.planning import plan_of

State = dict[str, Tensor]
UNROLLED = 64
"""Steps of a recurrent layer that are written out: other runtimes know no loop."""


class Step:
    """A block of a signal through a model: `outputs, state = step(inputs, state)`.

    The function is pure. It shares the model's weights and is differentiable with respect to them, inputs and state.

    State is a dict by the names of the layers that it is for: `(batch, rows, …)`, the last rows of what a layer takes. In that
    of a model that waits for later samples are `position` and `left`, too. To get what follows the last sample, make `left` 0
    and go on with zeros.

    Args:
        model: A `keras.Model` over one axis of time.
        lookahead: Samples that its outputs may be late.
        input_shape: For a model without a graph: see `atrous.field.analyze`.

    Raises:
        ValueError: The model can't be streamed; the message names the layer.
    """

    def __init__(self, model: Any, lookahead: int = 0, input_shape: Any = None) -> None:
        self.model = model
        self.plan = plan_of(model, lookahead, input_shape)

    def initial_state(self, batch_size: int = 1, inputs: Sequence[Tensor | None] | None = None) -> State:
        """The state before anything came: what the layers' padding puts there.

        Args:
            batch_size: Signals that are run side by side.
            inputs: The model's inputs, where what is padded depends on those without time; the others may be `None`.
        """
        return _Beginning(self.plan, batch_size, inputs).state()

    def __call__(self, inputs: Sequence[Tensor], state: Mapping[str, Tensor]) -> tuple[list[Tensor], State]:
        """Runs one block.

        Args:
            inputs: The model's inputs in order: `(batch, n, …)` with n samples, a multiple of `plan.block`, of the first that
                has time, and others in proportion; those without time as they are.
            state: What came out of the step before.

        Returns:
            The model's outputs for the block, `(batch, n · ratio, …)` each, late by the output's delay: the first ones of a
            stream that is late are to be thrown away. And the new state.
        """
        return _Block(self.plan, inputs, state).run()


class _Run:
    """What both ways through a plan share: the values of tensors, by number."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.values: dict[int, Tensor] = {}

    def recurrent(self, stage: Stage, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Outputs of a recurrent layer, all or the last, and its new state."""
        layer = stage.use.layer
        if x.shape[1] <= UNROLLED:
            layer = twin(layer, unroll=True)
        x = ops.cast(x, layer.compute_dtype)
        last, every, state = layer.inner_loop(sequences=x, initial_state=state, mask=None, training=False)
        return ops.cast(every if layer.return_sequences else last, layer.compute_dtype), state


class _Beginning(_Run):
    """What is known before any sample came: rows that layers pad in front, and what becomes of them."""

    def __init__(self, plan: Plan, batch_size: int, inputs: Sequence[Tensor | None] | None) -> None:
        super().__init__(plan)
        self.batch_size = batch_size
        for key, x in zip(plan.inputs, inputs or [None] * len(plan.inputs), strict=True):
            if key not in plan.flows and x is not None:
                self.values[key] = ops.convert_to_tensor(x)

    def state(self) -> State:
        """The first one."""
        state: State = {}
        for stage in self.plan.stages:
            if stage.kind == "plain" and all(key in self.values for key in stage.use.inputs):
                self.values.update(zip(stage.use.outputs, tree.flatten(called(stage.use, self._given(stage))), strict=True))
            elif stage.kind == "recurrent":
                state.update(self._recurrent(stage))
            elif stage.kind == "rows" and self.plan.flows[stage.use.outputs[0]].delay < 0:
                self._rows(stage)
        state.update((history.name, self._history(history)) for history in self.plan.histories if history.rows)
        if self.plan.counts_position:
            state[POSITION] = ops.zeros((1,), "int32")
        if self.plan.counts_end:
            state[LEFT] = ops.full((1,), _far(self.plan), "int32")
        return state

    def _given(self, stage: Stage) -> list[Tensor]:
        return [self.values[key] for key in stage.use.inputs]

    def _rows(self, stage: Stage) -> None:
        use, flow = stage.use, self.plan.flows[stage.use.outputs[0]]
        parts = []
        for place, key in enumerate(use.inputs):
            came = self.plan.flows.get(key)
            if came is not None:
                parts.append(Part(self._known(key, came), {came.dim: (0, max(-came.delay, 0))}))
            elif key in self.values:
                parts.append(Part(self.values[key]))
            else:
                raise ValueError(
                    f"`inputs` must hold those without time: what layer {use.name!r} makes of its padding depends on its input "
                    f"{place}."
                )
        made = compute(use, parts, {flow.dim: (0, -flow.delay)})
        self.values.update((key, part.values) for key, part in zip(use.outputs, made, strict=True))

    def _recurrent(self, stage: Stage) -> State:
        use = stage.use
        inner = use.layer.get_initial_state(self.batch_size)
        flow = self.plan.flows[use.inputs[0]]
        if flow.delay < 0:
            self.values[use.outputs[0]], inner = self.recurrent(stage, self._known(use.inputs[0], flow), inner)
        return dict(zip(_names(use), tree.flatten(inner), strict=True))

    def _known(self, key: int, flow: Flow) -> Tensor:
        if key in self.values:
            return self.values[key]
        return self._full(key, flow, 0, 0.0, self.plan.dtypes[key])

    def _full(self, key: int, flow: Flow, rows: int, value: float, dtype: str) -> Tensor:
        shape = [rows if d == flow.dim else n for d, n in enumerate(self.plan.graph.shapes[key])]
        return ops.full((self.batch_size, *shape), value, dtype=dtype)

    def _history(self, history: History) -> Tensor:
        """The last rows known: padding, then what a layer in front of it padded."""
        flow = self.plan.flows[history.tensor]
        known = self.values.get(history.tensor) if flow.delay < 0 else None
        dtype = self.plan.dtypes[history.tensor] if known is None else keras.backend.standardize_dtype(known.dtype)
        there = self._full(history.tensor, flow, history.rows, history.value, dtype)
        if known is None:
            return there
        return _rows(ops.concatenate([there, known], axis=flow.dim + 1), flow, -flow.delay, None)


class _Block(_Run):
    """One block through the model."""

    def __init__(self, plan: Plan, inputs: Sequence[Tensor], state: Mapping[str, Tensor]) -> None:
        super().__init__(plan)
        self.old = {name: ops.convert_to_tensor(x) for name, x in state.items()}
        self.new = dict(self.old)
        self.joined: dict[str, Tensor] = {}
        for key, x in zip(plan.inputs, inputs, strict=True):
            self.values[key] = ops.convert_to_tensor(x)
        first = next(key for key in plan.inputs if key in plan.flows)
        self.samples = int(self.values[first].shape[plan.flows[first].dim + 1])
        if not self.samples or self.samples % plan.block:
            raise ValueError(f"A block must be a multiple of {plan.block} samples. Received: {self.samples}.")

    def run(self) -> tuple[list[Tensor], State]:
        """Outputs and state."""
        plan = self.plan
        for stage in plan.stages:
            made = self._rows(stage) if stage.kind == "rows" else tree.flatten(self._whole(stage))
            self.values.update(zip(stage.use.outputs, made, strict=True))
        outputs = []
        for key, taken in zip(plan.graph.outputs, plan.exits, strict=True):
            flow, x = plan.flows.get(key), self.values[key]
            if flow is not None and taken is not None and taken.rows:
                x = _rows(self._taken(key, taken), flow, 0, flow.rows(self.samples))
            outputs.append(x)
        if plan.counts_position:
            self.new[POSITION] = ops.minimum(self.old[POSITION] + self.samples, _horizon(plan))
        if plan.counts_end:
            left = self.old[LEFT]
            self.new[LEFT] = ops.where(left >= _far(plan), left, left - self.samples)
        return outputs, self.new

    def _whole(self, stage: Stage) -> Any:
        use = stage.use
        if stage.kind == "recurrent":
            names = _names(use)
            inner = tree.pack_sequence_as(use.layer.get_initial_state(1), [self.old[name] for name in names])
            made, inner = self.recurrent(stage, self.values[use.inputs[0]], inner)
            self.new.update(zip(names, tree.flatten(inner), strict=True))
            return made
        return called(use, [self.values[key] for key in use.inputs])

    def _rows(self, stage: Stage) -> list[Tensor]:
        use, middle = stage.use, self.plan.middle
        parts = []
        for key, taken in zip(use.inputs, stage.taken, strict=True):
            if taken is None:
                parts.append(Part(self.values[key]))
                continue
            flow = self.plan.flows[key]
            span = flow.known(middle) - taken.rows, flow.known(middle + self.samples)
            parts.append(Part(self._taken(key, taken), {flow.dim: span}))
        flow = self.plan.flows[use.outputs[0]]
        made = compute(use, parts, {flow.dim: (flow.known(middle), flow.known(middle + self.samples))})
        values = [part.values for part in made]
        if stage.taken[0] is not None and stage.taken[0].counts:
            values = [y * ops.cast(self._share(stage, flow, y), y.dtype) for y in values]
        return values

    def _taken(self, key: int, taken: Taken) -> Tensor:
        """What came, behind as much of the history as is needed."""
        history, flow = taken.history, self.plan.flows[key]
        if history is None:
            return self.values[key]
        if history.name not in self.joined:
            x = self.values[key]
            if history.masks_front or history.masks_end:
                there = self._there(flow, 0, history.masks_front, history.masks_end)
                x = ops.where(_along(there, flow, x), x, ops.cast(history.value, x.dtype))
            if history.rows:
                old = self.old[history.name]
                x = ops.concatenate([old, ops.cast(x, old.dtype)], axis=flow.dim + 1)
                self.new[history.name] = _rows(x, flow, flow.rows(self.samples), None)
            self.joined[history.name] = x
        return _rows(self.joined[history.name], flow, history.rows - taken.rows, None)

    def _there(self, flow: Flow, before: int, front: bool, end: bool) -> Tensor:
        """Which rows are neither in front of the signal nor behind it: those that come, and some before them."""
        own = ops.convert_to_tensor(np.arange(-before, flow.rows(self.samples), dtype="int32") - flow.delay)
        there = own == own
        if front:
            there = ops.logical_and(there, own + self._in_rows(self.old[POSITION], flow) >= 0)
        if end:
            there = ops.logical_and(there, own < self._in_rows(self.old[LEFT], flow) + flow.growth)
        return there

    def _in_rows(self, samples: Tensor, flow: Flow) -> Tensor:
        return samples // self.plan.block * flow.rows(self.plan.block)

    def _share(self, stage: Stage, flow: Flow, y: Tensor) -> Tensor:
        """How many times the rows of a window are those of them that are there: a mean doesn't count padding."""
        taken, use, middle = stage.taken[0], stage.use, self.plan.middle
        assert taken is not None
        came = self.plan.flows[use.inputs[0]]
        there = ops.cast(self._there(came, taken.rows, True, self.plan.counts_end), "float32")
        (step,) = (link.map for link in use.reads[0].links[0] if link.into == (flow.dim,))
        outputs = range(flow.known(middle), flow.known(middle + self.samples))
        reads = np.array([step.reads(output) for output in outputs]) - (came.known(middle) - taken.rows)
        count = ops.sum(ops.take(there, reads.astype("int32"), axis=0), axis=1)
        return _along(reads.shape[1] / ops.maximum(count, 1.0), flow, y)


def _along(x: Tensor, flow: Flow, like: Tensor) -> Tensor:
    """A value a row, to be broadcast against a tensor."""
    return ops.reshape(x, [-1 if d == flow.dim + 1 else 1 for d in range(len(like.shape))])


def _rows(x: Tensor, flow: Flow, first: int, last: int | None) -> Tensor:
    if first == 0 and last is None:
        return x
    return x[(slice(None),) * (flow.dim + 1) + (slice(first, last),)]


def _names(use: Use) -> list[str]:
    """Of the states of a recurrent layer."""
    layer: layers.RNN = use.layer
    count = len(tree.flatten(layer.get_initial_state(1)))
    return [f"{use.name.replace('/', '_')}_state{i if count > 1 else ''}" for i in range(count)]


def _far(plan: Plan) -> int:
    """More samples than any block has; so many of no tensor's rows overflow."""
    most = max(1, *(flow.rows(plan.block) for flow in plan.flows.values()))
    return plan.block * (2**30 // most)


def _horizon(plan: Plan) -> int:
    """Samples after which no history reaches back to the begin."""
    rows = [(plan.flows[h.tensor], h.rows) for h in plan.histories]
    reach = [(max(flow.delay, 0) + kept) / flow.ratio for flow, kept in rows]
    return plan.block * (int(max(reach, default=0) // plan.block) + 2)
