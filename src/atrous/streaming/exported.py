"""The step as a model of fixed shapes, for other runtimes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from atrous.streaming.functional import Step
from atrous.streaming.parts import Tensor


def step_model(model: Any, block_size: int, batch_size: int = 1, lookahead: int = 0, input_shape: Any = None) -> keras.Model:
    """The step as a `keras.Model` of fixed shapes, for `atrous.export`.

    It takes a dict of the model's inputs by name, and the state; it returns a dict of the outputs by name, and the new state
    under the same names with `next_` in front. The state to begin with is that of a new stream: `stream(model).state`.

    Args:
        model: A `keras.Model` over one axis of time.
        block_size: Samples of a block, a multiple of `stream(model).input_block`.
        batch_size: Signals that are run side by side.
        lookahead: Samples that the outputs may be late.
        input_shape: For a model without a graph: see `atrous.field.analyze`.

    Raises:
        ValueError: The model can't be streamed, or not in blocks of this size.
    """
    step = Step(model, lookahead, input_shape)
    plan = step.plan
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1 or block_size % plan.block:
        raise ValueError(f"`block_size` must be a multiple of {plan.block}. Received: block_size={block_size!r}.")
    dtypes = [str(x.dtype) for x in getattr(model, "inputs", None) or []] or [keras.config.floatx()] * len(plan.names)
    inputs = {}
    for name, key, dtype in zip(plan.names, plan.inputs, dtypes, strict=True):
        shape, flow = plan.graph.shapes[key], plan.flows.get(key)
        block = [flow.rows(block_size) if flow and d == flow.dim else n for d, n in enumerate(shape)]
        inputs[name] = keras.Input(batch_shape=(batch_size, *block), dtype=dtype, name=name)
    static = [
        None if key in plan.flows else np.zeros(inputs[name].shape) for name, key in zip(plan.names, plan.inputs, strict=True)
    ]
    state = {
        name: keras.Input(batch_shape=tuple(x.shape), dtype=keras.backend.standardize_dtype(x.dtype), name=name)
        for name, x in step.initial_state(batch_size, static).items()
    }
    both = {**inputs, **state}
    outputs = _StepLayer(step, name="step")(both)
    return keras.Model(both, outputs, name=f"{model.name}_step")


class _StepLayer(keras.layers.Layer):
    """A step, as a layer that owns the model's weights."""

    def __init__(self, step: Step, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.step, self.inner = step, step.model
        self.built = True

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Runs one block."""
        plan = self.step.plan
        state = {name: x for name, x in inputs.items() if name not in plan.names}
        outputs, state = self.step([inputs[name] for name in plan.names], state)
        names = output_names(self.inner, len(outputs))
        return {**dict(zip(names, outputs, strict=True)), **{f"next_{name}": x for name, x in state.items()}}


def output_names(model: Any, count: int) -> list[str]:
    """What to call a model's outputs."""
    names = list(getattr(model, "output_names", None) or [])
    return names if len(set(names)) == count else ["output"] if count == 1 else [f"output{i}" for i in range(count)]
