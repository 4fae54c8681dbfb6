"""The step as a model of fixed shapes, for other runtimes."""

from __future__ import annotations

import keyword
from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from atrous.layers.conv import register
from atrous.parts.part import Tensor
from atrous.streaming.functional import Step
from atrous.streaming.plan import Plan


def step_model(model: Any, block_size: int, batch_size: int = 1, lookahead: int = 0, input_shape: Any = None) -> keras.Model:
    """The step as a `keras.Model` of fixed shapes, for `atrous.export`.

    It takes a dict of the model's inputs by name, and the state; it returns a dict of the outputs by name, and the new state
    under the same names with `next_` in front. The state to begin with is that of a new stream on the functional engine, which
    knows more than is asked for here. An input whose name is a word of Python, such as `global`, is called `global_`.

    Args:
        model: A `keras.Model` over one axis of time.
        block_size: Samples of a block, a multiple of `stream(model).input_block`.
        batch_size: Signals that are run side by side.
        lookahead: Samples that the outputs may be late.
        input_shape: For a model without a graph: see `atrous.field.analyze`.

    Raises:
        ValueError: The model can't be streamed, or not in blocks of this size.
    """
    layer = StepLayer(model, lookahead, input_shape, name="step")
    plan = layer.step.plan
    if isinstance(block_size, bool) or not isinstance(block_size, int) or block_size < 1 or block_size % plan.block:
        raise ValueError(f"`block_size` must be a multiple of {plan.block}. Received: block_size={block_size!r}.")
    dtypes = [str(x.dtype) for x in getattr(model, "inputs", None) or []] or [keras.config.floatx()] * len(plan.names)
    inputs, names = {}, _input_names(plan)
    for name, key, dtype in zip(names, plan.inputs, dtypes, strict=True):
        shape, flow = plan.graph.shapes[key], plan.flows.get(key)
        block = [flow.rows(block_size) if flow and d == flow.dim else n for d, n in enumerate(shape)]
        inputs[name] = keras.Input(batch_shape=(batch_size, *block), dtype=dtype, name=name)
    static = [None if key in plan.flows else np.zeros(inputs[name].shape) for name, key in zip(names, plan.inputs, strict=True)]
    state = {
        name: keras.Input(batch_shape=tuple(x.shape), dtype=keras.backend.standardize_dtype(x.dtype), name=name)
        for name, x in layer.step.initial_state(batch_size, static).items()
    }
    both = {**inputs, **state}
    return keras.Model(both, layer(both), name=f"{model.name}_step")


@register
class StepLayer(keras.layers.Layer):
    """A step, as a layer that owns the model's weights; what `step_model` is made of.

    Args:
        model: The model.
        lookahead: As of `step_model`.
        input_shape: As of `step_model`.
        **kwargs: `name`.
    """

    def __init__(self, model: Any, lookahead: int = 0, input_shape: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.lookahead, self.shape = model, lookahead, input_shape
        self.step = Step(model, lookahead, input_shape)
        self.built = True

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Runs one block."""
        own = _input_names(self.step.plan)
        outputs, state = self.step([inputs[name] for name in own], {name: x for name, x in inputs.items() if name not in own})
        names = output_names(self.inner, len(outputs), inputs)
        return {**dict(zip(names, outputs, strict=True)), **{f"next_{name}": x for name, x in state.items()}}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        model = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "model": model, "lookahead": self.lookahead, "input_shape": self.shape}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> StepLayer:
        """The layer again."""
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})


def _input_names(plan: Plan) -> list[str]:
    return [f"{name}_" if keyword.iskeyword(name) else name for name in plan.names]


def output_names(model: Any, count: int, taken: Collection[str] = ()) -> list[str]:
    """What to call a model's outputs; not as an input."""
    names = list(getattr(model, "output_names", None) or [])
    if len(set(names)) != count:
        names = ["output"] if count == 1 else [f"output{i}" for i in range(count)]
    return [f"{name}_output" if name in taken else name for name in names]
