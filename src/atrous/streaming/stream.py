"""A model that is given its signal as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from atrous.streaming import state as files
from atrous.streaming.compiling import FunctionalEngine
from atrous.streaming.core.engine import NativeEngine
from atrous.streaming.functional import Step
from atrous.streaming.plan import Flow

SAMPLES, ENGINE, GIVEN = "samples", "engine", "given_"
EVER = 2**31
"""Samples of delay that `predict` doesn't mind."""


def stream(
    model: Any,
    batch_size: int = 1,
    *,
    lookahead: int = 0,
    engine: Literal["functional", "native"] | None = None,
    check_finite: bool = True,
    input_shape: Any = None,
) -> Stream:
    """Runs a model on a signal that comes sample by sample or block by block.

        live = atrous.streaming.stream(model)
        while (x := microphone.read()) is not None:      # (1, n, channels)
            play(live.step(x))

    What the steps and `flush` return, put behind each other, is `model(x)` of the whole signal, whatever the sizes of blocks;
    the memory is that of the layers' histories. Each layer's history begins as what its padding puts there: zeros.

    Args:
        model: A `keras.Model` over one axis of time: convolutions, poolings and up-sampling of any stride and rate, recurrent
            layers, whatever works step by step, in any graph; no layer that needs the whole signal, such as global pooling.
        batch_size: Signals that run side by side.
        lookahead: Samples that the output may be late, for a model that sees later ones: `padding="same"`, say.
        engine: `"native"`: the native core, in float32, with the weights as they are now. `"functional"`: Keras operations.
            `None`: native where it can be.
        check_finite: Whether a step refuses NaN and infinity.
        input_shape: As `atrous.field.analyze` takes it, for a model without a graph.

    Raises:
        ValueError: The model can't be streamed: the message names the layer and the reason.
    """
    return Stream(model, batch_size, lookahead=lookahead, engine=engine, check_finite=check_finite, input_shape=input_shape)


