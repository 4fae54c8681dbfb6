"""The functional engine: the step, compiled by the backend for blocks of the sizes that come."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from atrous.streaming.functional import State, Step
from atrous.streaming.plan import LEFT

Function = Callable[[Sequence[Any], State], tuple[list[Any], State]]

MOST_TRACES = 16
"""Block sizes for which TensorFlow's graphs are kept; the one that wasn't used for longest goes first."""


class FunctionalEngine:
    """Runs a `Step` on arrays.

    TensorFlow runs the first block of a size eagerly, for a size that comes once isn't worth a trace; when it comes again, the
    step is traced for it. JAX compiles for each size. PyTorch runs eagerly, without gradients.

    Args:
        step: The function.
        batch_size: Signals that are run side by side.
    """

    name = "functional"

    def __init__(self, step: Step, batch_size: int) -> None:
        self.step_function, self.batch_size = step, batch_size
        compiler = COMPILERS.get(keras.backend.backend())
        self._run: Function = compiler(step) if compiler else step
        self._state: State | None = None
        self._names: list[str] = []
        with _no_gradients():
            _try(step)

    def reset(self, inputs: Sequence[np.ndarray | None]) -> None:
        """Begins a signal; `inputs` holds those without time, where they are known."""
        with _no_gradients():
            self._state = self.step_function.initial_state(self.batch_size, inputs)
        self._names = list(self._state)

    def step(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs a block; if it fails, the state stays as it was."""
        assert self._state is not None
        outputs, self._state = self._run([ops.convert_to_tensor(x) for x in inputs], self._state)
        return [ops.convert_to_numpy(x) for x in outputs]

    def end(self) -> None:
        """Says that the signal is over; what follows is padding."""
        assert self._state is not None
        if LEFT in self._state:
            self._state = {**self._state, LEFT: ops.zeros((1,), "int32")}

    @property
    def state(self) -> dict[str, np.ndarray]:
        """Everything that was kept, by name; 16-bit numbers that NumPy doesn't have are given as float32."""
        assert self._state is not None
        arrays = {name: ops.convert_to_numpy(self._state[name]) for name in self._names}
        return {name: x.astype("float32") if x.dtype.name == "bfloat16" else x for name, x in arrays.items()}

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes what `state` gave. The names and shapes must be its own."""
        assert self._state is not None
        self._state = {
            name: ops.cast(ops.convert_to_tensor(state[name]), keras.backend.standardize_dtype(own.dtype))
            for name, own in self._state.items()
        }


def _try(step: Step) -> None:
    """Runs a block of zeros, for what only running a layer tells; JAX, which compiles each operation, looks at shapes alone."""
    plan = step.plan
    blocks = [
        np.zeros([1, *(flow.rows(plan.block) if flow and d == flow.dim else n for d, n in enumerate(plan.graph.shapes[key]))])
        for key, flow in ((key, plan.flows.get(key)) for key in plan.inputs)
    ]
    inputs = [x.astype(plan.dtypes.get(key, "float32")) for key, x in zip(plan.inputs, blocks, strict=True)]
    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(lambda: step(inputs, step.initial_state(1, inputs)))
    else:
        step(inputs, step.initial_state(1, inputs))


class _Traced:
    """TensorFlow: a graph for each block size that came twice."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.seen: set[Any] = set()
        self.traces: OrderedDict[Any, Function] = OrderedDict()

    def __call__(self, inputs: Sequence[Any], state: State) -> tuple[list[Any], State]:
        import tensorflow as tf

        key = tuple(tuple(x.shape) for x in inputs)
        if key not in self.seen:
            if len(self.seen) > 4096:
                self.seen.clear()
            self.seen.add(key)
            return self.step(inputs, state)
        if key not in self.traces:
            self.traces[key] = tf.function(self.step.__call__, autograph=False)
            while len(self.traces) > MOST_TRACES:
                self.traces.popitem(last=False)
        self.traces.move_to_end(key)
        outputs, state = self.traces[key](list(inputs), state)
        return list(outputs), state


def _jax(step: Step) -> Function:
    import jax

    variables = step.model.variables

    def run(values: Sequence[Any], inputs: Sequence[Any], state: State) -> tuple[list[Any], State]:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return step(inputs, state)

    compiled: Any = jax.jit(run)
    return lambda inputs, state: compiled([v.value for v in variables], inputs, state)


def _torch(step: Step) -> Function:
    def run(inputs: Sequence[Any], state: State) -> tuple[list[Any], State]:
        with _no_gradients():
            return step(inputs, state)

    return run


def _no_gradients() -> contextlib.AbstractContextManager[None]:
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    context: contextlib.AbstractContextManager[None] = torch.no_grad()
    return context


COMPILERS: dict[str, Callable[[Step], Function]] = {"tensorflow": _Traced, "jax": _jax, "torch": _torch}
"""By backend; on another one the step runs as it is."""
