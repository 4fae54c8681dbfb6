"""Walks as functions: one for each geometry, compiled by the backend where that pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from atrous.field.graph import Use
from atrous.parts.part import CannotCutError, Spans, Tensor
from atrous.tiled.passes import Plan
from atrous.tiled.walks import Walk, geometry, part_shape, run, walk_back

Finish = Callable[[Tensor], Tensor]


class Functions:
    """Makes tiles of a tensor.

    Args:
        plan: How the model is gone through.
        target: Number of the tensor.
        known: Tensors that earlier passes have found.
        values: Of them.
        finish: What is done with a tile where it is computed, such as the choice of the best class.
        recurring: Whether tiles of one geometry come again.
    """

    def __init__(
        self,
        plan: Plan,
        target: int,
        known: Mapping[int, Use],
        values: Mapping[int, np.ndarray],
        finish: Finish = lambda x: x,
        recurring: bool = True,
    ) -> None:
        self.plan, self.target, self.known, self.values = plan, target, known, values
        self._finish, self._recurring = finish, recurring
        self._functions: dict[Any, Callable[..., Any]] = {}

    def __call__(self, image: Any, want: Spans) -> np.ndarray:
        """A tile.

        Args:
            image: The whole image, of which parts are taken.
            want: The part of the tensor.

        Returns:
            (1, *dims of the part), or what `finish` makes of it.
        """
        walk = walk_back(self.plan, self.target, want, self.known)
        key = geometry(self.plan, walk)
        function = self._functions.get(key)
        if function is None:
            if not self._recurring:
                self._functions.clear()
            function = self._functions[key] = self._made(walk)
        return np.asarray(ops.convert_to_numpy(function(*(self._given(image, walk, number) for number in walk.sources))))

    def _given(self, image: Any, walk: Walk, number: int) -> np.ndarray:
        """A source's part: (1, *dims)."""
        whole = image if number == self.plan.image else self.values[number][0]
        spans = walk.wants[number]
        part = whole[tuple(slice(*spans[d]) if d in spans else slice(None) for d in range(len(self.plan.graph.shapes[number])))]
        return np.array(part)[None]  # a copy: of a file that is mapped, the pages may go

    def _made(self, walk: Walk) -> Callable[..., Any]:
        dtype, image = self.plan.dtype, self.plan.image

        def function(*given: Tensor) -> Tensor:
            tensors = [ops.convert_to_tensor(x) for x in given]
            values = [ops.cast(x, dtype) if number == image else x for number, x in zip(walk.sources, tensors, strict=True)]
            return self._finish(run(self.plan, walk, values))

        backend = keras.backend.backend()
        if backend == "torch":
            return _without_gradients(function)
        if backend == "tensorflow":  # always: what a graph needs of memory is known
            return _as_graph(function)
        if backend == "jax" and self._recurring:
            import jax

            jitted: Callable[..., Any] = jax.jit(function)
            return jitted
        return function


def _as_graph(function: Callable[..., Any]) -> Callable[..., Any]:
    import tensorflow as tf

    made: list[Callable[..., Any]] = []

    def graph(*given: Any) -> Any:
        tensors = [tf.convert_to_tensor(x) for x in given]
        if not made:  # asked for at once: TensorFlow warns of functions that are made again and again
            specs = [tf.TensorSpec(x.shape, x.dtype) for x in tensors]
            made.append(tf.function(function, autograph=False).get_concrete_function(*specs))
        return made[0](*tensors)

    return graph


def _without_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def quiet(*given: Any) -> Any:
        with torch.no_grad():
            return function(*given)

    return quiet


def check(plan: Plan, target: int, want: Spans, known: Mapping[int, Use]) -> None:
    """Goes a walk without numbers, so that a layer that can't be computed on a part is found before anything is computed.

    Args:
        plan: How the model is gone through.
        target: Number of the tensor.
        want: The part of it.
        known: Tensors that earlier passes have found.
    """
    walk = walk_back(plan, target, want, known)
    dtypes = {
        number: use.layer.compute_dtype if isinstance(use.layer, keras.Layer) else plan.dtype for number, use in known.items()
    }
    given = [
        keras.KerasTensor((1, *part_shape(plan.graph, walk, number)), dtype=dtypes.get(number, plan.dtype))
        for number in walk.sources
    ]
    walked = _Walked(plan, walk)
    try:
        walked.compute_output_spec(*given)
    except Exception as error:  # Keras wraps it
        raise walked.refused or error from None


class _Walked(keras.Operation):
    """A walk as an operation: Keras then finds what it makes without computing."""

    def __init__(self, plan: Plan, walk: Walk) -> None:
        super().__init__()
        self.plan, self.walk = plan, walk
        self.refused: CannotCutError | None = None

    def call(self, *given: Tensor) -> Tensor:
        """Of what is given, the part."""
        try:
            return run(self.plan, self.walk, given)
        except CannotCutError as error:
            self.refused = error
            raise