class Stream:
    """What `stream` returns.

    Attributes:
        latency: Samples that the output is late.
        input_block: Samples come in multiples of this: what the model's strides multiply to.
        engine: `"native"` or `"functional"`.
        why_not_native: A sentence; `None` if it is native.
    """

    def __init__(
        self,
        model: Any,
        batch_size: int = 1,
        *,
        lookahead: int = 0,
        engine: Literal["functional", "native"] | None = None,
        check_finite: bool = True,
        input_shape: Any = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"`batch_size` must be a positive integer. Received: batch_size={batch_size!r}.")
        if engine not in (None, "functional", "native"):
            raise ValueError(f"`engine` must be 'functional', 'native' or None. Received: engine={engine!r}.")
        self.model, self.batch_size, self.check_finite = model, batch_size, check_finite
        step = Step(model, lookahead, input_shape)
        self.plan = step.plan
        self.latency, self.input_block = step.plan.latency, step.plan.block
        self.why_not_native: str | None = None
        self._engine = self._chosen(step, engine)
        self.engine: str = self._engine.name
        self._dtypes = [str(x.dtype) for x in getattr(model, "inputs", None) or []] or [keras.config.floatx()] * len(
            self.plan.inputs
        )
        self._moving = [i for i, key in enumerate(self.plan.inputs) if key in self.plan.flows]
        self._static: list[np.ndarray | None]
        self._alone: tuple[np.dtype[Any], tuple[int, ...]] | None = None  # type and shape of the only input, with time first
        flow, key = self.plan.flows[self.plan.inputs[self._moving[0]]], self.plan.inputs[0]
        if len(self.plan.inputs) == 1 and flow.dim == 0 and self._dtypes[0] != "bfloat16":
            self._alone = np.dtype(self._dtypes[0]), (batch_size, *self.plan.graph.shapes[key])
        self.reset()

    def _chosen(self, step: Step, engine: str | None) -> Any:
        """The native engine where it is asked for or can be, else the functional one."""
        if engine == "functional":
            self.why_not_native = "engine='functional'"
            return FunctionalEngine(step, self.batch_size)

        try:
            return NativeEngine(step.plan, self.batch_size)
        except ValueError as error:
            if engine == "native":
                raise ValueError(f"`engine` must be 'functional' for this model. Received: engine='native'; {error}") from error
            self.why_not_native = str(error)
            return FunctionalEngine(step, self.batch_size)

    # ---- running -------------------------------------------------------------------------------------------------------------

    def reset(self, inputs: Any = None) -> None:
        """Begins another signal.

        Args:
            inputs: Those of the model's inputs that have no time, such as a speaker: a list in the model's order, a dict by
                name, or the only one. They may be given with the first step as well.
        """
        self._static = [None] * len(self.plan.inputs)
        self._samples, self._begun, self._over = 0, False, False
        if inputs is not None:
            places = [i for i, key in enumerate(self.plan.inputs) if key not in self.plan.flows]
            for place, x in zip(places, self._listed(inputs, places), strict=True):
                self._static[place] = self._checked(place, x, 0)

    def step(self, inputs: Any) -> Any:
        """Takes the next samples and returns the outputs that became known.

        Args:
            inputs: `(batch_size, n, channels)`, or `(batch_size, n)` codes, n any multiple of `input_block`. If the model has
                several inputs, a list in its order or a dict by name; those without time may be left out where they were given
                before, and those that come at another rate come in proportion.

        Returns:
            `(batch_size, n · ratio, …)`, fewer at first if the output is late; several outputs as the model returns them. An
            output that has lost its time is what the model says of all that came so far.

        Raises:
            ValueError: Shape, type or size of the block don't fit, or it isn't finite. The state is then as before.
        """
        if self._over:
            raise ValueError("`step` must not follow `flush`, which ended the signal. Call `reset` to begin another.")
        values, samples = self._plain(inputs) or self._block(inputs)
        if not samples:
            return self._packed([self._nothing(i) for i in range(len(self.plan.outputs))])
        self._begin(values)
        outputs = self._engine.step(values)
        if len(self._moving) < len(values):
            self._static = [None if i in self._moving else x for i, x in enumerate(values)]
        if self.latency:
            late = [max(flow.delay - flow.rows(self._samples), 0) if flow else 0 for flow in self.plan.outputs]
            outputs = [_cut(x, flow, n, None) for x, flow, n in zip(outputs, self.plan.outputs, late, strict=True)]
        self._samples += samples
        return self._packed(outputs)

    def flush(self) -> Any:
        """Ends the signal and returns the outputs that were still to come, with the padding that the model puts at the end.

        Returns:
            As `step`; no rows of a causal model, and `None` for an output without time.
        """
        plan, self._over = self.plan, True
        if not plan.remainder or not self._samples:
            return self._packed([self._nothing(i) for i in range(len(plan.outputs))])
        self._engine.end()
        outputs = self._engine.step([self._zeros(i, plan.remainder) for i in range(len(plan.inputs))])
        left: list[np.ndarray | None] = []
        for x, flow in zip(outputs, plan.outputs, strict=True):
            if flow is None:
                left.append(None)
                continue
            late = max(flow.delay - flow.rows(self._samples), 0)
            left.append(_cut(x, flow, late, max(flow.delay + flow.growth, late)))
        return self._packed(left)

    def warm_up(self, history: Any) -> None:
        """Begins another signal, with a past: `reset`, then a step whose outputs nobody needs."""
        static = self._static
        self.reset()
        self._static = static
        self.step(history)

    def _begin(self, values: Sequence[np.ndarray | None]) -> None:
        if not self._begun:
            self._engine.reset([None if key in self.plan.flows else x for key, x in zip(self.plan.inputs, values, strict=True)])
            self._begun = True

    # ---- state ---------------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, np.ndarray]:
        """All that is kept between steps, by the names of the layers; assign it to go on from there.

        Beside the histories, `samples` is how many came, `given_…` are the inputs without time, and `engine` is whose it is.
        """
        if self._over:
            raise ValueError("`state` must be read before `flush`, which ended the signal.")
        self._begin(self._static)
        given = {f"{GIVEN}{name}": x for name, x in zip(self.plan.names, self._static, strict=True) if x is not None}
        return {**self._engine.state, SAMPLES: np.array(self._samples, "int64"), ENGINE: np.array(self.engine), **given}

    @state.setter
    def state(self, state: Mapping[str, np.ndarray]) -> None:
        given = {name: np.array(value) for name, value in state.items()}
        static = [given.pop(f"{GIVEN}{name}", None) for name in self.plan.names]
        samples, engine = given.pop(SAMPLES, None), str(given.pop(ENGINE, self.engine))
        if engine != self.engine:
            raise ValueError(
                f"`state` must be of the engine {self.engine!r}. Received: one of {engine!r}; pass engine={engine!r}."
            )
        before = self._static, self._begun, self._over
        try:
            self._static, self._over = static, False
            self._begin(static)
            own = self._engine.state
            if samples is None or {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in given.items()}:
                raise ValueError(f"`state` must be one that this stream gave: {_difference(own, given, samples)}.")
        except BaseException:
            self._static, self._begun, self._over = before
            raise
        self._engine.set_state(given)
        self._samples = int(samples)

    def save(self, path: str | Path) -> None:
        """Writes the state to a file (`.npz`), with a fingerprint of the model."""
        files.save(path, self.state, files.fingerprint(self.model, self.plan))

    def load(self, path: str | Path) -> None:
        """Takes the state from a file that `save` wrote; one of another model is refused."""
        found = files.load(path, files.fingerprint(self.model, self.plan))
        *kept, _, engine = list(found)[: list(found).index(ENGINE) + 1]
        static = [found[name] for name in list(found)[len(kept) + 2 :]]
        places = [i for i, key in enumerate(self.plan.inputs) if key not in self.plan.flows]
        given = dict(zip(places, static, strict=False))
        if str(found[engine]) == self.engine:
            self._begin([given.get(i) for i in range(len(self.plan.inputs))])
            # Keras counts what has no name: in another process its number may be another. The order is the same.
            kept = list(self._engine.state) if len(kept) == len(self._engine.state) else kept
        names = [*kept, SAMPLES, ENGINE, *(f"{GIVEN}{self.plan.names[i]}" for i in given)]
        self.state = dict(zip(names, found.values(), strict=True))

    def __repr__(self) -> str:
        return (
            f"<Stream of {self.model.name!r}: batch_size={self.batch_size}, latency={self.latency}, "
            f"input_block={self.input_block}, engine={self.engine!r}>"
        )

    # ---- what comes in and goes out ------------------------------------------------------------------------------------------

    def _plain(self, x: Any) -> tuple[list[np.ndarray], int] | None:
        """The same as `_block` in a tenth of the time, if there is one input and nothing about it needs a closer look."""
        if self._alone is None or type(x) is not np.ndarray:
            return None
        dtype, shape = self._alone
        samples = x.shape[1] if x.ndim == len(shape) else 0
        same = x.dtype == dtype and x.shape == (shape[0], samples, *shape[2:]) and x.flags.c_contiguous
        if not same or samples % self.input_block:
            return None
        if self.check_finite and dtype.kind == "f" and not np.isfinite(x).all():
            return None
        return [x], samples

    def _block(self, inputs: Any) -> tuple[list[np.ndarray], int]:
        """The inputs in order, checked, and how many samples they are."""
        plan, moving, everything = self.plan, self._moving, range(len(self._static))
        known = len(moving) == len(everything) or all(self._static[i] is not None for i in everything if i not in moving)
        count = len(inputs) if isinstance(inputs, (list, tuple, Mapping)) else 1
        places = moving if known and count == len(moving) else everything
        listed = dict(zip(places, self._listed(inputs, places), strict=True))
        first = np.shape(listed[moving[0]])
        flow = plan.flows[plan.inputs[moving[0]]]
        samples = first[flow.dim + 1] if len(first) > flow.dim + 1 else 0
        values = [self._checked(i, listed[i], samples) if i in listed else self._static[i] for i in everything]
        if samples % self.input_block:
            raise ValueError(
                f"A block must be a multiple of {self.input_block} samples, for the model's strides. Received: {samples}."
            )
        return [x for x in values if x is not None], samples

    def _listed(self, inputs: Any, places: Sequence[int]) -> list[Any]:
        names = self.plan.names if len(places) == len(self._static) else [self.plan.names[i] for i in places]
        if isinstance(inputs, Mapping):
            if set(inputs) != set(names):
                raise ValueError(f"`inputs` must have the names {', '.join(names)}. Received: {', '.join(map(str, inputs))}.")
            return [inputs[name] for name in names]
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        if len(inputs) != len(names):
            raise ValueError(f"`inputs` must be {len(names)} arrays: {', '.join(names)}. Received: {len(inputs)}.")
        return list(inputs)

    def _checked(self, place: int, x: Any, samples: int) -> np.ndarray:
        """An input as an array of the right type, or an error that says what is wrong with it."""
        name, key, dtype = self.plan.names[place], self.plan.inputs[place], self._dtypes[place]
        flow = self.plan.flows.get(key)
        if not isinstance(x, np.ndarray):  # asked first: `is_tensor` takes longer than a step of a small model
            x = keras.ops.convert_to_numpy(x) if keras.ops.is_tensor(x) else np.asarray(x)
        shape: list[int | str] = [self.batch_size, *self.plan.graph.shapes[key]]
        if flow is not None:
            shape[flow.dim + 1] = "n" if flow.ratio == 1 else flow.rows(samples)
        if x.ndim != len(shape) or any(n not in (m, "n") for n, m in zip(shape, x.shape, strict=True)):
            wanted = f"({', '.join(map(str, shape))})"
            raise ValueError(f"Input {name!r} must have shape {wanted}. Received: shape {x.shape}.")
        if ("int" in dtype and x.dtype.kind not in "iu") or x.dtype.kind not in "iufb":
            raise ValueError(f"Input {name!r} must be of type {dtype}. Received: {x.dtype}.")
        if self.check_finite and x.dtype.kind == "f" and not np.isfinite(x).all():
            at = [int(n) for n in np.argwhere(~np.isfinite(x))[0]]
            raise ValueError(f"Input {name!r} must be finite. Received: {x[tuple(at)]} at {at} of the block.")
        return np.ascontiguousarray(x, dtype=dtype if dtype != "bfloat16" else "float32")

    def _zeros(self, place: int, samples: int) -> np.ndarray:
        known, key = self._static[place], self.plan.inputs[place]
        if known is not None:
            return known
        flow = self.plan.flows[key]
        shape = [flow.rows(samples) if d == flow.dim else n for d, n in enumerate(self.plan.graph.shapes[key])]
        return np.zeros((self.batch_size, *shape), self._dtypes[place] if self._dtypes[place] != "bfloat16" else "float32")

    def _nothing(self, place: int) -> np.ndarray | None:
        """No rows of an output; `None` if it has none ever."""
        flow, key = self.plan.outputs[place], self.plan.graph.outputs[place]
        if flow is None:
            return None
        shape = [0 if d == flow.dim else n for d, n in enumerate(self.plan.graph.shapes[key])]
        return np.zeros((self.batch_size, *shape), "float32")

    def _packed(self, outputs: list[Any]) -> Any:
        """As the model returns them."""
        structure = getattr(self.model, "_outputs_struct", None)
        if structure is None or isinstance(structure, keras.KerasTensor):
            return outputs[0] if len(outputs) == 1 else outputs
        return keras.tree.pack_sequence_as(structure, outputs)


