"""The native operations under `tf.vectorized_map` and `GradientTape.jacobian`, which run a function for many rows at once.

Rows of data go into the batch: all of them are one operation. Rows of weights have no such place, and TensorFlow runs the
operation once a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from atrous.ops.tensorflow.native import library

Tensor = Any


@pfor.RegisterPFor("AtrousConv")  # type: ignore[untyped-decorator]
def _conv(rows: Any) -> Any:
    return _into_batch(rows, library().atrous_conv)


@pfor.RegisterPFor("AtrousInputGradient")  # type: ignore[untyped-decorator]
def _input_gradient(rows: Any) -> Any:
    return _into_batch(rows, library().atrous_input_gradient, like=4)


@pfor.RegisterPFor("AtrousKernelGradient")  # type: ignore[untyped-decorator]
def _kernel_gradient(rows: Any) -> Any:
    raise pfor.ConversionNotImplementedError(
        "every row has a kernel gradient of its own"
    )  # TensorFlow loops, without a warning


def _into_batch(rows: Any, operation: Callable[..., Tensor], like: int | None = None) -> Any:
    """The results of all rows, stacked.

    Args:
        rows: The inputs; those that differ between rows are stacked along one more axis in front.
        operation: To run; its first input is data.
        like: The input of which only the shape matters, the same for every row.
    """
    inputs = [rows.input(index).t for index in range(rows.num_inputs)]
    stacked = {index for index in range(rows.num_inputs) if rows.input(index).is_stacked}
    if not {0} <= stacked <= {0, like}:
        raise pfor.ConversionNotImplementedError("every row has weights of its own")
    if like in stacked:
        inputs[like] = inputs[like][0]
    shape = tf.shape(inputs[0])
    inputs[0] = tf.reshape(inputs[0], tf.concat([shape[:1] * shape[1:2], shape[2:]], 0))
    y = operation(*inputs)
    return pfor.wrap(tf.reshape(y, tf.concat([shape[:2], tf.shape(y)[1:]], 0)), True)
