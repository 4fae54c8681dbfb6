"""From a model's plan to a program of the native core."""

from __future__ import annotations

from typing import Any

import keras

from atrous.streaming.core.drafting import CannotLowerError, Draft
from atrous.streaming.core.functions import of_layer, of_operation
from atrous.streaming.core.fusing import fused
from atrous.streaming.core.program import Program
from atrous.streaming.core.translations import pointwise, windows
from atrous.streaming.core.translations.registry import LAYERS, OPERATIONS, Translation
from atrous.streaming.plan import Plan, Stage
from atrous.streaming.planning import plan_of

__all__ = ["CannotLowerError", "lower"]

OWN = ("keras.", "atrous.")
"""Modules of the classes that are known to be what their base says; a subclass elsewhere may compute something else."""


def lower(model: Any) -> Program:
    """A model as a program of the native core, with its weights as they are now.

    Args:
        model: A `keras.Model`, or its `Plan`.

    Raises:
        ValueError: The model can't be streamed at all, or not by the native core; the message names the layer and the reason.
    """
    plan = model if isinstance(model, Plan) else plan_of(model)
    draft = Draft(plan)
    inputs = [draft.input(key) for key in plan.inputs]
    for stage in plan.stages:
        draft.begin(stage)
        translate = _translation_of(stage)
        if translate is None:
            raise draft.refusal("the native core has nothing that does what it does")
        translate(draft, stage.use)
    return fused(draft.program(inputs, [draft.output(key) for key in plan.graph.outputs]))


def _translation_of(stage: Stage) -> Translation | None:
    """How a use of a layer is translated; `None` if it can't be."""
    use = stage.use
    if stage.kind == "last":
        return windows.last_step
    if stage.kind == "recurrent":
        return None
    if isinstance(use.layer, keras.Layer):
        if not type(use.layer).__module__.startswith(OWN):
            return None
        found = next((LAYERS[base] for base in type(use.layer).__mro__ if base in LAYERS), None)
        return found or (pointwise.function_layer if of_layer(use.layer) else None)
    return OPERATIONS.get(type(use.layer).__name__) or (pointwise.function_operation if of_operation(use.layer) else None)