def _cut(x: np.ndarray, flow: Flow | None, first: int, last: int | None) -> np.ndarray:
    return x if flow is None else x[(slice(None),) * (flow.dim + 1) + (slice(first, last),)]


def _difference(own: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray], samples: Any) -> str:
    if samples is None or set(own) != set(given):
        return (
            f"it has {', '.join([*own, SAMPLES])}. Received: {', '.join([*given, *([SAMPLES] if samples is not None else [])])}"
        )
    name = next(name for name in own if own[name].shape != given[name].shape)
    return f"{name!r} has shape {own[name].shape}. Received: {given[name].shape}"


def predict(
    model: Any, x: Any, *, block_size: int = 2**16, out: Any = None, engine: Any = None, input_shape: Any = None
) -> Any:
    """`model(x)` of a long signal, in blocks: the memory is that of a block, whatever the signal's length.

    Args:
        model: As `stream` takes it; it may look ahead.
        x: The model's input, `(batch, n, …)`, n a multiple of `stream(model).input_block`: an array, or what slices like one,
            such as a memory-mapped file. If the model has several inputs, a list or a dict.
        block_size: Samples at a time.
        out: Where to write the output to, `(batch, n · ratio, …)`, such as a memory-mapped file; a list if there are several.
            `None` makes new arrays.
        engine: As `stream` takes it.
        input_shape: For a model without a graph.

    Returns:
        What the model returns.

    Raises:
        ValueError: The model can't be streamed, or a length doesn't fit.
    """
    plan = Step(model, EVER, input_shape).plan
    listed = [x[name] for name in plan.names] if isinstance(x, Mapping) else list(x) if isinstance(x, (list, tuple)) else [x]
    if len(listed) != len(plan.names):
        raise ValueError(f"`x` must be {len(plan.names)} arrays: {', '.join(plan.names)}. Received: {len(listed)}.")
    flows = [plan.flows.get(key) for key in plan.inputs]
    first = next(i for i, flow in enumerate(flows) if flow)
    shape, dim = np.shape(listed[first]), plan.flows[plan.inputs[first]].dim + 1
    samples = shape[dim] if len(shape) > dim else 0
    live = Stream(model, shape[0], lookahead=EVER, engine=engine, input_shape=input_shape)
    block = max(block_size // plan.block, 1) * plan.block
    outs = [None] * len(plan.outputs) if out is None else list(out) if isinstance(out, (list, tuple)) else [out]
    at = [0] * len(outs)
    for begin in range(0, samples, block):
        size = min(block, samples - begin)
        made = live.step(
            [
                part
                if flow is None
                else part[(slice(None),) * (flow.dim + 1) + (slice(flow.rows(begin), flow.rows(begin + size)),)]
                for part, flow in zip(listed, flows, strict=True)
            ]
        )
        _write(outs, at, keras.tree.flatten(made), plan.outputs, samples)
    _write(outs, at, keras.tree.flatten(live.flush()), plan.outputs, samples)
    return live._packed(outs)


def _write(outs: list[Any], at: list[int], made: Sequence[Any], flows: Sequence[Flow | None], samples: int) -> None:
    """Puts what a step made behind what is there."""
    for i, (x, flow) in enumerate(zip(made, flows, strict=True)):
        if flow is None:
            outs[i] = outs[i] if x is None else x
            continue
        axis = flow.dim + 1
        if outs[i] is None:
            shape = [flow.rows(samples) + flow.growth if d == axis else n for d, n in enumerate(x.shape)]
            outs[i] = np.empty(shape, x.dtype)
        outs[i][(slice(None),) * axis + (slice(at[i], at[i] + x.shape[axis]),)] = x
        at[i] += x.shape[axis]
