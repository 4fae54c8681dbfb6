"""Gradients of the native operations, each made of the other two, so that derivatives of every order follow.

With x the input, w the kernel and g the gradient of the output, `AtrousConv(x, w)`, `AtrousInputGradient(g, w)` and
`AtrousKernelGradient(x, g)` are linear in each argument. All three share one geometry; the input `like` gives nothing but a
shape. Gradients of a native operation are native, whatever is chosen where they are computed.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from atrous.ops.tensorflow.native import library, no_bias

Tensor = Any


@tf.RegisterGradient("AtrousConv")  # type: ignore[untyped-decorator]
def _conv(op: Any, g: Tensor) -> list[Tensor | None]:
    x, kernel, bias, geometry = op.inputs
    skip = _skipped(op)
    return [
        None if 0 in skip else library().atrous_input_gradient(g, kernel, no_bias(), geometry, x),
        None if 1 in skip else library().atrous_kernel_gradient(x, g, geometry, kernel),
        None if 2 in skip else _bias_gradient(bias, g),
        None,
    ]


@tf.RegisterGradient("AtrousInputGradient")  # type: ignore[untyped-decorator]
def _input_gradient(op: Any, change: Tensor) -> list[Tensor | None]:
    g, kernel, bias, geometry, _ = op.inputs
    skip = _skipped(op)
    return [
        None if 0 in skip else library().atrous_conv(change, kernel, no_bias(), geometry),
        None if 1 in skip else library().atrous_kernel_gradient(change, g, geometry, kernel),
        None if 2 in skip else _bias_gradient(bias, change),
        None,
        None,
    ]


@tf.RegisterGradient("AtrousKernelGradient")  # type: ignore[untyped-decorator]
def _kernel_gradient(op: Any, change: Tensor) -> list[Tensor | None]:
    x, g, geometry, _ = op.inputs
    skip = _skipped(op)
    return [
        None if 0 in skip else library().atrous_input_gradient(g, change, no_bias(), geometry, x),
        None if 1 in skip else library().atrous_conv(x, change, no_bias(), geometry),
        None,
        None,
    ]


def _skipped(op: Any) -> tuple[int, ...]:
    """Inputs whose gradient nobody asks for; a graph drops those by itself."""
    return getattr(op, "skip_input_indices", None) or ()


def _bias_gradient(bias: Tensor, g: Tensor) -> Tensor | None:
    if bias.shape[0] == 0:
        return None
    return tf.reduce_sum(tf.reshape(g, (-1, g.shape[-1])), axis=0)
