"""Which shapes a model's layers are called with, found out without computing anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

from atrous.surgery.explanation import Shape
from atrous.surgery.twins import Layer, Model

Call = tuple[Layer, Shape]


def calls(model: Model, input_shape: Any, layers: Iterable[Layer]) -> list[Call]:
    """Runs a model on shapes alone and notes what `layers` are called with.

    Args:
        model: A built model; it isn't changed.
        input_shape: Shape with the batch, or a structure of them as the model's inputs are; all lengths are known.
        layers: Layers anywhere in it.

    Returns:
        Each layer with the shape of its input, in the order of the calls; the same call once.
    """
    seen: list[Call] = []
    with contextlib.ExitStack() as stack:
        for layer in layers:
            stack.enter_context(_watched(layer, seen))
        _Rehearsal(model).compute_output_spec(_inputs(model, input_shape))
    return list({(id(layer), shape): (layer, shape) for layer, shape in seen}.values())


class _Rehearsal(keras.layers.Layer):
    """A layer because Keras runs a layer's `call` on shapes; the model isn't part of it."""

    def __init__(self, model: Model) -> None:
        super().__init__(name="rehearsal")
        self._run: Callable[[Any], Any] = lambda inputs: model(inputs, training=False)

    def call(self, inputs: Any) -> Any:
        return self._run(inputs)


def _inputs(model: Model, input_shape: Any) -> Any:
    types = iter([tensor.dtype for tensor in getattr(model, "inputs", None) or ()])
    return keras.tree.map_shape_structure(lambda shape: keras.KerasTensor(shape, next(types, "float32")), input_shape)


@contextlib.contextmanager
def _watched(layer: Layer, seen: list[Call]) -> Iterator[None]:
    """Notes the calls of a layer, whoever makes them: some wrappers call `call`."""
    kept, call = layer.__dict__.get("call"), layer.call

    def noting(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((layer, tuple(inputs.shape)))
        return call(inputs, *args, **kwargs)

    layer.__dict__["call"] = noting
    try:
        yield
    finally:
        del layer.__dict__["call"]
        if kept is not None:
            layer.__dict__["call"] = kept
